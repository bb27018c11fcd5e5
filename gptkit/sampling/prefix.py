"""Which documents a budget takes: the shortest prefix, in the order of their keys, that reaches it."""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

BITS = 16  # of the key that one pass over the documents settles
FEW = 1 << 20  # documents that are sorted rather than counted once more
Parts = Callable[[], Iterator[tuple[np.ndarray, np.ndarray]]]


@dataclasses.dataclass(frozen=True)
class Cut:
    """Where a prefix ends: with the document of this key and ordinal. Documents are ordered by (key, ordinal)."""

    key: int
    ordinal: int  # a document's place in the order in which the parts give them
    documents: int  # in the prefix
    size: int  # of the prefix: the sum of its documents' sizes

    def takes(self, keys: np.ndarray, first_ordinal: int) -> np.ndarray:
        """Whether each document is in the prefix, bool [n]; keys: uint64 [n], in order, from `first_ordinal` on."""
        equal = keys == np.uint64(self.key)
        equal[max(0, self.ordinal + 1 - first_ordinal) :] = False
        return (keys < np.uint64(self.key)) | equal


def shortest_prefix(parts: Parts, wanted: int) -> Cut:
    """The fewest documents, in the order of (key, ordinal), whose sizes add up to `wanted` or more; all if less is there.

    `parts()` yields (keys uint64 [n], sizes int64 [n], none negative, together below 2^53 in a part)
    in an order that is always the same. Selection by radix: a pass over the parts adds up the sizes
    by the next 16 bits of the key, until few documents are left to sort. So memory does not grow
    with the documents, and equal keys, however many, are told apart by their place.
    """
    if wanted <= 0:
        return Cut(0, -1, 0, 0)
    prefix = documents = size = 0
    for shift in range(64 - BITS, -1, -BITS):
        sums, counts = _totals(parts, prefix, shift)
        ends = size + np.cumsum(sums)
        place = int(np.searchsorted(ends, wanted))
        if place == len(ends):  # only in the first pass
            return Cut(2**64 - 1, 2**63 - 2, int(counts.sum()), int(ends[-1]))
        documents += int(counts[:place].sum())
        size = int(ends[place] - sums[place])
        prefix = prefix << BITS | place
        if counts[place] <= FEW:
            return _among_few(parts, prefix, shift, wanted, documents, size)
    return _among_equal(parts, prefix, wanted, documents, size)


def _totals(parts: Parts, prefix: int, shift: int) -> tuple[np.ndarray, np.ndarray]:
    """The sizes and the number of documents by the 16 bits above `shift`, of keys that begin with `prefix`."""
    sums, counts = np.zeros(1 << BITS, np.int64), np.zeros(1 << BITS, np.int64)
    for keys, sizes in parts():
        if shift + BITS < 64:
            inside = keys >> np.uint64(shift + BITS) == np.uint64(prefix)
            keys, sizes = keys[inside], sizes[inside]
        places = (keys >> np.uint64(shift) & np.uint64((1 << BITS) - 1)).astype(np.int64)
        sums += np.bincount(places, sizes, 1 << BITS).astype(np.int64)  # exact in float64 below 2^53
        counts += np.bincount(places, minlength=1 << BITS)
    return sums, counts


def _among_few(parts: Parts, prefix: int, shift: int, wanted: int, documents: int, size: int) -> Cut:
    """Ends the prefix among the documents whose keys begin with `prefix`; before them come `documents` of `size`."""
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    first = 0
    for keys, sizes in parts():
        places = np.flatnonzero(keys >> np.uint64(shift) == np.uint64(prefix))
        found.append((keys[places], sizes[places], places + first))
        first += len(keys)
    keys, sizes, ordinals = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.argsort(keys, kind="stable")
    ends = size + np.cumsum(sizes[order])
    last = int(np.searchsorted(ends, wanted))
    return Cut(int(keys[order[last]]), int(ordinals[order[last]]), documents + last + 1, int(ends[last]))


def _among_equal(parts: Parts, key: int, wanted: int, documents: int, size: int) -> Cut:
    """Ends the prefix among very many documents of one key, part by part."""
    first = 0
    for keys, sizes in parts():
        places = np.flatnonzero(keys == np.uint64(key))
        ends = size + np.cumsum(sizes[places])
        last = int(np.searchsorted(ends, wanted))
        if last < len(ends):
            return Cut(key, first + int(places[last]), documents + last + 1, int(ends[last]))
        documents, size = documents + len(places), int(ends[-1]) if len(ends) else size
        first += len(keys)
    raise AssertionError("the parts gave other documents than in the pass before")
