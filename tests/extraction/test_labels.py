import numpy as np
import pytest

from gptkit.extraction.labels import ARTICLE_WEIGHT, PHRASE_WEIGHT, base_weights, block_labels
from gptkit.extraction.truth import LabelledPage

BLOCKS = [
    "Home",
    "A headline about owls",
    "Owls hunt by night, and they hear a mouse below the snow.",
    "Their feathers make",
    "no sound",
    "A headline about owls",
    "Subscribe to our letter, which we send every week.",
]
MAIN = "\n".join(BLOCKS[1:5])


def labels(weak=(), **known):
    return block_labels(BLOCKS, LabelledPage("http://a.example/", b"", **known), weak)


def test_base_weights():
    found = base_weights(["x" * 60, "x", "x" * 10_000, "x" * 240])
    assert found.dtype == np.float32
    assert found == pytest.approx(np.array([1, 0.25, 3, 2]) * np.sqrt(20))
    assert base_weights([]).shape == (0,)


def test_an_article_labels_its_blocks():
    label, weight = labels(article=MAIN, weak=[BLOCKS[6]])
    assert label.tolist() == [0, 1, 1, 1, 1, 0, 0]
    assert label.dtype == weight.dtype == np.float32
    assert weight[2] == pytest.approx(ARTICLE_WEIGHT * base_weights(BLOCKS)[2])
    assert 0 < weight[5] < weight[1]  # where the headline is meant is less certain


def test_an_article_that_is_not_on_the_page_counts_less():
    _, sure = labels(article=MAIN)
    _, unsure = labels(article=MAIN + " and nine words more for each word here" * 20)
    assert (unsure < 0.5 * sure).all()
    assert (labels(article="other words altogether")[1] == 0).all()


def test_other_extractors_vote():
    label, weight = labels(weak=[MAIN, BLOCKS[2]])
    assert label.tolist() == [0, 0.5, 1, 0.5, 0.5, 0, 0]
    assert weight[0] == base_weights(BLOCKS)[0]


def test_nothing_is_known():
    label, weight = labels()
    assert not label.any()
    assert not weight.any()
    assert labels(article="")[1].tolist() == [0] * 7  # a page that could not be saved has no main text either


def test_phrases_come_first():
    label, weight = labels(weak=[BLOCKS[6]], with_=("mouse below",), without=("our  letter",))
    assert label.tolist() == [0, 0, 1, 0, 0, 0, 0]
    assert (weight == PHRASE_WEIGHT).tolist() == [False, False, True, False, False, False, True]


@pytest.mark.parametrize("phrase", ["snow. Their feathers make no", "snow.Their feathersmake no"])
def test_a_phrase_may_be_in_several_blocks(phrase):
    label, weight = labels(with_=(phrase,))
    assert label.tolist() == [0, 0, 1, 1, 1, 0, 0]
    assert (weight == PHRASE_WEIGHT).tolist() == [False, False, True, True, True, False, False]


def test_a_phrase_in_several_places_is_meant_where_the_main_text_is():
    label, weight = labels(article=MAIN, with_=("headline about",))
    assert (label[1], weight[1]) == (1, PHRASE_WEIGHT)
    assert label[5] == 0
    label, weight = labels(with_=("headline about",))
    assert label.tolist() == [0, 1, 0, 0, 0, 1, 0]
    assert weight[1] == weight[5] == PHRASE_WEIGHT / 2
    assert labels(article=MAIN, without=("headline about",))[0].tolist() == [0, 0, 1, 1, 1, 0, 0]


def test_a_block_with_phrases_of_both_kinds_is_main_text():
    label, weight = labels(with_=("hunt by night",), without=("mouse",))
    assert (label[2], weight[2]) == (1, PHRASE_WEIGHT)


def test_a_page_without_blocks():
    label, weight = block_labels([], LabelledPage("u", b"", with_=("a",), without=("b",), article="c"), [])
    assert label.shape == weight.shape == (0,)
