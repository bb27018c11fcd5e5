"""The documents of a command line, cut into portions by bytes: what one task reads, and one output shard each."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from gptkit.data import parquet
from gptkit.data.inputs import InputFile, find_inputs, shown
from gptkit.data.pieces import Piece, further_columns
from gptkit.errors import GptkitError

PORTION_BYTES = 64_000_000  # of columns, unpacked
PORTION_ROWS = 200_000  # what is kept of each document while its portion is signed must fit in memory, too


@dataclasses.dataclass(frozen=True)
class Portion:
    """Consecutive documents of one source."""

    name: str  # of the output shard: SOURCE-00000
    source: str
    pieces: tuple[Piece, ...]
    rows: tuple[int, ...]  # to read of each piece

    @property
    def documents(self) -> int:
        """Documents in it."""
        return sum(self.rows)

    @property
    def weight(self) -> int:
        """Bytes unpacked, roughly."""
        return sum(piece.weight for piece in self.pieces)

    @property
    def label(self) -> str:
        """What a message calls it."""
        return self.pieces[0].file.path


@dataclasses.dataclass(frozen=True)
class PortionTask:
    """A portion for one task to read. Stages add what else their tasks need."""

    portion: Portion

    @property
    def weight(self) -> int:
        """See Portion."""
        return self.portion.weight

    @property
    def label(self) -> str:
        """See Portion."""
        return self.portion.label


@dataclasses.dataclass(frozen=True)
class Corpus:
    """All portions in one order: by source name, then as the files and their rows are."""

    portions: list[Portion]
    digests: list[dict[str, Any]]  # the inputs as a plan names them
    schema: pa.Schema  # id, text, url, source and the further columns of all files
    bytes: int  # on disk

    @property
    def documents(self) -> int:
        """Documents in all."""
        return sum(portion.documents for portion in self.portions)

    @property
    def weight(self) -> int:
        """Bytes unpacked, roughly."""
        return sum(portion.weight for portion in self.portions)

    @property
    def sources(self) -> list[str]:
        """Names of the sources, in order."""
        return sorted({portion.source for portion in self.portions})


def open_corpus(arguments: Sequence[str], limit: int | None = None) -> Corpus:
    """Opens `[NAME=]PATH` arguments: outputs of earlier stages, Parquet files, folders and patterns of them.

    The order of the arguments does not matter, but for `limit`: the first documents in the order
    given are read. Raises GptkitError for what is no Parquet, and as `find_inputs` does.
    """
    found = find_inputs(arguments)
    if limit is None:
        found = found.in_one_order()
    unfit = next((file for file in found.files if file.format != "parquet"), None)
    if unfit is not None:
        raise GptkitError(f"{shown(unfit.path)}: is not documents in Parquet; gptkit clean makes them")
    portions: list[Portion] = []
    seen: Counter[str] = Counter()
    left = limit
    for pieces in _cut(found.files):
        rows = []
        for _, count in pieces:
            if left is not None:
                count = min(count, left)
                left -= count
            rows.append(count)
        if left is not None and not sum(rows):
            continue
        source = pieces[0][0].file.source
        name = f"{source}-{seen[source]:05d}"
        portions.append(Portion(name, source, tuple(piece for piece, _ in pieces), tuple(rows)))
        seen[source] += 1
    schema = pa.schema([pa.field(name, pa.string()) for name in parquet.KNOWN] + further_columns(found.files))
    return Corpus(portions, found.digests, schema, found.bytes)


def _cut(files: Sequence[InputFile]) -> list[list[tuple[Piece, int]]]:
    """The pieces of each portion with their rows. A row group is never cut, and a large one is a portion by itself."""
    portions: list[list[tuple[Piece, int]]] = []
    size = rows = 0
    for file in files:
        with parquet.opening(file) as opened:
            metadata = opened.metadata
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            size, rows = size + group.total_byte_size, rows + group.num_rows
            last = portions[-1][-1][0] if portions else None
            if last is None or last.file.source != file.source or size > PORTION_BYTES or rows > PORTION_ROWS:
                portions.append([])
                size, rows = group.total_byte_size, group.num_rows
            if portions[-1] and last is not None and last.file is file:  # the piece goes on
                _, count = portions[-1].pop()
                piece = dataclasses.replace(last, end=number + 1, unpacked=(last.unpacked or 0) + group.total_byte_size)
                portions[-1].append((piece, count + group.num_rows))
            else:
                portions[-1].append((Piece(file, number, number + 1, group.total_byte_size), group.num_rows))
    return portions


def read(portion: Portion, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Reads a portion as batches of `schema`; texts that are null become empty. Raises GptkitError at damage."""
    known = [name for name in schema.names if name in parquet.KNOWN]
    further = [field for field in schema if field.name not in parquet.KNOWN]
    for piece, rows in zip(portion.pieces, portion.rows, strict=True):
        for batch in parquet.read(piece.file, piece.start, piece.end, further, known=known):
            if rows <= 0:
                break
            batch = parquet.conform(batch[:rows], schema)
            rows -= len(batch)
            if "text" in schema.names and batch.column("text").null_count:
                place = schema.get_field_index("text")
                batch = batch.set_column(place, "text", batch.column("text").fill_null(""))
            yield batch


def check(portion: Portion) -> None:
    """Raises GptkitError where a file that begins in this portion is no longer what it was when it was found."""
    for piece in portion.pieces:
        if piece.start == 0:
            piece.file.check()
