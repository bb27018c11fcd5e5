"""Reads the pages of WARC files and the texts of WET files, by ranges, and goes on behind damage."""

import io
import re
import struct
import zlib
from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa

from gptkit.data import html
from gptkit.data.damage import Damage
from gptkit.data.formats import Compression
from gptkit.data.http import decode_body
from gptkit.data.identity import document_id
from gptkit.data.inputs import InputFile
from gptkit.data.streams import CHUNK, open_raw
from gptkit.data.text import decode

BATCH_BYTES = 8_000_000
LOOK_BYTES = 1 << 20
OVERLAP = 64  # of two windows: a mark may lie across them
PAGE_BYTES = 32_000_000  # a longer page is damage: nobody wrote it
HEADER_BYTES = 1 << 16
# what a packed record begins with; what it unpacks to is checked
MEMBER: dict[Compression, re.Pattern[bytes]] = {
    "gzip": re.compile(rb"\x1f\x8b\x08"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd"),
    "lz4": re.compile(rb"\x04\x22\x4d\x18"),
}
RECORD = re.compile(rb"\n(?=WARC/[01]\.\d+\r?\n)")
LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength:[ \t]*(\d{1,15})[ \t]*(?=\r\n|$)")
PADDING = b"\r\n\0"  # may stand behind the last record
HTML_TYPES = ("text/html", "application/xhtml+xml")
LANGUAGE = pa.field("identified_language", pa.string())  # of a conversion record: what the crawler took it for
TEXTS = pa.schema([(name, pa.string()) for name in ("id", "text", "url", "source")] + [LANGUAGE])

Page = tuple[str, bytes, str | None]  # url, HTML, charset of the HTTP header
Text = tuple[str, str, str | None]  # text, url, language
Found = tuple[bool, Page | Text]  # whether it is a page
Document = tuple[str, bool, Page | Text]  # its place first


def read(file: InputFile, start: int, end: int | None, damage: list[Damage]) -> Iterator[pa.RecordBatch]:
    """Reads the documents whose record begins in bytes [start, end), in order.

    Pages are response records with status 200 and resource records, of an HTML type or of none;
    they come as batches of `html.SCHEMA`. Conversion records of plain text, as WET files have
    them, come as batches of `TEXTS`.
    """
    rows: list[Any] = []
    size = 0
    was_page = True
    for place, is_page, found in _documents(file, start, end, damage):
        if rows and (size >= BATCH_BYTES or is_page != was_page):
            yield _batch(rows, was_page)
            rows, size = [], 0
        was_page = is_page
        identity = document_id(file, place)
        first, second, third = found
        if is_page:
            rows.append((identity, first, file.source, second, third))
        else:
            rows.append((identity, first, second, file.source, third))
        size += len(second if is_page else first)
    if rows:
        yield _batch(rows, was_page)


def _batch(rows: list[Any], pages: bool) -> pa.RecordBatch:
    if pages:
        return html.batch(rows)
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=TEXTS)


def _documents(file: InputFile, start: int, end: int | None, damage: list[Damage]) -> Iterator[Document]:
    # fastwarc unpacks by itself and then gives offsets in the packed file, which ranges need
    with open_raw(file) as stream:
        position: int | None = _next_record(stream, file, start) if start else 0
        while position is not None and (end is None or position < end):
            if not file.remote:
                stream.seek(position)
            last, same, reason = None, 0, None
            held: Document | None = None  # until the next record shows that this one's check value is right
            problem = ""
            try:
                for offset, found, reason in _records(stream):
                    if held is not None:
                        yield held
                        held = None
                    if end is not None and offset >= end and _begins_there(stream, file, offset):
                        return
                    same = same + 1 if offset == last else 0  # records of one packed member have its offset
                    last = offset
                    if reason is not None:
                        damage.append(Damage(file.relative, offset, reason))
                    if found is not None:
                        held = (f"{offset}+{same}" if same else str(offset), *found)
            except OSError as error:
                problem = str(error) or type(error).__name__
            if last is None or same or file.remote:  # nothing, or nothing that can be checked
                if held is not None:
                    yield held
                if not problem:
                    return
                place = position if last is None else last
                damage.append(Damage(file.relative, place, problem))
                position = None if file.remote else _next_record(stream, file, place + 1)
                continue
            behind = _end_of_record(stream, file, last)
            if behind is None:
                if reason is None:
                    damage.append(Damage(file.relative, last, problem or "the file ends inside a record"))
                position = _next_record(stream, file, last + 1)
                continue
            if held is not None:
                yield held
            position = _next_record(stream, file, behind)
            if position != behind and _holds_more(stream, behind):  # else the damage is met where it is
                damage.append(Damage(file.relative, behind, problem or "no record begins here"))


def _holds_more(stream: IO[bytes], offset: int) -> bool:
    stream.seek(offset)
    return bool(stream.read(LOOK_BYTES).strip(PADDING))


def _records(stream: IO[bytes]) -> Iterator[tuple[int, Found | None, str | None]]:
    """Yields (offset, document or None, why it cannot be used or None) of each record from the stream's position on.

    Raises OSError at damage behind which no record can be told.
    """
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    kinds = WarcRecordType.response | WarcRecordType.resource | WarcRecordType.conversion
    for record in ArchiveIterator(stream, parse_http=False, fsspec_args=False):
        found: Found | None = None
        reason = None
        try:
            if record.record_type & kinds:
                _check_length(record)
                if record.record_type == WarcRecordType.conversion:
                    text = _text(record)
                    found = None if text is None else (False, text)
                else:
                    page = _page(record)
                    found = None if page is None else (True, page)
        except (_DamagedError, ValueError) as error:
            reason = str(error)
        yield record.stream_pos, found, reason


class _DamagedError(Exception):
    """One record cannot be used; the next one can be read."""


def _check_length(record: Any) -> None:
    """Takes a record into memory. Raises where it is too long, or shorter than it says."""
    declared = record.content_length
    if record.headers.get("Content-Length") is None:
        raise _DamagedError("a record that says not how long it is")
    if declared > PAGE_BYTES:
        raise _DamagedError(f"a record of over {PAGE_BYTES:,} bytes")
    record.freeze()
    if record.content_length < declared:
        raise _DamagedError(f"record ends after {record.content_length} of {declared} bytes")


def _text(record: Any) -> Text | None:
    if _media_type(record.headers.get("Content-Type")) not in ("", "text/plain"):
        return None
    text = decode(record.reader.read(PAGE_BYTES), html=False)
    return text, _url(record), record.headers.get("WARC-Identified-Content-Language")


def _page(record: Any) -> Page | None:
    """Raises where the page is damaged."""
    headers, kind, charset = None, _media_type(record.headers.get("Content-Type")), None
    if record.is_http:
        try:
            record.parse_http(auto_decode="none")
        except OSError as error:
            raise _DamagedError(f"HTTP headers: {error}") from None
        headers = record.http_headers
        if headers is None or headers.status_code != 200:
            return None
        kind, charset = record.http_content_type, record.http_charset
    if kind and kind not in HTML_TYPES:
        return None
    body = record.reader.read(PAGE_BYTES)
    if headers is not None:
        transfer, content = headers.get("Transfer-Encoding") or "", headers.get("Content-Encoding") or ""
        try:
            body = decode_body(body, transfer, content, PAGE_BYTES)
        except OSError as error:
            raise _DamagedError(str(error)) from None
    return _url(record), body, charset


def _url(record: Any) -> str:
    return (record.headers.get("WARC-Target-URI") or "").strip("<>")


def _media_type(value: str | None) -> str:
    return (value or "").partition(";")[0].strip().lower()


def _next_record(stream: IO[bytes], file: InputFile, start: int) -> int | None:
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


def _begins_there(stream: IO[bytes], file: InputFile, offset: int) -> bool:
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
        return _next_record(stream, file, 1) is not None


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


def _end_of_record(stream: IO[bytes], file: InputFile, offset: int) -> int | None:
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
    if end - offset > PAGE_BYTES:
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
