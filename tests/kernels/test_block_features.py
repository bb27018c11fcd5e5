"""Features of blocks: a page counted by hand, sums over containers, and hash tables that are flooded."""

import math
import random

import numpy as np
import pytest
from html_corpus import SNIPPETS, colliding, hostile
from hypothesis import given
from hypothesis import strategies as st

from gptkit.extraction.fast import FastExtractor
from gptkit.kernels.block_columns import CONTAINER, FARTHEST, FEATURES, LEVELS, PROBES, TAG_CLASSES
from gptkit.kernels.html_blocks import BEHIND, ELEMENT, FIRST, NAME, PARENT, Limits
from gptkit.kernels.html_names import BLOCK, TAG_FLAGS, TAG_NAMES

EXTRACTOR = FastExtractor(limits=Limits(bytes=100_000, elements=8_000, blocks=4_000))
PAGE = """<title>Green apples</title><h1>Apples</h1>
<article><div><p>One <a href=/x>two</a> the end.</p></div><p>Again and again, 12</p></article>
<ul><li class=a1>first<li class=a2>second<li class=a3>third<li class=b>other</ul>
<p>same words<p>same words<p>same words"""


def logarithm(number):
    return round(8 * math.log2(1 + number))


def column(read, name):
    return read.features[:, FEATURES.index(name)].tolist()


def kind(tag):
    return TAG_CLASSES.index(tag) + 1


def test_a_page_counted_by_hand():
    read = EXTRACTOR.read(PAGE.encode())
    texts = ["Apples", "One two the end.", "Again and again, 12", "first", "second", "third", "other"]
    assert read.texts() == texts + ["same words"] * 3
    assert column(read, "characters") == [logarithm(len(text.replace(" ", ""))) for text in read.texts()]
    assert column(read, "words") == [logarithm(len(text.split())) for text in read.texts()]
    assert column(read, "link share") == [0, 255 * 3 // len("One two the end."), *[0] * 8]
    assert column(read, "links") == [0, 1, *[0] * 8]
    assert column(read, "commas") == [0, 0, 1, *[0] * 7]
    assert column(read, "sentence ends") == [0, 1, *[0] * 8]
    assert column(read, "stop words")[1:4] == [logarithm(2), logarithm(1), 0]  # one, the; and
    assert column(read, "digit share")[2] == 255 * 2 // 16
    assert column(read, "<article>") == [FARTHEST, 2, 1, *[FARTHEST] * 7]
    assert column(read, "repeats") == [*[0] * 7, 2, 2, 2]
    assert column(read, "tag") == [kind(tag) for tag in ("h1", "p", "p", *["li"] * 4, *["p"] * 3)]
    assert column(read, "parent tag")[1:4] == [kind("div"), kind("article"), kind("ul")]
    assert column(read, "items") == [0, 0, 0, *[logarithm(3)] * 3, 0, *[logarithm(3)] * 3]
    assert column(read, "item number") == [0, 0, 0, 0, 1, 2, 0, 0, 1, 2]
    assert column(read, "blocks since h1") == [128 + row for row in range(10)]
    assert column(read, "words of title")[0] == 255 * 2 // 3
    sizes = [len(text.replace(" ", "")) for text in read.texts()]
    assert column(read, "place in page") == [255 * sum(sizes[:row]) // sum(sizes) for row in range(10)]


def containers(read, row):
    """The ranges of blocks in growing ancestors of a block: from the innermost that is no inline element."""
    element, had, found = read.blocks[row, ELEMENT], 1, []
    while element > 0 and not TAG_FLAGS.get(TAG_NAMES[read.elements[element, NAME]], 0) & BLOCK:
        element = read.elements[element, PARENT]
    while len(found) < LEVELS:
        while element > 0 and read.elements[element, BEHIND] - read.elements[element, FIRST] <= had:
            element = read.elements[element, PARENT]
        found.append((element, *read.elements[element, [FIRST, BEHIND]].tolist()))
        had = found[-1][2] - found[-1][1]
    return found


@given(
    st.lists(st.sampled_from("<p> <div> </div> <ul> <li> </ul> <b> </b> <br> word, longer text.".split()), max_size=60)
)
def test_sums_over_containers(parts):
    read = EXTRACTOR.read(" ".join(parts).encode())
    sizes = [len(text.replace(" ", "")) for text in read.texts()]
    for row in range(len(sizes)):
        for level, (element, first, behind) in enumerate(containers(read, row), 1):
            mine = {name: column(read, f"container {level}: {name}")[row] for name in CONTAINER}
            size = sum(sizes[first:behind])
            assert mine["characters"] == logarithm(size)
            assert mine["text share"] == 255 * size // sum(sizes)
            assert mine["blocks"] == logarithm(behind - first)
            assert mine["mean block"] == logarithm(size // max(behind - first, 1))
            assert mine["place"] == min(255, 255 * (row - first) // max(behind - first - 1, 1))
            tag = TAG_NAMES[read.elements[element, NAME]]
            assert mine["tag"] == (kind(tag) if tag in TAG_CLASSES else 0)


def test_features_are_those_of_the_page_alone():
    pages = [
        PAGE.encode(),
        *(snippet.encode() for snippet in SNIPPETS),
        hostile("classes and texts of few hashes", 20_000),
    ]
    alone = [FastExtractor(limits=Limits(bytes=30_000, elements=3_000, blocks=2_000)).read(page) for page in pages[:1]]
    expected = {pages[0]: alone[0].features.copy()}
    rng = random.Random(0)
    for page in [*pages, *pages, *rng.sample(pages, len(pages)), pages[-1], pages[0]]:
        found = EXTRACTOR.read(page).features.copy()
        assert np.array_equal(found, expected.setdefault(page, found))


# Hash tables


@pytest.mark.parametrize("flooding", [0, PROBES - 1, PROBES])
def test_items_of_a_flooded_table_are_counted_or_single(flooding):
    item = "<i class={}>x<hr></i>"
    names = colliding(flooding + 5, 10**9, "i")[: flooding + 1]
    page = "".join(item.format(name) for name in names) + item.format(names[-1]) * 3
    found = column(EXTRACTOR.read(page.encode()), "items")
    assert found[-4:] == [logarithm(4) if flooding < PROBES else 0] * 4
    assert set(found[:-4]) <= {0}


@pytest.mark.parametrize("flooding", [0, PROBES - 1, PROBES])
def test_repeats_of_a_flooded_table_are_counted_or_none(flooding):
    names = colliding(flooding + 4, 10**9)[: flooding + 1]
    page = "".join(f"<p>{name}" for name in [*names, *names[-1:] * 3])
    found = column(EXTRACTOR.read(page.encode()), "repeats")
    assert found[-4:] == [3 if flooding < PROBES else 0] * 4
    assert set(found[:-4]) <= {0}


def test_ordinary_pages_are_counted_whole():
    rng = random.Random(1)
    texts = [f"{rng.randrange(1_000)} words" for _ in range(2_000)]
    classes = [rng.choice("abcdefgh") * rng.randrange(1, 30) for _ in texts]
    page = "".join(f"<p class={name}>{text}" for name, text in zip(classes, texts, strict=True))
    read = EXTRACTOR.read(page.encode())
    assert column(read, "repeats") == [texts.count(text) - 1 for text in texts]
    counts = [classes.count(name) for name in classes]
    assert column(read, "items") == [logarithm(count) if count >= 3 else 0 for count in counts]
