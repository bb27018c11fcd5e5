"""Cuts inputs into tasks by bytes, never by the number of workers, and reads a piece as Arrow batches.

What can be split is split: Parquet by row groups, plain JSONL and WARC by byte ranges (a record
belongs to the range of its first byte), packed WARC by its members. A file of one document is read
as a whole. What is left is a stream (see `splits`): one piece, with one reader.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from gptkit.data import html, hub, jsonl, parquet, records, text, warc
from gptkit.data.damage import Damage
from gptkit.data.formats import ARCHIVES, LOOSE, PAGES
from gptkit.data.inputs import InputFile

TASK_BYTES = 16_000_000  # of text or HTML, roughly, that one task reads
GROUP_BYTES = 64_000_000  # unpacked; a larger row group of Parquet is more than one task should repeat
BATCH_BYTES = 8_000_000
BATCH_ROWS = 2_000
EXPANSION = {"": 1, "gzip": 5, "zstd": 5, "lz4": 4}  # bytes unpacked for one packed, roughly
FILE_COST = 2_000  # bytes that could be read in the time it takes to open a file, roughly


@dataclass(frozen=True)
class Piece:
    """A part of one file: bytes [start, end), or row groups of Parquet; end None is the file's end."""

    file: InputFile
    start: int = 0
    end: int | None = None
    unpacked: int | None = None  # bytes, where the file says so

    @property
    def weight(self) -> int:
        """The work in it, in bytes unpacked, roughly."""
        if self.unpacked is not None:
            return self.unpacked
        if self.file.format == "dataset" or self.file.remote:
            return TASK_BYTES  # nobody knows: enough for a task of its own
        size = (self.end if self.end is not None else self.file.bytes) - self.start
        return size * EXPANSION[self.file.compression] + FILE_COST


def splits(file: InputFile) -> bool:
    """Whether tasks can read parts of a file by themselves, or it is small; else it is a stream with one reader.

    Streams are packed JSONL, a WARC file packed as a whole, Parquet with large row groups, addresses
    (but Parquet, of which ranges are asked for, and files of one document), and data sets.
    """
    if file.format == "parquet":
        return parquet.largest_row_group(file) <= GROUP_BYTES
    if file.format in LOOSE:
        return True
    if file.format == "dataset" or file.remote:
        return False
    return records.splits(file) if file.format in ARCHIVES else not file.compression


def cut(files: Sequence[InputFile], task_bytes: int = TASK_BYTES) -> list[list[Piece]]:
    """The pieces of each task, in input order; a task never mixes sources, and a stream is one by itself."""
    tasks: list[list[Piece]] = []
    filled = 0
    for piece in (piece for file in files for piece in _pieces(file, task_bytes)):
        same = tasks and tasks[-1][-1].file.source == piece.file.source
        if not splits(piece.file) or (tasks and not splits(tasks[-1][-1].file)):
            same = False
        if same and filled + piece.weight <= task_bytes:
            tasks[-1].append(piece)
            filled += piece.weight
        else:
            tasks.append([piece])
            filled = piece.weight
    return tasks


def _pieces(file: InputFile, task_bytes: int) -> Iterator[Piece]:
    if file.format == "parquet" and splits(file):
        for first, last, size in parquet.row_group_ranges(file, task_bytes):
            yield Piece(file, first, last, size)
    elif file.format in LOOSE or not splits(file):
        yield Piece(file)
    else:
        step = max(1, task_bytes // EXPANSION[file.compression])
        hop = file.format in ARCHIVES and not file.compression
        bounds = records.record_starts(file, step) if hop else [*range(0, file.bytes, step)]
        if len(bounds) > 1 and file.bytes - bounds[-1] < step // 4:
            bounds.pop()  # no sliver at the end
        for start, end in zip(bounds, [*bounds[1:], None], strict=True):
            yield Piece(file, start, end)


def read(
    piece: Piece, further: Sequence[pa.Field], damage: list[Damage], unfit: Counter[str], skip: int = 0
) -> Iterator[pa.RecordBatch]:
    """Reads a piece as batches with `id`, `url`, `source` and either `text` or `html` and `charset`.

    The batches are the same whenever and wherever the piece is read. `further` are the input's
    other columns (see `further_columns`). What cannot be read is appended to `damage` before the
    batch of the documents behind it, and reading goes on; values that fit no column are counted in
    `unfit` by name. No more than a few batches are held in memory.

    `skip` is a number of rows at whose end a batch ended, in an earlier reading: these batches are
    not given again, and neither is what was damaged or unfit in them.
    """
    file = piece.file
    if file.format == "dataset":
        yield from hub.read(file, skip, further, unfit)
        return
    reported, counted = len(damage), unfit.copy()
    for batch in _batches(piece, further, damage, unfit):
        if skip <= 0:
            yield batch
            continue
        skip -= len(batch)
        del damage[reported:]
        unfit.clear()
        unfit.update(counted)


def _batches(
    piece: Piece, further: Sequence[pa.Field], damage: list[Damage], unfit: Counter[str]
) -> Iterator[pa.RecordBatch]:
    file = piece.file
    if file.format in ARCHIVES:
        return warc.read(file, piece.start, piece.end, damage)
    if file.format == "jsonl":
        return jsonl.read(file, piece.start, piece.end, further, damage, unfit)
    if file.format == "parquet":
        return parquet.read(file, piece.start, piece.end, further, damage)
    return (html if file.format == "html" else text).read(file, damage)


def merged(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Joins small batches that follow each other and have the same columns, as those of one-document files."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        full = sum(map(len, held)) + len(batch) > BATCH_ROWS or sum(b.nbytes for b in held) + batch.nbytes > BATCH_BYTES
        if held and (full or batch.schema != held[0].schema):
            yield _joined(held)
            held = []
        held.append(batch)
    if held:
        yield _joined(held)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def further_columns(files: Sequence[InputFile]) -> list[pa.Field]:
    """The columns of the inputs besides id, text, url and source, with one type each."""
    fields: dict[str, pa.DataType] = {}
    for file in files:
        for field in _further(file):
            if field.name not in fields and len(fields) >= jsonl.COLUMNS and file.format == "jsonl":
                continue
            fields[field.name] = jsonl.common_type(fields.get(field.name), field.type)
    return [pa.field(name, kind) for name, kind in fields.items()]


def _further(file: InputFile) -> list[pa.Field]:
    if file.format == "jsonl":
        return jsonl.further_columns(file)
    if file.format == "parquet":
        return parquet.further_columns(file)
    if file.format == "dataset":
        return hub.further_columns(file)
    if file.format in PAGES:
        return [*html.METADATA]
    return [warc.LANGUAGE] if file.format == "wet" else []
