"""What a file is, told by the ending of its name."""

from typing import Literal

from gptkit.errors import GptkitError

Format = Literal["warc", "wet", "jsonl", "parquet", "html", "text", "dataset"]
Compression = Literal["", "gzip", "zstd", "lz4"]

FORMATS: dict[str, Format] = {
    ".warc": "warc",
    ".wet": "wet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".txt": "text",
    ".text": "text",
    ".md": "text",
}
COMPRESSIONS: dict[str, Compression] = {".gz": "gzip", ".zst": "zstd", ".lz4": "lz4"}
ARCHIVES = ("warc", "wet")
PAGES = ("warc", "html")
LOOSE = ("html", "text")  # one document a file
READABLE = ".warc and .wet (plain, .gz, .zst or .lz4), .jsonl, .html and .txt (plain, .gz or .zst) and .parquet"
REFUSED = {
    ".wat": "holds metadata only; name the WARC or WET files of the same crawl",
    ".arc": "is an ARC file, which is not read; warcio recompress makes a WARC file of it",
}


def look_up(name: str) -> tuple[Format, Compression] | None:
    """Format and compression of a file; None where its ending is not one that is read."""
    stem, compression = _unpacked(name)
    form = next((form for ending, form in FORMATS.items() if stem.endswith(ending)), None)
    if form is None or (form == "parquet" and compression) or (form not in ARCHIVES and compression == "lz4"):
        return None
    return form, compression


def format_of(name: str) -> tuple[Format, Compression]:
    """Format and compression of a file. Raises GptkitError where it is not read here."""
    found = look_up(name)
    if found is None:
        reason = next((reason for ending, reason in REFUSED.items() if _unpacked(name)[0].endswith(ending)), None)
        raise GptkitError(f"{name}: {reason or f'is read by its ending, and this one is none of {READABLE}'}")
    return found


def _unpacked(name: str) -> tuple[str, Compression]:
    stem = name.lower()
    ending = next((ending for ending in COMPRESSIONS if stem.endswith(ending)), "")
    return stem.removesuffix(ending), COMPRESSIONS.get(ending, "")
