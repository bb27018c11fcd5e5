import itertools
import re
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gptkit.kernels import units
from gptkit.kernels.characters import character_flags
from gptkit.kernels.columns import string_arrays
from gptkit.kernels.units import AS_IT_IS, hash_units, normalised_characters, remove_units

PIECES = st.sampled_from(
    ["a", "B", "É", "e\u0301", "語", " ", "\t", "\u3000", "\n", "\n\n", "\r\n", "1", "٣", ".", "—"]
)
TEXTS = st.lists(st.lists(PIECES, max_size=20).map("".join), max_size=5)


def split(text, paragraphs):
    """The units of a text, stripped."""
    lines = [line.strip() for line in text.split("\n")]
    if not paragraphs:
        return [line for line in lines if line]
    groups = itertools.groupby(zip(lines, text.split("\n"), strict=True), key=lambda pair: bool(pair[0]))
    return ["\n".join(raw for _, raw in group).strip() for full, group in groups if full]


def normalised(unit):
    """CCNet's, with white space in runs; the unit itself where nothing is left."""
    lowered = unicodedata.normalize("NFD", unit.lower())
    kept = "".join("0" if c.isdecimal() else c for c in lowered if not "\u0300" <= c <= "\u036f")
    kept = " ".join("".join(c for c in kept if unicodedata.category(c)[0] != "P").split())
    return kept or unit


def hashed(texts, paragraphs, min_length=0, table=AS_IT_IS):
    content, starts = string_arrays(pa.array(texts, pa.string()))
    hashes, numbers, count = hash_units(content, starts, paragraphs, min_length, table, character_flags())
    return hashes.tolist(), numbers.tolist(), count


def removed(texts, paragraphs, goes):
    content, starts = string_arrays(pa.array(texts, pa.string()))
    out, ends, rows = remove_units(content, starts, paragraphs, np.array(goes, np.bool_), character_flags())
    return [bytes(out[a:b]).decode() for a, b in itertools.pairwise(ends)], rows


def as_partition(keys):
    return [keys.index(key) for key in keys]


@given(TEXTS, st.booleans(), st.integers(0, 4), st.booleans())
@example(["—\n—\n.\n\n \n", "Éa 1.\n\r\ne\u0301A  2"], False, 0, True)
def test_units_have_equal_hashes_where_they_are_equal(texts, paragraphs, min_length, normalise):
    every = [unit for text in texts for unit in split(text, paragraphs)]
    hashes, numbers, count = hashed(texts, paragraphs, min_length, normalised_characters() if normalise else AS_IT_IS)
    long = [(number, unit) for number, unit in enumerate(every) if len(unit) >= min_length]
    assert count == len(every)
    assert numbers == [number for number, _ in long]
    assert as_partition(hashes) == as_partition([normalised(unit) if normalise else unit for _, unit in long])


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("Straße Ångström, 12!", "straße   angstrom 99", True),
        ("कि", "क", False),  # a vowel sign is no accent
        ("a b", "ab", False),
        ("...", "***", False),  # nothing but punctuation: as it is
        ("한국", "한굳", False),
        ("\U0001f600", "\U0001f601", False),
        ("", "", True),
    ],
)
def test_what_normalised_means(one, other, equal):
    keys, _, _ = hashed([one, other], False, 0, normalised_characters())
    assert (len(set(keys)) <= 1) == equal


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a\n-b\nc", "a\nc"),
        ("a\n-b", "a"),
        ("a\n-b\n", "a\n"),
        ("-a\nb", "b"),
        ("\n\n-a\n\nb", "\n\n\nb"),
        ("a\n\n-b\n\nc", "a\n\n\nc"),
        ("a\r\n-b\r\nc", "a\r\nc"),
        ("a\n  -b  \nc", "a\nc"),
        ("-a\n\n-b\n", ""),
        ("a\n-b\n-c\n\n", "a\n\n"),
        ("\n \n", "\n \n"),
    ],
)
def test_a_line_goes_with_its_line_end(text, kept):
    check(text, kept, False)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a\n\n-b\nb\n\n\nc", "a\n\nc"),
        ("a\n\n\n-b", "a"),
        ("a\n\n\n-b\n", "a\n"),
        ("-a\n\nb", "b"),
        ("\n\n -a\n\n  b", "\n\n  b"),
        ("a\n \n-b\n\t\n-c\n\n\nd\nd", "a\n \nd\nd"),
        ("-a\n\n-b\n", ""),
        ("a\n\n-b\n\n-c", "a"),
    ],
)
def test_a_paragraph_goes_with_what_parts_it_from_the_next(text, kept):
    check(text, kept, True)


def check(text, kept, paragraphs):
    """The units with a dash go."""
    goes = [unit.startswith("-") for unit in split(text, paragraphs)]
    ours, rows = removed(["x", text, "", "y"], paragraphs, [False, *goes, False])
    assert ours == ["x", kept, "", "y"]
    assert rows[1, units.REMOVED] == sum(goes)
    assert rows[1, units.CHARACTERS] == len(text) - len(kept)
    if any(goes):
        first = next(unit for unit in split(text, paragraphs) if unit.startswith("-"))
        content, starts = string_arrays(pa.array(["x", text]))
        assert bytes(content[rows[1, units.BEGIN] : rows[1, units.END]]).decode() == first
        assert starts[1] == 1


@given(TEXTS, st.booleans(), st.integers(0, 10))
def test_what_stays_is_the_other_units_in_order(texts, paragraphs, seed):
    every = [split(text, paragraphs) for text in texts]
    goes = [(seed * (place + 1)) % 3 == 1 for place in range(sum(map(len, every)))]
    ours, rows = removed(texts, paragraphs, goes)
    place = 0
    for text, own, left, row in zip(texts, every, ours, rows, strict=True):
        mine = goes[place : place + len(own)]
        place += len(own)
        assert split(left, paragraphs) == [unit for unit, went in zip(own, mine, strict=True) if not went]
        assert row[: units.BEGIN].tolist() == [len(own), sum(mine)]
        if not any(mine):
            assert left == text
        assert re.sub(r"\s", "", left) == re.sub(r"\s", "", "".join(split(left, paragraphs)))
