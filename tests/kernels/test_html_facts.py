"""Where pages state what they are, against a parser's tree."""

import html
import os
import time
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator
from hypothesis import given
from hypothesis import strategies as st

from gptkit.data.encoding import as_utf8
from gptkit.kernels.html_facts import AUTHOR_BYTES, FACT, FACTS, JSON_BYTES, KEYS, html_facts

ARTICLES = (
    Path(os.environ.get("GPTKIT_SHARED") or Path(__file__).parents[3] / "shared") / "data" / "web" / "articles.warc.gz"
)


COMPARED = ("title", "html lang", "link canonical", "rel license", "time published")


def found(page):
    """The values that a page states, by name."""
    spans = zip(FACTS, html_facts(page).tolist(), strict=True)
    return {name: page[start:end] for name, (start, end) in spans if start >= 0}


def folded(value):
    return " ".join(html.unescape(value.decode()).split())


@pytest.mark.skipif(not ARTICLES.is_file(), reason="GPTKIT_SHARED names no folder with data/web")
def test_as_in_a_parsers_tree():
    parser = pytest.importorskip("selectolax.lexbor").LexborHTMLParser
    pages = 0
    with ARTICLES.open("rb") as stream:
        for record in ArchiveIterator(stream):
            if not record.is_http:
                continue
            page = as_utf8(record.reader.read())
            expected = of_tree(parser(page.decode()))
            ours = {name: folded(value) for name, value in found(page).items() if name in (*KEYS, *COMPARED)}
            assert ours == expected, record.headers["WARC-Target-URI"]
            pages += len(expected) > 3
    assert pages > 30


def of_tree(tree):
    expected = {}
    for node in tree.css("meta"):
        attributes = node.attributes
        content = attributes.get("content")
        for key in ("name", "property", "itemprop", "http-equiv"):
            for token in (attributes.get(key) or "").lower().split():
                if token in KEYS and content:
                    expected.setdefault(token, content)
    for name, selector, attribute in (
        ("link canonical", "link[rel~=canonical i]", "href"),
        ("rel license", ":is(link, a)[rel~=license i]", "href"),
        ("time published", "time:is([pubdate], [itemprop~=datePublished i])", "datetime"),
        ("html lang", "html", "lang"),
        ("html lang", "html", "xml:lang"),
    ):
        values = [node.attributes.get(attribute) for node in tree.css(selector)]
        expected[name] = expected.get(name) or next(filter(None, values), None)
    title = tree.css_first("title")
    expected["title"] = title.text() if title else None
    return {name: " ".join(value.split()) for name, value in expected.items() if value}


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<HTML xml:lang=de><title>a &amp; b</title>", {"html lang": "de", "title": "a &amp; b"}),
        ("<svg><title>no</title></svg><title>yes</title>", {"title": "yes"}),
        ("<svg/><title>yes</title>", {"title": "yes"}),
        ("<title>a <b>bold</b></title", {}),  # no end tag: an ordinary element
        ("<!-- <meta name=author content=no> --><meta content=yes name=Author>", {"author": "yes"}),
        ("<script>'<meta name=author content=no>'</script><textarea><meta name=author content=no></textarea>", {}),
        ("<style><meta name=author content=yes>", {"author": "yes"}),  # likewise
        ("<script><meta name=author content=no>", {}),
        ('<meta property="og:title twitter:title" content="a > b">', {"og:title": "a > b", "twitter:title": "a > b"}),
        ("<meta name=date content=''><meta name=date content=1><meta name=date content=2>", {"date": "1"}),
        ("<meta name=author content=a content=b>", {"author": "a"}),
        ("<meta name=author content=a", {}),
        ('<meta name=author content="a', {}),
        ("<meta name=author content=a ", {}),
        ("<link rel='shortlink CANONICAL' href=/a><a rel=canonical href=/b>", {"link canonical": "/a"}),
        ("<a href=/l rel='nofollow license'>", {"rel license": "/l"}),
        ("<a href=//www.creativecommons.org/licenses/by/4.0/>", {}),
        ("<time>now</time><time datetime=1><time pubdate datetime=2>", {"time published": "2"}),
        ("<time class='entry-date published' datetime=3>", {}),
        ("<time itemprop=datePublished datetime=4>", {"time published": "4"}),
        ("<a rel=author href=/a><b>A.</b> Writer</a>", {"a author": "<b>A.</b> Writer"}),
        (f"<a rel=author>{'x' * AUTHOR_BYTES}</a>", {}),
        ('<script type="application/LD+json; charset=utf-8">{}</script>', {"json 1": "{}"}),
        (f'<script type="application/ld+json">{" " * JSON_BYTES} </script>', {}),
        ("<script type=application/ld+json>[]</script>" * 5, {f"json {number}": "[]" for number in range(1, 5)}),
    ],
)  # fmt: skip
def test_what_counts(page, expected):
    assert found(page.encode()) == {name: value.encode() for name, value in expected.items()}


PIECES = st.sampled_from(
    """< <! <!-- --> </ > / = " ' <html <html\tlang=a <meta <title> </title> </title <script> </script> <script <a </a>
    rel=author rel=license type=application/ld+json href=//creativecommons.org/ <link <time datetime=1 <svg /> name=date
    content=é content= itemprop property=og:title <?""".split()
) | st.text(max_size=6)


@given(st.lists(PIECES, max_size=40).map(" ".join) | st.lists(PIECES, max_size=40).map("".join))
def test_ranges_stay_inside_the_page(text):
    page = text.encode()
    spans = html_facts(page)
    assert spans.shape == (len(FACTS), 2)
    for start, end in spans.tolist():
        assert (start, end) == (-1, -1) or 0 <= start < end <= len(page)


@given(st.binary(max_size=80))
def test_any_bytes(page):
    assert all(start < end <= len(page) for start, end in html_facts(page).tolist() if start >= 0)


@pytest.mark.parametrize(
    "piece",
    ["<", "</", "<!--", "<title>", "<style><script>", "<script></script>", "<a rel=author>", "<meta ", "<meta name='",
     "<svg>", "<a href='//creativecommons.org", "<iframe><xmp>", "<time datetime=", "<!", "<a a", "</a b=' "],
)  # fmt: skip
def test_time_is_linear(piece):
    page = (piece * (2_000_000 // len(piece))).encode()
    html_facts(b"")
    started = time.perf_counter()
    html_facts(page)
    assert time.perf_counter() - started < 2


def test_every_fact_has_a_place_of_its_own():
    assert len(FACT) == len(FACTS)
