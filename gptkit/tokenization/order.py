"""The phase that puts encoded documents into another order, each as often as it stands there.

A partition of the order is one task: it takes from every part the documents whose keys lie in its
range. So a mixture is made of ids: each document is encoded once, and its text is written nowhere.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from gptkit.data.arrays import load_array, save_array
from gptkit.data.files import atomic_path, beside
from gptkit.data.layouts import DTYPES
from gptkit.engine.stage import Stage
from gptkit.kernels.token_rows import move_documents
from gptkit.tokenization.encode import Part

PARTITION_TOKENS = 25_000_000  # of a partition, about
PARTITIONS = 1024  # at most: then they are larger


@dataclasses.dataclass(frozen=True)
class Entries:
    """Where a part's documents stand in the order: STEM.keys.npy, uint64 [n], ascending, and STEM.places.npy,
    int32 [n], the document of the part at each. A document may stand at several places, or at none."""

    part: Part
    stem: Path

    @staticmethod
    def write(stem: Path, keys: np.ndarray, places: np.ndarray) -> None:
        """Writes both arrays. Equal keys stay in the order given."""
        order = np.argsort(keys, kind="stable")
        save_array(beside(stem, ".keys.npy"), keys[order])
        save_array(beside(stem, ".places.npy"), places[order].astype(np.int32))

    def between(self, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
        """The keys in [low, high) and their documents."""
        keys = load_array(beside(self.stem, ".keys.npy"), mapped=True)
        begin = int(np.searchsorted(keys, np.uint64(low)))
        end = int(np.searchsorted(keys, np.uint64(high))) if high < 1 << 64 else len(keys)
        places = load_array(beside(self.stem, ".places.npy"), mapped=True)
        return np.array(keys[begin:end]), np.array(places[begin:end])


@dataclasses.dataclass(frozen=True)
class OrderTask:
    """A partition of the order: keys in [low, high)."""

    entries: tuple[Entries, ...]
    low: int
    high: int
    stem: Path  # of the part it becomes
    dtype: str


def in_order(
    stage: Stage, entries: dict[str, list[Entries]], tokens: dict[str, int], dtype: str
) -> dict[str, list[Part]]:
    """Runs the phase "order": the parts of each split in the order of the keys, equal ones as the entries are.

    tokens: in each split, about, which decides into how many partitions it is cut.
    """
    tasks, splits = [], []
    for split, those in entries.items():
        partitions = min(PARTITIONS, max(1, -(-tokens[split] // PARTITION_TOKENS)))
        bounds = [(number << 64) // partitions for number in range(partitions + 1)]
        for number in range(partitions):
            stem = stage.scratch / "ordered" / f"{split}-{number:05d}"
            tasks.append(OrderTask(tuple(those), bounds[number], bounds[number + 1], stem, dtype))
            splits.append(split)
    parts: dict[str, list[Part]] = {split: [] for split in entries}
    for split, task, result in zip(splits, tasks, stage.phase("order", order_partition, tasks), strict=True):
        if result["documents"]:
            parts[split].append(Part(task.stem, result["documents"], result["tokens"]))
    return parts


def order_partition(task: OrderTask) -> dict[str, Any]:
    """Writes the part of a partition."""
    found = [entry.between(task.low, task.high) for entry in task.entries]
    keys = np.concatenate([np.empty(0, np.uint64), *(keys for keys, _ in found)])
    # each document's tokens, and where they begin in its part
    known = [_extents(entry.part, places) for entry, (_, places) in zip(task.entries, found, strict=True)]
    lengths = np.concatenate([np.empty(0, np.int32), *(lengths for _, lengths in known)])
    order = np.argsort(keys, kind="stable")
    ends = np.cumsum(lengths[order], dtype=np.int64)
    targets = np.empty(len(order), np.int64)
    targets[order] = ends - lengths[order]
    dtype = DTYPES[task.dtype]
    out = np.empty(int(ends[-1]) if len(ends) else 0, dtype)
    first = 0
    for entry, (starts, sizes) in zip(task.entries, known, strict=True):
        if len(starts):
            ids = np.memmap(entry.part.ids, dtype, mode="r")
            move_documents(ids, starts, sizes, out, targets[first : first + len(starts)])
        first += len(starts)
    part = Part(task.stem, len(order), len(out))
    with atomic_path(part.ids) as path, open(path, "wb") as file:
        file.write(out.data)
    save_array(part.lengths, lengths[order])
    return {"documents": part.documents, "tokens": part.tokens}


def _extents(part: Part, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where documents of a part begin (int64) and how long they are (int32), in tokens."""
    if not len(places):
        return np.empty(0, np.int64), np.empty(0, np.int32)
    lengths = load_array(part.lengths)
    starts = np.cumsum(lengths, dtype=np.int64) - lengths
    return starts[places], lengths[places]
