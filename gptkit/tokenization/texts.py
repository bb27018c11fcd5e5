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
COPIES_COLUMN = "copies"  # how often the document is taken; never a column of a file
COLUMNS = {
    "id": pa.string(),
    "text": pa.string(),
    EPOCH_COLUMN: pa.int32(),
    SOURCE_COLUMN: pa.string(),
    LANGUAGE_COLUMN: pa.string(),
    COPIES_COLUMN: pa.int32(),
}


@dataclasses.dataclass(frozen=True)
class TextsTask(PortionTask):
    """A portion to read. Phases add what else their tasks need."""

    chosen: Path | None  # .npy, int32 [documents]: how often each is taken; all once where it is None


def read_texts(task: TextsTask, *columns: str) -> Iterator[pa.RecordBatch]:
    """The documents of a portion in order, as batches of `columns` (of COLUMNS).

    Documents that are not taken are left out; the others come once, however often they are taken.
    Where the input has none, the epoch is 0, the source that of the portion and the language null.
    Raises GptkitError at damage.
    """
    added: dict[str, int | str] = {EPOCH_COLUMN: 0, SOURCE_COLUMN: task.portion.source}
    chosen = load_array(task.chosen) if task.chosen is not None else None
    # what is chosen is a mixture's doing: what an earlier mixture wrote beside the documents does not count
    absent = {COPIES_COLUMN} if chosen is None else {COPIES_COLUMN, *added}
    schema = pa.schema([pa.field(name, COLUMNS[name]) for name in columns if name not in absent])
    place = 0
    for batch in portions.read(task.portion, schema):
        copies = np.ones(len(batch), np.int32) if chosen is None else chosen[place : place + len(batch)]
        place += len(batch)
        if COPIES_COLUMN in columns:
            batch = batch.append_column(pa.field(COPIES_COLUMN, COLUMNS[COPIES_COLUMN]), pa.array(copies))
        if chosen is not None:
            batch = batch.filter(pa.array(copies > 0))
        if len(batch):
            yield _filled(batch, {name: value for name, value in added.items() if name in columns})


def _filled(batch: pa.RecordBatch, values: dict[str, int | str]) -> pa.RecordBatch:
    """The batch with the columns that are named, and no nulls in them."""
    for name, value in values.items():
        field = pa.field(name, COLUMNS[name])
        place = batch.schema.get_field_index(name)
        if place < 0:
            batch = batch.append_column(field, pa.repeat(pa.scalar(value, field.type), len(batch)))
        elif batch.column(place).null_count:
            batch = batch.set_column(place, field, batch.column(place).fill_null(value))
    return batch


def epochs_of(batch: pa.RecordBatch) -> np.ndarray:
    """How often a mixture had drawn each document before, int32 [rows]."""
    found: np.ndarray = batch.column(EPOCH_COLUMN).to_numpy(zero_copy_only=False)
    return found
