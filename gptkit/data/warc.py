"""Reads the pages of WARC files and the texts of WET files, by ranges, and goes on behind damage."""

from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa

from gptkit.data import html, records
from gptkit.data.damage import Damage
from gptkit.data.encoding import decode
from gptkit.data.http import decode_body
from gptkit.data.identity import document_id
from gptkit.data.inputs import InputFile
from gptkit.data.streams import open_raw

BATCH_BYTES = 8_000_000
PAGE_BYTES = 32_000_000  # a longer page is damage: nobody wrote it
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
        position: int | None = records.next_record(stream, file, start) if start else 0
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
                    if end is not None and offset >= end and records.begins_there(stream, file, offset):
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
                position = None if file.remote else records.next_record(stream, file, place + 1)
                continue
            behind = records.end_of_record(stream, file, last)
            if behind is None:
                if reason is None:
                    damage.append(Damage(file.relative, last, problem or "the file ends inside a record"))
                position = records.next_record(stream, file, last + 1)
                continue
            if held is not None:
                yield held
            position = records.next_record(stream, file, behind)
            if position != behind and records.holds_more(stream, behind):  # else the damage is met where it is
                damage.append(Damage(file.relative, behind, problem or "no record begins here"))


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
