import itertools
import random

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from datasketch import MinHash
from hypothesis import given
from hypothesis import strategies as st

from gptkit.dedup.signatures import exact_hashes, shingles, sign
from gptkit.kernels.columns import string_arrays
from gptkit.kernels.shingles import normalised, word_table

TEXTS = st.lists(st.text("aB é\u0301ßİ.-\0語กิ😀") | st.text(st.characters(codec="utf-8")), max_size=4)


def words_of(column):
    """The words of each text (the kernel's own tests hold them against plain Python)."""
    content, starts = normalised(*string_arrays(column), word_table())
    texts = [bytes(content[start:end]).decode() for start, end in itertools.pairwise(starts)]
    return [text.split(" ") if text else [] for text in texts]


def windows(words, size):
    return [" ".join(words[i : i + size]) for i in range(max(1, len(words) - size + 1))] if words else []


@given(TEXTS, st.integers(1, 6), st.integers(0, 1000))
def test_with_sha1_signatures_equal_datasketchs_from_text(texts, size, seed):
    column = pa.array(texts, pa.string())
    ours = sign(column, size, 32, seed, "sha1")
    for row, words in zip(ours, words_of(column), strict=True):
        theirs = MinHash(32, seed=seed)
        theirs.update_batch([window.encode() for window in windows(words, size)])
        assert np.array_equal(row, theirs.hashvalues)


@pytest.mark.parametrize("base_hash", ["fast", "sha1"])
def test_signatures_equal_datasketchs_over_our_shingle_hashes(base_hash):
    words = random.Random(3).choices([f"word{i}" for i in range(30)], k=300)
    texts = pa.array(["", "one two", " ".join(words), "Ünïcode wörds, ein paar mehr als fünf davon", "自然语言处理"])
    hashes, starts = shingles(texts, 5, base_hash)
    for index, row in enumerate(sign(texts, 5, 112, 1, base_hash)):
        theirs = MinHash(112, seed=1, hashfunc=int)
        theirs.update_batch([int(value) & 0xFFFFFFFF for value in hashes[starts[index] : starts[index + 1]]])
        assert np.array_equal(row, theirs.hashvalues)


@pytest.mark.parametrize("base_hash", ["fast", "sha1"])
def test_signatures_of_texts_estimate_the_jaccard_similarity(base_hash):
    generator = random.Random(1)
    vocabulary = [f"word{i}" for i in range(5000)]
    base = generator.choices(vocabulary, k=2000)
    other = [generator.choice(vocabulary) if generator.random() < 0.03 else word for word in base]
    rows = sign(pa.array([" ".join(base), " ".join(other)]), 5, 1024, 1, base_hash)
    first, second = set(windows(base, 5)), set(windows(other, 5))
    exact = len(first & second) / len(first | second)
    assert abs((rows[0] == rows[1]).mean() - exact) < 4 * np.sqrt(exact * (1 - exact) / 1024)


def test_exact_hashes_are_xxh3_128():
    texts = ["a", "b", "a", "", "longer é" * 100]
    found = exact_hashes(pa.array(texts))
    assert found.dtype == np.uint64
    for (high, low), text in zip(found.tolist(), texts, strict=True):
        assert high << 64 | low == xxhash.xxh3_128_intdigest(text.encode())
    assert exact_hashes(pa.array([], pa.string())).shape == (0, 2)


def test_normalised_exact_hashes_tell_words_apart_and_nothing_else():
    same = pa.array(["Hello, World!", "hello world", " HELLO\n\tWORLD "])
    assert len(np.unique(exact_hashes(same, normalise=True), axis=0)) == 1
    assert len(np.unique(exact_hashes(same), axis=0)) == 3
    assert exact_hashes(same[1:2], normalise=True).tolist() == exact_hashes(same[1:2]).tolist()
    others = pa.array(["hello world", "helloworld", "world hello", "hello", "", "语言", "语 言 。"])
    assert len(np.unique(exact_hashes(others, normalise=True), axis=0)) == 6
