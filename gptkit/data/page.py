"""One page, wherever it lies: a file, an address, standard input, or a record of a WARC file."""

import sys
from collections import Counter
from email.message import Message
from pathlib import Path
from typing import NamedTuple

from gptkit.data import text
from gptkit.data.addresses import ADDRESS, shown
from gptkit.data.damage import Damage
from gptkit.data.formats import REFUSED, format_of, look_up
from gptkit.data.http import decode_body
from gptkit.data.inputs import InputFile
from gptkit.data.pieces import cut, read
from gptkit.data.stdin import STDIN
from gptkit.data.streams import open_response
from gptkit.data.warc import HTML_TYPES
from gptkit.errors import GptkitError, UsageError

PAGE_BYTES = text.FILE_BYTES
# What servers call pages, beside what archives call so
LIKE_HTML = ("text/plain", "text/xml", "application/xml", "application/octet-stream", "application/gzip")
NO_PAGES = ("wet", "jsonl", "parquet", "dataset")  # formats that hold texts


class FoundPage(NamedTuple):
    """A page as it was found."""

    html: bytes
    url: str  # empty where it is not known
    charset: str | None  # what the server said


def find_page(path: str, url: str | None = None, index: int | None = None) -> FoundPage:
    """Reads a page from a file of HTML (whatever its ending) or a pipe, an http(s) or other address, or standard input (-).

    gzip and zstd are unpacked. Of a WARC file it is the page with this url, or at this place among its
    pages (0 is the first); of anything else `url` is the page's address.
    Raises GptkitError where there is no such page, and UsageError for a place outside a WARC file.
    """
    known = look_up(shown(path))
    if known is None and Path(shown(path).lower().removesuffix(".gz")).suffix in REFUSED:
        format_of(shown(path))  # says why
    if known and known[0] in NO_PAGES:
        raise GptkitError(f"{shown(path)}: holds texts, no pages; name an HTML or a WARC file")
    if path != STDIN and not ADDRESS.match(path) and (Path(path).is_dir() or not Path(path).exists()):
        what = "is a folder; name one page" if Path(path).is_dir() else "no such file"
        raise GptkitError(f"{path}: {what}")
    if known and known[0] == "warc":
        return _of_warc(_input_file(path), url, index)
    if index is not None:
        raise UsageError("--index names a page of a WARC file, and this is none")
    if path == STDIN:
        found = FoundPage(_from_stdin(), "", None)
    elif path.lower().startswith(("http://", "https://")):
        found = _from_web(path)
    else:
        found = FoundPage(_from_file(_input_file(path)), "", None)
    if found.html.startswith(b"WARC/"):
        raise GptkitError(f"{shown(path)}: is a WARC file; give it a name that ends in .warc, .warc.gz or .warc.zst")
    return found._replace(url=url) if url else found


def _input_file(path: str) -> InputFile:
    """The file without a digest: it is read once, for no plan."""
    size = 0 if ADDRESS.match(path) else Path(path).stat().st_size
    form, compression = look_up(shown(path)) or ("html", "")
    return InputFile("page", path, Path(shown(path)).name, size, form, compression, "")


def _of_warc(file: InputFile, url: str | None, index: int | None) -> FoundPage:
    damage: list[Damage] = []
    place, number = 0 if index is None else index, 0
    for piece in (piece for task in cut([file]) for piece in task):
        for batch in read(piece, [], damage, Counter()):
            if "html" not in batch.schema.names:
                continue
            if url is not None:
                urls = batch.column("url").to_pylist()
                row = urls.index(url) if url in urls else len(urls)
            else:
                row = place - number
            if row < len(batch):
                page = batch.slice(row, 1).select(["html", "url", "charset"]).to_pylist()[0]
                return FoundPage(**page)
            number += len(batch)
    broken = f"; it is damaged at byte {damage[0].offset:,}: {damage[0].reason}" if damage else ""
    what = (
        f"none of its {number:,} pages has the url {url}"
        if url is not None
        else f"has {number:,} pages; --index starts at 0"
    )
    raise GptkitError(f"{shown(file.path)}: {what}{broken}")


def _from_file(file: InputFile) -> bytes:
    damage: list[Damage] = []
    html = text.read_whole(file, damage)
    if html is None:
        raise GptkitError(f"{shown(file.path)}: {damage[0].reason}")
    return html if file.compression else _unpacked(file.path, html)


def _from_stdin() -> bytes:
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("-: is a page on standard input; pipe it in, or redirect a file")
    return _checked(STDIN, sys.stdin.buffer.read(PAGE_BYTES + 1))


def _from_web(address: str) -> FoundPage:
    with open_response(address) as response:
        header = Message()
        header["Content-Type"] = response.content_type
        kind = header.get_content_type() if response.content_type else HTML_TYPES[0]
        if kind not in (*HTML_TYPES, *LIKE_HTML):
            raise GptkitError(f"{shown(address)}: is {kind}, no page of HTML")
        html = _checked(address, response.stream.read(PAGE_BYTES + 1))
        return FoundPage(html, response.url, header.get_content_charset())


def _checked(path: str, html: bytes) -> bytes:
    if not html:
        raise GptkitError(f"{shown(path)}: is empty")
    if len(html) > PAGE_BYTES:
        raise GptkitError(f"{shown(path)}: a document of over {PAGE_BYTES:,} bytes")
    return _unpacked(path, html)


def _unpacked(path: str, html: bytes) -> bytes:
    """What says that it is packed is unpacked, whatever its name."""
    try:
        return decode_body(html, "", "", PAGE_BYTES)
    except OSError as error:
        raise GptkitError(f"{shown(path)}: {error}") from None
