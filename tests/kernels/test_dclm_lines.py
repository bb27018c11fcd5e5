import os
import re
import unicodedata
from io import TextIOWrapper
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from gptkit.kernels import dclm_lines
from gptkit.kernels.characters import PLANES, SYMBOL, UNSPACED, character_flags
from gptkit.kernels.dclm_lines import DclmLimits, edit_dclm
from gptkit.kernels.words import split_words

MIXED = (
    Path(os.environ.get("GPTKIT_SHARED") or Path(__file__).parents[3] / "shared") / "data" / "text" / "mixed.jsonl.zst"
)
COUNTED = "likes|shares|comments|retweets|reposts|quotes|bookmarks|upvotes|downvotes|downloads|views|followers"


def flags_of(character):
    flags = character_flags()
    return int(flags[ord(character)]) if ord(character) < len(flags) else UNSPACED


def share(line, categories):
    return sum(unicodedata.category(c) in categories for c in line) / len(line)


def is_word(character):
    if ord(character) >= PLANES:  # ideographs, whether this Python knows them yet or not
        return True
    return character == "_" or unicodedata.category(character)[0] == "L" or unicodedata.category(character) == "Nd"


def is_counter(line):
    """DCLM's expression, matched between what are no letters, digits or underscores."""
    line = line.lower()
    first = next((i for i, c in enumerate(line) if is_word(c)), len(line))
    found = re.match(rf"\d(?:,|\.|\d)*(?:k|m|b)?\s+(?:{COUNTED})", line[first:])
    return bool(found) and not any(is_word(c) for c in line[first + found.end() :])


def plain_words(text):
    return sum(any(not flags_of(c) & SYMBOL for c in word) for word in split_words(pa.array([text]))[0])


def words_of(line, wide):
    return len(split_words(pa.array([line]))[0] if wide and any(flags_of(c) & UNSPACED for c in line) else line.split())


def without_phrases(line, limits):
    def alternatives(phrases):
        return "|".join(map(re.escape, phrases))

    if limits.phrases_anywhere:
        line = re.sub(rf"\s?(?:{alternatives(limits.phrases_anywhere)})", "", line, flags=re.I)
    if limits.phrases_at_end:
        line = re.sub(rf"\s?(?:{alternatives(limits.phrases_at_end)})\s*\Z", "", line, flags=re.I)
    if limits.phrases_at_start:
        line = re.sub(rf"\A\s*(?:{alternatives(limits.phrases_at_start)})\s?", "", line, flags=re.I)
    return line


def reference(text, wide, limits):
    row = np.zeros(dclm_lines.COLUMNS, np.int64)
    lines = text.split("\n")
    row[dclm_lines.LINES] = len(lines) - (lines[-1] == "")
    kept = []
    for line in lines:
        words = words_of(line, wide)
        if line and share(line, ("Lu", "Lt")) > limits.max_upper_case:
            row[dclm_lines.UPPER_CASE] += 1
        elif line and share(line, ("Nd",)) > limits.max_digits:
            row[dclm_lines.DIGITS] += 1
        elif limits.counters and is_counter(line):
            row[dclm_lines.COUNTER] += 1
        elif line and words < limits.min_line_words:
            row[dclm_lines.FEW_WORDS] += 1
        else:
            left = without_phrases(line, limits) if words <= limits.max_phrase_words else line
            if left != line and not left.strip():
                row[dclm_lines.EMPTIED] += 1
            else:
                row[dclm_lines.SHORTENED] += left != line
                kept.append(left)
    left = "\n".join(kept).strip()
    if row[dclm_lines.UPPER_CASE :].any():
        row[dclm_lines.WORDS_BEFORE], row[dclm_lines.WORDS_AFTER] = plain_words(text), plain_words(left)
    return left, row.tolist()


def check(texts, wide=False, limits=DclmLimits(), kind=None):  # noqa: B008
    column = pa.array(texts, kind or pa.string())
    edited, rows = edit_dclm(column, np.full(len(texts), wide), limits)
    edited.validate(full=True)
    assert edited.type == column.type
    expected = [reference(text, wide, limits) for text in texts]
    assert edited.to_pylist() == [text for text, _ in expected]
    assert rows.tolist() == [row for _, row in expected]


PIECES = (
    "A line of words that stays here\n|UPPER|CASE|ABc|lower|12|3,4.5|٣|7k|1.2M|5 Li\u212aes|likes|views|!|_|Sign-In|"
    "sign-in |Items In Cart| items in cart|read more...|Read More...|read more…|Read more »|one two three four five "
    "six seven eight|\n|\n|\n|\n\n|\r\n| | |\u00a0|\u3000|\u2028|é|É|ǅ|語|我们|\u20a0|\u0301|\U00020000|\U0001f600"
).split("|")
# what re.I takes for an i, s or k, and the kernel (but for the last) does not
characters = st.characters(blacklist_categories=("Cs",), blacklist_characters="İıſ\u212a")
nasty = st.lists(st.one_of(st.sampled_from(PIECES), st.text(characters, max_size=3)), max_size=30).map("".join)
limits = st.builds(
    DclmLimits,
    max_upper_case=st.sampled_from([0.2, 0.5, 1]),
    max_digits=st.sampled_from([0.3, 0.999999, 1]),
    counters=st.booleans(),
    min_line_words=st.sampled_from([0, 2, 4]),
    max_phrase_words=st.sampled_from([0, 3, 10]),
    phrases_anywhere=st.sampled_from([(), ("items in cart",), ("items in cart", "views", "no. 1")]),
    phrases_at_end=st.sampled_from([(), ("read more...",), ("more...", "read more...", "read more…")]),
    phrases_at_start=st.sampled_from([(), ("sign-in",), ("我", "sign-in")]),
)


@given(st.lists(nasty, max_size=4), st.booleans(), st.sampled_from([pa.string(), pa.large_string()]))
def test_equals_the_definition(texts, wide, kind):
    check(texts, wide, kind=kind)


@given(st.lists(nasty, min_size=1, max_size=3), st.booleans(), limits)
def test_every_rule_can_be_switched_off_or_tuned(texts, wide, limits):
    check(texts, wide, limits)


def test_each_rule_takes_its_lines():
    text = "THIS IS SHOUTED\n2 024\n123\n 1,234 Likes!\nWord\n\nSign-in\n"
    text += "In all 3 items in cart now\nIt goes on read more..."
    edited, rows = edit_dclm(pa.array([text]), np.zeros(1, bool), DclmLimits())
    assert edited.to_pylist() == ["2 024\n\nIn all 3 now\nIt goes on"]
    assert rows.tolist() == [[23, 9, 9, 1, 1, 1, 2, 0, 2]]
    check([text])


def test_words_that_are_known_are_not_counted_again():
    texts = pa.array(["Nothing changes in here.", "SHOUTED LINES\nThis one stays."])
    rows = edit_dclm(texts, np.zeros(2, bool), DclmLimits(), np.array([4, 5]))[1]
    assert rows[:, dclm_lines.WORDS_BEFORE].tolist() == [4, 5]
    assert rows[:, dclm_lines.WORDS_AFTER].tolist() == [4, 3]


def test_a_slice_of_a_column_and_no_documents():
    texts = ["UNSEEN", " \n", "", "Kept as it is.", "SHOUTED", "It ends here.\n\n"]
    edited, _ = edit_dclm(pa.array(texts)[1:], np.zeros(5, bool), DclmLimits())
    assert edited.to_pylist() == ["", "", "Kept as it is.", "", "It ends here."]
    edited, rows = edit_dclm(pa.array(texts)[:0], np.zeros(0, bool), DclmLimits())
    assert (len(edited), rows.shape) == (0, (0, dclm_lines.COLUMNS))


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="2 flags and 1 numbers of words for 1 documents"):
        edit_dclm(pa.array(["a"]), np.zeros(2, bool), DclmLimits())
    with pytest.raises(ValueError, match="a phrase is empty"):
        edit_dclm(pa.array(["a"]), np.zeros(1, bool), DclmLimits(phrases_at_end=("",)))


@pytest.mark.skipif(not MIXED.exists(), reason="GPTKIT_SHARED names no folder with data/text")
@pytest.mark.parametrize("wide", [False, True])
def test_equals_the_definition_on_real_text(wide):
    with MIXED.open("rb") as file:
        reader = TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True), "utf-8")
        check([orjson.loads(line)["text"] for line, _ in zip(reader, range(100), strict=False)], wide)
