"""Resolves components of candidates by exact Jaccard similarity into stars: what goes, and what stays for it.

A component's members come in the order in which they are to be kept. Each goes to the first kept one
that is similar enough, else it is kept. So every removed document is similar to the kept one named
for it, however long the chain of candidates that joined the two.

In a component that keeps many, comparing with all of them would take quadratic time. There an exact
prefix filter tells which pairs can be similar at all (Chaudhuri, Ganti and Kaushik 2006, "A Primitive
Operator for Similarity Joins in Data Cleaning"; the bound by position is from Xiao et al. 2008,
"Efficient Similarity Joins for Near Duplicate Detection"). Rare elements are put first. Sets A and B
of similarity t share at least t·|A| elements, so the first shared one in this order is among the first
|A| - ceil(t·|A|) + 1 of A, and likewise of B: pairs whose prefixes share nothing need no comparing.
"""

import numpy as np

from gptkit.kernels.clusters import band_key
from gptkit.kernels.jaccard import compare, least_common, sign
from gptkit.kernels.jit import kernel

FEW = 32  # kept members of a component that are compared one by one; with more of them pairs are filtered
LARGE = 10_000  # members of a component from which a member is compared with its nearest only
MOST_IN_BUCKET = 64  # kept members of a bucket that one is compared with, in a large component


@kernel
def _prefixes(sets, starts, low, high, threshold):
    """For each element of the members [low, high), how many of its set come from it on: int32, in the order of `sets`.

    Elements are counted rarest first. 0 stands for those that lie outside of the prefix, and those
    that no other member has. Elements that share a slot are counted together: an order like any
    other, so nothing is lost.
    """
    first, elements, members = starts[low], starts[high] - starts[low], high - low
    capacity = 1
    while capacity < elements:
        capacity *= 2
    mask = np.uint64(capacity - 1)
    counts = np.zeros(capacity, np.int32)
    for place in range(first, first + elements):
        counts[np.int64(sets[place] & mask)] += 1
    rests = np.empty(elements, np.int32)
    positions = np.empty(members + 1, np.int32)  # frequency -> the position of the next element that has it
    for member in range(low, high):
        size = starts[member + 1] - starts[member]
        prefix = size - max(np.int64(np.ceil(threshold * size - 1e-6)), 1) + 1
        positions[:] = 0
        for place in range(starts[member], starts[member + 1]):
            frequency = min(counts[np.int64(sets[place] & mask)], members)
            rests[place - first] = frequency
            positions[frequency] += 1
        rarer = 0
        for frequency in range(members + 1):
            here = positions[frequency]
            positions[frequency] = rarer
            rarer += here
        for place in range(starts[member] - first, starts[member + 1] - first):
            frequency = rests[place]
            position = positions[frequency]
            positions[frequency] += 1
            rests[place] = size - position if position < prefix and frequency > 1 else 0
    return rests


@kernel
def _resolve_filtered(sets, starts, low, high, pinned, indexed, index_signatures, a, b, threshold, kept, similarity):
    """Resolves those members [low, high) of a component that are -1 in `kept`, as `resolve` does, in place."""
    first = starts[low]
    rests = _prefixes(sets, starts, low, high, threshold)
    wanted = np.count_nonzero(rests)
    capacity = 1
    while 2 * capacity < wanted:
        capacity *= 2
    mask = np.uint64(capacity - 1)
    # An inverted index: the slot of an element -> the kept members that have it in their prefix.
    begins = np.zeros(capacity + 1, np.int64)
    for place in range(len(rests)):
        if rests[place]:
            begins[np.int64(sets[first + place] & mask) + 1] += 1
    begins = np.cumsum(begins)
    ends = begins.copy()
    owners = np.empty(wanted, np.int32)  # place in list_of_kept
    owner_rests = np.empty(wanted, np.int32)
    prints = np.empty(wanted, np.uint32)  # the high bits of the element, to tell it from others of its slot
    list_of_kept = np.empty(high - low, np.int64)
    sizes = np.empty(high - low, np.int64)
    candidate_of = np.full(high - low, -1, np.int64)  # place in list_of_kept -> the last member it is a candidate of
    row = np.empty(len(a), np.uint32)
    count, signs = 0, False
    for member in range(low, high):
        start, stop = starts[member], starts[member + 1]
        if kept[member] < 0:
            kept[member] = member
            if not pinned[member]:
                if signs:
                    sign(sets, start, stop, a, b, row)
                for place in range(start, stop):
                    rest = rests[place - first]
                    if rest == 0:
                        continue
                    slot = np.int64(sets[place] & mask)
                    print_ = np.uint32(sets[place] >> np.uint64(32))
                    for entry in range(begins[slot], ends[slot]):
                        owner = owners[entry]
                        if candidate_of[owner] == member or prints[entry] != print_:
                            continue
                        # All that is shared comes from the first shared element on, in both.
                        if min(rest, owner_rests[entry]) >= least_common(stop - start + sizes[owner], threshold):
                            candidate_of[owner] = member
                for place in range(count):
                    other = list_of_kept[place]
                    if candidate_of[place] == member or indexed[other] >= 0:
                        found = compare(member, other, sets, starts, indexed, index_signatures, row, threshold)
                        if found >= 0:
                            kept[member] = other
                            similarity[member] = found
                            break
        if kept[member] == member:
            for place in range(start, stop):
                if rests[place - first]:
                    slot = np.int64(sets[place] & mask)
                    entry = ends[slot]
                    owners[entry], owner_rests[entry] = count, rests[place - first]
                    prints[entry] = np.uint32(sets[place] >> np.uint64(32))
                    ends[slot] = entry + 1
            sizes[count] = stop - start
            list_of_kept[count] = member
            count += 1
            signs = signs or indexed[member] >= 0


@kernel
def resolve(sets, starts, components, pinned, indexed, index_signatures, a, b, threshold):
    """Resolves components of up to LARGE members.

    sets: uint64, the shingles of all members, ascending within each; starts: int64 [members + 1];
    components: int64 [components + 1] first members; pinned: bool [members], those that stay in any
    case, which come first; indexed: int64 [members], the row of `index_signatures` (uint32
    [m, permutations]) of members that have no set, else -1: with these the similarity is estimated;
    a, b: their permutations. Gives int64 [members], the kept member of each (itself where it is
    kept), and float64 [members], the similarity to it. Members of larger components are left -1.
    """
    members = len(starts) - 1
    kept = np.full(members, -1, np.int64)
    similarity = np.ones(members)
    list_of_kept = np.empty(LARGE, np.int64)
    row = np.empty(len(a), np.uint32)
    for component in range(len(components) - 1):
        low, high = components[component], components[component + 1]
        if high - low > LARGE:
            continue
        count, signs = 0, False
        for member in range(low, high):
            if count >= FEW and threshold > 0:  # at 0 sets are similar that share nothing
                _resolve_filtered(
                    sets, starts, low, high, pinned, indexed, index_signatures, a, b, threshold, kept, similarity
                )
                break
            kept[member] = member
            if not pinned[member]:
                if signs:
                    sign(sets, starts[member], starts[member + 1], a, b, row)
                for place in range(count):
                    other = list_of_kept[place]
                    found = compare(member, other, sets, starts, indexed, index_signatures, row, threshold)
                    if found >= 0:
                        kept[member] = other
                        similarity[member] = found
                        break
            if kept[member] == member:
                list_of_kept[count] = member
                count += 1
                signs = signs or indexed[member] >= 0
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
    similarity = np.ones(members)
    capacity = 1
    while 2 * capacity < members * bands:  # two entries a bucket where nearly all are kept
        capacity *= 2
    heads = np.full((2, capacity), -1, np.int32)
    before = np.empty(members * bands, np.int64)  # entry -> the entry of its bucket before it
    keys = np.empty(members * bands, np.uint64)  # entry = member · bands + band
    row = np.empty(len(a), np.uint32)
    for member in range(members):
        if indexed[member] >= 0:
            row[:] = index_signatures[indexed[member]]
        else:
            sign(sets, starts[member], starts[member + 1], a, b, row)
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
                            found = compare(member, other, sets, starts, indexed, index_signatures, row, threshold)
                            if found >= 0:
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
