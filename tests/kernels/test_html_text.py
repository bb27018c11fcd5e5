"""Kept blocks become plain text: paragraphs, lines of lists and rows of tables; and which comments are kept."""

import numpy as np
import pytest

from gptkit.extraction.fast import FastExtractor
from gptkit.kernels.html_blocks import Limits

EXTRACTOR = FastExtractor(limits=Limits(bytes=100_000, elements=8_000, blocks=2_000))

TEXTS = {
    "paragraphs": ("<p>a<p>b<div>c</div>d", "a\n\nb\n\nc\n\nd"),
    "line breaks": ("<p>a<br>b<br><br>c<p>d", "a\nb\n\nc\n\nd"),
    "headings": ("<h1>a</h1><p>b<h2>c</h2>d", "a\n\nb\n\nc\n\nd"),
    "list": ("<p>x<ul><li>a<li>b</ul><p>y", "x\n\na\nb\n\ny"),
    "nested lists": ("<ul><li>one<ul><li>a<li>b</ul><li>two</ul>", "one\na\nb\ntwo"),
    "deeper lists": (
        "<ul><li>one<ol><li>a<li>b<ul><li>i<li>j<li>k</ul><li>c</ol>rest<li>two</ul>",
        "one\na\nb\ni\nj\nk\nc\nrest\ntwo",
    ),
    "menu and dir": ("<menu><li>a<li>b</menu><dir><li>c<li>d</dir>", "a\nb\n\nc\nd"),
    "paragraphs of an item": ("<ol><li><p>a<p>b<p>c</li><li>d<li>e</ol>", "a\n\nb\n\nc\n\nd\ne"),
    "two lists": ("<ul><li>a</ul><ul><li>b</ul>", "a\n\nb"),
    "terms": ("<dl><dt>a<dd>b<dt>c<dd>d</dl>", "a\nb\nc\nd"),
    "table of data": ("<table><tr><th>a<th>b<tr><td>1<td>2</table><p>c", "a\tb\n1\t2\n\nc"),
    "caption": ("<table><caption>a</caption><tr><td>b<td>c</table>", "a\n\nb\tc"),
    "lines in a cell": ("<table><tr><td>a<br>x<td>b<tr><td>c<td>d<br>y<br>z</table>", "a x\tb\nc\td y z"),
    "lines in a cell alone": ("<table><tr><td>a<br>b<tr><td>c</table>", "a\nb\nc"),
    "paragraphs in cells": ("<table><tr><td><p>a<p>b<td><p>c<p>d</table>", "a\n\nb\n\nc\n\nd"),
    "list in a cell": ("<table><tr><td><ul><li>a<li>b</ul><td>c</table>", "a\nb\n\nc"),
    "pre": ("<pre>\n  a\n\n\tb  c\n</pre><p>d", "  a\n\n\tb  c\n\nd"),
    "parts of a pre": ("<pre>a<br>b<div>c</div></pre>", "a\nb\nc"),
}


@pytest.mark.parametrize(("page", "text"), TEXTS.values(), ids=TEXTS)
def test_all_blocks(page, text):
    read = EXTRACTOR.read(page.encode())
    assert EXTRACTOR.join(read, np.ones(len(read.blocks), np.bool_)) == text


def test_blocks_that_are_not_kept_part_no_lines():
    read = EXTRACTOR.read(b"<p>a<br>b<br>c<ul><li>d<li>e<li>f</ul><table><tr><td>1<td>2<td>3</table>")
    keep = [text not in "be2" for text in read.texts()]
    assert EXTRACTOR.join(read, np.array(keep)) == "a\n\nc\n\nd\nf\n\n1\t3"


# Comments

ARTICLE = "<article><h1>A title of a page</h1>" + (
    "<p>A paragraph of some length, with commas and a full stop. It goes on, so that it looks like text.</p>" * 6
)
NOTICE = "<div class=cookies><p>We use cookies so that this page works, and ask whether you agree to that.</p></div>"
FOOTER = "<footer><p>All the rights of this page are reserved, see the imprint of it.</p></footer>"
REMARKS = "".join(
    f'<div class="comment"><p>{text}</p></div>'
    for text in (
        "I have tried this at home, and it works well for me. Thank you for the article!",
        "That is not quite what I have seen, since mine was broken from the start.",
    )
)


def kept(page, probability, comments=True):
    """The blocks that are kept, where the model finds all but long articles to be of one probability."""
    read = EXTRACTOR.read(page.encode())
    texts = read.texts()
    found = np.array([0.9 if text.startswith("A ") else probability for text in texts], np.float32)
    keep, _ = EXTRACTOR.cut(read, found, 0.5, comments)
    return [text for text, is_kept in zip(texts, keep, strict=True) if is_kept and not text.startswith("A ")]


def test_remarks_of_readers_are_kept():
    page = f'<body>{ARTICLE}</article><div id="comments">{REMARKS}</div>{FOOTER}'
    found = kept(page, 0.1)
    assert [text.split()[0] for text in found] == ["I", "That"]
    assert kept(page, 0.04) == kept(page, 0.1, comments=False) == []
    assert kept(f"<form>{page}</form>", 0.1) == found  # some sites put the whole page into one


@pytest.mark.parametrize("name", ["body", "html", "main", "article"])
def test_what_only_has_comments_is_none(name):
    assert kept(f'<{name} class="single comments-open">{ARTICLE}{NOTICE}{FOOTER}', 0.3) == []


def test_a_form_for_comments_is_none():
    form = (
        '<form id="commentform" class="comment-form"><p class="comment-notes">Your email address will not be '
        "published. Required fields are marked *</p></form>"
    )
    assert kept(f'{ARTICLE}</article><div id="respond" class="comment-respond">{form}</div>', 0.3) == []
    most = f'<div class="comment-respond">{form.replace("</form>", "<p>And more of what such forms say." * 9)}</form>'
    assert kept(f"<p>{'A paragraph with words. ' * 20}</p>{most}</div>", 0.3) == []


def test_the_package_keeps_remarks_and_no_forms():
    form = "<div id=respond><form><p>Your email address will not be published. Required fields are marked *</p></form>"
    page = f'<body class="single comments-open">{ARTICLE}</article><div id=comments>{REMARKS}</div>{form}</div>{FOOTER}'
    (text,), _ = EXTRACTOR.texts([page.encode()], comments=True)
    assert "I have tried this at home" in text
    assert "Your email address" not in text
    assert "rights" not in text
