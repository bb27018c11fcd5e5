import hashlib
import itertools
import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gptkit.kernels.sha1 import sha1_shingle_hashes

WORDS = st.text(st.characters(codec="utf-8", exclude_characters=" "), min_size=1, max_size=40)


def head(text: str) -> int:
    return struct.unpack("<Q", hashlib.sha1(text.encode()).digest()[:8])[0]


def windows(words: list[str], size: int) -> list[str]:
    return [" ".join(words[i : i + size]) for i in range(max(1, len(words) - size + 1))] if words else []


def hashed(texts, size):
    starts = np.cumsum([0, *(len(text.encode()) for text in texts)])
    content = np.frombuffer("".join(texts).encode(), np.uint8)
    hashes, ends = sha1_shingle_hashes(content, starts, size)
    return [hashes[start:end].tolist() for start, end in itertools.pairwise(ends)]


@given(st.lists(st.lists(WORDS, max_size=9), max_size=4), st.integers(1, 6))
@example([["one", "two"], [], ["the", "quick", "brown", "fox", "jumps", "over"]], 5)
def test_hashes_equal_hashlibs(documents, size):
    texts = [" ".join(words) for words in documents]
    assert hashed(texts, size) == [[head(window) for window in windows(words, size)] for words in documents]


@pytest.mark.parametrize("length", [1, 3, 54, 55, 56, 57, 63, 64, 65, 118, 119, 120, 128, 1000, 100_000])
def test_messages_of_every_padding(length):
    text = "".join(chr(97 + i * i % 26) for i in range(length))
    assert hashed([text], 5) == [[head(text)]]
