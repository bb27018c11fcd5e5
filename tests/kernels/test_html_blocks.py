"""Pages cut into blocks: their text is that of an HTML5 parser's tree, and they begin and end where a reader sees it."""

import dataclasses
import re

import numpy as np
import pytest
from html_corpus import HOSTILE, SNIPPETS, hostile
from hypothesis import example, given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from gptkit.kernels import html_blocks
from gptkit.kernels.html_blocks import (
    BEHIND,
    DEPTH,
    ELEMENT,
    END,
    FIRST,
    GAP,
    LINE,
    LINK_BYTES,
    LINKS,
    NAME,
    ORDER,
    PARAGRAPH,
    PARENT,
    START,
    STOPPED,
    STOPS,
    STRONG_BYTES,
    TITLE_END,
    TITLE_START,
    TOO_DEEP,
    Buffers,
    Limits,
    read_page,
)
from gptkit.kernels.html_names import BIT, TAG_NAMES, attribute_tables, tag_tables, word_trie
from gptkit.kernels.html_syntax import references

SMALL = Limits(bytes=60_000, elements=6_000, blocks=3_000, depth=512)
LEFT_OUT = re.compile("[\xad\u200b\u2060\ufeff\x00-\x08\x0e-\x1f\x7f-\x9f]")
SILENT = """script style textarea title iframe noembed noframes template svg select datalist object video audio canvas
    applet annotation annotation-xml rt rp rtc map""".split()


@dataclasses.dataclass
class Page:
    """What a pass left."""

    elements: np.ndarray
    masks: np.ndarray
    blocks: np.ndarray
    text: bytes
    counts: np.ndarray

    @property
    def texts(self):
        return [self.text[start:end].decode() for start, end in self.blocks[:, [START, END]]]

    @property
    def stopped(self):
        return STOPS[self.counts[STOPPED]]

    @property
    def names(self):
        return [TAG_NAMES[number] for number in self.elements[:, NAME]]

    def path(self, row):
        """The names of the elements around a block, from inside."""
        element, found = self.blocks[row, ELEMENT], []
        while element > 0:
            found.append(self.names[element])
            element = self.elements[element, PARENT]
        return " ".join(found)

    def groups(self, row):
        """The groups of the elements around a block."""
        element, mask = self.blocks[row, ELEMENT], 0
        while element > 0:
            mask |= int(self.masks[element])
            element = self.elements[element, PARENT]
        return {name for name, bit in BIT.items() if mask >> bit & 1}


class Reader:
    def __init__(self, limits):
        self.limits, self.buffers = limits, Buffers(limits)
        self.tables = (*tag_tables(), *attribute_tables(), *word_trie(), *references())

    def __call__(self, page):
        buffers = self.buffers
        content = np.frombuffer(page if isinstance(page, bytes) else page.encode(), np.uint8)
        read_page(content, *self.tables, *buffers.arrays, self.limits.bytes, False)
        counts = buffers.counts.copy()
        elements, blocks, text = counts[[html_blocks.ELEMENTS, html_blocks.BLOCKS, html_blocks.TEXT]]
        return Page(
            buffers.elements[:elements].copy(),
            buffers.masks[:elements].copy(),
            buffers.blocks[:blocks].copy(),
            buffers.text[:text].tobytes(),
            counts,
        )


read = Reader(SMALL)


def texts(page):
    return read(page).texts


def ours(page):
    """The characters of a page's text but white space."""
    return re.sub(r"\s+", "", "".join(texts(page)))


def of_tree(page):
    """The same, of lexbor's tree without the elements that are not read."""
    tree = LexborHTMLParser(page)
    for name in SILENT:
        for node in tree.css(name):
            node.decompose()
    return re.sub(r"\s+", "", LEFT_OUT.sub("", tree.root.text(deep=True, separator="", strip=False)))


# Text as in a parser's tree: pages as the standard wants them

ENTITIES = (
    "&amp;",
    "&lt;b&gt;",
    "&nbsp;",
    "&auml;",
    "&copy",
    "&#228;",
    "&#x1F600;",
    "&notin;",
    "&notit;",
    "&#150;",
    "&x;",
    "& ",
)
CHARACTERS = st.text(st.characters(exclude_characters="<&\r\0", exclude_categories=("Cs",)), max_size=6)
TEXT = (CHARACTERS | st.sampled_from([*ENTITIES, "word", "a b", "\n", "\t", " "])).map(str)
ATTRIBUTES = st.sampled_from(
    [
        "",
        "",
        " class=a",
        ' class="a>b"',
        " id='</p>'",
        " hidden",
        ' title="<!--"',
        " a=1 b",
        "\n",
        ' style="display:none"',
    ]
)
INLINE = st.sampled_from("b i em strong span code a sup small u font custom-x time".split())
BLOCKS = st.sampled_from(
    "div section article blockquote main aside figure center header footer nav address fieldset".split()
)
HEADINGS = st.sampled_from("h1 h2 h3 h4 h5 h6".split())
NO_TEXT = st.sampled_from(
    [
        "<!-- a <p> > -->",
        "<!---->",
        "<!-->",
        "<br>",
        "<br/>",
        "<img src=x alt='y'>",
        "<input value=x>",
        "<wbr>",
        "<script>a<b && '</p>'</script>",
        "<script><!--\n<script>x</script>\n--></script>",
        "<style>p > a {}</style>",
        "<textarea>a<p></textarea>",
        "<iframe src=x>a</iframe>",
        "<svg viewBox='0 0 1 1'><title>t</title><path d='M0'/><g><text>x</text></g></svg>",
        "<select><option>a<option selected>b</select>",
        "<template>a</template>",
        "<video controls><source src=x>a</video>",
        "<?php x ?>",
    ]
)


def element(name, attributes, inside, end=True):
    return f"<{name}{attributes}>{inside}" + (f"</{name}>" if end else "")


def joined(parts, longest=4):
    return st.lists(parts, max_size=longest).map("".join)


@st.composite
def inline(draw, depth=3):
    """Text with markup inside a paragraph; no link inside a link, which would end it."""
    choice = draw(st.integers(0, 5 if depth else 2))
    if choice <= 1:
        return draw(TEXT)
    if choice == 2:
        return draw(NO_TEXT)
    inside = draw(joined(inline(depth - 1), 3))
    name = draw(INLINE)
    return element(name, draw(ATTRIBUTES), re.sub(r"</?a\b", lambda match: match[0][:-1] + "q", inside))


@st.composite
def flow(draw, depth=3):
    """Blocks within blocks, with the end tags that may be left out left out now and then."""
    choice = draw(st.integers(0, 9 if depth else 3))
    attributes, end = draw(ATTRIBUTES), draw(st.booleans())
    if choice <= 1:
        return draw(joined(inline()))
    if choice == 2:
        return element("p", attributes, draw(joined(inline())), end)
    if choice == 3:
        return element("pre", attributes, draw(joined(inline())))
    if choice <= 5:
        return element(draw(BLOCKS), attributes, draw(joined(flow(depth - 1))))
    if choice == 6:
        return element(draw(HEADINGS), attributes, draw(joined(inline())))
    if choice == 7:
        items = draw(st.lists(joined(flow(depth - 1), 2), max_size=3))
        return element(
            draw(st.sampled_from(["ul", "ol"])), attributes, "".join(element("li", "", item, end) for item in items)
        )
    if choice == 8:
        items = draw(st.lists(st.tuples(st.sampled_from(["dt", "dd"]), joined(inline(), 2)), max_size=4))
        return element("dl", attributes, "".join(element(name, "", item, end) for name, item in items))
    rows = draw(st.lists(st.lists(joined(flow(depth - 1), 2), min_size=1, max_size=3), min_size=1, max_size=3))
    cells = draw(st.sampled_from(["td", "th"]))
    inside = "\n".join(element("tr", "", "".join(element(cells, "", cell, end) for cell in row), end) for row in rows)
    body = draw(st.sampled_from(["", "tbody", "thead"]))
    return element("table", attributes, element(body, "", inside, end) if body else inside)


PAGES = st.builds(
    lambda title, content, end: f"<!DOCTYPE html><html><head>{title}</head><body class=x>{content}{end}",
    st.sampled_from(
        ["", "<title>a &amp; <b></title>", "<meta charset=utf-8><link rel=x>", "<noscript><link></noscript>"]
    ),
    joined(flow(), 5),
    st.sampled_from(["", "</body></html>", "</body>\n</html>\n<!-- x -->\n"]),
)


@given(PAGES)
def test_text_of_well_formed_pages_as_in_lexbor(page):
    assert ours(page) == of_tree(page)


# Malformed pages: as in a parser's tree but for what `DIFFERENCES` lists

OPEN_AND_SHUT = "p div b i a em h1 h2 ul ol li dl dd dt pre blockquote span section article body html head form button x-y font center nav details"
TABLE_PARTS = "table tr td th tbody thead tfoot caption"


def soup(*parts):
    parts = st.sampled_from(parts) | st.sampled_from(["x", "y ", "&amp;", " "])
    return st.lists(parts, max_size=24).map(lambda parts: "<!DOCTYPE html>" + "".join(parts))


def tags(names):
    return [f"<{name}>" for name in names.split()] + [f"</{name}>" for name in names.split()]


ODD = (
    "<br>",
    "</br>",
    "<p/>",
    "<div/>",
    "<p a='>'>",
    '<p a=">',
    "<a href=x",
    "<a href='x'>",
    "<!-- x -->",
    "<!-->",
    "<!x>",
    "<?x>",
    "</>",
    "</ x>",
    "< p>",
    "<3",
    "&lt",
    "&#0;",
    "\0",
    "<B CLASS=x>",
    "</B >",
    "<script>a</script>",
    "<script><!--<script>a</script>--></script>",
    "<style>a</style>",
    "<title>a</title>",
    "<noscript>",
    "</noscript>",
    "<img>",
    "<hr>",
    "</hr>",
    "<input>",
)
AROUND = ("<p>", "</p>", "<div>", "</div>", "<b>", "</b>", "<br>", "</br>", "<!-- x -->", "<g/>", "<title>t</title>")
SVG = (*tags("svg svg g"), "<svg/>", "<svg><![CDATA[a>b<p>]]></svg>", "<desc><p>d</p></desc>")
MATH = (*tags("math math mrow"), "<mtext><p>t</p></mtext>", "<math/>", "<mi/>")


@given(soup(*tags(OPEN_AND_SHUT), *ODD))
def test_text_of_malformed_pages_as_in_lexbor(page):
    assert ours(page) == of_tree(page)


@given(soup(*tags(OPEN_AND_SHUT), *tags(TABLE_PARTS), *tags(TABLE_PARTS), *ODD))
def test_text_of_malformed_tables_as_in_lexbor_in_any_order(page):
    assert sorted(ours(page)) == sorted(of_tree(page))


@given(soup(*AROUND, *SVG) | soup(*AROUND, *MATH))
@example("<svg><p>x")
@example("<svg></p>x")
@example("<svg/>x")
def test_text_around_svg_and_math_as_in_lexbor(page):
    assert ours(page) == of_tree(page)


HOLDERS = (
    "<a><object><a>o<p>p</p></a></object></a>",
    "<p><object><p>o</p></object></p>",
    "<video><b>v</b><p>w</p></video>",
    "<select><option>s<option>t</select>",
    "<template><td>t<li>u</template>",
    "<canvas>c<p>d</p></canvas>",
    "<svg><foreignObject><p>f</p></foreignObject></svg>",
)


@given(soup(*tags("p div a b ul li table td"), *HOLDERS, "<br>", "</br>"))
def test_text_around_what_is_silent_as_in_lexbor_in_any_order(page):
    assert sorted(ours(page)) == sorted(of_tree(page))


DIFFERENT = [  # of `DIFFERENCES`: (page, our text, lexbor's); the latter shows where the list grows old
    ("<style>a<p>b", "ab", ""),
    ("<title>a<p>b", "ab", ""),
    ("<iframe/>a", "a", ""),
    ("<script><!--<script></script>a", "a", ""),
    ("<div><object>a</div>b", "b", ""),
    ("<div><template>a</div>b", "b", ""),
    ("<select>a<select>b", "", "b"),
    ("<table>a<tr><td>b</table>", "ab", "ab"),
    ("<table><tr><td>b</td>a</tr></table>", "ba", "ab"),
    ("<math><![CDATA[a]]>b", "b", "ab"),
    ("<svg><mi><p>a</svg>", "", "a"),
    ("<xmp>a<b>c</xmp>", "ac", "a<b>c"),
    ("<plaintext>a<b>c", "ac", "a<b>c"),
    ("<frameset>a</frameset>", "a", ""),
]


@pytest.mark.parametrize(("page", "text", "other"), DIFFERENT)
def test_differences(page, text, other):
    assert (ours(page), of_tree(page)) == (text, other)


# Blocks


@pytest.mark.parametrize(
    ("page", "blocks"),
    [
        ("<p>a<p>b</p>c", ["a", "b", "c"]),
        ("a<div>b<div>c</div>d</div>e", ["a", "b", "c", "d", "e"]),
        ("<ul><li>a<li>b<ul><li>c</ul>d</ul>e", ["a", "b", "c", "d", "e"]),
        ("<dl><dt>a<dd>b<dt>c</dl>", ["a", "b", "c"]),
        ("<table><caption>a</caption><tr><th>b<td>c<tr><td>d</table>", ["a", "b", "c", "d"]),
        ("<table><tr><td>a<table><tr><td>b</table>c<td>d</table>", ["a", "b", "c", "d"]),
        ("<h1>a</h1>b<h2>c<h3>d</h3>", ["a", "b", "c", "d"]),
        ("a<br>b<br><br>c<hr>d</br>e", ["a", "b", "c", "d", "e"]),
        ("a</p>b", ["a", "b"]),
        ("a <b>b</b><i>c</i> <a href=x>d</a>", ["a bc d"]),
        ("a<span>b</span><custom-x>c</custom-x>", ["abc"]),
        ("a<!-- x -->b<script>c</script>d<svg><p></p></svg>", ["abd"]),
        ("a<template><p>x</p></template>b<video><div>y<br>z</div></video>c", ["abc"]),
        ("<p> a \n\t b\f c </p>", ["a b c"]),
        ("<p>a&nbsp;b\u00a0&nbsp; c</p>", ["a b c"]),
        ("<p>&nbsp;</p><p>&shy;\u200b&#8203;&ZeroWidthSpace;\ufeff</p>a", ["a"]),
        ("in\u00adter&shy;est\u200bing", ["interesting"]),
        (
            "\u0645\u06cc\u200c\u062e \U0001f468\u200d\U0001f469 a&zwnj;b&zwj;c",
            ["\u0645\u06cc\u200c\u062e \U0001f468\u200d\U0001f469 a\u200cb\u200dc"],
        ),
        ("a\0b\x01c\x85d&#1;e&#x81;f", ["abcdef"]),
        ("<pre>\n  a\n\tb  c\n\n</pre>d", ["  a\n\tb  c", "d"]),
        ("<pre>a<br>b<b>\n c</b></pre>", ["a\nb\n c"]),
        ("<pre>\ta\n<p>\t b</p></pre>", ["    a", "     b"]),
        ("<pre>a&nbsp;b</pre>", ["a b"]),
        ("a &lt;p&gt; &amp;amp; b", ["a <p> &amp; b"]),
        ("1 < 2 <3 a <", ["1 < 2 <3 a <"]),
        ("", []),
        (" <p> <br> </p> ", []),
    ],
)
def test_blocks(page, blocks):
    assert texts(page) == blocks


def test_what_is_between_blocks():
    page = read("a<br>b<br><br>c<p>d<br><b>e</b></p>f")
    assert page.texts == list("abcdef")
    assert page.blocks[:, GAP].tolist() == [PARAGRAPH, LINE, PARAGRAPH, PARAGRAPH, LINE, PARAGRAPH]
    assert page.text == b"a\nb\nc\nd\ne\nf"


def test_bytes_of_links_and_bold():
    page = read(
        "<p>a <a href=x>link \u00e4</a>, <a>anchor</a><p><b>bold</b> <strong>and <a href=y>both</a></strong><p>none"
    )
    assert page.blocks[:, LINK_BYTES].tolist() == [6, 4, 0]  # spaces are nobody's
    assert page.blocks[:, LINKS].tolist() == [1, 1, 0]
    assert page.blocks[:, STRONG_BYTES].tolist() == [0, 11, 0]


def test_the_element_of_a_block_is_around_all_of_it():
    page = read("<div><p>a <b>b</b></p><ul><li><b>c</b></ul><table><tr><td><u>d</u><i>e</i></table></div>f")
    assert [page.path(row) for row in range(4)] == ["p div", "b li ul div", "td tr table div", ""]


@pytest.mark.parametrize(
    ("page", "group"),
    [
        ("<div hidden><p>a", "display none"),
        ("<div style='color: red; DISPLAY : None'>a", "display none"),
        ("<div aria-hidden=TRUE>a", "aria-hidden"),
        ("<noscript><p>a</noscript>", "<noscript>"),
        ("<div class='sr-only commentList'>a", "word:comment"),
        ("<div id=userComments>a", "word:comment"),
        ("<div role=navigation>a", "word:nav"),
        ("<div itemprop=articleBody>a", "word:body"),
        ("<article>a", "<article>"),
    ],
)
def test_groups(page, group):
    assert group in read(page).groups(0)
    assert group not in read(page.replace("<", "<x y='").replace(">", "'>")).groups(0)


@pytest.mark.parametrize(
    "page", ["<p style='display: block'>a", "<p style='display'>a", "<p aria-hidden=false>a", "<p title=hidden>a"]
)
def test_what_is_not_hidden(page):
    assert not read(page).groups(0) & {"display none", "aria-hidden"}


def test_the_title():
    page = "<title>a &amp; b</title><svg><title>c</title></svg><title>d</title>"
    start, end = read(page).counts[[TITLE_START, TITLE_END]]
    assert page[start:end] == "a &amp; b"


# Elements


def test_elements():
    page = read("<div><p>a<b>b</b></p><p>c<br>d</p></div><p>e")
    assert page.names == ["", "div", "p", "b", "p", "p"]
    assert page.elements[:, PARENT].tolist() == [-1, 0, 1, 2, 1, 0]
    assert page.elements[:, DEPTH].tolist() == [0, 1, 2, 3, 2, 1]
    assert page.elements[:, ORDER].tolist() == [0, 0, 0, 0, 1, 1]
    # an inline element that begins inside a block holds those behind it
    assert page.elements[:, [FIRST, BEHIND]].tolist() == [[0, 4], [0, 3], [0, 1], [1, 1], [1, 3], [3, 4]]


@given(PAGES | soup(*tags(OPEN_AND_SHUT), *tags(TABLE_PARTS), *SVG, *MATH, *HOLDERS, *ODD) | st.sampled_from(SNIPPETS))
def test_elements_lie_within_each_other(page):
    found = read(page)
    parents, first, behind = (found.elements[1:, field] for field in (PARENT, FIRST, BEHIND))
    assert found.elements[0].tolist() == [-1, 0, 0, 0, len(found.blocks), 0]
    assert ((parents >= 0) & (parents < np.arange(1, len(found.elements)))).all()
    assert (found.elements[1:, DEPTH] == found.elements[parents, DEPTH] + 1).all()
    assert (first <= behind).all()
    assert (first >= found.elements[parents, FIRST]).all()
    assert (behind <= found.elements[parents, BEHIND]).all()
    for row, (element, *_) in enumerate(found.blocks.tolist()):
        assert found.elements[element, FIRST] <= row < found.elements[element, BEHIND]
    siblings = list(zip(parents.tolist(), found.elements[1:, ORDER].tolist(), strict=True))
    assert len(set(siblings)) == len(siblings)


# Limits


@pytest.mark.parametrize(
    ("limits", "page", "blocks", "stopped"),
    [
        (Limits(bytes=9, elements=99, blocks=99), "<p>abcdef", ["abcdef"], ""),
        (Limits(bytes=9, elements=99, blocks=99), "<p>abcdefg", ["abcdef"], "bytes"),
        (Limits(bytes=99, elements=3, blocks=99), "<p>a<p>b", ["a", "b"], ""),
        (Limits(bytes=99, elements=3, blocks=99), "<p>a<p>b<p>c", ["a", "b"], "elements"),
        (Limits(bytes=99, elements=99, blocks=2), "<p>a<p>b<p>", ["a", "b"], ""),
        (Limits(bytes=99, elements=99, blocks=2), "<p>a<p>b<p>c", ["a", "b"], "blocks"),
        (Limits(bytes=99, elements=99, blocks=99, depth=2), "<p><b>a<i>b<p>c", ["ab", "c"], "depth"),
        (Limits(bytes=99, elements=99, blocks=2, depth=2), "<p><b>a<i>b<p>c<p>d", ["ab", "c"], "blocks"),
    ],
)
def test_limits_cut_off_and_say_so(limits, page, blocks, stopped):
    found = Reader(limits)(page)
    assert (found.texts, found.stopped) == (blocks, stopped)
    assert found.counts[TOO_DEEP] == (limits.depth == 2)


@pytest.mark.parametrize("page", ["aé", "a\u20ac", "a\U0001f600", "&amp;\U0001f600", "<p>\u00df\u20ac\U0001f600\u00df"])
def test_no_character_is_cut_in_two(page):
    content = page.encode()
    for size in range(1, len(content)):
        expected = content[:size].decode("utf-8", "ignore")
        found = Reader(Limits(bytes=size, elements=9, blocks=9))(content)
        assert found.stopped == "bytes"
        assert found.texts == texts(expected)


@given(PAGES, st.integers(1, 400), st.integers(2, 20), st.integers(1, 12), st.integers(1, 6))
def test_small_limits(page, size, elements, blocks, depth):
    found = Reader(Limits(size, elements, blocks, depth))(page)
    whole = texts(page)
    assert len(found.elements) <= elements
    assert len(found.blocks) <= blocks
    assert found.elements[:, DEPTH].max() <= depth
    assert found.stopped or len(found.texts) == len(whole)
    assert found.stopped != "depth" or found.counts[TOO_DEEP]
    if found.stopped == "blocks" and not found.counts[TOO_DEEP]:
        assert found.texts == whole[:blocks]


# Hostile pages


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pages(name):
    small, large = (read(hostile(name, size)) for size in (4_000, 40_000))
    for page in (small, large):
        assert all(page.texts)
        assert len(page.elements) <= SMALL.elements
        assert page.elements[:, DEPTH].max() <= SMALL.depth
    if large.stopped in ("", "depth"):
        assert len(small.blocks) <= len(large.blocks) <= 10 * len(small.blocks) + 10
