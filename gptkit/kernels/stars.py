"""Resolves components of candidates by exact Jaccard similarity into stars: what goes, and what stays for it.

A component's members come in the order in which they are to be kept. Each goes to the first kept one
that is similar enough, else it is kept. So every removed document is similar to the kept one named
for it, however long the chain of candidates that joined the two.
"""

import numpy as np

from gptkit.kernels.clusters import band_key
from gptkit.kernels.jit import helper, kernel
from gptkit.kernels.minhash import EMPTY
from gptkit.kernels.minhash import _fmix32 as fmix32

LARGE = 10_000  # members of a component from which a member is compared with its nearest only
MOST_IN_BUCKET = 64  # kept members of a bucket that one is compared with, in a large component


@helper
def _jaccard(sets, start, stop, other, other_stop, threshold):
    """Jaccard similarity of two ascending ranges of `sets`; -1 where it is under the threshold.

    Stops as soon as more elements lack a partner than the threshold allows.
    """
    total = (stop - start) + (other_stop - other)
    needed = np.int64(np.ceil(threshold * total / (1.0 + threshold) - 1e-6))  # in common, at least
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
def _sign(sets, start, stop, a, b, row):
    """The signature of a set of shingles: its low 32 bits are the base hashes."""
    for k in range(len(a)):
        row[k] = EMPTY
    for place in range(start, stop):
        h = fmix32(np.uint32(sets[place] & np.uint64(0xFFFFFFFF)))
        for k in range(len(a)):
            row[k] = min(row[k], np.uint32(a[k] * h + b[k]))


@helper
def _agreement(one, other):
    """The share of equal values of two signatures: an estimate of the Jaccard similarity."""
    same = 0
    for k in range(len(one)):
        same += one[k] == other[k]
    return same / len(one)


@kernel
def resolve(sets, starts, components, pinned, indexed, index_signatures, a, b, threshold):
    """Resolves components of up to LARGE members.

    sets: uint64, the shingles of all members, ascending within each; starts: int64 [members + 1];
    components: int64 [components + 1] first members; pinned: bool [members], those that stay in any
    case, which come first; indexed: int64 [members], the row of `index_signatures` (uint32
    [m, permutations]) of members that have no set, else -1: with these the similarity is estimated;
    a, b: their permutations. Gives int64 [members], the kept member of each (itself where it is
    kept), and float32 [members], the similarity to it. Members of larger components are left -1.
    """
    members = len(starts) - 1
    kept = np.full(members, -1, np.int64)
    similarity = np.ones(members, np.float32)
    list_of_kept = np.empty(LARGE, np.int64)
    row = np.empty(len(a), np.uint32)
    for component in range(len(components) - 1):
        low, high = components[component], components[component + 1]
        if high - low > LARGE:
            continue
        count = 0
        for member in range(low, high):
            kept[member] = member
            signed = False
            if not pinned[member]:
                for place in range(count):
                    other = list_of_kept[place]
                    if indexed[other] >= 0:
                        if not signed:
                            _sign(sets, starts[member], starts[member + 1], a, b, row)
                            signed = True
                        found = _agreement(row, index_signatures[indexed[other]])
                        if found < threshold:
                            continue
                    else:
                        found = _jaccard(
                            sets, starts[member], starts[member + 1], starts[other], starts[other + 1], threshold
                        )
                        if found < 0:
                            continue
                    kept[member] = other
                    similarity[member] = found
                    break
            if kept[member] == member:
                list_of_kept[count] = member
                count += 1
    return kept, similarity


@kernel
def resolve_large(sets, starts, pinned, indexed, index_signatures, a, b, threshold, bands, rows):
    """Resolves one component of any size, in time that grows linearly with its members.

    A member is compared only with kept ones that share one of its bands (bands·rows permutations of
    a and b, which should find nearly all that the threshold asks for), the last MOST_IN_BUCKET of
    each, and goes to the first of these that is similar enough. Arguments and result: as `resolve`.
    """
    members = len(starts) - 1
    kept = np.arange(members)
    similarity = np.ones(members, np.float32)
    capacity = 1
    while capacity < 2 * members * bands:
        capacity *= 2
    heads = np.full((2, capacity), -1, np.int64)
    before = np.empty(members * bands, np.int64)  # entry -> the entry of its bucket before it
    keys = np.empty(members * bands, np.uint64)  # entry = member · bands + band
    row = np.empty(len(a), np.uint32)
    for member in range(members):
        if indexed[member] >= 0:
            row[:] = index_signatures[indexed[member]]
        else:
            _sign(sets, starts[member], starts[member + 1], a, b, row)
        best = member
        for band in range(bands):
            key = band_key(row, band, rows)
            keys[member * bands + band] = key
            if pinned[member]:
                continue
            for table in range(2):  # those that stay in any case stand apart: the others do not push them out
                entry = heads[table, np.int64(key & np.uint64(capacity - 1))]
                looked = 0
                while entry >= 0 and looked < MOST_IN_BUCKET:
                    other = entry // bands
                    if keys[entry] == key:
                        looked += 1
                        if other < best:
                            if indexed[other] >= 0:
                                found = _agreement(row, index_signatures[indexed[other]])
                            else:
                                found = _jaccard(
                                    sets,
                                    starts[member],
                                    starts[member + 1],
                                    starts[other],
                                    starts[other + 1],
                                    threshold,
                                )
                            if found >= threshold:
                                best = other
                                similarity[member] = found
                    entry = before[entry]
        kept[member] = best
        if best == member:
            for band in range(bands):
                entry = member * bands + band
                place = np.int64(keys[entry] & np.uint64(capacity - 1))
                before[entry] = heads[np.int64(pinned[member]), place]
                heads[np.int64(pinned[member]), place] = entry
    return kept, similarity


@kernel
def distinct(hashes, starts):
    """Each document's set of shingles: its hashes (uint64) in ascending order, each once; and int64 starts.

    hashes is sorted in place.
    """
    result = np.empty(len(hashes), np.uint64)
    result_starts = np.zeros(len(starts), np.int64)
    out = 0
    for document in range(len(starts) - 1):
        part = hashes[starts[document] : starts[document + 1]]
        part.sort()
        for place in range(len(part)):
            if place == 0 or part[place] != part[place - 1]:
                result[out] = part[place]
                out += 1
        result_starts[document + 1] = out
    return result[:out].copy(), result_starts
