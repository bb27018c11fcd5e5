"""Cuts inputs into tasks by bytes, never by the number of workers, and reads a piece as Arrow batches.

What can be split is split: Parquet by row groups, plain JSONL and WARC by byte ranges (a record
belongs to the range of its first byte). A compressed JSONL file or an address is one piece.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence

import pyarrow as pa

from gptkit.data import jsonl, parquet, warc
from gptkit.data.damage import Damage
from gptkit.data.inputs import InputFile

TASK_BYTES = 16_000_000  # of text or HTML, roughly, that one task reads
EXPANSION = {"": 1, "gzip": 5, "zstd": 5}  # bytes unpacked for one packed, roughly


@dataclasses.dataclass(frozen=True)
class Piece:
    """A part of one file: bytes [start, end), or row groups of Parquet; end None is the file's end."""

    file: InputFile
    start: int = 0
    end: int | None = None

    @property
    def weight(self) -> int:
        """The work in it, in bytes unpacked, roughly."""
        size = (self.end if self.end is not None else self.file.bytes) - self.start
        if self.file.format == "parquet":
            return self.file.bytes
        return size * EXPANSION[self.file.compression]


def cut(files: Sequence[InputFile], task_bytes: int = TASK_BYTES) -> list[list[Piece]]:
    """The pieces of each task, in input order; a task never mixes sources."""
    tasks: list[list[Piece]] = []
    filled = 0
    for piece in (piece for file in files for piece in _pieces(file, task_bytes)):
        same = tasks and tasks[-1][-1].file.source == piece.file.source
        if same and filled + piece.weight <= task_bytes:
            tasks[-1].append(piece)
            filled += piece.weight
        else:
            tasks.append([piece])
            filled = piece.weight
    return tasks


def _pieces(file: InputFile, task_bytes: int) -> Iterator[Piece]:
    if file.format == "parquet" and not file.remote:
        yield from (Piece(file, first, last) for first, last in parquet.row_group_ranges(file, task_bytes))
    elif file.remote or file.compression == "zstd" or (file.format == "jsonl" and file.compression):
        yield Piece(file)
    else:
        step = max(1, task_bytes // EXPANSION[file.compression])
        hop = file.format == "warc" and not file.compression
        bounds = warc.record_starts(file, step) if hop else [*range(0, file.bytes, step)]
        if len(bounds) > 1 and file.bytes - bounds[-1] < step // 4:
            bounds.pop()  # no sliver at the end
        for start, end in zip(bounds, [*bounds[1:], None], strict=True):
            yield Piece(file, start, end)


def read(
    piece: Piece, further: Sequence[pa.Field], damage: list[Damage], unfit: Counter[str]
) -> Iterator[pa.RecordBatch]:
    """Reads a piece as batches with `id`, `url`, `source` and either `text` or `html` and `charset`.

    `further` are the input's other columns (see `further_columns`). What cannot be read is
    appended to `damage`, and reading goes on behind it; values that fit no column are counted in
    `unfit` by name.
    """
    if piece.file.format == "warc":
        return warc.read(piece.file, piece.start, piece.end, damage)
    if piece.file.format == "jsonl":
        return jsonl.read(piece.file, piece.start, piece.end, further, damage, unfit)
    return parquet.read(piece.file, piece.start, piece.end, further)


def further_columns(files: Sequence[InputFile]) -> list[pa.Field]:
    """The columns of the inputs besides id, text, url and source, with one type each."""
    columns = {"warc": lambda file: [], "jsonl": jsonl.further_columns, "parquet": parquet.further_columns}
    fields: dict[str, pa.DataType] = {}
    for file in files:
        for field in columns[file.format](file):
            fields[field.name] = jsonl.common_type(fields.get(field.name), field.type)
    return [pa.field(name, kind) for name, kind in fields.items()]
