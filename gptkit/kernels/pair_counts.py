"""Counts of pairs of ids in a hash table with open addressing (learning BPE).

A pair is one number, first id · 2³² + second id. The table is int64 [slots, 2], slots a power of two:
the pair and its count side by side, so that a look-up costs one cache line; a pair of EMPTY marks a free slot.
"""

import numpy as np

from gptkit.kernels.jit import helper, kernel

EMPTY = -1
GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2⁶⁴ / golden ratio: Knuth's multiplicative hashing (TAOCP 3, 6.4)
PAIR, COUNT = 0, 1  # columns
LOAD = 2  # slots for each pair, at least


@helper
def pair_of(first, second):
    """Two ids as one number."""
    return (np.int64(first) << np.int64(32)) | np.int64(second)


@helper
def slot_of(table, pair):
    """The slot of a pair, or the free one where it belongs."""
    mask = len(table) - 1
    mixed = np.uint64(pair) * GOLDEN
    slot = np.int64((mixed >> np.uint64(32)) ^ (mixed >> np.uint64(48))) & mask
    while table[slot, PAIR] != pair and table[slot, PAIR] != EMPTY:
        slot = (slot + 1) & mask
    return slot


@kernel
def _move(table, larger):
    for row in range(len(table)):
        if table[row, PAIR] != EMPTY:
            slot = slot_of(larger, table[row, PAIR])
            larger[slot, PAIR] = table[row, PAIR]
            larger[slot, COUNT] = table[row, COUNT]


def empty_table(pairs: int) -> np.ndarray:
    """int64 [slots, 2]: room for so many pairs at the load that is kept."""
    table = np.empty((1 << max(6, (LOAD * pairs - 1).bit_length()), 2), np.int64)
    table[:, PAIR] = EMPTY
    return table


def larger_table(table: np.ndarray, pairs: int) -> np.ndarray:
    """The same counts with room for so many pairs."""
    larger = empty_table(pairs)
    _move(table, larger)
    return larger
