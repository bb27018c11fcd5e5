import itertools
import random
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gptkit.kernels import span_cuts, spans
from gptkit.kernels.characters import character_flags
from gptkit.kernels.columns import string_arrays
from gptkit.kernels.shingles import word_table
from gptkit.kernels.span_cuts import BEGIN, END, FIRST, LAST
from gptkit.kernels.windows import CHARACTERS

SMALL = st.lists(st.text("ab", max_size=40) | st.text("aé語\n ", max_size=30), max_size=8)


def found(texts, span, table=CHARACTERS, forward=True, parts=1, owners=64):
    """(document, begin, end) in characters of all spans; who has them first; the spans themselves."""
    content, starts = string_arrays(pa.array(texts, pa.string()))
    bits = len(content) // 8 + 1
    candidates, marks = np.zeros(bits, np.uint8), np.zeros(bits, np.uint8)
    number = spans.find_candidates(content, starts, span, table, np.zeros(owners, np.uint32), candidates)
    for part in range(parts):
        places = np.zeros(2 * number + 1, np.uint64)
        spans.mark_repeats(content, starts, span, table, candidates, forward, part, parts, places, marks)
    merged = span_cuts.merge_windows(content, starts, span, table, marks)
    for document, begin, end, first, last in merged:
        text = texts[document]
        assert text[first:last].encode() == text.encode()[begin:end]
    first = span_cuts.first_documents(content, starts, span, table, candidates, merged)
    return [(int(row[0]), int(row[FIRST]), int(row[LAST])) for row in merged], first.tolist(), merged


def units(text, words):
    """Where each unit begins and ends, and what of it counts."""
    if not words:
        return [(place, place + 1, text[place]) for place in range(len(text))]
    return [(match.start(), match.end(), match[0].lower()) for match in re.finditer(r"[a-zéÉA-Z]+|語", text)]


def by_brute_force(texts, span, words=False, forward=True):
    """The same by comparing every stretch of `span` units with every other."""
    all_units = [units(text, words) for text in texts]
    holders = {}  # of a window: the documents that have it
    for document, own in enumerate(all_units):
        for place in range(len(own) - span + 1):
            holders.setdefault(tuple(unit[2] for unit in own[place : place + span]), []).append(document)
    result, firsts = [], []
    for document, own in enumerate(all_units):
        reach = -1
        for place in range(len(own) - span + 1):
            held = holders[tuple(unit[2] for unit in own[place : place + span])]
            if (held[0] if forward else held[-1]) == document:
                continue
            if place <= reach:
                result[-1] = (document, result[-1][1], own[place + span - 1][1])
            else:
                result.append((document, own[place][0], own[place + span - 1][1]))
                firsts.append(held[0])
            reach = place + span
    return result, firsts


@given(SMALL, st.integers(1, 9), st.booleans(), st.integers(1, 3), st.sampled_from([1, 7, 500]))
@example(["aaaaaaaa", "aaa", "aaaaaaaaaaaaaa"], 3, True, 1, 7)
@example(["é" * 12, "語", "aé" * 5 + "é" * 9], 8, True, 2, 7)
def test_spans_of_characters_are_those_found_by_brute_force(texts, span, forward, parts, owners):
    ours, firsts, _ = found(texts, span, forward=forward, parts=parts, owners=owners)
    assert (ours, firsts) == by_brute_force(texts, span, forward=forward)


WORDY = st.lists(
    st.lists(st.sampled_from(["a", "B", "b", "É", "語", " ", ", ", "\n"]), max_size=40).map("".join), max_size=6
)


@given(WORDY, st.integers(1, 5), st.booleans())
@example(["a b c d", "x, A-B! C...d y", "a b c"], 3, True)
def test_spans_of_words_are_those_found_by_brute_force(texts, span, forward):
    ours, firsts, _ = found(texts, span, word_table(), forward)
    assert (ours, firsts) == by_brute_force(texts, span, True, forward)


def test_planted_spans_are_found_to_the_character():
    generator = random.Random(5)
    letters, marks = "abcdefgh é語\n", [chr(0x400 + number) for number in range(60)]
    noise = ["".join(generator.choices(letters, k=3_000)) for _ in range(60)]
    plants = ["".join(generator.choices(letters, k=length)) for length in (199, 200, 201, 1_000)]
    texts, expected = list(noise[:4]), []
    for number, plant in enumerate(plants):
        texts[number] = noise[number][:100] + marks[number] + plant + marks[number] + noise[number][100:]
    for number in range(4, 60):
        plant, place = plants[number % 4], generator.randrange(3_000)
        texts.append(noise[number][:place] + marks[number] + plant + marks[number] + noise[number][place:])
        if len(plant) >= 200:
            expected.append((number, place + 1, place + 1 + len(plant)))
    ours, firsts, _ = found(texts, 200, owners=5_000)
    assert ours == expected
    assert firsts == [number % 4 for number, _, _ in expected]


@pytest.mark.parametrize("span", [2, 3, 200])
def test_texts_of_one_letter(span):
    texts = ["a" * 5_000, "a" * (span - 1), "a" * span, "b" * 100 + "a" * 4_000 + "b" * 100, "a" * 9_000]
    ours, firsts, _ = found(texts, span)
    assert (ours, firsts) == by_brute_force(texts, span)


def test_windows_of_equal_hashes_are_told_apart(monkeypatch):
    # the polynomial modulo 2⁶⁴ of a Thue-Morse text and of its complement are equal, whatever its radix
    word = "a"
    for _ in range(11):
        word += word.translate(str.maketrans("ab", "ba"))
    other = word.translate(str.maketrans("ab", "ba"))
    texts = [word, other, "x" + word + "x", other]
    ours, firsts, _ = found(texts, len(word))
    assert ours == [(2, 1, len(word) + 1), (3, 0, len(word))]
    assert firsts == [0, 1]


def cut(texts, planned):
    content, starts = string_arrays(pa.array(texts, pa.string()))
    rows = [
        (document, len(texts[document][:begin].encode()), len(texts[document][:end].encode()), begin, end)
        for document, begin, end in planned
    ]
    out, ends = span_cuts.cut_spans(content, starts, np.array(rows, np.int64).reshape(-1, 5), character_flags())
    return [bytes(out[a:b]).decode() for a, b in itertools.pairwise(ends)]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("one [two] three", "one three"),
        ("wo[rd and wo]rd", "wo rd"),
        ("one[ two ]three", "one three"),
        ("one\n\n[two three]", "one"),
        ("[one two]\n\nthree", "three"),
        ("one [two\n\n]three", "one\n\nthree"),
        ("one[\n\ntwo] three", "one\n\nthree"),
        ("one\n[two]\n\nthree", "one\n\nthree"),
        ("one\n\n[two]\n\nthree", "one\n\nthree"),
        ("one [two] \n [three] four", "one four"),
        ("[one two]", ""),
        (" [one two] ", ""),
        ("語[語語]é", "語 é"),
        ("a[b]c[d]e", "a c e"),
        ("one[   ]two", "one   two"),
        ("", ""),
        ("as it is \n", "as it is \n"),
    ],
)
def test_what_stands_between_the_parts_left(text, kept):
    planned, plain = [], ""
    for character in text:
        if character == "[":
            planned.append((1, len(plain)))
        elif character == "]":
            planned[-1] += (len(plain),)
        else:
            plain += character
    assert cut(["before", plain, "after"], planned) == ["before", kept, "after"]


@given(SMALL, st.integers(1, 9))
def test_cutting_keeps_all_other_characters_but_white_space(texts, span):
    _, _, merged = found(texts, span)
    content, starts = string_arrays(pa.array(texts, pa.string()))
    out, ends = span_cuts.cut_spans(content, starts, merged, character_flags())
    for document, text in enumerate(texts):
        data, place, kept = text.encode(), 0, b""
        for row in merged[merged[:, 0] == document]:
            kept += data[place : row[BEGIN]]
            place = row[END]
        ours = bytes(out[ends[document] : ends[document + 1]]).decode()
        assert "".join(ours.split()) == "".join((kept + data[place:]).decode().split())
