"""What every phase reads: the documents of a portion, or those of them that were chosen, as batches."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from gptkit.data import portions
from gptkit.data.arrays import load_array
from gptkit.data.documents import EPOCH_COLUMN, SOURCE_COLUMN
from gptkit.data.portions import PortionTask

LANGUAGE_COLUMN = "language"  # as `gptkit clean` writes it
COLUMNS = {
    "id": pa.string(),
    "text": pa.string(),
    EPOCH_COLUMN: pa.int32(),
    SOURCE_COLUMN: pa.string(),
    LANGUAGE_COLUMN: pa.string(),
}


@dataclasses.dataclass(frozen=True)
class TextsTask(PortionTask):
    """A portion to read. Phases add what else their tasks need."""

    chosen: Path | None  # .npy, bool [documents]: those to read; all where it is None


def read_texts(task: TextsTask, *columns: str) -> Iterator[pa.RecordBatch]:
    """The documents of a portion in order, as batches of `columns` (of COLUMNS).

    Where the input has none, the epoch is 0, the source that of the portion and the language null.
    Raises GptkitError at damage.
    """
    schema = pa.schema([pa.field(name, COLUMNS[name]) for name in columns])
    chosen = load_array(task.chosen) if task.chosen is not None else None
    place = 0
    for batch in portions.read(task.portion, schema):
        size = len(batch)
        if chosen is not None:
            batch = batch.filter(pa.array(chosen[place : place + size]))
        place += size
        if len(batch):
            yield _filled(batch, {EPOCH_COLUMN: 0, SOURCE_COLUMN: task.portion.source})


def _filled(batch: pa.RecordBatch, values: dict[str, int | str]) -> pa.RecordBatch:
    for name, value in values.items():
        if name in batch.schema.names and batch.column(name).null_count:
            place = batch.schema.get_field_index(name)
            batch = batch.set_column(place, batch.schema.field(name), batch.column(name).fill_null(value))
    return batch


def epochs_of(batch: pa.RecordBatch) -> np.ndarray:
    """How often a mixture had drawn each document before, int32 [rows]."""
    found: np.ndarray = batch.column(EPOCH_COLUMN).to_numpy(zero_copy_only=False)
    return found
