import random
from itertools import combinations, pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gptkit.extraction.alignment import SPAN_COST, _heaviest_chain, _Match, align

NAVIGATION = ["Home", "News", "3 May 2024", "Contact", "Latest headlines", "The museum opens its doors again"]
ARTICLE = [
    "The museum opens its doors again",
    "3 May 2024",
    "After two years of work the museum of the town opens its doors to visitors again.",
    "Opening hours",
    "Monday to Friday from nine to five, and on Sunday from ten to four.",
    "•",
    "Home",
    "Visitors who stay at home can see all of the pictures in a catalogue.",
]
FOOTER = ["Contact", "Opening hours", "3 May 2024", "About us", "All rights reserved by the town and its museum."]


def kept(blocks, text):
    return [block for block, keep in zip(blocks, align(blocks, text).kept, strict=True) if keep]


def test_short_blocks_are_kept_where_the_order_says_so():
    page = NAVIGATION + ARTICLE + FOOTER
    for text in "\n".join(ARTICLE), " ".join(ARTICLE):
        found = align(page, text)
        assert found.kept.tolist() == [False] * len(NAVIGATION) + [True] * len(ARTICLE) + [False] * len(FOOTER)
        assert found.coverage == 1
        assert found.certainty.dtype == np.float32
        assert ((found.certainty >= 0) & (found.certainty <= 1)).all()


def test_edited_blocks_are_kept_by_what_is_left_of_them():
    page = [*NAVIGATION, *ARTICLE[2:5], *FOOTER]
    text = "Some say: " + ARTICLE[2].replace("two years of", "long") + " " + ARTICLE[4]
    assert kept(page, text) == [ARTICLE[2], ARTICLE[4]]
    found = align(page, text)
    assert 0 < found.certainty[len(NAVIGATION)] < 1


def test_parts_in_another_order_are_found():
    page = NAVIGATION + ARTICLE
    assert kept(page, "\n".join([*ARTICLE[3:], *ARTICLE[:3]])) == ARTICLE


def test_a_stray_word_is_not_kept():
    assert kept(["News", "Contact", ARTICLE[2]], f"{ARTICLE[2]} He asked what the contact had told him.") == [
        ARTICLE[2]
    ]


def test_a_whole_line_is_kept_by_itself():
    assert kept(["News", "Test", "Contact"], "Test") == ["Test"]
    assert kept(["News", "Test", "Contact"], "unknown text\nTest\nand more") == ["Test"]
    assert kept(["News", "Test", "Contact"], "unknown text of a Test and more") == []


def test_bullets_go_with_what_stands_around_them():
    page = ["•", ARTICLE[2], "—", ARTICLE[4], "•", "News", "•"]
    assert align(page, "\n".join([ARTICLE[2], ARTICLE[4]])).kept.tolist() == [
        True,
        True,
        True,
        True,
        False,
        False,
        False,
    ]


def test_nothing_to_align():
    assert kept([], "text") == []
    assert kept(["•", "a"], "") == []
    assert align(["a"], "").coverage == 0


def test_repeated_cells_are_kept_in_sequence():
    cells = ["0"] * 300 + ["1"] * 300
    assert (
        kept(
            ["Results of the last season of all teams", *cells],
            "Results of the last season of all teams " + " ".join(cells),
        )[1:]
        == cells
    )


@given(st.integers(0, 2**32))
def test_long_blocks_are_kept_exactly(seed):
    draw = random.Random(seed)
    page = [
        " ".join(str(draw.randrange(10**9)) for _ in range(draw.randint(5, 12))) for _ in range(draw.randint(1, 30))
    ]
    meant = [draw.random() < 0.5 for _ in page]
    text = "\n".join(block for block, keep in zip(page, meant, strict=True) if keep)
    assert align(page, text).kept.tolist() == meant


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12), st.integers(1, 4)), max_size=8))
def test_chains_against_all_that_there_are(drawn):
    matches = [_Match(block, start, start + gain, gain) for block, start, gain in sorted(drawn)]

    def worth(chain):
        return sum(match.gain for match in chain) - SPAN_COST * (chain[-1].block - chain[0].block) if chain else 0

    def fits(chain):
        return all(a.block < b.block and a.end <= b.start for a, b in pairwise(chain))

    best = max(
        (worth(chain) for size in range(len(matches) + 1) for chain in combinations(matches, size) if fits(chain)),
        default=0,
    )
    found = _heaviest_chain(matches, 16)
    assert fits(found)
    assert abs(worth(found) - best) < 1e-9
