"""Words and word shingles of a batch of texts, as 64-bit hashes.

A word is a run of letters, numbers and marks of any script, in lower case. A letter of a script
that puts no spaces between words (Chinese, Japanese kana, Thai, Lao, Khmer, Myanmar) is a word by
itself with the marks that follow it, so that word n-grams are character n-grams there. A mark
without a letter or number before it belongs to no word.

A word's hash is FNV-1a over its code points, mixed by MurmurHash3's finaliser. A shingle is a window
of words; its hash is that of a polynomial over theirs (Karp and Rabin 1987, modulo 2⁶⁴), which
costs the same for windows of any size, mixed once more.
"""

import functools
import unicodedata

import numpy as np

from gptkit.kernels.characters import PLANES, UNSPACED, character_flags, decode
from gptkit.kernels.fnv import FNV_PRIME, FNV_START
from gptkit.kernels.jit import helper, kernel, routine
from gptkit.kernels.minhash import fmix64

# Bits of an entry of the table beside the code point
ALONE = np.uint32(1 << 31)  # a word by itself
MARK = np.uint32(1 << 30)  # belongs to the word before it
CODE = np.uint32((1 << 21) - 1)

IDEOGRAPHS_END = 0x40000  # planes 2 and 3 hold ideographs, those above no words
RADIX = np.uint64(0x9E3779B97F4A7C15)  # of the polynomial: 2⁶⁴ / golden ratio


@functools.cache
def word_table() -> np.ndarray:
    """uint32 [PLANES]: of each character its lower case, ALONE and MARK; 0 where it is in no word.

    Lower case is that of the character by itself (str.lower), and the character where that is several.
    """
    unspaced = character_flags() & UNSPACED > 0
    table = np.zeros(PLANES, np.uint32)
    for code in range(PLANES):
        character = chr(code)
        mark = unicodedata.category(character)[0] == "M"
        if mark or character.isalnum():
            lower = character.lower()
            table[code] = ord(lower) if len(lower) == 1 else code
            table[code] |= ALONE if unspaced[code] else MARK if mark else 0
    return table


@helper
def entry_at(text, place, end, table):
    """The table's entry of the character at `place`, and the character's length in bytes."""
    first = text[place]
    if first < 0x80:
        return np.uint64(table[first]), 1
    code, width = decode(text, place, end)
    if code < PLANES:
        return np.uint64(table[code]), width
    return (np.uint64(code) | np.uint64(ALONE) if code < IDEOGRAPHS_END else np.uint64(0)), width


@helper
def _with_character(h, entry):
    return (h ^ (entry & np.uint64(CODE))) * FNV_PRIME


@routine
def _words(text, start, end, table, hashes, out):
    """Writes a document's words, not yet mixed, from hashes[out] on; returns where they end.

    Between words of one byte is another byte, so there are at most (bytes + 1) // 2; one place
    more is written to. Where words end cannot be foreseen, so there is no branch on it.
    """
    h, inside = FNV_START, 0
    place = start
    while place < end:
        entry, width = entry_at(text, place, end, table)
        place += width
        if entry >= np.uint64(MARK):
            if not entry & np.uint64(ALONE):
                h = _with_character(h, entry) if inside else h
                continue
            hashes[out] = h
            out += inside
            h, inside = _with_character(FNV_START, entry), 0
            while place < end:
                entry, width = entry_at(text, place, end, table)
                if not entry & np.uint64(MARK):
                    break
                h = _with_character(h, entry)
                place += width
            hashes[out] = h
            out += 1
            h = FNV_START
            continue
        word = 1 if entry != 0 else 0
        hashes[out] = h
        out += inside & ~word
        h = _with_character(h, entry) if word else FNV_START
        inside = word
    hashes[out] = h
    return out + inside


@routine
def _windows(hashes, first, end, size, leading):
    """Replaces a document's words by the hashes of its shingles; returns where they end.

    leading: RADIX to the power of the size.
    """
    if first == end:
        return end
    wide = min(size, end - first)
    total = np.uint64(0)
    for place in range(first, first + wide):
        hashes[place] = fmix64(hashes[place])
        total = total * RADIX + hashes[place]
    for place in range(first + wide, end):
        hashes[place] = fmix64(hashes[place])
        oldest = hashes[place - wide]
        hashes[place - wide] = fmix64(total)
        total = total * RADIX + hashes[place] - oldest * leading
    hashes[end - wide] = fmix64(total)
    return end - wide + 1


@kernel
def _fill(text, starts, size, table, hashes, shingle_starts):
    """Writes the hashes of all documents' shingles and where each document's end."""
    leading = np.uint64(1)
    for _ in range(size):
        leading *= RADIX
    out = 0
    for document in range(len(starts) - 1):
        end = _words(text, starts[document], starts[document + 1], table, hashes, out)
        out = _windows(hashes, out, end, size, leading)
        shingle_starts[document + 1] = out


def shingle_hashes(text: np.ndarray, starts: np.ndarray, size: int, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One hash (uint64) for each occurrence of a shingle of `size` words, and int64 [documents + 1] starts.

    text: uint8, all documents; starts: int64 [documents + 1]; table: see `word_table`. A document
    of fewer words has one shingle of them all, one without words has none. Memory: 8 bytes a word;
    4 times the texts are set aside, but what is not needed of that is never touched.
    """
    documents = len(starts) - 1
    # NumPy asks for huge pages, which numba does not: a fifth of the time went into page faults
    hashes = np.empty(int(starts[-1] - starts[0] + documents) // 2 + 1, np.uint64)
    shingle_starts = np.zeros(documents + 1, np.int64)
    _fill(text, starts, size, table, hashes, shingle_starts)
    return hashes[: shingle_starts[-1]], shingle_starts


@helper
def _encode(code, out, place):
    """Writes a code point as UTF-8; returns where it ends."""
    if code < 0x80:
        out[place] = code
        return place + 1
    if code < 0x800:
        out[place] = 0xC0 | code >> 6
        out[place + 1] = 0x80 | code & 0x3F
        return place + 2
    if code < 0x10000:
        out[place] = 0xE0 | code >> 12
        out[place + 1] = 0x80 | code >> 6 & 0x3F
        out[place + 2] = 0x80 | code & 0x3F
        return place + 3
    out[place] = 0xF0 | code >> 18
    out[place + 1] = 0x80 | code >> 12 & 0x3F
    out[place + 2] = 0x80 | code >> 6 & 0x3F
    out[place + 3] = 0x80 | code & 0x3F
    return place + 4


@kernel
def normalised(text, starts, table):
    """The words of each document in lower case, joined by one space: UTF-8 (uint8), and its starts.

    text, starts, table: see `shingle_hashes`. At most twice as long as the texts: two bytes may
    become three in lower case, and an ideograph of three gets a space on either side.
    """
    documents = len(starts) - 1
    ends = np.zeros(documents + 1, np.int64)
    result = np.empty(2 * (starts[documents] - starts[0]), np.uint8)
    out = 0
    for document in range(documents):
        first, place, end = out, starts[document], starts[document + 1]
        inside = False  # a word to which a letter or a mark may still be added
        alone = False  # that word takes only marks
        while place < end:
            entry, width = entry_at(text, place, end, table)
            place += width
            if entry == 0 or (entry & np.uint64(MARK) and not inside):
                inside = False
                continue
            stands_alone = entry & np.uint64(ALONE) != 0
            if not entry & np.uint64(MARK):
                if (not inside or alone or stands_alone) and out > first:
                    result[out] = 0x20
                    out += 1
                alone = stands_alone
            inside = True
            out = _encode(np.int64(entry & np.uint64(CODE)), result, out)
        ends[document + 1] = out
    return result[:out], ends
