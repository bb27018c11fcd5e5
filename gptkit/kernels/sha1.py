"""SHA-1 (FIPS 180-4) of word shingles: the base hash of datasketch, where it is given shingles as strings."""

import numpy as np

from gptkit.kernels.jit import helper, kernel, routine

BLOCK = 64  # bytes
STATE = tuple(np.uint32(h) for h in (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0))
SPACE = 0x20


@helper
def _rotated(x, bits):
    return np.uint32(x << np.uint32(bits) | x >> np.uint32(32 - bits))


@helper
def _swapped(x):
    return _rotated(x, 8) & np.uint32(0x00FF00FF) | _rotated(x, 24) & np.uint32(0xFF00FF00)


@helper
def _round(a, b, c, d, e, added):
    """One step for all but the function of b, c and d, which is part of what is added."""
    return np.uint32(_rotated(a, 5) + e + added), a, _rotated(b, 30), c, d


@helper
def _read_block(text, place, end, bits, last, words):
    """Fills in words[:16], big-endian: the text from `place` to `end`, the bit 1, zeros, and in the last block its length."""
    whole = max(np.int64(0), min(np.int64(16), (end - place) // 4))
    for t in range(whole):
        k = place + 4 * t
        b0, b1, b2, b3 = np.uint32(text[k]), np.uint32(text[k + 1]), np.uint32(text[k + 2]), np.uint32(text[k + 3])
        words[t] = b0 << np.uint32(24) | b1 << np.uint32(16) | b2 << np.uint32(8) | b3
    for t in range(whole, 16):
        words[t] = 0
    place += 4 * whole
    if whole < 16 and place <= end:
        words[whole] = np.uint32(0x80) << np.uint32(24 - 8 * (end - place))
        for k in range(place, end):
            words[whole] |= np.uint32(text[k]) << np.uint32(24 - 8 * (k - place))
    if last:
        words[14], words[15] = bits >> 32, bits


@routine
def sha1_head(text, start, end, words):
    """The first 8 bytes, little-endian, of the SHA-1 of text[start:end]; uint64. words: uint32 [80], for its use."""
    blocks = (end - start + 8) // BLOCK + 1  # the bit 1 and the length have room too
    h0, h1, h2, h3, h4 = STATE
    for block in range(blocks):
        _read_block(text, start + block * BLOCK, end, (end - start) * 8, block == blocks - 1, words)
        for t in range(16, 80):
            words[t] = _rotated(words[t - 3] ^ words[t - 8] ^ words[t - 14] ^ words[t - 16], 1)
        a, b, c, d, e = h0, h1, h2, h3, h4
        for t in range(20):
            a, b, c, d, e = _round(a, b, c, d, e, (d ^ (b & (c ^ d))) + np.uint32(0x5A827999) + words[t])
        for t in range(20, 40):
            a, b, c, d, e = _round(a, b, c, d, e, (b ^ c ^ d) + np.uint32(0x6ED9EBA1) + words[t])
        for t in range(40, 60):
            a, b, c, d, e = _round(a, b, c, d, e, (b & c | d & (b | c)) + np.uint32(0x8F1BBCDC) + words[t])
        for t in range(60, 80):
            a, b, c, d, e = _round(a, b, c, d, e, (b ^ c ^ d) + np.uint32(0xCA62C1D6) + words[t])
        h0, h1, h2 = np.uint32(h0 + a), np.uint32(h1 + b), np.uint32(h2 + c)
        h3, h4 = np.uint32(h3 + d), np.uint32(h4 + e)
    return np.uint64(_swapped(h1)) << np.uint64(32) | np.uint64(_swapped(h0))


@kernel
def _fill(text, starts, size, hashes, shingle_starts):
    """Writes the hashes of all documents' shingles and where each document's end."""
    begun = np.empty(size, np.int64)  # where the last words begin, in turn
    words = np.empty(80, np.uint32)
    out = 0
    for document in range(len(starts) - 1):
        first, end = starts[document], starts[document + 1]
        begun[0] = first
        seen = 1 if first < end else 0  # words
        oldest = 1 if size > 1 else 0  # whose place is of the word `seen` - `size`
        for place in range(first, end):
            if text[place] != SPACE:
                continue
            if seen >= size:
                hashes[out] = sha1_head(text, begun[oldest], place, words)
                out += 1
            begun[oldest] = place + 1
            oldest = oldest + 1 if oldest + 1 < size else 0
            seen += 1
        if seen:
            hashes[out] = sha1_head(text, begun[oldest] if seen >= size else first, end, words)
            out += 1
        shingle_starts[document + 1] = out


def sha1_shingle_hashes(text: np.ndarray, starts: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The first 8 bytes, little-endian, of the SHA-1 of each shingle's words joined by a space.

    text, starts: words in lower case with a space between two (see `shingles.normalised`). Returns
    what `shingles.shingle_hashes` does. The low 32 bits of a hash are datasketch's `sha1_hash32`.
    """
    documents = len(starts) - 1
    hashes = np.empty(int(starts[-1] - starts[0] + documents) // 2, np.uint64)
    shingle_starts = np.zeros(documents + 1, np.int64)
    _fill(text, starts, size, hashes, shingle_starts)
    return hashes[: shingle_starts[-1]], shingle_starts
