"""Word n-grams as rolling hashes, looked up in a table, with the places where they are found (decontamination).

Words are those of GPT-3's appendix C (arXiv 2005.14165): lower-cased, free of punctuation, split at
white space. Each character is lower-cased by itself; punctuation, symbols, control and format
characters are left out, so that "Don't" is dont and "—" is no word; so are marks with nothing before
them in their word. A letter of a script without spaces (see `characters.UNSPACED`) is a word by
itself with the marks that follow it, for else a line of Chinese were one word.

An n-gram's key is Σ word hash · BASE^(n-1-i) modulo 2⁶⁴, which rolls from word to word. Where a key
is found in a table, a second hash of the same words is compared as well: two different n-grams are
taken for one with a probability of about 2⁻¹²⁸, unless two words share their 64-bit hash.
"""

import functools
import unicodedata
from typing import NamedTuple

import numpy as np

from gptkit.kernels.characters import MARK, PLANES, SPACE, UNSPACED, character_flags, decode
from gptkit.kernels.fnv import FNV_PRIME, FNV_START
from gptkit.kernels.jit import helper, kernel
from gptkit.kernels.minhash import fmix64

RING = 64  # words that are remembered, a power of two
LONGEST = RING - 1  # words of an n-gram, at most
BASE = 0x9E3779B97F4A7C15  # odd, so that its powers are units
# What a character is to a word: its lower-cased code point, with these bits, or one of the two values below the digits
LEFT_OUT, BREAK = 0, 1
ALONE, JOINED = 1 << 30, 1 << 29  # a word by itself; a mark, which belongs to the letter before it
IDEOGRAPHS_END = 0x40000  # planes 2 and 3 hold ideographs; what is above them is left out
BITS_EACH = 8  # of the filter, for each key
DOCUMENT, GRAM, START, END = 0, 1, 2, 3  # columns of hits


class GramTable(NamedTuple):
    """N-grams to find: a filter, and a hash table with open addressing. All sizes are powers of two."""

    sizes: np.ndarray  # int64: the different n, ascending, up to LONGEST
    powers: np.ndarray  # uint64: BASE^n of each
    filter: np.ndarray  # uint64: three bits of one word for each key (a blocked Bloom filter)
    slots: np.ndarray  # int32: the gram at each slot, -1 where there is none
    keys: np.ndarray  # uint64 [grams]
    checks: np.ndarray  # uint64 [grams]


@functools.cache
def word_characters() -> np.ndarray:
    """uint32 [PLANES]: what each character is to a word (see LEFT_OUT)."""
    flags = character_flags()
    table = np.empty(PLANES, np.uint32)
    for code in range(PLANES):
        character = chr(code)
        category = unicodedata.category(character)
        if flags[code] & SPACE:
            table[code] = BREAK
        elif category[0] in "PS" or category in ("Cc", "Cf"):
            table[code] = LEFT_OUT
        else:
            lower = character.lower()  # of İ alone it is two characters: İ stays as it is
            bits = (ALONE if flags[code] & UNSPACED else 0) | (JOINED if flags[code] & MARK else 0)
            table[code] = (ord(lower) if len(lower) == 1 else code) | bits
    table.flags.writeable = False
    return table


@helper
def next_word(text, place, end, characters):
    """The first word at or behind `place`: its first byte, the byte behind it, its hash, and where to go on.

    The first two are equal where there is none. What is left out around a word is no part of it.
    """
    first = behind = place
    h = FNV_START
    alone = np.int64(0)
    while place < end:
        code, width = np.int64(text[place]), np.int64(1)
        if code >= 0x80:
            code, width = decode(text, place, end)
        kind = np.int64(LEFT_OUT)
        if code < PLANES:
            kind = np.int64(characters[code])
        elif code < IDEOGRAPHS_END:
            kind = code | ALONE
        if kind <= BREAK:
            if kind == BREAK and behind > first:
                break
        else:
            if behind > first:
                if not kind & JOINED and (alone or kind & ALONE):
                    break
            elif kind & JOINED:
                place += width
                continue
            else:
                first = place
                alone = kind & ALONE
            behind = place + width
            h = (h ^ np.uint64(kind)) * FNV_PRIME
        place += width
    return first, behind, fmix64(h), place


@helper
def _check(ring, word, n):
    """A second hash of the n words up to the one of number `word`."""
    value = np.uint64(n)
    for index in range(word - n + 1, word + 1):
        value = fmix64(value ^ ring[index & (RING - 1)]) * np.uint64(BASE)
    return value


@helper
def _bits(key):
    """The three bits of a key within its word of the filter."""
    one = np.uint64(1)
    low = one << (key & np.uint64(63)) | one << (key >> np.uint64(6) & np.uint64(63))
    return low | one << (key >> np.uint64(12) & np.uint64(63))


@kernel
def count_words(text, starts, characters):
    """The words of each document; int64 [documents]."""
    counts = np.zeros(len(starts) - 1, np.int64)
    for document in range(len(counts)):
        end = starts[document + 1]
        first, behind, _, place = next_word(text, starts[document], end, characters)
        while behind > first:
            counts[document] += 1
            first, behind, _, place = next_word(text, place, end, characters)
    return counts


@kernel
def gram_keys(text, starts, words, n, power, characters):
    """Keys and checks (uint64) of all n-grams of all documents, and the document of each (int64).

    words: see `count_words`; n: up to LONGEST; power: uint64, BASE^n.
    """
    total = 0
    for document in range(len(words)):
        total += max(0, words[document] - n + 1)
    keys, checks, documents = np.empty(total, np.uint64), np.empty(total, np.uint64), np.empty(total, np.int64)
    ring = np.zeros(RING, np.uint64)
    out = 0
    for document in range(len(words)):
        ring[:] = 0
        key, place = np.uint64(0), starts[document]
        for word in range(words[document]):
            _, _, h, place = next_word(text, place, starts[document + 1], characters)
            key = key * np.uint64(BASE) + h
            if word >= n:
                key -= ring[(word - n) & (RING - 1)] * power
            ring[word & (RING - 1)] = h
            if word >= n - 1:
                keys[out], checks[out], documents[out] = key, _check(ring, word, n), document
                out += 1
    return keys, checks, documents


@kernel
def _fill(keys, filter, slots):
    """Enters keys (uint64, all different) into an empty filter and empty slots, which are more than the keys."""
    shift, mask = _shift(len(filter)), len(slots) - 1
    for gram in range(len(keys)):
        filter[keys[gram] >> shift] |= _bits(keys[gram])
        slot = np.int64(keys[gram] >> np.uint64(18)) & mask
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = gram


@helper
def _shift(words):
    """How far a key is shifted to be a place in a filter of so many words, a power of two above 1."""
    shift = np.uint64(64)
    while words > 1:
        words >>= 1
        shift -= np.uint64(1)
    return shift


@helper
def _look_up(table, key, mask):
    slot = np.int64(key >> np.uint64(18)) & mask
    while table.slots[slot] >= 0:
        if table.keys[table.slots[slot]] == key:
            return np.int64(table.slots[slot])
        slot = (slot + 1) & mask
    return np.int64(-1)


@kernel
def find_grams(text, starts, table, characters):
    """Every n-gram of the documents that is in the table: int64 [hits, 4].

    A row is the document, the gram (its number in `table.keys`), and the bytes [start, end) of `text`
    from the first character of its first word to behind the last of its last. Rows are ordered by
    document, then by the gram's last word, then by its number of words.
    """
    ring, places = np.zeros(RING, np.uint64), np.zeros(RING, np.int64)
    hits = np.empty((256, 4), np.int64)
    found = 0
    sizes = len(table.sizes)
    rolling = np.zeros(max(1, sizes), np.uint64)
    shift, mask = _shift(len(table.filter)), len(table.slots) - 1
    for document in range(len(starts) - 1 if sizes else 0):
        end = starts[document + 1]
        ring[:], rolling[:] = 0, 0
        word = 0
        first, behind, h, place = next_word(text, starts[document], end, characters)
        while behind > first:
            places[word & (RING - 1)] = first
            for index in range(sizes):
                n = table.sizes[index]
                # before its document's n-th word there are zeros in the ring
                out = ring[(word - n) & (RING - 1)] * table.powers[index]
                key = rolling[index] * np.uint64(BASE) + h - out
                rolling[index] = key
                bits = _bits(key)
                if table.filter[key >> shift] & bits != bits or word < n - 1:
                    continue
                gram = _look_up(table, key, mask)
                if gram < 0:
                    continue
                ring[word & (RING - 1)] = h
                if table.checks[gram] != _check(ring, word, n):
                    continue
                if found == len(hits):
                    longer = np.empty((2 * found, 4), np.int64)
                    longer[:found] = hits
                    hits = longer
                hits[found, DOCUMENT], hits[found, GRAM] = document, gram
                hits[found, START], hits[found, END] = places[(word - n + 1) & (RING - 1)], behind
                found += 1
            ring[word & (RING - 1)] = h
            word += 1
            first, behind, h, place = next_word(text, place, end, characters)
    return hits[:found].copy()


@kernel
def removals(text, starts, hits, window):
    """What is cut out of the documents: the hits and `window` characters on each side, joined where they meet.

    hits: int64 [hits, 4], see `find_grams`. Gives int64 [removals, 3], ordered: the document and the
    bytes [start, end) of `text`.
    """
    cuts = np.empty((len(hits), 3), np.int64)
    found = index = 0
    while index < len(hits):
        document, start, end = hits[index, DOCUMENT], hits[index, START], hits[index, END]
        index += 1
        # grams that overlap are one, so that each byte is looked at a few times only
        while index < len(hits) and hits[index, DOCUMENT] == document and hits[index, START] <= end:
            start, end = min(start, hits[index, START]), max(end, hits[index, END])
            index += 1
        for _ in range(window):
            if start == starts[document]:
                break
            start -= 1
            while start > starts[document] and text[start] & 0xC0 == 0x80:
                start -= 1
        for _ in range(window):
            if end == starts[document + 1]:
                break
            end += 1
            while end < starts[document + 1] and text[end] & 0xC0 == 0x80:
                end += 1
        while found and cuts[found - 1, 0] == document and start <= cuts[found - 1, 2]:
            found -= 1
            start, end = min(start, cuts[found, 1]), max(end, cuts[found, 2])
        cuts[found, 0], cuts[found, 1], cuts[found, 2] = document, start, end
        found += 1
    return cuts[:found].copy()


def power(n: int) -> np.uint64:
    """BASE^n modulo 2⁶⁴, for n-grams of n words. Raises ValueError where n is not 1 to LONGEST."""
    if not 1 <= n <= LONGEST:
        raise ValueError(f"n-grams of 1 to {LONGEST} words, not of {n}")
    return np.uint64(pow(BASE, n, 1 << 64))


def make_table(keys: np.ndarray, checks: np.ndarray, sizes: list[int]) -> GramTable:
    """The table of n-grams given by their keys (uint64, all different) and checks, of the numbers of words `sizes`.

    Takes 5 to 10 bytes a gram beside its key and check. Raises ValueError for 2³⁰ grams or more.
    """
    if len(keys) >= 1 << 30:
        raise ValueError(f"{len(keys):,} n-grams are too many for one table")
    filter = np.zeros(_power_of_two(len(keys) * BITS_EACH // 64 + 2), np.uint64)
    slots = np.full(_power_of_two(2 * len(keys) + 1), -1, np.int32)
    _fill(keys, filter, slots)
    ordered = sorted(set(sizes))
    powers = np.array([power(n) for n in ordered], np.uint64)
    table = GramTable(np.array(ordered, np.int64), powers, filter, slots, keys, checks)
    for array in table:
        array.flags.writeable = False  # as those that are mapped from a file: kernels are compiled once
    return table


def _power_of_two(size: int) -> int:
    return 1 << (size - 1).bit_length()
