"""Reads the pages of WARC files, by ranges, and goes on behind damage."""

import re
from collections.abc import Iterator
from typing import IO

import pyarrow as pa

from gptkit.data.damage import Damage
from gptkit.data.identity import document_id
from gptkit.data.inputs import InputFile
from gptkit.data.streams import open_plain, open_raw

BATCH_BYTES = 8_000_000
LOOK_BYTES = 1 << 20
MEMBER = re.compile(rb"\x1f\x8b\x08")  # every gzip member begins so; what it unpacks to is checked
RECORD = re.compile(rb"\n(?=WARC/[01]\.\d+\r?\n)")
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
    for offset, url, body, charset in _pages(file, start, end, damage):
        rows.append((document_id(file, offset), url, file.source, body, charset))
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
) -> Iterator[tuple[int, str, bytes, str | None]]:
    # fastwarc unpacks gzip itself and then gives offsets in the packed file, which ranges need
    opener = open_plain if file.compression == "zstd" else open_raw
    with opener(file) as stream:
        seekable = not file.remote and file.compression != "zstd"
        position: int | None = _next_record(stream, file, start) if start else 0
        reported: int | None = None
        while position is not None and (end is None or position < end):
            if seekable:
                stream.seek(position)
            last = None
            try:
                for offset, page in _records(stream, file, damage):
                    if end is not None and offset >= end:
                        return
                    last = offset
                    if page is not None:
                        yield offset, *page
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
        record.freeze()
        if record.content_length < declared:
            reason = f"record ends after {record.content_length} of {declared} bytes"
            damage.append(Damage(file.relative, record.stream_pos, reason))
            continue
        yield record.stream_pos, _page(record, file, damage)


def _page(record, file: InputFile, damage: list[Damage]) -> tuple[str, bytes, str | None] | None:  # type: ignore[no-untyped-def]
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
        return url, record.reader.read(), charset
    except OSError as error:
        damage.append(Damage(file.relative, record.stream_pos, f"body: {error}"))
        return None


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


def _unpacks_to_warc(stream: IO[bytes], offset: int) -> bool:
    import zlib

    stream.seek(offset)
    try:
        return zlib.decompressobj(31).decompress(stream.read(512), 5) == b"WARC/"
    except zlib.error:
        return False
