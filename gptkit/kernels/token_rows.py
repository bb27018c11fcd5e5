"""Encoded documents one after the other, each with its end-of-text, in the width of their shard."""

import numpy as np

from gptkit.kernels.jit import kernel


@kernel
def _copy(ids, offsets, rows, end, out, seen, copies):
    place = 0
    for row in rows:
        for token in ids[offsets[row] : offsets[row + 1]]:
            if token >= len(seen):
                return place
            out[place] = token
            seen[token] += copies[row]
            place += 1
        out[place] = end
        place += 1
    return place


def copy_documents(
    ids: np.ndarray,
    offsets: np.ndarray,
    rows: np.ndarray,
    end: int,
    out: np.ndarray,
    seen: np.ndarray,
    copies: np.ndarray,
) -> np.ndarray:
    """Copies the ids (uint32) of documents `rows` (int64) to the begin of `out` (uint16 or uint32), `end` behind each.

    offsets: int64 [documents + 1]. seen: int64 [vocabulary], to which each id's occurrences are added,
    `end` left out, times the document's `copies` (int32 [documents]). Gives the part of `out` that was filled. Raises ValueError where it is too small,
    and where an id is not of the vocabulary.
    """
    needed = int((offsets[rows + 1] - offsets[rows]).sum()) + len(rows)
    if needed > len(out) or offsets[-1] > len(ids) or end >= len(seen) or len(copies) < len(offsets) - 1:
        raise ValueError(f"{needed} ids do not fit in {len(out)}")
    if _copy(ids, offsets, rows, end, out, seen, copies) != needed:
        raise ValueError("an id is not of the vocabulary")
    return out[:needed]


@kernel
def _move(ids, starts, sizes, out, targets):
    for row in range(len(starts)):
        start, target = starts[row], targets[row]
        for k in range(np.int64(sizes[row])):
            out[target + k] = ids[start + k]


def move_documents(
    ids: np.ndarray, starts: np.ndarray, sizes: np.ndarray, out: np.ndarray, targets: np.ndarray
) -> None:
    """Copies ids[starts[n] : starts[n] + sizes[n]] to out[targets[n]:], for every n; both are uint16 or uint32.

    starts and targets: int64 [n]; sizes: int32 [n]. Raises ValueError where one leaves its array.
    """
    for places, array in ((starts, ids), (targets, out)):
        if len(places) and (places.min() < 0 or (places + sizes).max() > len(array)):
            raise ValueError("a document leaves its array")
    _move(ids, starts, sizes, out, targets)
