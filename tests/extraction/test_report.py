"""The view of a page's blocks: everything is there, and nothing of the page is markup in it."""

import re
from collections import Counter

import pytest
from selectolax.lexbor import LexborHTMLParser

from gptkit.extraction.fast import FastExtractor
from gptkit.extraction.page import read_page
from gptkit.extraction.report import report
from gptkit.kernels.html_blocks import Limits

SENTENCE = "It is said that the river has to be crossed with care, and that few of those who have tried it came back. "
PAGE = f"""<title>A river</title><meta name=author content="A. Writer"><nav><a href=/>Home</a></nav>
<article><h1>A river</h1><p>{SENTENCE * 3}</p><ul><li>one<ul><li>two</ul></ul><p>{SENTENCE}</p></article>"""
ATTACK = """&lt;script>alert(1)&lt;/script> &lt;img src=x onerror=alert(2)> "'> &lt;/style> &lt;/details> &amp;lt;b>
&lt;!-- &lt;iframe src=//x.org> javascript:alert(3) &lt;meta http-equiv=refresh content=0>"""
HOSTILE = f"""<title>{ATTACK}</title><meta name=author content="{ATTACK.replace('"', "&quot;")}">
<html lang="en"><h1>{ATTACK}</h1><p>{ATTACK} {SENTENCE * 2}<pre>{ATTACK}</pre>"""


def parsed(html, **options):
    return LexborHTMLParser(report(read_page(html.encode(), **options)))


def test_all_blocks_are_shown_in_order_with_sign_probability_and_reasons():
    page = read_page(PAGE.encode())
    tree = LexborHTMLParser(report(page))
    shown = tree.css("details.block")
    assert [node.css_first(".text").text() for node in shown] == [block.text for block in page.blocks]
    assert [node.css_first(".sign").text() for node in shown] == ["✓" if block.kept else "✗" for block in page.blocks]
    assert {"✓", "✗"} == {node.css_first(".sign").text() for node in shown}
    for node, block in zip(shown, page.blocks, strict=True):
        assert ("kept" if block.kept else "dropped") in node.attributes["class"]
        assert node.css_first(".sign").attributes["aria-label"] == ("kept" if block.kept else "dropped")
        assert node.css_first(".probability").text() == f"{block.probability:.2f}"
        assert node.css_first(".path").text() == block.path
        assert [[cell.text() for cell in row.css("td")] for row in node.css("tr")] == [
            [f"{reason.weight:+.2f}", reason.feature, reason.value] for reason in block.reasons
        ]


def test_blocks_stand_in_the_elements_of_the_page():
    tree = parsed(PAGE)
    boxes = {}
    for node in tree.css("details.block"):
        around, at = [], node.parent
        while at.tag == "section":
            around.append(at.css_first(".tag").text())
            at = at.parent
        boxes[node.css_first(".text").text()] = around[::-1]
    assert boxes["Home"] == ["nav"]
    assert boxes["A river"] == ["article"]
    assert boxes["one"] == ["article", "ul"]
    assert boxes["two"] == ["article", "ul", "ul"]
    assert boxes[SENTENCE.strip()] == ["article"]


def test_the_head_says_what_the_page_is():
    page = read_page(PAGE.encode(), url="https://example.org/river")
    text = LexborHTMLParser(report(page)).css_first("dl").text()
    for part in ("https://example.org/river", "A. Writer", f"{len(page.kept)} of {len(page.blocks)} kept"):
        assert part in text
    assert f"{page.threshold:.2f}" in text


def test_nothing_of_the_page_is_markup_in_the_view():
    harmless = report(read_page(HOSTILE.replace("&lt;", "(").replace(">", "> ").encode()))
    html = report(read_page(HOSTILE.encode()))
    tree = LexborHTMLParser(html)
    allowed = {"html", "head", "meta", "title", "style", "body", "h1", "dl", "dt", "dd", "main", "section", "details"}
    allowed |= {"summary", "span", "div", "table", "tbody", "tr", "td"}
    tags = Counter(node.tag for node in tree.css("*"))
    assert set(tags) <= allowed
    assert tags["meta"] == 3
    assert tags["style"] == tags["title"] == tags["h1"] == 1
    assert len(LexborHTMLParser(harmless).css("details")) == tags["details"]
    names = {name for node in tree.css("*") for name in node.attributes}
    assert names <= {"lang", "charset", "http-equiv", "content", "name", "class", "title", "role", "aria-label", "dir"}
    assert tree.css_first("title").text().startswith("Blocks of <script>alert(1)</script> <img src=x")
    assert "<script>alert(1)</script> <img src=x onerror=alert(2)> \"'> </style> </details> &lt;b>" in tree.body.text()


def test_nothing_is_fetched_and_nothing_runs():
    html = report(read_page(HOSTILE.encode()))
    style = LexborHTMLParser(html).css_first("style").text()
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in html
    assert "prefers-color-scheme: dark" in style
    assert not re.search(r"<[^>]*\s(?:src|href|srcset|on\w+)=", html)


def test_a_page_that_was_cut_off_says_so():
    small = FastExtractor(limits=Limits(blocks=3, marks=100))
    assert "beyond the limit of blocks" in parsed(PAGE, extractor=small).css_first(".cut").text()
    assert parsed(PAGE).css_first(".cut") is None


@pytest.mark.parametrize("html", ["", "<script>x</script>", "\x01\x02"])
def test_a_page_without_text_can_be_shown(html):
    tree = parsed(html)
    assert tree.css("details") == []
    assert tree.css_first("h1").text() == "A page without a title"


def test_deep_pages_stay_flat():
    tree = parsed("<section><ul><li>" * 300 + "x<p>y" * 50)
    assert len(tree.css("details")) == 51
    assert len(tree.css("section")) <= 12
