"""Records (64-bit key, place) on disk, cut by ranges of the key, so that equal keys of all portions meet in one part.

A portion's file has its records sorted by key and where each part begins. A part is read from all
files, a slice of each, and holds as many records as the memory of one task allows: this is what
bounds memory by a number that the user names, however large the corpus.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gptkit.data.files import atomic_path
from gptkit.errors import GptkitError
from gptkit.kernels.sorting import sort_records

MOST_PARTS = 1 << 16
RECORD_BYTES = 48  # of memory for each record while a part is sorted: key and place, twice, and what becomes of them

WORKER_BYTES = 400_000_000  # that a worker takes before it holds any records
LEAST_SHARE = 50_000_000


def share_of(memory: int, workers: int) -> int:
    """The memory that records may take in one worker, where all together may take `memory` bytes.

    Raises GptkitError where that is nothing.
    """
    share = memory // max(1, workers) - WORKER_BYTES
    if share < LEAST_SHARE:
        least = WORKER_BYTES + LEAST_SHARE
        raise GptkitError(
            f"--memory {memory / 1e6:,.0f}MB is too little for {max(1, workers)} workers, which take {least / 1e6:,.0f} MB "
            f"each; name at least {max(1, workers) * least // 10**6}MB, or fewer --workers"
        )
    return share


def parts_for(records: int, memory: int) -> int:
    """How many parts (a power of two) let one part of `records` in all be sorted in `memory` bytes."""
    parts = 1
    while parts < MOST_PARTS and records * RECORD_BYTES > parts * memory:
        parts *= 2
    return parts


def write_records(path: Path, keys: np.ndarray, places: np.ndarray, parts: int) -> None:
    """Writes a portion's records: keys uint64 [n], places uint32 [n]; both arrays are used up.

    parts: a power of two. Layout, little-endian: int64 parts, int64 n, int64 [parts + 1] first records,
    uint64 [n] keys, uint32 [n] places.
    """
    keys, places = sort_records(keys, places.astype(np.uint32, copy=False))
    shift = 65 - parts.bit_length()
    bounds = np.zeros(parts + 1, np.int64)
    bounds[parts] = len(keys)
    if parts > 1:
        lowest = np.arange(1, parts, dtype=np.uint64) << np.uint64(shift)
        bounds[1:parts] = np.searchsorted(keys, lowest)
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(np.array([parts, len(keys)]).tobytes())
        for array in (bounds, keys, places):
            array.tofile(file)


def read_part(paths: Sequence[Path], firsts: Sequence[int], part: int) -> tuple[np.ndarray, np.ndarray]:
    """One part of all portions: keys uint64 [n] ascending and places int64 [n]; places of equal keys ascend too.

    firsts: what is added to each portion's places. Portions are in ascending order of these.
    """
    keys, places = [], []
    for path, first in zip(paths, firsts, strict=True):
        with open(path, "rb") as file:
            parts, size = np.fromfile(file, np.int64, 2).tolist()
            head = 8 * (parts + 3)
            file.seek(8 * (2 + part))
            low, high = np.fromfile(file, np.int64, 2).tolist()
            file.seek(head + 8 * low)
            keys.append(np.fromfile(file, np.uint64, high - low))
            file.seek(head + 8 * size + 4 * low)
            places.append(np.fromfile(file, np.uint32, high - low).astype(np.int64) + first)
    if not keys:
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    return sort_records(np.concatenate(keys), np.concatenate(places))
