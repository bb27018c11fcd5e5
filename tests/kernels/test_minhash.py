import hashlib
import re
import struct

import numpy as np
import pyarrow as pa
import pytest
from datasketch import MinHash
from hypothesis import given
from hypothesis import strategies as st

from gptkit.kernels import minhash
from gptkit.kernels.columns import string_arrays

MASK = (1 << 64) - 1


def word_hash(word):
    h = 0xCBF29CE484222325
    for byte in word:
        h = (h ^ byte) * 0x100000001B3 & MASK
    return h


def shingle_hash(words):
    mixed = 0
    for word in words:
        mixed = (mixed ^ word_hash(word)) * 0x9E3779B97F4A7C15 & MASK
        mixed ^= mixed >> 29
    for multiplier in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        mixed = (mixed ^ mixed >> 33) * multiplier & MASK
    return (mixed ^ mixed >> 33) & 0xFFFFFFFF


def words_of(text):
    lower = bytes(b + 32 if 65 <= b <= 90 else b for b in text.encode())
    return re.findall(rb"[a-z0-9\x80-\xff]+", lower)


def shingles(texts, size):
    content, starts = string_arrays(pa.array(texts, pa.string()))
    words = minhash.count_words(content, starts)
    return words, *minhash.shingle_hashes(content, starts, words, size)


@given(st.lists(st.text(alphabet="aZ9 é-.\n語", max_size=60), max_size=5), st.integers(1, 6))
def test_shingles_equal_those_of_plain_python(texts, size):
    counts, hashes, starts = shingles(texts, size)
    for index, text in enumerate(texts):
        words = words_of(text)
        assert counts[index] == len(words)
        wide = min(size, len(words))
        expected = [shingle_hash(words[i : i + wide]) for i in range(len(words) - wide + 1)] if words else []
        assert hashes[starts[index] : starts[index + 1]].tolist() == expected


@pytest.mark.parametrize("seed", [1, 7])
def test_signatures_equal_datasketchs(seed):
    generator = np.random.default_rng(seed)
    sets = [generator.integers(0, 1 << 32, size, np.uint64).astype(np.uint32) for size in (0, 1, 5, 300)]
    starts = np.cumsum([0, *map(len, sets)])
    ours = minhash.signatures(np.concatenate(sets), starts, *minhash.permutations(112, seed))
    for row, values in zip(ours, sets, strict=True):
        theirs = MinHash(112, seed=seed, hashfunc=int)
        theirs.update_batch(values.tolist())
        assert np.array_equal(row, theirs.hashvalues)


def test_permutations_give_datasketchs_published_values():
    tokens = [
        struct.unpack("<I", hashlib.sha1(token).digest()[:4])[0] for token in (b"the", b"quick", b"brown", b"fox")
    ]
    row = minhash.signatures(np.array(tokens, np.uint32), np.array([0, 4]), *minhash.permutations(8, 1))[0]
    assert row.tolist() == [529437859, 342517004, 6162948, 48413517, 673604544, 1319524931, 602105657, 1437118808]
