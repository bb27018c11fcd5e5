import random

import numpy as np
import pyarrow as pa
import pytest
import reference_grams as reference
from hypothesis import given
from hypothesis import strategies as st

from gptkit.kernels import grams
from gptkit.kernels.columns import string_arrays

CHARACTERS = list(
    "abAB01 \n\t.,'\"-—$+<_\0\x1f\x7f\x85\u00a0\u00ad\u200b\u2028éÉßİıΣςñ\u0301\u0300中文、。かカ゚ไทย์ကို한국어😀❤\ufe0f\U00020000"
)
TEXTS = st.lists(st.text(st.sampled_from(CHARACTERS), max_size=60), max_size=5)


def arrays(texts):
    return string_arrays(pa.array(texts, pa.large_string()))


def keys_of(texts, n):
    content, starts = arrays(texts)
    words = grams.count_words(content, starts, grams.word_characters())
    return grams.gram_keys(content, starts, words, n, grams.power(n), grams.word_characters())


def table_of(texts, sizes):
    keys, checks, _ = (np.concatenate(parts) for parts in zip(*(keys_of(texts, n) for n in sizes), strict=True))
    keys, first = np.unique(keys, return_index=True)
    return grams.make_table(keys, checks[first], sizes)


def found(texts, table):
    """(document, words, first character, behind the last) of each hit, as the reference has them."""
    content, starts = arrays(texts)
    hits = []
    for document, gram, start, end in grams.find_grams(content, starts, table, grams.word_characters()).tolist():
        own = content[starts[document] : starts[document + 1]].tobytes()
        start, end = (len(own[: place - starts[document]].decode()) for place in (start, end))
        part = tuple(word for word, _, _ in reference.words(texts[document][start:end]))
        assert keys_of([texts[document][start:end]], len(part))[0][0] == table.keys[gram]
        hits.append((document, part, start, end))
    return hits


def expected(texts, protected, sizes):
    wanted = {gram for n in sizes for text in protected for gram, _, _ in reference.grams(text, n)}
    hits = [
        (document, gram, first, behind)
        for document, text in enumerate(texts)
        for n in sizes
        for gram, first, behind in reference.grams(text, n)
        if gram in wanted
    ]
    return sorted(hits, key=lambda hit: (hit[0], hit[3], len(hit[1])))


@given(TEXTS)
def test_words_are_those_of_plain_python(texts):
    content, starts = arrays(texts)
    counts = grams.count_words(content, starts, grams.word_characters())
    assert counts.tolist() == [len(reference.words(text)) for text in texts]


def test_words_of_every_character():
    texts = [f"a{chr(code)}b {chr(code)}" for code in range(1, 0x30000, 7) if not 0xD800 <= code < 0xE000]
    content, starts = arrays(texts)
    counts = grams.count_words(content, starts, grams.word_characters())
    assert counts.tolist() == [len(reference.words(text)) for text in texts]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Don't panic, now!", "dont PANIC now"),
        ("well - known  “facts”\nhere", "well known facts here"),
        ("50 % of $3.5", "50 of 35"),
        ("ÉTÉ à\u00a0Paris", "été À paris"),
        ("中文，很好。", "中 文 很 好"),
        ("a\0b zero\u200bwidth soft\u00adhyphen", "ab zerowidth softhyphen"),
    ],
)
def test_equal_words_have_equal_keys(one, other):
    n = len(reference.words(one))
    assert keys_of([one], n)[0].tolist() == keys_of([other], n)[0].tolist()
    assert len(keys_of([one], n)[0]) == 1


def test_keys_depend_on_every_word_and_their_order():
    base = [f"w{i}" for i in range(13)]
    variants = [base]
    variants += [[*base[:i], "x", *base[i + 1 :]] for i in range(13)]
    variants += [[*base[:i], base[i + 1], base[i], *base[i + 2 :]] for i in range(12)]
    keys, checks, _ = keys_of([" ".join(words) for words in variants], 13)
    assert len(set(keys.tolist())) == len(set(checks.tolist())) == len(variants)
    assert len(set(keys_of(["a b", "ab", "a ab", "aab"], 1)[0].tolist())) == 4


@given(TEXTS, TEXTS, st.lists(st.integers(1, 5), min_size=1, max_size=3, unique=True))
def test_hits_are_those_of_plain_python(texts, protected, sizes):
    sizes.sort()
    protected = protected + [text[3:20] for text in texts[:2]]
    assert found(texts, table_of(protected, sizes)) == expected(texts, protected, sizes)


def test_many_hits_in_long_documents():
    generator = random.Random(3)
    texts = [" ".join(generator.choices("abcdefgh", k=500)) for _ in range(20)]
    protected = [" ".join(generator.choices("abcdefgh", k=3000))]
    for sizes in ([2, 3, 4], [63], [13, 63]):
        protected_too = [*protected, texts[5]]
        hits = found(texts, table_of(protected_too, sizes))
        assert hits == expected(texts, protected_too, sizes)
        assert hits


def test_a_key_alone_is_no_match():
    keys, checks, _ = keys_of(["one two three"], 3)
    assert len(found(["zero one two three"], grams.make_table(keys, checks, [3]))) == 1
    assert found(["zero one two three"], grams.make_table(keys, checks ^ np.uint64(1), [3])) == []


def test_keys_that_collide_in_the_table():
    generator = np.random.default_rng(0)
    keys = np.unique(generator.integers(0, 1 << 64, 5000, np.uint64) & np.uint64(0xFF0000000000003F))
    own, checks, _ = keys_of(["p q r", "s t u"], 3)
    every = np.concatenate([keys, own])
    table = grams.make_table(every, np.concatenate([np.zeros(len(keys), np.uint64), checks]), [3])
    assert [hit[1] for hit in found(["x p q r s t u"], table)] == [("p", "q", "r"), ("s", "t", "u")]


def test_an_empty_table_finds_nothing():
    none = np.empty(0, np.uint64)
    assert found(["a b c"], grams.make_table(none, none, [])) == []
    assert found(["a b c"], grams.make_table(none, none, [2])) == []


@given(TEXTS, TEXTS, st.integers(1, 3), st.integers(0, 6))
def test_removals_are_those_of_plain_python(texts, protected, n, window):
    protected = protected + [text[3:20] for text in texts[:2]]
    content, starts = arrays(texts)
    hits = grams.find_grams(content, starts, table_of(protected, [n]), grams.word_characters())
    wanted = {gram for text in protected for gram, _, _ in reference.grams(text, n)}
    removed = [[False] * len(text) for text in texts]
    for document, text in enumerate(texts):
        for gram, first, behind in reference.grams(text, n):
            if gram in wanted:
                for place in range(max(0, first - window), min(len(text), behind + window)):
                    removed[document][place] = True
    own = [[False] * len(text) for text in texts]
    last = (-1, -1)
    for document, start, end in grams.removals(content, starts, hits, window).tolist():
        assert (document, start) > last
        last = (document, end)
        before = content[starts[document] : start].tobytes().decode()
        part = content[start:end].tobytes().decode()
        own[document][len(before) : len(before) + len(part)] = [True] * len(part)
    assert own == removed


def test_sizes_that_cannot_be():
    for n in (0, 64):
        with pytest.raises(ValueError, match="1 to 63"):
            grams.power(n)
