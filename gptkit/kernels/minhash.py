"""MinHash signatures of word shingles over a batch of texts.

The permutations are those of datasketch 2's scheme `affine32`: fmix32 (MurmurHash3's finaliser)
of a 32-bit base hash h, then a·h + b mod 2³² with odd a. Here the base hash of a shingle is made
from the hashes of its words, so that no shingle is ever written out.
"""

import numpy as np

from gptkit.kernels.jit import helper, kernel

EMPTY = np.uint32(0xFFFFFFFF)  # datasketch's value of an empty set


def permutations(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The parameters a and b (uint32 [count] each) that datasketch 2 draws for a seed."""
    generator = np.random.RandomState(seed)
    a = generator.randint(0, 1 << 31, count, np.uint32) * np.uint32(2) + np.uint32(1)
    return a, generator.randint(0, 1 << 32, count, np.uint32)


@helper
def _fmix32(h):
    # numba widens products to 64 bits: each is cut back, which is the modulo
    h = np.uint32((h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B))
    h = np.uint32((h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35))
    return np.uint32(h ^ (h >> np.uint32(16)))


@helper
def fmix64(h):
    """Mixes a 64-bit hash (MurmurHash3's finaliser)."""
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xFF51AFD7ED558CCD)
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xC4CEB9FE1A85EC53)
    return h ^ (h >> np.uint64(33))


@helper
def lower(byte):
    """The byte of a word in lower case; 0 where it belongs to no word.

    Letters, digits, and every byte of a character beyond ASCII belong to words.
    """
    if 0x61 <= byte <= 0x7A or 0x30 <= byte <= 0x39 or byte >= 0x80:
        return byte
    if 0x41 <= byte <= 0x5A:
        return byte + 0x20
    return np.uint8(0)


@kernel
def count_words(text, starts):
    """The number of words of each document; int64 [documents]."""
    counts = np.zeros(len(starts) - 1, np.int64)
    for document in range(len(counts)):
        inside = False
        for place in range(starts[document], starts[document + 1]):
            word = lower(text[place]) != 0
            counts[document] += word and not inside
            inside = word
    return counts


@kernel
def shingle_hashes(text, starts, words, size):
    """The base hash (uint32) of every shingle of `size` words, and int64 [documents + 1] starts.

    words: see `count_words`. A document of fewer words has one shingle of them all; one without
    words has none.
    """
    documents = len(starts) - 1
    shingle_starts = np.zeros(documents + 1, np.int64)
    for document in range(documents):
        shingle_starts[document + 1] = shingle_starts[document] + (
            0 if words[document] == 0 else max(1, words[document] - size + 1)
        )
    hashes = np.empty(shingle_starts[-1], np.uint32)
    ring = np.zeros(size, np.uint64)
    for document in range(documents):
        wide = min(size, words[document])
        out = shingle_starts[document]
        seen = 0
        h = np.uint64(0xCBF29CE484222325)  # FNV-1a
        length = 0
        for place in range(starts[document], starts[document + 1] + 1):
            byte = lower(text[place]) if place < starts[document + 1] else np.uint8(0)
            if byte:
                h = (h ^ np.uint64(byte)) * np.uint64(0x100000001B3)
                length += 1
            elif length:
                ring[seen % size] = h
                seen += 1
                h = np.uint64(0xCBF29CE484222325)
                length = 0
                if seen >= wide:
                    mixed = np.uint64(0)
                    for back in range(wide):
                        mixed = (mixed ^ ring[(seen - wide + back) % size]) * np.uint64(0x9E3779B97F4A7C15)
                        mixed ^= mixed >> np.uint64(29)
                    hashes[out] = np.uint32(fmix64(mixed) & np.uint64(0xFFFFFFFF))
                    out += 1
    return hashes, shingle_starts


@kernel
def signatures(hashes, shingle_starts, a, b):
    """MinHash signatures, uint32 [documents, permutations]; all EMPTY for a document without shingles."""
    documents, count = len(shingle_starts) - 1, len(a)
    result = np.full((documents, count), EMPTY, np.uint32)
    for document in range(documents):
        row = result[document]
        for place in range(shingle_starts[document], shingle_starts[document + 1]):
            h = _fmix32(hashes[place])
            for k in range(count):
                row[k] = min(row[k], np.uint32(a[k] * h + b[k]))
    return result
