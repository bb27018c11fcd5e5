"""Finds where the records of WARC files begin and end, packed or not, in files with damage too."""

import io
import re
import struct
import zlib
from typing import IO, Any

import pyarrow as pa

from gptkit.data.formats import Compression
from gptkit.data.inputs import InputFile
from gptkit.data.streams import CHUNK, open_raw

LOOK_BYTES = 1 << 20
OVERLAP = 64  # of two windows: a mark may lie across them
HEADER_BYTES = 1 << 16
FRAME_BYTES = 32_000_000  # a longer frame holds many records, and is not read twice
# what a packed record begins with; what it unpacks to is checked
MEMBER: dict[Compression, re.Pattern[bytes]] = {
    "gzip": re.compile(rb"\x1f\x8b\x08"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd"),
    "lz4": re.compile(rb"\x04\x22\x4d\x18"),
}
RECORD = re.compile(rb"\n(?=WARC/[01]\.\d+\r?\n)")
LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength:[ \t]*(\d{1,15})[ \t]*(?=\r\n|$)")
PADDING = b"\r\n\0"  # may stand behind the last record


def next_record(stream: IO[bytes], file: InputFile, start: int) -> int | None:
    """The offset of the first record that begins at or behind `start`; None where there is none."""
    pattern = MEMBER.get(file.compression, RECORD)
    position = max(0, start - 1) if pattern is RECORD else start
    while True:
        stream.seek(position)
        window = stream.read(LOOK_BYTES)
        for match in pattern.finditer(window):
            found = position + (match.end() if pattern is RECORD else match.start())
            if pattern is RECORD or _unpacks_to_warc(stream, file.compression, found):
                return found
        if len(window) < LOOK_BYTES:
            return None
        position += LOOK_BYTES - OVERLAP


def begins_there(stream: IO[bytes], file: InputFile, offset: int) -> bool:
    """Whether a record begins at an offset; else it is inside a packed member that began before."""
    if not file.compression:
        return True
    before = stream.tell()
    found = _unpacks_to_warc(stream, file.compression, offset)
    stream.seek(before)
    return found


def splits(file: InputFile) -> bool:
    """Whether a local file has a record behind the first at which reading can begin: it is not packed as a whole."""
    if not file.compression:
        return True
    with open_raw(file) as stream:
        return next_record(stream, file, 1) is not None


def record_starts(file: InputFile, step: int) -> list[int]:
    """Offsets of records of a plain WARC file, about `step` bytes apart, found by hopping over their lengths.

    A page may hold what looks like a record, so the file is not searched for one. At damage the
    list ends, and the last range goes to the end of the file.
    """
    starts, position = [0], 0
    with open(file.path, "rb") as stream:
        while position < file.bytes:
            behind = _end_of_plain_record(stream, position)
            if behind is None:
                break
            if position >= starts[-1] + step:
                starts.append(position)
            position = behind
    return starts


def _end_of_plain_record(stream: IO[bytes], offset: int) -> int | None:
    """The offset behind a record, as its header says; None where there is no header."""
    stream.seek(offset)
    header, end, _ = stream.read(HEADER_BYTES).partition(b"\r\n\r\n")
    length = LENGTH.search(header)
    if not (header.startswith(b"WARC/") and end and length):
        return None
    return offset + len(header) + 4 + int(length[1]) + 4


def end_of_record(stream: IO[bytes], file: InputFile, offset: int) -> int | None:
    """The offset behind a record or packed member; None where it is damaged, by its check value too."""
    if not file.compression:
        return _end_of_plain_record(stream, offset)
    if file.compression == "lz4":
        return _end_of_lz4_frame(stream, offset)
    import zstandard

    gzip = file.compression == "gzip"
    unpacker: Any = zlib.decompressobj(31) if gzip else zstandard.ZstdDecompressor().decompressobj()
    stream.seek(offset)
    rest = b""
    try:
        while not unpacker.eof:
            rest = rest or stream.read(CHUNK[file.compression])
            if not rest:
                return None
            if gzip:
                unpacker.decompress(rest, LOOK_BYTES)
                rest = unpacker.unconsumed_tail
            else:
                unpacker.decompress(rest)
                rest = b""
    except (zlib.error, zstandard.ZstdError):
        return None
    return stream.tell() - len(unpacker.unused_data)


def _end_of_lz4_frame(stream: IO[bytes], offset: int) -> int | None:
    """Walks over the blocks of a frame, then unpacks it (the format: lz4_Frame_format.md, version 1.6)."""
    stream.seek(offset)
    flags = stream.read(6)[4:5]
    if not flags:
        return None
    checked_blocks, sized, checked, named = (flags[0] >> bit & 1 for bit in (4, 3, 2, 0))
    stream.seek(8 * sized + 4 * named + 1, io.SEEK_CUR)
    while len(head := stream.read(4)) == 4 and (size := struct.unpack("<I", head)[0] & 0x7FFFFFFF):
        stream.seek(size + 4 * checked_blocks, io.SEEK_CUR)
    end = stream.seek(4 * checked, io.SEEK_CUR)
    stream.seek(offset)
    if len(head) < 4:
        return None
    if end - offset > FRAME_BYTES:
        return end  # holds more than one page: not read twice
    try:
        with pa.CompressedInputStream(pa.BufferReader(stream.read(end - offset)), "lz4") as frame:
            while frame.read(LOOK_BYTES):
                pass
    except OSError:
        return None
    return end


def _unpacks_to_warc(stream: IO[bytes], compression: Compression, offset: int) -> bool:
    stream.seek(offset)
    packed = stream.read(1 << 18 if compression == "zstd" else 512)  # a block of zstd is unpacked as a whole
    if compression == "lz4":
        # its first bytes cannot be a copy of earlier ones: they stand behind the frame's and the block's header
        return b"WARC/" in packed[:40]
    import zstandard

    try:
        if compression == "gzip":
            return zlib.decompressobj(31).decompress(packed, 5) == b"WARC/"
        with zstandard.ZstdDecompressor().stream_reader(packed) as reader:
            return bool(reader.read(5) == b"WARC/")
    except (zlib.error, zstandard.ZstdError):
        return False


def holds_more(stream: IO[bytes], offset: int) -> bool:
    """Whether anything but padding stands at an offset."""
    stream.seek(offset)
    return bool(stream.read(LOOK_BYTES).strip(PADDING))
