import lzma
import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptkit.training.reference import ByteNgrams, xz_bits_per_byte

few_symbols = st.binary(max_size=60).map(lambda data: bytes(b % 4 for b in data))


def array(data):
    return np.frombuffer(data, np.uint8)


def by_the_book(trained, history, byte, order):
    """Witten-Bell by dictionaries, straight from the formula."""
    probability = 1 / 256
    for length in range(min(order, len(history) + 1)):
        h = history[len(history) - length :]
        following = Counter(
            trained[place + length] for place in range(len(trained) - length) if trained[place : place + length] == h
        )
        if following:
            total, kinds = following.total(), len(following)
            probability = (following[byte] + kinds * probability) / (total + kinds)
    return probability


@given(few_symbols, few_symbols, st.integers(1, 5))
def test_probabilities_are_those_of_the_formula(trained, text, order):
    found = ByteNgrams(array(trained), order).probabilities(array(text))
    expected = [by_the_book(trained, text[:place], byte, order) for place, byte in enumerate(text)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@given(few_symbols, st.binary(max_size=6), st.integers(1, 7))
def test_probabilities_sum_to_one(trained, history, order):
    model = ByteNgrams(array(trained), order)
    total = sum(model.probabilities(array(history + bytes([byte])))[-1] for byte in range(256))
    assert total == pytest.approx(1)


def test_long_text_and_high_bytes():
    random = np.random.default_rng(0)
    words = [bytes(random.integers(0, 256, 7, np.uint8)) for _ in range(20)]
    text = b"".join(words[i] for i in random.integers(0, 20, 3000))
    model = ByteNgrams(array(text), 5)
    counts = defaultdict(Counter)
    for place in range(len(text) - 4):
        counts[text[place : place + 4]][text[place + 4]] += 1
    history = text[100:104]
    seen = sum(model.probabilities(array(history + bytes([byte])))[-1] for byte in counts[history])
    total, kinds = counts[history].total(), len(counts[history])
    assert seen >= total / (total + kinds)
    # 20 equally likely words of 7 bytes
    assert 0.95 * math.log2(20) / 7 < model.bits_per_byte(array(text)) < 1.3 * math.log2(20) / 7


def test_xz_is_that_of_the_standard_library():
    text = b"abc" * 1000
    assert xz_bits_per_byte(array(text)) == 8 * len(lzma.compress(text, preset=9)) / 3000


def test_an_order_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="between 1 and 7"):
        ByteNgrams(array(b"abc"), 8)
