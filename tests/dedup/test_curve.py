import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptkit.dedup.curve import RECALL, Scheme, choose, scheme_of
from gptkit.dedup.settings import MOST_CHOSEN, MOST_PERMUTATIONS, DedupSettings


def found(similarity, bands, rows):
    return 1 - (1 - similarity**rows) ** bands


def test_the_curve_of_the_papers_setting():
    scheme = scheme_of(DedupSettings())
    assert (scheme.bands, scheme.rows, scheme.ngram, scheme.permutations) == (14, 8, 5, 112)
    # FineWeb (arXiv 2406.17557, section 3.4) states these for 14 bands of 8
    for similarity, chance in [(0.7, 0.56), (0.75, 0.77), (0.8, 0.92), (0.85, 0.988)]:
        assert scheme.probability(similarity) == pytest.approx(chance, abs=0.005)
    assert scheme.threshold == pytest.approx((1 / 14) ** (1 / 8), abs=0.0005)
    assert (scheme.probability(0), scheme.probability(1)) == (0, 1)


def test_the_curve_is_what_is_drawn():
    generator, scheme, similarity = random.Random(1), Scheme(5, 3, 5, 0.5), 0.6
    hits = sum(any(all(generator.random() < similarity for _ in range(3)) for _ in range(5)) for _ in range(20_000))
    assert hits / 20_000 == pytest.approx(scheme.probability(similarity), abs=0.015)


def test_the_line_that_is_printed_before_a_run():
    line = scheme_of(DedupSettings()).curve()
    assert "14 bands of 8, 5-grams" in line
    assert "0.8: 0.924" in line
    assert "steepest at 0.719" in line


@given(st.floats(0.02, 1.0))
def test_the_choice_is_the_steepest_that_finds_enough(threshold):
    bands, rows = choose(threshold)
    assert 1 <= bands * rows <= MOST_CHOSEN
    better = [
        (more, count)
        for more in range(1, MOST_CHOSEN + 1)
        for count in range(1, MOST_CHOSEN // more + 1)
        if found(threshold, count, more) >= RECALL
    ]
    if better:
        most = max(more for more, _ in better)
        assert (rows, bands) == (most, min(count for more, count in better if more == most))
    else:
        assert (bands, rows) == (MOST_CHOSEN, 1)


@given(st.floats(0.02, 1.0), st.integers(1, 400))
def test_what_is_given_stays_and_signatures_stay_short(threshold, given_number):
    bands, rows = choose(threshold, bands=given_number)
    assert bands == given_number
    assert bands * rows <= max(MOST_CHOSEN, given_number)
    bands, rows = choose(threshold, rows=given_number)
    assert rows == given_number
    assert bands * rows <= max(MOST_CHOSEN, given_number)


def test_the_number_of_permutations_stays_within_its_limit():
    for settings in (DedupSettings(threshold=0.5, bands=128), DedupSettings(threshold=0.99, bands=100)):
        assert scheme_of(settings).permutations <= MOST_PERMUTATIONS
    with pytest.raises(ValueError, match="10,000"):
        DedupSettings(bands=200, rows=51)


def test_schemes_that_settings_ask_for():
    assert scheme_of(DedupSettings(preset="gpt3")) == Scheme(10, 1, 1, 0.7)
    assert scheme_of(DedupSettings(preset="gpt3", threshold=0.5, ngram=3)) == Scheme(10, 1, 3, 0.5)
    assert scheme_of(DedupSettings(bands=20, rows=5)) == Scheme(20, 5, 5, 0.549)
    assert scheme_of(DedupSettings(bands=20, rows=5, threshold=0.8)) == Scheme(20, 5, 5, 0.8)
    chosen = scheme_of(DedupSettings(threshold=0.8))
    assert chosen.threshold == 0.8
    assert chosen.probability(0.8) >= RECALL
    assert scheme_of(DedupSettings(threshold=1.0)) == Scheme(1, 128, 5, 1.0)
    assert scheme_of(DedupSettings(threshold=0.001)).rows == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"threshold": 0.0}, "--threshold 0 is not above 0"),
        ({"threshold": 1.01}, "--threshold 1.01"),
        ({"threshold": float("nan")}, "--threshold nan"),
        ({"bands": 0}, "--bands must be at least 1"),
        ({"rows": -1}, "--rows must be at least 1"),
        ({"ngram": 0}, "--ngram must be at least 1"),
        ({"seed": -1}, "--seed"),
        ({"seed": 1 << 32}, "--seed"),
        ({"keep_column": "date"}, "--keep-column goes with"),
        ({"near": False, "index": "x"}, "--no-near"),
        ({"near": False, "save_signatures": True}, "--no-near"),
        ({"memory": -1}, "--memory must be at least 0"),
        ({"ngram": 10**20}, "--ngram"),
        ({"threshold": 0.8, "rows": 200}, "name --bands and --rows both"),
        ({"index": ""}, "one of them is empty"),
        ({"against": ("",)}, "one of them is empty"),
        ({"keep_first": False}, "--keep-first means nothing with --unit document"),
        ({"unit": "line", "keep": "longest"}, "--keep means nothing with --unit line"),
        ({"unit": "line", "near": False}, "--near means nothing with --unit line"),
        ({"unit": "substring", "min_length": 9}, "--min-length means nothing with --unit substring"),
        ({"unit": "substring", "normalise": True}, "--normalise means nothing with --unit substring"),
        ({"min_count": 0}, "--min-count"),
        ({"unit": "line", "against": ("x",)}, "--unit line"),
        ({"prefer": ("a", "b"), "protect": ("b",)}, "both name b"),
    ],
)
def test_settings_that_make_no_sense(values, message):
    with pytest.raises(ValueError, match=message):
        DedupSettings(**values)
