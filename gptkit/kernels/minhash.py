"""MinHash signatures of sets of hashes.

The permutations are those of datasketch 2's scheme `affine32`: fmix32 (MurmurHash3's finaliser)
of a 32-bit base hash h, then a·h + b mod 2³² with odd a. The base hash is the low half of a 64-bit
hash of a shingle.
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
def fmix32(h):
    """Mixes a 32-bit hash (MurmurHash3's finaliser)."""
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
def _mixed(hashes, place, end):
    """The base hash at `place`, mixed; from `end` on the last one again, which changes no minimum."""
    return fmix32(np.uint32(hashes[min(place, end - 1)]))


@helper
def _least(a, b, h0, h1, h2, h3):
    first, second = min(np.uint32(a * h0 + b), np.uint32(a * h1 + b)), min(np.uint32(a * h2 + b), np.uint32(a * h3 + b))
    return min(first, second)


@kernel
def signatures(hashes, shingle_starts, a, b):
    """MinHash signatures, uint32 [documents, permutations]; all EMPTY for a document without shingles.

    hashes: uint64, of which the low half counts; shingle_starts: int64 [documents + 1]; a, b: see
    `permutations`. Eight shingles are taken at a time, so that signatures are read and written
    seldom, and the loop over permutations is made of vector instructions alone.
    """
    documents, count = len(shingle_starts) - 1, len(a)
    result = np.full((documents, count), EMPTY, np.uint32)
    for document in range(documents):
        row, end = result[document], shingle_starts[document + 1]
        for place in range(shingle_starts[document], end, 8):
            h0, h1 = _mixed(hashes, place, end), _mixed(hashes, place + 1, end)
            h2, h3 = _mixed(hashes, place + 2, end), _mixed(hashes, place + 3, end)
            h4, h5 = _mixed(hashes, place + 4, end), _mixed(hashes, place + 5, end)
            h6, h7 = _mixed(hashes, place + 6, end), _mixed(hashes, place + 7, end)
            for k in range(count):
                least = min(_least(a[k], b[k], h0, h1, h2, h3), _least(a[k], b[k], h4, h5, h6, h7))
                row[k] = min(row[k], least)
    return result
