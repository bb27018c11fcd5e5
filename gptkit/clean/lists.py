"""Lists that users write: UTF-8, plain or .gz, one entry a line; empty lines and lines that begin with `#` say nothing."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.compute as pc

from gptkit.errors import GptkitError

BLOCK = 1 << 23  # bytes that are read at a time
LONGEST = 1 << 16  # bytes of a line


def read_list(path: Path, fit: str, what: str) -> Iterator[pa.Array]:
    """The entries of a list, without white space around them, some at a time and at least one.

    fit: a regular expression (RE2) that is found in every entry; what: the list's name in a message.
    Raises GptkitError naming the line that is no entry, and where there is none at all.
    """
    before = said = 0  # lines and entries
    for block in _blocks(path):
        try:
            lines = pa.array(block.decode("utf-8-sig" if before == 0 else "utf-8").split("\n"), pa.string())
        except UnicodeDecodeError as error:
            number = before + block.count(b"\n", 0, error.start) + 1
            raise GptkitError(f"{path}: line {number} is not UTF-8") from None
        entries = pc.utf8_trim_whitespace(lines)
        speaks = pc.invert(pc.or_(pc.equal(entries, ""), pc.starts_with(entries, "#")))
        unfit = pc.and_(speaks, pc.invert(pc.match_substring_regex(entries, fit))).index(True).as_py()
        if unfit >= 0:
            raise GptkitError(f"{path}: line {before + unfit + 1} is not one of {what}: {entries[unfit].as_py():.80}")
        before += len(lines) - 1
        entries = entries.filter(speaks)
        said += len(entries)
        if len(entries):
            yield entries
    if not said:
        raise GptkitError(f"{path}: has no entries; it should have one a line")


def _blocks(path: Path) -> Iterator[bytes]:
    """A file in blocks of whole lines."""
    rest = b""
    try:
        with cast(BinaryIO, gzip.open(path, "rb")) if path.suffix == ".gz" else open(path, "rb") as file:
            while block := file.read(BLOCK):
                whole, newline, rest = (rest + block).rpartition(b"\n")
                if len(rest) > LONGEST:
                    raise GptkitError(f"{path}: has a line of over {LONGEST:,} bytes; it should have one entry a line")
                yield whole + newline
    except (OSError, EOFError, zlib.error) as error:
        raise GptkitError(f"{path}: cannot be read ({error})") from None
    if rest:
        yield rest
