import hashlib
import struct

import numpy as np
import pytest
from datasketch import MinHash
from hypothesis import given
from hypothesis import strategies as st

from gptkit.kernels import minhash

WIDE = st.lists(st.integers(0, (1 << 64) - 1), max_size=40)


def theirs(hashes, permutations, seed):
    """datasketch's signature of the low halves of 64-bit hashes."""
    found = MinHash(permutations, seed=seed, hashfunc=int)
    if len(hashes):
        found.update_batch([int(value) & 0xFFFFFFFF for value in hashes])
    return found.hashvalues


def ours(sets, permutations, seed):
    starts = np.cumsum([0, *map(len, sets)])
    hashes = np.concatenate([np.empty(0, np.uint64), *(np.array(values, np.uint64) for values in sets)])
    return minhash.signatures(hashes, starts, *minhash.permutations(permutations, seed))


@given(st.lists(WIDE, max_size=4), st.integers(1, 140), st.integers(0, (1 << 32) - 1))
def test_signatures_equal_datasketchs(sets, permutations, seed):
    rows = ours(sets, permutations, seed)
    assert rows.shape == (len(sets), permutations)
    assert rows.dtype == np.uint32
    for row, values in zip(rows, sets, strict=True):
        assert np.array_equal(row, theirs(values, permutations, seed))


@pytest.mark.parametrize("permutations", [112, 128, 9000])
def test_signatures_of_large_sets_equal_datasketchs(permutations):
    generator = np.random.default_rng(permutations)
    sets = [generator.integers(0, 1 << 64, size, np.uint64) for size in (0, 1, 7, 8, 9, 300)]
    for row, values in zip(ours(sets, permutations, 7), sets, strict=True):
        assert np.array_equal(row, theirs(values, permutations, 7))


def test_permutations_give_datasketchs_published_values():
    tokens = [
        struct.unpack("<I", hashlib.sha1(token).digest()[:4])[0] for token in (b"the", b"quick", b"brown", b"fox")
    ]
    row = ours([tokens], 8, 1)[0]
    assert row.tolist() == [529437859, 342517004, 6162948, 48413517, 673604544, 1319524931, 602105657, 1437118808]
