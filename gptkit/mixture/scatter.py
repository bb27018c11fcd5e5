"""The global shuffle: documents go to partitions by ranges of their keys, and each partition is sorted on its own.

Between the two lies one Arrow file a portion, with one record batch a partition, which is read by its number.
"""

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gptkit.data import parquet
from gptkit.data.documents import EPOCH_COLUMN, SOURCE_COLUMN
from gptkit.data.files import atomic_path
from gptkit.data.portions import PORTION_BYTES, PORTION_ROWS, Portion, read
from gptkit.mixture.draw import Chosen, DrawnPortion

PARTITION_BYTES = 64_000_000  # of text in one output shard, about
PARTITIONS = 1024  # at most: then they are larger
GROUP_BYTES = 16_000_000  # of text in a row group, about; what reads a mixture takes whole ones
GROUP_ROWS = PORTION_ROWS // 4
KEY = pa.field("mix_key", pa.uint64())  # of the order; only between scatter and gather
ADDED = pa.schema([(EPOCH_COLUMN, pa.int32()), (SOURCE_COLUMN, pa.string())])


def partitions_for(text: int) -> int:
    """Into how many partitions this many bytes of text are cut."""
    return min(PARTITIONS, max(1, -(-text // PARTITION_BYTES)))


@dataclasses.dataclass(frozen=True)
class ScatterTask:
    """A portion whose chosen documents go to the partitions of the mixture."""

    drawn: DrawnPortion
    partitions: int
    path: Path
    schema: pa.Schema  # of the sources' documents

    @property
    def weight(self) -> int:
        """See Portion."""
        return self.drawn.portion.weight

    @property
    def label(self) -> str:
        """See Portion."""
        return self.drawn.portion.label


def scatter(task: ScatterTask) -> dict[str, Any]:
    """Writes the chosen documents: for each slice of the portion a batch a partition, in the order of the partitions."""
    chosen = task.drawn.chosen()
    schema = _between(task.schema)
    documents = text = 0
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with atomic_path(task.path) as path, pa.ipc.new_file(str(path), schema, options=options) as file:
        if len(chosen.rows):
            for first, documents_here in _slices(task.drawn.portion, task.schema):
                for batch in _by_partition(task, chosen, first, documents_here, schema):
                    file.write_batch(batch)
                    documents += len(batch)
                    text += parquet.text_bytes(batch)
    return {"documents": documents, "bytes": text}


def _slices(portion: Portion, schema: pa.Schema) -> Iterator[tuple[int, pa.RecordBatch]]:
    """A portion's documents and the first one's row, as many at once as fit in memory: a portion may be very large."""
    held: list[pa.RecordBatch] = []
    first = size = 0
    for batch in read(portion, schema):
        held.append(batch)
        size += batch.nbytes
        if size >= PORTION_BYTES:
            yield first, pa.concat_batches(held)
            first, size, held = first + sum(map(len, held)), 0, []
    if held:
        yield first, pa.concat_batches(held)


def _by_partition(
    task: ScatterTask, chosen: Chosen, first: int, documents: pa.RecordBatch, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """The chosen ones of some documents, the first of which is row `first`: a batch for each partition, empty or not."""
    here = np.flatnonzero((chosen.rows >= first) & (chosen.rows < first + len(documents)))
    place = _partition(chosen.keys[here], task.partitions)
    here = here[np.argsort(place, kind="stable")]
    ends = np.cumsum(np.bincount(place, minlength=task.partitions)).tolist()
    whole = {
        field.name: documents.column(field.name).cast(field.type) for field in schema if field.name in task.schema.names
    }
    for start, end in itertools.pairwise([0, *ends]):
        part = here[start:end]
        source = pa.array([task.drawn.order.source] * len(part), pa.string())
        known = {EPOCH_COLUMN: pa.array(chosen.epochs[part]), KEY.name: pa.array(chosen.keys[part])}
        known |= {SOURCE_COLUMN: source, "source": source}
        rows = pa.array(chosen.rows[part] - first)
        columns = [known[field.name] if field.name in known else whole[field.name].take(rows) for field in schema]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _partition(keys: np.ndarray, partitions: int) -> np.ndarray:
    """Cuts the range of 64-bit keys into equal parts, int64 [n]."""
    return (((keys >> np.uint64(32)) * np.uint64(partitions)) >> np.uint64(32)).astype(np.int64)


def _between(schema: pa.Schema) -> pa.Schema:
    """The columns between scatter and gather. A partition may hold more text than 32-bit offsets reach."""
    fields = [field.with_type(pa.large_string()) if field.name == "text" else field for field in schema]
    return pa.schema([*fields, *ADDED, KEY])


@dataclasses.dataclass(frozen=True)
class GatherTask:
    """A partition to sort and write."""

    number: int
    partitions: int
    pieces: tuple[Path, ...]
    path: Path
    schema: pa.Schema
    weight: int  # bytes of text, about


def gather(task: GatherTask) -> dict[str, Any]:
    """Writes one shard of the mixture in the order of the keys; equal ones as the portions and their rows are."""
    table = pa.Table.from_batches(list(_pieces(task)), _between(task.schema)).combine_chunks()
    order = np.argsort(table.column(KEY.name).to_numpy(), kind="stable")
    lengths = pc.binary_length(table.column("text")).to_numpy()[order]
    table = table.drop_columns([KEY.name])
    schema = pa.schema([*task.schema, *ADDED])
    with parquet.writing(task.path, schema) as file:
        for start, end in _groups(lengths):
            file.write_table(table.take(pa.array(order[start:end])).cast(schema), row_group_size=GROUP_ROWS)
    return {"rows": len(table)}


def _pieces(task: GatherTask) -> Iterator[pa.RecordBatch]:
    for path in task.pieces:
        with pa.memory_map(str(path)) as mapped, pa.ipc.open_file(mapped) as file:
            for number in range(task.number, file.num_record_batches, task.partitions):
                yield file.get_batch(number)


def _groups(lengths: np.ndarray) -> Iterator[tuple[int, int]]:
    """Cuts documents into row groups: by bytes of text (int64 [documents]) and by rows."""
    ends = np.cumsum(lengths)
    start = 0
    while start < len(lengths):
        before = int(ends[start - 1]) if start else 0
        end = int(np.searchsorted(ends, before + GROUP_BYTES, side="right"))
        end = max(start + 1, min(end, start + GROUP_ROWS))
        yield start, end
        start = end
