"""Words and sentences against a splitter in plain Python."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_words import ReferenceTokenizer

from gptkit.kernels.jit import kernel
from gptkit.kernels.words import hash_bytes, sentence_counts, split_words, word_key

REFERENCE = ReferenceTokenizer()
PIECES = (
    "a b I the The don't can't John's 's n't 'll we've we’re I'd'm DON'T U.S. U.S.A. e.g. Mr. Inc. vs. a. A. AB. Aé. xX. "
    "1,000 3.14 12:30 5km 5km's 10% 5$ $5 +5 5+ 5-6 5- ... .. . …… … - -- --- ---- — —— – ~ / : = < > , ; ! ? ( ) [ ] { } ' "
    "'' \" “ ” # * & @ _ § % + ^ http://a.bc/d-e www.a-b.com:80/x a@b.org git@h.com:x/y 1.2.3.4 1.2.3.4:80 a.b.c a.Bc a,b "
    "and/or a=b x:y well-known 中文 中。文 。 「 カ゛ ภาษาไทย ကို  e\u0301 \u0301 é É İ ß ǅ 한국어 का ١٢ ² 😀 © € \x00 \x85 \u2028 \u200b \x1c \t \n "
    "\r\n \xa0 \u3000 \U00020000 \U0001f600 kgn't 'sn't n n' n't"
).split(" ")
TEXTS = st.lists(st.sampled_from([*PIECES, " ", "  ", "\n"]), max_size=24).map("".join) | st.text(max_size=40)


@settings(max_examples=250, deadline=None)
@given(st.lists(TEXTS, max_size=4))
def test_words_and_sentences_are_the_reference_splitters(texts: list[str]) -> None:
    column = pa.array(texts, pa.string())
    assert split_words(column) == [REFERENCE.word_tokenize(text) for text in texts]
    assert sentence_counts(column).tolist() == [len(REFERENCE.sent_tokenize(text)) for text in texts]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("U.S.A. end. $5.00/month", ["U.S.A.", "end", ".", "$", "5.00", "/", "month"]),
        ("(see http://x.com/a?b=1, www.foo.com).", ["(", "see", "http://x.com/a?b=1", ",", "www.foo.com", ")", "."]),
        ("don’t can't John's y've", ["do", "n’t", "ca", "n't", "John", "'s", "y", "'ve"]),
        ("well-known 3-4 12:30 key:value", ["well", "-", "known", "3", "-", "4", "12:30", "key", ":", "value"]),
        ("Mr. Hill said, e.g., wait... end.Begin", "Mr. Hill said , e.g. , wait ... end . Begin".split()),
        ("中文字。 ภาษา", ["中", "文", "字", "。", "ภ", "า", "ษ", "า"]),
        (" \n\u3000", []),
    ],
)
def test_words_as_spacy_has_them(text: str, words: list[str]) -> None:
    assert split_words(pa.array([text])) == [words]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", 0),
        (" \n", 0),
        ("Mr. X went. He (ran!) fell.", 3),
        ("No end", 1),
        ("An ox.\n\n) c", 2),
        ("a.\n\n) c", 1),
        ("好。不好？", 2),
    ],
)
def test_sentences(text: str, sentences: int) -> None:
    assert sentence_counts(pa.array([text])).tolist() == [sentences]


@kernel
def _hash(text):  # type: ignore[no-untyped-def]
    return hash_bytes(text, 0, len(text))


def test_the_key_of_a_word_is_its_hash() -> None:
    words = ["", "a", "the", "eightlet", "ninelette", "ひらがな", "x" * 100]
    assert [_hash(np.frombuffer(word.encode(), np.uint8)) for word in words] == [word_key(word) for word in words]


def test_slices_of_a_column_are_split_as_such() -> None:
    column = pa.array(["one two", "three four", "five"], pa.large_string())[1:]
    assert split_words(column) == [["three", "four"], ["five"]]
