"""Windows of text: what they are made of, how they are hashed as they move on, and when two are equal.

A unit is a character, or a word (see kernels/shingles.py) and what follows it up to the next one. A
window is a number of units in a row of one document. Its hash is a polynomial over the units (Karp and
Rabin 1987, modulo 2⁶⁴).
"""

import numpy as np

from gptkit.kernels.characters import decode
from gptkit.kernels.fnv import FNV_PRIME, FNV_START
from gptkit.kernels.jit import helper, routine
from gptkit.kernels.minhash import fmix64
from gptkit.kernels.shingles import ALONE, CODE, MARK, RADIX, entry_at

CHARACTERS = np.empty(0, np.uint32)  # instead of the table of words: units are characters


@routine
def _word(text, place, end, table):
    """The word at `place`: its hash, the bytes up to the next word, and its own bytes."""
    start = place
    entry, width = entry_at(text, place, end, table)
    alone = entry & np.uint64(ALONE) != 0
    h = FNV_START
    while True:
        h = (h ^ (entry & np.uint64(CODE))) * FNV_PRIME
        place += width
        if place >= end:
            return fmix64(h), place - start, place - start
        entry, width = entry_at(text, place, end, table)
        if not entry & np.uint64(MARK) and (entry == 0 or alone or entry & np.uint64(ALONE)):
            break
    return fmix64(h), _next_word(text, place, end, table) - start, place - start


@routine
def _next_word(text, place, end, table):
    """Where the first word from `place` on begins; `end` if none does."""
    while place < end:
        entry, width = entry_at(text, place, end, table)
        if entry != 0 and not entry & np.uint64(MARK):
            break
        place += width
    return place


@helper
def unit_at(text, place, end, table):
    """The unit at `place`: a number that stands for it, the bytes up to the next one, and its own bytes."""
    if len(table):
        return _word(text, place, end, table)
    code, width = decode(text, place, end)
    return np.uint64(code), width, width


@helper
def width_at(text, place, end, table):
    """The bytes from the unit at `place` up to the next one."""
    if len(table):
        return _word(text, place, end, table)[1]
    first = text[place]
    return 1 + (first >= 0xC0) + (first >= 0xE0) + (first >= 0xF0)


@helper
def first_unit(text, place, end, table):
    """Where the first unit begins."""
    return _next_word(text, place, end, table) if len(table) else place


@helper
def scaled(key, size):
    """A hash as a number below `size` (< 2³²), by its upper half."""
    return np.int64(((key >> np.uint64(32)) * np.uint64(size)) >> np.uint64(32))


@helper
def slot_of(key, size):
    """The place of a hash in a table of `size` slots (< 2³²)."""
    return scaled(key * RADIX, size)


@helper
def power(exponent):
    """RADIX to a power: the factor of the oldest unit of a window."""
    result = np.uint64(1)
    for _ in range(exponent):
        result *= RADIX
    return result


@helper
def set_bit(bits, place):
    """Sets the bit of a place."""
    bits[place >> 3] |= np.uint8(1) << np.uint8(place & 7)


@helper
def next_set(bits, place, end):
    """The first place from `place` on whose bit is set; `end` where there is none before it."""
    while place < end:
        here = bits[place >> 3] >> np.uint8(place & 7)
        if here:
            while not here & 1:
                here >>= 1
                place += 1
            return min(place, end)
        place = (place | 7) + 1
    return end


@helper
def _same_bytes(text, begin, end, shift):
    """Whether text[begin:end] is what stands `shift` bytes before it."""
    while begin < end:
        stop = min(begin + 32, end)
        different = np.uint8(0)
        for place in range(begin, stop):  # without a branch inside, so that it is done many bytes at a time
            different |= text[place] ^ text[place - shift]
        if different:
            return False
        begin = stop
    return True


@routine
def _document_end(starts, place):
    """Where the document that has `place` ends."""
    low, high = 0, len(starts) - 1
    while low < high:
        middle = (low + high) >> 1
        if starts[middle] <= place:
            low = middle + 1
        else:
            high = middle
    return starts[low]


@routine
def _same_words(text, starts, place, other, span, table):
    """Whether the windows of `span` words at two places are of the same words."""
    end, other_end = _document_end(starts, place), _document_end(starts, other)
    for _ in range(span):
        code, width, _ = _word(text, place, end, table)
        other_code, other_width, _ = _word(text, other, other_end, table)
        if code != other_code:
            return False
        place += width
        other += other_width
    return True


@helper
def same_window(text, starts, begin, end, other, span, table, shift, known):
    """Whether text[begin:end] and the window at `other` are equal.

    shift, known: text[:known] is what stands `shift` bytes before it, from the last window on.
    """
    if len(table):
        return _same_words(text, starts, begin, other, span, table)
    if other + end - begin > len(text):
        return False
    if begin - other == shift and begin <= known:
        begin = min(known, end)
        return _same_bytes(text, begin, end, shift)
    return _same_bytes(text, begin, end, begin - other)
