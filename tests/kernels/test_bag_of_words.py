import math
import re

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from gptkit.clean.quality import bags
from gptkit.kernels import bag_of_words
from gptkit.kernels.columns import string_arrays

FULL = (1 << 64) - 1


def feature(word: bytes, features: int) -> int:
    """FNV-1a of 64 bits, MurmurHash3's finaliser, and the low bits of that."""
    h = 0xCBF29CE484222325
    for byte in word:
        h = (h ^ byte) * 0x100000001B3 & FULL
    for multiplier in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        h = (h ^ h >> 33) * multiplier & FULL
    return (h ^ h >> 33) % features


def bag(text: str, features: int) -> list[int]:
    words = re.findall(rb"[a-z0-9\x80-\xff]+", text.encode().lower())
    return list(dict.fromkeys(feature(word, features) for word in words))


def rows_of(texts, features):
    starts, found = bags(pa.array(texts, pa.string()), features)
    assert found.dtype == np.int32
    return [found[starts[i] : starts[i + 1]].tolist() for i in range(len(texts))]


def test_the_hash_is_fnv_1a():
    h = 0xCBF29CE484222325
    for byte in b"foobar":
        h = (h ^ byte) * 0x100000001B3 & FULL
    assert h == 0x85944171F73967E8  # published with the algorithm


@given(
    st.lists(st.text(st.characters(codec="utf-8")) | st.text("aAbB .-é中"), max_size=5),
    st.sampled_from([2, 64, 1 << 18]),
)
def test_bags_are_those_of_a_restatement(texts, features):
    assert rows_of(texts, features) == [bag(text, features) for text in texts]


def test_case_order_and_repetition_do_not_matter_but_each_word_does():
    one, other, third = rows_of(["The cat, the DOG.", "dog\tcat (the)", "the cat"], 1 << 18)
    assert sorted(one) == sorted(other)
    assert len(one) == 3
    assert len(third) == 2


def test_documents_do_not_see_one_another():
    together = rows_of(["the cat", "the cat", "", "...", "the"], 1 << 10)
    assert together == [rows_of([text], 1 << 10)[0] for text in ["the cat", "the cat", "", "...", "the"]]
    assert together[2] == together[3] == []


@given(st.lists(st.text("abcdef \n.", max_size=60), max_size=6), st.integers(0, 3), st.floats(-3, 3))
def test_scores_are_the_logistic_of_the_unit_bags_dot_the_weights(texts, seed, bias):
    weights = np.random.default_rng(seed).normal(0, 3, 64).astype(np.float32)
    expected = []
    for text in texts:
        found = bag(text, 64)
        logit = bias + sum(float(weights[f]) for f in found) / math.sqrt(max(1, len(found)))
        expected.append(1 / (1 + math.exp(-logit)))
    scores = bag_of_words.scores(*string_arrays(pa.array(texts, pa.string())), weights, bias)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_extreme_weights_give_0_and_1():
    for weight, expected in ((1e6, 1.0), (-1e6, 0.0)):
        weights = np.full(8, weight, np.float32)
        assert bag_of_words.scores(*string_arrays(pa.array(["word"])), weights, 0.0).tolist() == [expected]


def test_a_slice_of_a_column_and_large_strings_are_read_in_place():
    texts = ["one two", "three", "four five six"]
    weights = np.random.default_rng(0).normal(size=1 << 8).astype(np.float32)
    whole = bag_of_words.scores(*string_arrays(pa.array(texts)), weights, 0.1)
    for kind in (pa.string(), pa.large_string()):
        part = bag_of_words.scores(*string_arrays(pa.array(texts, kind)[1:]), weights, 0.1)
        assert part.tolist() == whole[1:].tolist()
