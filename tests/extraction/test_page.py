"""One page as objects: the same text and the same choice as the extractor of batches, in blocks that can be read."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptkit.data.encoding import as_utf8
from gptkit.extraction.fast import FastExtractor
from gptkit.extraction.inline import resolve
from gptkit.extraction.model import Model, own_model
from gptkit.extraction.page import page_extractor, read_page
from gptkit.extraction.reasons import contributions, strongest
from gptkit.kernels.block_columns import FEATURES, WIDTH, near
from gptkit.kernels.html_blocks import Limits

SENTENCE = "It is said that the river has to be crossed with care, and that few of those who have tried it came back. "
ARTICLE = f"""<!DOCTYPE html><html lang=en><head><title>The river</title>
<link rel=canonical href="https://example.org/river"></head><body>
<nav><ul><li><a href=/>Home</a><li><a href=/news>News</a></ul></nav>
<main><article><h1>The river</h1><p>{SENTENCE * 3}</p><ul><li>{SENTENCE}</li></ul>
<p>By <b>me</b><br>and <a href=you>you</a>. {SENTENCE}</p><pre>  a\n    b</pre>
<blockquote><p>{SENTENCE}</blockquote><table><tr><th>x<td>y</table></article></main>
<footer><p><a href=/terms>Terms</a></p></footer></body></html>"""
FEW = FastExtractor(limits=Limits(blocks=1_000, elements=2_000, marks=4_000))


@pytest.fixture(scope="module")
def article():
    return read_page(ARTICLE.encode(), url="https://example.org/old")


def test_the_text_is_that_of_the_batch_extractor(article):
    texts, stopped = FastExtractor().texts([ARTICLE.encode()])
    assert article.text == texts[0]
    assert stopped == [article.stopped] == [""]
    assert article.kept[0].text == "The river"
    assert "".join(article.text.split()) == "".join("".join(b.text for b in article.kept).split())


def test_blocks_say_where_they_stand(article):
    found = {block.text: (block.kind, block.path) for block in article.blocks if len(block.text) < 20}
    assert found["Home"] == ("item", "html > body > nav > ul > li > a")
    assert found["The river"] == ("h1", "html > body > main > article > h1")
    assert found["By me"] == ("text", "html > body > main > article > p")
    assert found["  a\n    b"] == ("pre", "html > body > main > article > pre")
    assert found["x"][0] == found["y"][0] == "cell"
    assert {block.kind for block in article.blocks} == {"item", "h1", "text", "pre", "quote", "cell"}
    assert [block.new_line for block in article.blocks if block.text.startswith("and you")] == [True]
    assert not any(block.new_line for block in article.blocks if not block.text.startswith("and you"))


def test_what_is_kept_and_what_the_page_states(article):
    assert [block.text for block in article.blocks if not block.kept][:2] == ["Home", "News"]
    assert all(block.kept == (block.probability >= article.threshold) for block in article.blocks)
    assert article.counts["blocks"] == len(article.blocks)
    assert article.counts["characters_kept"] == sum(len(block.text) for block in article.kept)
    assert (article.metadata.title, article.metadata.html_language) == ("The river", "en")
    assert article.url == "https://example.org/old"
    assert read_page(ARTICLE.encode()).url == article.metadata.canonical


def test_favor_moves_the_threshold():
    thresholds = [read_page(ARTICLE.encode(), favor=favor).threshold for favor in ("recall", "balanced", "precision")]
    assert thresholds == sorted(thresholds)
    assert thresholds[0] < thresholds[2]


def test_comments_are_kept_where_wanted():
    remarks = [f"I was there with my brother and we saw it all, {n} times." for n in range(3)]
    items = "".join(
        f"<li class=comment><div class=comment-author><a href=/u>reader</a> <time>{n} May 2024</time></div>"
        f"<div class=comment-body><p>{remark}</p></div><a href=#reply class=reply>Reply</a></li>"
        for n, remark in enumerate(remarks)
    )
    section = f"<section id=comments><h2>3 comments</h2><ol class=comment-list>{items}</ol></section>"
    article = "".join(f"<p>{SENTENCE * times}</p>" for times in (3, 4, 2, 3, 4))
    page = f"<main><article><h1>The river</h1>{article}</article>{section}</main>".encode()
    without, with_comments = read_page(page), read_page(page, comments=True)
    assert not any(remark in without.text for remark in remarks)
    assert all(remark in with_comments.text for remark in remarks)
    assert "Reply" not in with_comments.text
    kept = [block.text for block in with_comments.kept]
    assert [text for text in kept if text not in remarks] == [block.text for block in without.kept]


def test_reasons_add_up_to_the_log_odds():
    extractor = page_extractor()
    read = extractor.read(ARTICLE.encode(), with_marks=True)
    probabilities, _, _ = extractor.choose(read)
    left_over = [
        math.log(p / (1 - p)) - parts.sum()
        for p, parts in zip(probabilities.tolist(), contributions(extractor.model, read.features), strict=True)
    ]
    assert np.ptp(left_over) < 1e-3  # the same for all: the mean of the page


def test_reasons_are_the_features_that_tell_blocks_apart():
    """A single tree that asks for links, then for `<nav>`: 0: links? left 1: nav? (3, 4), right 2."""
    links, nav = FEATURES.index("link share"), FEATURES.index("<nav>")
    nodes = np.array([links | 128 << 8 | 1 << 16, nav | 11 << 8 | 3 << 16, *((255 << 8) | n << 16 for n in (2, 3, 4))])
    model = Model(
        nodes.astype(np.uint32),
        np.array([0, 0, -2, -1, 3], np.float32),
        np.array([0], np.int64),
        np.array([2], np.int64),
        np.array([0.4, 0.5, 0.6], np.float32),
    )
    rows = np.zeros((3, WIDTH), np.uint8)
    rows[:, nav] = 12
    rows[0, links] = 255
    rows[1, nav] = 2
    parts = contributions(model, rows)
    # the nodes are reached by 1 + … rows: 2 of 5 go right at the first, 3 left, of which as many go either way
    second = (-1 + 3) / 2
    first = (2 * -2 + 3 * second) / 5
    expected = [(-2 - first, 0), (second - first, -1 - second), (second - first, 3 - second)]
    assert parts[:, [links, nav]].tolist() == [pytest.approx(pair) for pair in expected]
    assert np.count_nonzero(parts) == 5


def test_reasons_can_be_read(article):
    lines = [f"{reason.feature}: {reason.value}" for block in article.blocks for reason in block.reasons]
    assert lines
    assert all(list(b.reasons) == sorted(b.reasons, key=lambda reason: -abs(reason.weight)) for b in article.blocks)
    known = set(FEATURES)
    for block in article.blocks:
        for reason in block.reasons:
            name = reason.feature.removeprefix("in ") if "<" in reason.feature else reason.feature
            assert name in known or f"word:{name.removeprefix('named ')}" in known
            assert reason.weight


def test_every_number_of_every_feature_can_be_read():
    parts = np.zeros(WIDTH, np.float32)
    for column in range(WIDTH):
        parts[:] = 0
        parts[column] = 1
        for value in range(0, 256, 5):
            (reason,) = strongest(np.full(WIDTH, value, np.uint8), parts)
            assert reason.value
            assert reason.weight == 1


def test_distances_are_read_as_they_were_written():
    parts = np.zeros(WIDTH, np.float32)
    column = FEATURES.index("blocks before main text")
    parts[column] = 1
    for distance in (0, 1, -1, 64, -64, 72, -80, 560):
        (reason,) = strongest(np.full(WIDTH, near(distance), np.uint8), parts)
        assert reason.value == f"{distance:+}"
    for distance, value in ((568, "+568 or more"), (9_999, "+568 or more"), (-9_999, "-568 or more")):
        (reason,) = strongest(np.full(WIDTH, near(distance), np.uint8), parts)
        assert reason.value == value
    parts[:] = 0
    parts[FEATURES.index("blocks since h1")] = 1
    assert strongest(np.full(WIDTH, 255, np.uint8), parts)[0].value == "none"


@pytest.mark.parametrize(
    ("href", "address"),
    [
        ("b", "https://example.org/a/b"),
        ("https://me:secret@other.org/", ""),
        ("//me@other.org/", ""),
        ("https://other.org/@me", "https://other.org/@me"),
        ("mailto:me@other.org", "mailto:me@other.org"),
        (f"&#{'1' * 1_900};", f"https://example.org/a/&#{'1' * 1_900};"),
    ],
)
def test_addresses_of_links(href, address):
    assert resolve(href.encode(), "https://example.org/a/") == address


def test_limits_cut_the_page_and_say_so():
    small = FastExtractor(limits=Limits(blocks=5, marks=2_000))
    page = read_page(ARTICLE.encode(), extractor=small)
    assert (page.stopped, len(page.blocks)) == ("blocks", 5)
    small = FastExtractor(limits=Limits(bytes=400, marks=2_000))
    assert read_page(ARTICLE.encode(), extractor=small).stopped == "bytes"


def test_own_models_are_used():
    packaged = own_model()
    strict = Model(packaged.nodes, packaged.values, packaged.roots, packaged.depths, np.array([0.9] * 3, np.float32))
    assert read_page(ARTICLE.encode(), extractor=page_extractor(strict)).threshold == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("charset", "declared", "text"),
    [
        ("shift_jis", "shift_jis", "日本語の文章です。"),
        ("windows-1251", None, "Это русский текст о реке и о людях."),
        ("utf-16", None, "ünï"),
    ],
)
def test_encodings(charset, declared, text):
    page = read_page(f"<title>{text}</title><p>{text * 5}</p>".encode(charset), declared)
    assert page.metadata.title == text
    assert page.blocks[0].text == text * 5


@pytest.mark.parametrize(
    "html",
    [
        b"",
        b" \n ",
        b"\0" * 1_000,
        bytes(range(256)) * 50,
        b"\x89PNG\r\n\x1a\n" + bytes(reversed(range(256))) * 20,
        b"<script>var a = '<p>no</p>';</script><style>p{}</style>",
        b"<title><script>alert(1)</script></title>",
        b"<" * 5_000,
        b"<b>" * 5_000 + b"x",
        b"<a href=" + b"x" * 50_000,
        b"</b></a></i>x<b></a></b>",
    ],
)
def test_any_bytes_are_a_page(html):
    page = read_page(html)
    assert page.counts["blocks"] == len(page.blocks)
    assert "alert" not in page.text
    assert "no" not in page.text.split()


PARTS = "<b> </b> <a\thref=x> </a> <p> </p> <pre> x\t \n <li> <svg> <select> </select> <code> </code> <td> <br>".split(
    " "
)
HTML = st.binary(max_size=400) | st.lists(st.sampled_from(PARTS), max_size=60).map(
    lambda parts: "".join(parts).encode()
)


@settings(max_examples=100)
@given(HTML)
def test_runs_make_up_the_blocks(html):
    expected = FEW.read(as_utf8(html), with_marks=True).texts()
    page = read_page(html, extractor=FEW)
    assert [block.text for block in page.blocks] == expected
    assert all("".join(run.text for run in block.runs) == block.text for block in page.blocks)
    assert all(run.text for block in page.blocks for run in block.runs)
