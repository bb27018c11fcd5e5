"""Counted words against collections.Counter."""

import itertools
from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from pretoken_pieces import piece_ends

from gptkit.bpe.character_kinds import character_kinds
from gptkit.kernels.pretokens import CHUNKS, GPT2
from gptkit.kernels.word_counts import WordCounts


def found(words: WordCounts) -> list[tuple[bytes, int]]:
    starts = words.starts
    return [
        (words.content[begin:end].tobytes(), int(count))
        for begin, end, count in zip(starts[:-1], starts[1:], words.counts, strict=True)
    ]


def expected(texts: list[str], pattern: int) -> Counter[bytes]:
    text, ends = piece_ends(pa.array(texts, pa.string()), character_kinds(), pattern)
    content, cuts = text.tobytes(), [0, *ends.tolist()]
    return Counter(content[begin:end] for begin, end in itertools.pairwise(cuts))


def counted(texts: list[str], pattern: int = GPT2) -> WordCounts:
    words = WordCounts()
    words.add_texts(pa.array(texts, pa.string()), character_kinds(), pattern)
    return words


@given(st.lists(st.text("ab ", max_size=40) | st.text(max_size=40), max_size=20))
def test_words_are_counted_in_the_order_of_their_first_appearance(texts: list[str]) -> None:
    assert found(counted(texts)) == list(expected(texts, GPT2).items())


def test_zero_bytes_are_no_end_of_a_word() -> None:
    texts = ["\0 \0\0", "\0\0\0 \0\0\0\0\0\0\0\0 \0\0\0\0\0\0\0\0\0 \0"]
    assert found(counted(texts)) == list(expected(texts, GPT2).items())


def test_words_that_differ_in_one_byte_are_different() -> None:
    long = [b"x" * 24] + [b"x" * place + b"y" + b"x" * (23 - place) for place in range(24)]
    texts = [word[:size].decode() for word in long for size in (1, 6, 7, 8, 9, 15, 16, 17, 24)]
    assert found(counted(texts)) == list(expected(texts, GPT2).items())


def test_the_table_grows_in_the_middle_of_a_text() -> None:
    text = " ".join(f"{number:x}" * (number % 5) for number in range(60_000))
    assert found(counted([text, text[::-1]])) == list(expected([text, text[::-1]], GPT2).items())


def test_a_word_of_a_megabyte() -> None:
    texts = ["a" * 1_000_000, "b", "a" * 1_000_000, "a" * 999_999, "", "é" * 500_000]
    assert found(counted(texts)) == list(expected(texts, GPT2).items())


def test_the_counts_of_parts_add_up() -> None:
    texts = [" ".join(str(number * step) for number in range(4_000)) for step in (1, 3, 7)]
    together = WordCounts()
    for text in texts:
        part = counted([text], CHUNKS)
        together.add_words(part.content, part.starts, part.counts)
    assert found(together) == found(counted(texts, CHUNKS))


def test_words_that_are_forgotten_can_come_again() -> None:
    words = counted(["a bb a a bb ccccccccc"], CHUNKS)
    words.keep(words.counts > 2)
    assert found(words) == [(b"a", 3), (b" ", 5)]
    words.add_texts(pa.array(["ccccccccc a"]), character_kinds(), CHUNKS)
    assert found(words) == [(b"a", 4), (b" ", 6), (b"ccccccccc", 1)]


def test_slices_of_a_column_are_counted_as_such() -> None:
    words = WordCounts()
    words.add_texts(pa.array(["one", "two two", "three"])[1:2], character_kinds(), CHUNKS)
    assert found(words) == [(b"two", 2), (b" ", 1)]
    assert words.counts.dtype == np.int64
