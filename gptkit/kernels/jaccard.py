"""How similar two sets of shingles are: exactly, and as their signatures estimate it."""

import numpy as np

from gptkit.kernels.jit import helper, kernel
from gptkit.kernels.minhash import EMPTY, fmix32

LONG = 64  # hashes from which NumPy, which sorts with vector instructions, is faster for all that a call costs


@helper
def least_common(total, threshold):
    """The least that two sets of `total` elements together have in common if they are similar enough.

    Rounding must not lose a pair of exactly the threshold.
    """
    return np.int64(np.ceil(threshold * total / (1.0 + threshold) - 1e-6))


@helper
def jaccard(sets, start, stop, other, other_stop, threshold):
    """Jaccard similarity of two ascending ranges of `sets`; -1 where it is under the threshold.

    Stops as soon as more elements lack a partner than the threshold allows.
    """
    total = (stop - start) + (other_stop - other)
    needed = least_common(total, threshold)
    allowed = total - 2 * needed
    if abs((stop - start) - (other_stop - other)) > allowed:
        return -1.0
    alone, common = 0, 0
    while start < stop and other < other_stop:
        one, two = sets[start], sets[other]
        if one == two:
            common += 1
            start += 1
            other += 1
        else:
            alone += 1
            if alone > allowed:
                return -1.0
            if one < two:
                start += 1
            else:
                other += 1
    similarity = common / (total - common)
    return similarity if similarity >= threshold else -1.0


@helper
def sign(sets, start, stop, a, b, row):
    """The signature of a set of shingles: its low 32 bits are the base hashes."""
    for k in range(len(a)):
        row[k] = EMPTY
    for place in range(start, stop):
        h = fmix32(np.uint32(sets[place] & np.uint64(0xFFFFFFFF)))
        for k in range(len(a)):
            row[k] = min(row[k], np.uint32(a[k] * h + b[k]))


@helper
def agreement(one, other):
    """The share of equal values of two signatures: an estimate of the Jaccard similarity."""
    same = 0
    for k in range(len(one)):
        same += one[k] == other[k]
    return same / len(one)


@helper
def compare(member, other, sets, starts, indexed, index_signatures, row, threshold):
    """Similarity of two members, `row` being the signature of the first; -1 where it is under the threshold."""
    if indexed[other] >= 0:
        found = agreement(row, index_signatures[indexed[other]])
        return found if found >= threshold else -1.0
    return jaccard(sets, starts[member], starts[member + 1], starts[other], starts[other + 1], threshold)


@kernel
def _distinct(hashes, starts):
    """What `distinct` does; documents of LONG or more hashes are sorted already."""
    result = np.empty(len(hashes), np.uint64)
    result_starts = np.zeros(len(starts), np.int64)
    out = 0
    for document in range(len(starts) - 1):
        part = hashes[starts[document] : starts[document + 1]]
        if len(part) < LONG:
            part.sort()
        for place in range(len(part)):
            if place == 0 or part[place] != part[place - 1]:
                result[out] = part[place]
                out += 1
        result_starts[document + 1] = out
    return result[:out].copy(), result_starts


def distinct(hashes: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each document's set of shingles: its hashes (uint64) in ascending order, each once; and int64 starts.

    hashes is sorted in place.
    """
    for document in np.flatnonzero(np.diff(starts) >= LONG):
        hashes[starts[document] : starts[document + 1]].sort()
    result: tuple[np.ndarray, np.ndarray] = _distinct(hashes, starts)
    return result
