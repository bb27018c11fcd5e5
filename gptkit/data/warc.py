"""Reads the pages of WARC files, by ranges, and goes on behind damage."""

import re
from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa

from gptkit.data.damage import Damage
from gptkit.data.identity import document_id
from gptkit.data.inputs import InputFile
from gptkit.data.streams import open_plain, open_raw

BATCH_BYTES = 8_000_000
LOOK_BYTES = 1 << 20
PAGE_BYTES = 32_000_000  # a longer page is damage: nobody wrote it
HEADER_BYTES = 1 << 16
MEMBER = re.compile(rb"\x1f\x8b\x08")  # every gzip member begins so; what it unpacks to is checked
RECORD = re.compile(rb"\n(?=WARC/[01]\.\d+\r?\n)")
LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength:[ \t]*(\d{1,15})[ \t]*(?=\r\n|$)")
HTML_TYPES = ("text/html", "application/xhtml+xml")
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("url", pa.string()),
        ("source", pa.string()),
        ("html", pa.binary()),
        ("charset", pa.string()),
    ]
)


def read(file: InputFile, start: int, end: int | None, damage: list[Damage]) -> Iterator[pa.RecordBatch]:
    """Reads the HTML pages whose record begins in bytes [start, end) as batches of `SCHEMA`.

    Pages are response records with status 200 and resource records, of an HTML type or of none.
    """
    rows: list[tuple[str, str, str, bytes, str | None]] = []
    size = 0
    for place, url, body, charset in _pages(file, start, end, damage):
        rows.append((document_id(file, place), url, file.source, body, charset))
        size += len(body)
        if size >= BATCH_BYTES:
            yield _batch(rows)
            rows, size = [], 0
    if rows:
        yield _batch(rows)


def _batch(rows: list[tuple[str, str, str, bytes, str | None]]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    return pa.RecordBatch.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )


def _pages(
    file: InputFile, start: int, end: int | None, damage: list[Damage]
) -> Iterator[tuple[str, str, bytes, str | None]]:
    # fastwarc unpacks gzip itself and then gives offsets in the packed file, which ranges need
    opener = open_plain if file.compression == "zstd" else open_raw
    with opener(file) as stream:
        seekable = not file.remote and file.compression != "zstd"
        position: int | None = _next_record(stream, file, start) if start else 0
        reported: int | None = None
        while position is not None and (end is None or position < end):
            if seekable:
                stream.seek(position)
            last, same = None, 0
            try:
                for offset, page in _records(stream, file, damage):
                    if end is not None and offset >= end and _begins_there(stream, file, offset):
                        return
                    same = same + 1 if offset == last else 0  # records of one gzip member have its offset
                    last = offset
                    if page is not None:
                        yield f"{offset}+{same}" if same else str(offset), *page
                return
            except OSError as error:
                if last is None and reported is not None:
                    damage.pop()  # the same damage, now with the place where it begins
                reported = position if last is None else last
                damage.append(Damage(file.relative, reported, str(error) or type(error).__name__))
                if not seekable:
                    return
                position = _next_record(stream, file, reported + 1)


def _records(
    stream: IO[bytes], file: InputFile, damage: list[Damage]
) -> Iterator[tuple[int, tuple[str, bytes, str | None] | None]]:
    """Yields (offset, page or None) of each record from the stream's position on. Raises OSError at damage."""
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    kinds = WarcRecordType.response | WarcRecordType.resource
    for record in ArchiveIterator(stream, record_types=kinds, parse_http=False, fsspec_args=False):
        declared = record.content_length
        if declared > PAGE_BYTES:
            damage.append(Damage(file.relative, record.stream_pos, f"a record of over {PAGE_BYTES:,} bytes"))
            continue
        record.freeze()
        if record.content_length < declared:
            reason = f"record ends after {record.content_length} of {declared} bytes"
            damage.append(Damage(file.relative, record.stream_pos, reason))
            continue
        yield record.stream_pos, _page(record, file, damage)


def _page(record: Any, file: InputFile, damage: list[Damage]) -> tuple[str, bytes, str | None] | None:
    url = (record.headers.get("WARC-Target-URI") or "").strip("<>")
    if record.is_http:
        try:
            record.parse_http(auto_decode="all")
        except (OSError, ValueError) as error:
            damage.append(Damage(file.relative, record.stream_pos, f"HTTP headers: {error}"))
            return None
        if record.http_headers is None or record.http_headers.status_code != 200:
            return None
        kind, charset = record.http_content_type, record.http_charset
    else:
        kind, charset = (record.headers.get("Content-Type") or "").partition(";")[0].strip().lower(), None
    if kind and kind not in HTML_TYPES:
        return None
    try:
        body = record.reader.read(PAGE_BYTES + 1)
    except OSError as error:
        damage.append(Damage(file.relative, record.stream_pos, f"body: {error}"))
        return None
    if len(body) > PAGE_BYTES:
        damage.append(Damage(file.relative, record.stream_pos, f"a page of over {PAGE_BYTES:,} bytes, unpacked"))
        return None
    return url, body, charset


def _next_record(stream: IO[bytes], file: InputFile, start: int) -> int | None:
    """The offset of the first record that begins at or behind `start`; None where there is none."""
    pattern = MEMBER if file.compression == "gzip" else RECORD
    position = start if file.compression == "gzip" else max(0, start - 1)
    while True:
        stream.seek(position)
        window = stream.read(LOOK_BYTES)
        for match in pattern.finditer(window):
            found = position + (match.end() if pattern is RECORD else match.start())
            if pattern is RECORD or _unpacks_to_warc(stream, found):
                return found
        if len(window) < LOOK_BYTES:
            return None
        position += LOOK_BYTES - 64  # a mark may lie across two windows


def _begins_there(stream: IO[bytes], file: InputFile, offset: int) -> bool:
    """Whether a record begins at an offset; else it is inside a gzip member that began before."""
    if file.compression != "gzip":
        return True
    before = stream.tell()
    found = _unpacks_to_warc(stream, offset)
    stream.seek(before)
    return found


def record_starts(file: InputFile, step: int) -> list[int]:
    """Offsets of records of a plain WARC file, about `step` bytes apart, found by hopping over their lengths.

    A page may hold what looks like a record, so the file is not searched for one. At damage the
    list ends, and the last range goes to the end of the file.
    """
    starts, position = [0], 0
    with open(file.path, "rb") as stream:
        while position < file.bytes:
            stream.seek(position)
            header, end, _ = stream.read(HEADER_BYTES).partition(b"\r\n\r\n")
            length = LENGTH.search(header)
            if not (header.startswith(b"WARC/") and end and length):
                break
            if position >= starts[-1] + step:
                starts.append(position)
            position += len(header) + 4 + int(length[1]) + 4
    return starts


def _unpacks_to_warc(stream: IO[bytes], offset: int) -> bool:
    import zlib

    stream.seek(offset)
    try:
        return zlib.decompressobj(31).decompress(stream.read(512), 5) == b"WARC/"
    except zlib.error:
        return False
