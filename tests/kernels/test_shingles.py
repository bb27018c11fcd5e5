import itertools
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gptkit.kernels.characters import UNSPACED, character_flags
from gptkit.kernels.columns import string_arrays
from gptkit.kernels.shingles import ALONE, MARK, normalised, shingle_hashes, word_table

MASK = (1 << 64) - 1
# capitals whose lower case is longer, shorter or several characters; scripts without spaces; marks
# with and without a letter before; pictures with marks; controls; characters above the table
DIFFICULT = (
    "aZ9 é\u0301ßİȺKΣⅧ½ -.\n\0\x07語〇かサกิำກែမြ😀❤\ufe0f👨\u200d👩\u00ad\u064e\U00020000\U0002a6df\U000e0061\U000e0100"
)
TEXTS = st.lists(st.text(DIFFICULT, max_size=40) | st.text(st.characters(codec="utf-8"), max_size=40), max_size=5)


def words_of(text):
    """Words by their definition, over Unicode's own tables."""
    found, last = [], ""  # last: what the character before is to the words, "" where it is in none
    for character in text:
        code = ord(character)
        if unicodedata.category(character)[0] == "M" and code < 0x20000:
            if last:
                found[-1] += lower(character)
            continue
        if 0x20000 <= code < 0x40000 or (code < 0x20000 and character_flags()[code] & UNSPACED):
            kind = "alone"
        else:
            kind = "letter" if code < 0x20000 and character.isalnum() else ""
        if kind and kind == last == "letter":
            found[-1] += lower(character)
        elif kind:
            found.append(lower(character))
        last = kind
    return found


def lower(character):
    return character.lower() if len(character.lower()) == 1 else character


def mixed(h):
    for multiplier in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        h = (h ^ h >> 33) * multiplier & MASK
    return h ^ h >> 33


def word_hash(word):
    h = 0xCBF29CE484222325
    for character in word:
        h = (h ^ ord(character)) * 0x100000001B3 & MASK
    return mixed(h)


def shingle_hash(words):
    total = sum(word_hash(word) * pow(0x9E3779B97F4A7C15, power, 1 << 64) for power, word in enumerate(reversed(words)))
    return mixed(total & MASK)


def hashed(texts, size):
    hashes, starts = shingle_hashes(*string_arrays(pa.array(texts, pa.string())), size, word_table())
    assert hashes.dtype == np.uint64
    assert starts.dtype == np.int64
    return [hashes[start:end].tolist() for start, end in itertools.pairwise(starts)]


def joined(texts):
    content, starts = normalised(*string_arrays(pa.array(texts, pa.string())), word_table())
    assert content.dtype == np.uint8
    return [bytes(content[start:end]).decode() for start, end in itertools.pairwise(starts)]


@given(TEXTS, st.integers(1, 7))
@example(["one two", "", "...", "The Quick brown fox jumps over", "a b c d e"], 5)
@example(["a" * 5 + "語กิa\u0301 \u0301b"], 1)
def test_shingles_equal_those_of_plain_python(texts, size):
    expected = []
    for text in texts:
        words = words_of(text)
        windows = [words[i : i + size] for i in range(max(1, len(words) - size + 1))] if words else []
        expected.append([shingle_hash(window) for window in windows])
    assert hashed(texts, size) == expected


@given(TEXTS)
@example(["Ⱥ語" * 30, "ȺȺȺ", "語" * 20])  # as long as they get
def test_normalised_texts_equal_those_of_plain_python(texts):
    assert joined(texts) == [" ".join(words_of(text)) for text in texts]


@given(TEXTS)
def test_a_normalised_text_has_the_shingles_of_its_source(texts):
    assert hashed(joined(texts), 3) == hashed(texts, 3)


def test_a_slice_of_a_column_is_read_where_it_lies():
    column = pa.array(["one two three", "four five six", "seven"])[1:]
    hashes, starts = shingle_hashes(*string_arrays(column), 2, word_table())
    assert [hashes[:2].tolist(), hashes[2:].tolist()] == hashed(["four five six", "seven"], 2)
    assert starts.tolist() == [0, 2, 3]
    content, ends = normalised(*string_arrays(column), word_table())
    assert bytes(content) == b"four five sixseven"
    assert ends.tolist() == [0, 13, 18]


def test_words_of_scripts_without_spaces_are_characters_with_their_marks():
    assert joined(["自然语言 processing処理", "ภาษาไทยที่", "한국어 단어"]) == [
        "自 然 语 言 processing 処 理",
        "ภ า ษ า ไ ท ย ที่",
        "한국어 단어",
    ]


def test_order_and_place_of_words_matter():
    assert hashed(["a b"], 2) != hashed(["b a"], 2)
    assert len({hashed([text], 3)[0][0] for text in ("a b c", "a c b", "b a c", "ab c", "a bc", "abc", "a b")}) == 7


def test_hashes_of_many_shingles_differ():
    """Three words of a hundred: a million windows, of which a 64-bit hash confuses none, and its low half few."""
    letters = [chr(0x4E00 + i) for i in range(100)]
    text = "".join(f"{one}{two}{three}." for one in letters for two in letters for three in letters)
    (found,) = hashed([text], 3)
    found = np.array(found, np.uint64)[::3]
    assert len(np.unique(found)) == 1_000_000
    collisions = 1_000_000 - len(np.unique(found.astype(np.uint32)))
    assert abs(collisions - 116) < 60  # n² / 2³³


@pytest.mark.parametrize(
    ("character", "entry"),
    [
        ("A", ord("a")),
        ("ß", ord("ß")),
        ("İ", ord("İ")),  # its lower case is two characters
        ("K", ord("k")),  # the Kelvin sign
        ("语", int(ALONE) | ord("语")),
        ("\u0301", int(MARK) | 0x301),
        (" ", 0),
        ("\0", 0),
        ("_", 0),
    ],
)
def test_the_table(character, entry):
    assert word_table()[ord(character)] == entry
