"""What is known of languages, against the same sentences in each of them."""

import io
import itertools
import os
import unicodedata
from collections import defaultdict
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pytest
import zstandard

from gptkit.clean.languages import Language, language, languages, limits, numbers
from gptkit.kernels.statistics import stop_word_table
from gptkit.kernels.words import split_words

SHARED = Path(os.environ.get("GPTKIT_SHARED") or Path(__file__).parents[3] / "shared") / "data" / "languages"
needs_sentences = pytest.mark.skipif(not SHARED.is_dir(), reason="GPTKIT_SHARED names no folder with data/languages")
SENTENCES = 10  # of a paragraph
AS_THE_MODEL_WRITES = {"nob_Latn": "no", "bho_Deva": "bh"}
WITHOUT_SPACES = {"bo", "ja", "km", "lo", "my", "th", "yue", "zh"}


def test_english_has_exactly_gophers_values():
    english = language("en")
    assert english.stop_words == ("the", "be", "to", "of", "and", "that", "have", "with")
    assert (english.word_length, english.letters, english.spaces) == ((3, 10), 0.8, True)


def test_an_unknown_language_has_no_data():
    assert language("xx") == Language("xx", (), True, None, None)
    assert numbers(["en", "xx", None, "de"]).tolist()[1:3] == [-1, -1]
    assert np.isnan(limits()[numbers(["xx"])]).all()
    np.testing.assert_array_equal(limits()[numbers(["en", "de"])], [[3, 10, 0.8], [3, 12, 0.75]])


def test_the_table_is_sound():
    assert len(languages()) > 120
    for code, known in languages().items():
        assert code.isascii()
        assert 2 <= len(code) <= 3
        assert len(set(known.stop_words)) == len(known.stop_words), code
        assert all(unicodedata.is_normalized("NFC", word) for word in known.stop_words), code
        assert all(word == word.lower() or code == "ka" for word in known.stop_words), code
        assert len(known.stop_words) >= 8 or not known.stop_words, code
        if known.word_length:
            assert known.word_length[0] <= 3, code
            assert known.word_length[1] >= 10, code
        if known.letters is not None:
            assert 0.5 < known.letters <= 0.8, code
    assert {code for code, known in languages().items() if not known.spaces} == WITHOUT_SPACES


def test_every_stop_word_is_one_word_of_ours_and_has_a_key_of_its_own():
    words = sorted({word for known in languages().values() for word in known.stop_words})
    split = split_words(pa.array(words))
    assert [word for word, parts in zip(words, split, strict=True) if parts != [word]] == []
    keys, starts = stop_word_table(known.stop_words for known in languages().values())
    assert len(keys) == starts[-1] == sum(len(known.stop_words) for known in languages().values())


@pytest.fixture(scope="module")
def paragraphs():
    """Words of paragraphs of ten sentences in every language that is known here, by FLORES code."""
    lines = (line.split("\t")[:2] for line in (SHARED / "codes.tsv").read_text().splitlines())
    codes = {line[0]: line[1] for line in lines if len(line) == 2} | AS_THE_MODEL_WRITES
    sentences = defaultdict(list)
    with open(SHARED / "flores.jsonl.zst", "rb") as file:
        for line in io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file)):
            row = orjson.loads(line)
            sentences[row["lang"]].append(unicodedata.normalize("NFC", row["text"]))
    found = {}
    for name, texts in sentences.items():
        if codes[name] in languages():
            words = split_words(pa.array(texts))
            parts = [words[place : place + SENTENCES] for place in range(0, len(words), SENTENCES)]
            found[name] = (language(codes[name]), [list(itertools.chain(*part)) for part in parts])
    return found


@needs_sentences
def test_every_paragraph_has_two_stop_words_of_its_language(paragraphs):
    assert len({known.code for known, _ in paragraphs.values()}) >= 105
    poor = {
        name: fewest
        for name, (known, texts) in paragraphs.items()
        if known.stop_words and (fewest := min(len(set(known.stop_words) & set(words)) for words in texts)) < 2
    }
    assert poor == {}


@needs_sentences
def test_stop_words_are_seldom_those_of_an_unrelated_language(paragraphs):
    """Closely related languages share theirs; of all pairs of languages few do."""
    shared = pairs = 0
    for known, _ in paragraphs.values():
        for other, texts in paragraphs.values():
            if other.code != known.code and known.stop_words:
                pairs += 1
                shared += sum(len(set(known.stop_words) & set(words)) >= 2 for words in texts) > len(texts) / 2
    assert shared / pairs < 0.08


@needs_sentences
def test_the_limits_leave_room_in_every_language(paragraphs):
    for name, (known, texts) in paragraphs.items():
        for words in texts:
            plain = [word for word in words if any(map(str.isalnum, word))]
            if known.word_length:
                least, most = known.word_length
                assert least * 1.1 < np.mean(list(map(len, plain))) < most * 0.75, name
        if known.letters is not None:
            shares = [np.mean([any(map(str.isalpha, word)) for word in words]) for words in texts]
            assert np.mean([share >= known.letters for share in shares]) >= 0.9, name
