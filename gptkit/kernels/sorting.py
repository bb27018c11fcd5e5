"""Sorts (key, place) records by their 64-bit keys: least significant digit first, stable, linear in their number."""

import numpy as np

from gptkit.kernels.jit import kernel

DIGIT_BITS = 8  # more open runs at a time than 256 are slower: they leave the translation buffer
DIGITS = 8


@kernel
def _sort(keys, places, other_keys, other_places, counts):
    """Sorts; gives whether the result lies in the other pair of arrays."""
    size, mask = len(keys), np.uint64((1 << DIGIT_BITS) - 1)
    counts[:] = 0
    for place in range(size):
        key = keys[place]
        for digit in range(DIGITS):
            counts[digit, np.int64((key >> np.uint64(digit * DIGIT_BITS)) & mask)] += 1
    moved = False
    for digit in range(DIGITS):
        shift = np.uint64(digit * DIGIT_BITS)
        if size == 0 or counts[digit, np.int64((keys[0] >> shift) & mask)] == size:
            continue  # all keys have the same digit
        first = 0
        for value in range(1 << DIGIT_BITS):
            here = counts[digit, value]
            counts[digit, value] = first
            first += here
        for place in range(size):
            key = keys[place]
            bucket = np.int64((key >> shift) & mask)
            to = counts[digit, bucket]
            counts[digit, bucket] = to + 1
            other_keys[to] = key
            other_places[to] = places[place]
        keys, other_keys = other_keys, keys
        places, other_places = other_places, places
        moved = not moved
    return moved


def sort_records(keys: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keys (uint64 [n]) in ascending order with their places (any integers [n]); equal keys keep their order.

    The arrays given are used as room to work in. Needs as much memory again.
    """
    if len(keys) != len(places):
        raise ValueError(f"{len(keys)} keys and {len(places)} places")
    other_keys, other_places = np.empty_like(keys), np.empty_like(places)
    counts = np.empty((DIGITS, 1 << DIGIT_BITS), np.int64)
    if _sort(keys, places, other_keys, other_places, counts):
        return other_keys, other_places
    return keys, places
