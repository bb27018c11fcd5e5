"""The rules' counts against datatrove's formulas, restated over a splitter in plain Python."""

import io
import json
import os
import re
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_words import TERMINAL_MARKS, ReferenceTokenizer

from gptkit.kernels import statistics as columns
from gptkit.kernels.characters import SYMBOL, SYMBOLS, character_flags
from gptkit.kernels.columns import string_arrays
from gptkit.kernels.statistics import check_sizes, fineweb_statistics, gopher_statistics, stop_word_table

MIXED = (
    Path(os.environ.get("GPTKIT_SHARED") or Path(__file__).parents[3] / "shared") / "data" / "text" / "mixed.jsonl.zst"
)
REFERENCE = ReferenceTokenizer()
STOP_WORDS = [["the", "be", "to", "of", "and", "that", "have", "with"], ["der", "die", "das", "the"], []]
SHORT = 12
PIECES = (
    "a b c aa ab the The be of and don't 's . ... …  # • - • -- ! 中 文 ภา é e\u0301 1 2.5 \x00 \x1f \x85 \u2028 \x0b \x1c . the"
).split(" ")
WORDS = st.lists(st.sampled_from([*PIECES, " ", " ", " ", "\n", "\n\n", "\r\n", "\r", "\t"]), max_size=60).map("".join)
REPEATS = st.lists(
    st.sampled_from(["a b c d e f", "aa a", "a aa", "the end of it", "x", "\n", "\n\n"]), max_size=20
).map(" ".join)
LINES = st.lists(st.sampled_from(["a line.", "a line", "", "  ", "another, longer line!", "行。"]), max_size=9).map(
    "\n".join
)
TEXTS = WORDS | REPEATS | LINES | st.text(st.characters(max_codepoint=0x2A000, exclude_categories=["Cs"]), max_size=40)


def duplicates(parts: list[str]) -> tuple[int, int]:
    """How many parts repeat an earlier one, and their characters."""
    repeated = [part for place, part in enumerate(parts) if part in parts[:place]]
    return len(repeated), sum(map(len, repeated))


def top_gram(words: list[str], n: int) -> int:
    grams = Counter(" ".join(words[place : place + n]) for place in range(len(words) - n + 1))
    return len(grams.most_common(1)[0][0]) * grams.most_common(1)[0][1] if grams else 0


def duplicate_grams(words: list[str], n: int) -> int:
    seen, characters, place = set(), 0, 0
    while place + n <= len(words):
        gram = "".join(words[place : place + n])
        characters += len(gram) * (gram in seen)
        place += n if gram in seen else 1
        seen.add(gram)
    return characters


def gopher(text: str, language: int) -> list[int]:
    words = REFERENCE.word_tokenize(text)
    content = [word for word in words if any(not is_symbol(character) for character in word)]
    lines = text.splitlines()
    parts = re.split(r"\n{2,}", text.strip())
    rows = re.split(r"\n+", text)
    return [
        len(text),
        len(words),
        len(content),
        sum(map(len, content)),
        sum(any(character.isalpha() for character in word) for word in words),
        -1 if language < 0 else len(set(STOP_WORDS[language]) & set(words)),
        text.count("#"),
        text.count("...") + text.count("…"),
        len(lines),
        sum(line.lstrip().startswith(("•", "-")) for line in lines),
        sum(line.rstrip().endswith(("...", "…")) for line in lines),
        *(len(parts), *duplicates(parts)),
        *(len(rows), *duplicates(rows)),
        *(top_gram(words, n) for n in (2, 3, 4)),
        *(duplicate_grams(words, n) for n in range(5, 11)),
    ]


def is_symbol(character: str) -> bool:
    control = ord(character) in {*range(9), *range(11, 32), *range(127, 160)}
    return character in SYMBOLS or control or character in TERMINAL_MARKS


def fineweb(text: str) -> list[int]:
    lines = [line for line in text.split("\n") if line.strip()]
    return [
        len(lines),
        sum(line.endswith(tuple(TERMINAL_MARKS)) for line in lines),
        sum(len(line) <= SHORT for line in lines),
        duplicates(lines)[1],
        text.count("\n"),
        len(text.replace("\n", "")),
        len(REFERENCE.word_tokenize(text)),
    ]


def kernel_rows(texts: list[str], languages: list[int]) -> tuple[list[list[int]], list[list[int]]]:
    content, starts = string_arrays(pa.array(texts, pa.string()))
    check_sizes(starts)
    stops = stop_word_table(STOP_WORDS)
    rows = gopher_statistics(content, starts, character_flags(), *stops, np.array(languages, np.int32))
    return rows.tolist(), fineweb_statistics(
        content, starts, character_flags(), SHORT, np.zeros(len(starts) - 1, np.bool_)
    ).tolist()


def compare(texts: list[str], languages: list[int]) -> None:
    gopher_rows, fineweb_rows = kernel_rows(texts, languages)
    assert gopher_rows == [gopher(text, language) for text, language in zip(texts, languages, strict=True)]
    assert fineweb_rows == [fineweb(text) for text in texts]


@settings(max_examples=250, deadline=None)
@given(st.lists(st.tuples(TEXTS, st.integers(-1, 2)), max_size=4))
def test_counts_are_datatroves(rows: list[tuple[str, int]]) -> None:
    compare([text for text, _ in rows], [language for _, language in rows])


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n\n\n",
        "\r\n\r\r\n",
        "a\x85b\u2028c\x1cd\x0be",
        "......\n ... \n…\n-\n •",
        "\nsame\n\nsame\n",
        "\x00" * 40,
    ],
)
def test_odd_texts(text: str) -> None:
    compare([text, "a b", text], [0, -1, 1])


def test_the_same_letters_cut_into_other_words_are_the_same_n_gram() -> None:
    """datatrove compares repeated n-grams without spaces, and most frequent ones with spaces."""
    text = "x aa b c d e y aab c d e f z ab a a b c ab a ab c"
    compare([text], [0])
    assert duplicate_grams(["aa", "b", "c", "d", "e", "x", "a", "ab", "c", "d", "e"], 5) == 6


def test_very_repetitive_texts() -> None:
    compare(["a " * 5000, "spam and eggs. " * 2000, "\n" * 3000, "line\n\n" * 3000, "a" * 100000], [0, 0, 0, 0, 0])


def test_a_hash_hit_is_not_enough() -> None:
    """Distinct words are told apart although a small table puts many of them into the same slot."""
    words = [f"w{number}" for number in range(6000)]
    compare([" ".join(words), " ".join(words + words[:300])], [0, 0])


def test_columns_have_names() -> None:
    assert columns.DUPLICATE_GRAMS + 6 == columns.GOPHER_COLUMNS
    assert columns.FINEWEB_WORDS + 1 == columns.FINEWEB_COLUMNS
    assert character_flags()[ord("#")] & SYMBOL


def test_documents_too_long_for_the_kernels_are_refused() -> None:
    with pytest.raises(ValueError, match="2 GiB"):
        check_sizes(np.array([0, 2**31]))


@pytest.mark.skipif(not MIXED.exists(), reason="GPTKIT_SHARED names no folder with data/text")
def test_real_texts() -> None:
    with zstandard.open(MIXED, "rb") as file:
        lines = islice(io.TextIOWrapper(file, encoding="utf-8"), 0, 4000, 50)
        texts = [text for line in lines if len(text := json.loads(line)["text"]) < 12000]
    compare(texts, [0] * len(texts))
