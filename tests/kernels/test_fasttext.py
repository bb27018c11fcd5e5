import re

import numpy as np
import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from gptkit.kernels import fasttext
from gptkit.kernels.columns import string_arrays

TEXTS = st.lists(st.text(max_size=30), max_size=6)


def arrays(texts):
    return string_arrays(pa.array(texts, pa.string()))


@given(TEXTS, st.integers(0, 35))
def test_the_first_characters_end_where_python_cuts(texts, characters):
    content, starts = arrays(texts)
    ends = fasttext.character_ends(content, starts, characters)
    cut = [content[start:end].tobytes().decode() for start, end in zip(starts, ends, strict=False)]
    assert cut == [text[:characters] for text in texts]


@given(TEXTS)
@example(["", "A", "AAAAa", "AAAAAa", "Жж", "1", "é", "aÉ"])
def test_capitals_are_marked(texts):
    content, starts = arrays(texts)
    marks = fasttext.mark_capitals(content, starts, starts[1:])
    for text, mark in zip(texts, marks, strict=True):
        letters, capitals = len(re.findall("[A-Za-z]", text)), len(re.findall("[A-Z]", text))
        assert (mark == fasttext.MOSTLY_CAPITALS) == (capitals > 0.8 * letters)
        assert not text.isupper() or mark  # what is all capitals is always looked at


@given(st.lists(st.binary(min_size=1, max_size=6), unique=True, max_size=40))
def test_every_word_is_once_in_the_table(words):
    starts = np.concatenate([[0], np.cumsum([len(word) for word in words], dtype=np.int64)])
    table = fasttext.hash_words(np.frombuffer(b"".join(words), np.uint8), starts)
    assert sorted(table[table >= 0]) == list(range(len(words)))
    for index, word in enumerate(words):
        h = 2166136261
        for byte in word:  # FNV-1a over bytes with a sign
            h = (h ^ (byte - 256 if byte > 127 else byte) % 2**32) * 16777619 % 2**32
        slot = h % len(table)
        while table[slot] != index:
            assert table[slot] >= 0
            slot = (slot + 1) % len(table)


def tiny(texts):
    """Words only: row 0 ends a text, row 1 is `yes`, row 2 is `no`; labels 0 and 1 by the first value's sign."""
    words = [b"</s>", b"yes", b"no"]
    word_starts = np.cumsum([0, *map(len, words)])
    content = np.frombuffer(b"".join(words), np.uint8)
    rows = np.zeros((3, fasttext.DIMENSIONS), np.float32)
    rows[1, 0], rows[2, 0] = 3, -3
    nodes = np.zeros((1, fasttext.DIMENSIONS), np.float32)
    nodes[0, 0] = 1
    table = fasttext.hash_words(content, word_starts)
    nothing = np.zeros(1, np.uint8), np.zeros(8, np.int32)
    text, starts = arrays(texts)
    children = np.array([[0, 1]], np.int32)
    return fasttext.classify(
        text, starts, starts[1:], content, word_starts, table, 0, 2, 4, *nothing, rows, nodes, children
    )


@given(st.lists(st.text(st.sampled_from("yes no\t"), max_size=200), max_size=5))
def test_the_mean_of_the_rows_decides(texts):
    labels, probability = tiny(texts)
    for text, label, score in zip(texts, labels, probability, strict=True):
        words = re.split("[ \t]+", text)
        total = 3 * (words.count("yes") - words.count("no"))
        known = 1 + words.count("yes") + words.count("no")
        right = 1 / (1 + np.exp(-total / known))
        assert total == 0 or label == (total > 0)
        assert abs(score - max(right, 1 - right)) < 1e-4


def test_a_long_word_is_not_kept_and_not_mixed_up():
    long = "y" * 40
    alone, _ = tiny([f"{long} no {long}", f"yes {long} {long}z yes"])
    assert alone.tolist() == [0, 1]
