"""Markdown says what the blocks say: a CommonMark parser gives their text back."""

import dataclasses
from html import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from gptkit.extraction.inline import Run, resolve
from gptkit.extraction.markdown import to_markdown
from gptkit.extraction.markdown_inline import inline
from gptkit.extraction.page import read_page

PARSER = MarkdownIt("commonmark").enable("table")
URL = "http://example.org/folder/page.html"


def blocks_of(html):
    page = read_page(html.encode(), url=URL)
    return [dataclasses.replace(block, kept=True) for block in page.blocks]


def markdown(html):
    return to_markdown(blocks_of(html))


def read_markdown(text):
    """Each character but white space with whether it is strong, emphasised, code, and its link; and the text itself."""
    characters, parts = [], []
    for token in PARSER.parse(text):
        if token.type in ("fence", "code_block"):
            parts.append(token.content)
            characters += [(c, False, False, None, "") for c in token.content if not c.isspace()]
        elif token.type == "html_block":
            raise AssertionError(f"HTML in {text!r}")
        elif token.type == "inline":
            strong = emphasis = 0
            link, words = "", ""
            for child in token.children:
                strong += (child.type == "strong_open") - (child.type == "strong_close")
                emphasis += (child.type == "em_open") - (child.type == "em_close")
                if child.type in ("link_open", "link_close"):
                    link = child.attrs.get("href", "") if child.type == "link_open" else ""
                assert child.type not in ("image", "html_inline"), text
                words += " " if child.type in ("softbreak", "hardbreak") else child.content
                characters += [
                    (c, strong > 0, emphasis > 0, child.type == "code_inline", link)
                    for c in child.content
                    if not c.isspace()
                ]
            parts.append(words)
    return " ".join(" ".join(parts).split()), characters


# what is markup in Markdown or HTML, beside letters of several kinds
ALPHABET = st.sampled_from([*"ab1é字 *_`[]()<>&#!|\\~-+=.:;/\n\u3000。“", "\u2028", "**", "](", "![", "```", "&amp;"])
TEXT = st.lists(ALPHABET, max_size=8).map("".join)
HREFS = st.sampled_from(["/a", "b(1)?x=1&copy=2", "http://x.org/ü|a", "javascript:alert(1)", "#top", "mailto:a@b.org"])


def wrap(tag, inner, attributes=""):
    return f"<{tag}{attributes}>{inner}</{tag}>"


NAMES = "b i em strong code span b i p div blockquote h2 pre section dd figcaption a ul ol table table".split()


@st.composite
def containers(draw, inner):
    def several():
        return "".join(draw(st.lists(inner, max_size=3)))

    tag = draw(st.sampled_from(NAMES))
    if tag == "a":
        return wrap("a", several(), f' href="{escape(draw(HREFS))}"')
    if tag in ("ul", "ol"):
        items = [wrap("li", several()) for _ in range(draw(st.integers(0, 2)))]
        return wrap(tag, "".join(items), draw(st.sampled_from(["", " start=7"])))
    if tag == "table":
        cells = [
            wrap(draw(st.sampled_from(["td", "td", "th", "tr", "caption"])), several())
            for _ in range(draw(st.integers(0, 4)))
        ]
        return wrap("table", "<tr>" + "".join(cells).replace("<tr>", "</tr><tr><td>"))
    return wrap(tag, several())


LEAF = st.one_of(TEXT.map(escape), TEXT.map(escape), st.just("<br>"))
HTML = st.recursive(LEAF, containers, max_leaves=25)


@settings(max_examples=100)
@given(HTML)
def test_a_parser_reads_the_text_of_the_blocks_and_only_their_markup(html):
    blocks = blocks_of(html)
    text, characters = read_markdown(to_markdown(blocks))
    assert text == " ".join(" ".join(block.text for block in blocks).split())
    expected = [(run, block.path) for block in blocks for run in block.runs for c in run.text if not c.isspace()]
    for (_, strong, emphasis, code, link), (run, path) in zip(characters, expected, strict=True):
        assert strong <= run.strong
        assert emphasis <= run.emphasis
        if code is None:  # fenced
            assert "pre" in path or "…" in path
        else:
            assert code == run.code
            assert bool(link) == bool(run.link)


RUNS = st.lists(
    st.builds(Run, TEXT, st.booleans(), st.booleans(), st.booleans(), st.sampled_from(["", "", "http://x.org/"])),
    max_size=7,
)


@settings(max_examples=400)
@given(RUNS)
def test_any_runs_can_be_written(runs):
    text, characters = read_markdown(f"x {inline(runs)} y")
    assert text == " ".join(f"x {''.join(run.text for run in runs)} y".split())
    assert [c[3:] for c in characters[1:-1]] == [
        (run.code, run.link) for run in runs for c in run.text if not c.isspace()
    ]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<h1>One</h1><h3>Three<br>lines</h3>", "# One\n\n### Three lines"),
        ("<p>a <b> bold </b>b", "a **bold** b"),
        ("<p><b>a <i>b</i></b> <i>c</i> <b><i>d</i></b>", "**a *b*** *c **d***"),
        ("<p><em>a</em>, <code>b`c</code>", "*a*, ``b`c``"),
        ("<p>un<b>believ</b>able", "un**believ**able"),
        ("<p>x<b>(y)</b>z", "x(y)z"),
        ("<p><i>a</i><b>b</b>", "*a*b"),
        ("<p><b>see <a href=/x>this</a> now</b>", "**see [this](http://example.org/x) now**"),
        ("<p><a href='c d(1)'>e</a>!<a href=f>g</a>", "[e](http://example.org/folder/c%20d%281%29)\\![g](http://example.org/folder/f)"),
        ("<p><a href='javascript:x()'>a</a> <a href='data:,x'>b</a> <a href='#c'>c</a>", "a b c"),
        ("<p>line<br>break<p>1986. It was<p># not<p>- nor", "line  \nbreak\n\n1986\\. It was\n\n\\# not\n\n\\- nor"),
        ("<p>2 * 3 snake_case _x_ &lt;b> AT&amp;T &amp;amp; [1] C:\\x", r"2 * 3 snake_case \_x\_ \<b> AT&T \&amp; [1] C:\x"),
        ("<ul><li>a<ul><li>b</ul><li>c</ul>", "- a\n  - b\n- c"),
        ("<ul><li>a<p>b</ul>", "- a\n\n  b"),
        ("<ol start=9><li>a<li>b</ol>", "9. a\n10. b"),
        ("<ol><li>a</ol><ol><li>b</ol><ul><li>c</ul><ul><li>d</ul>", "1. a\n\n1) b\n\n- c\n\n* d"),
        ("<blockquote>a<p>b</blockquote><blockquote>c</blockquote>", "> a\n>\n> b\n\n> c"),
        ("<pre>  if x:\n\ty  <b>z</b></pre>", "```\n  if x:\n\ty  z\n```"),
        ("<ul><li>a<pre>b\n  c</pre></ul>", "- a\n\n  ```\n  b\n    c\n  ```"),
        ("<pre>```</pre>", "````\n```\n````"),
        (
            "<table><caption>Of</caption><tr><th>a<th>b<tr><td>1|2<td><b>3</b><tr><td><td>4</table>",
            "Of\n\n| a | b |\n| --- | --- |\n| 1\\|2 | **3** |\n|  | 4 |",
        ),
        ("<table><tr><td>a<td>b<tr><td>c<br>d<td>e</table>", "|  |  |\n| --- | --- |\n| a | b |\n| c d | e |"),
        ("<table><tr><td>nav<td><h1>Page</h1><p>text</table>", "nav\n\n# Page\n\ntext"),
        ("<table><tr><td>only</table>", "only"),
        ("<h2>never closed" + "<p>x" * 5, "never closed" + "\n\nx" * 5),
        ("", ""),
    ],
)  # fmt: skip
def test_forms(html, expected):
    assert markdown(html) == expected


def test_what_is_dropped_is_not_written():
    blocks = [dataclasses.replace(block, kept=block.text != "b") for block in blocks_of("<ol><li>a<li>b<li>c</ol>")]
    assert to_markdown(blocks) == "1. a\n3. c"


def test_spaces_at_the_end_of_preformatted_text_do_not_move_markup():
    runs = [run for block in blocks_of("<pre><b>a\n\n\n</b></pre><p>xyz <b>w</b>") for run in block.runs]
    assert runs == [Run("a", strong=True), Run("xyz"), Run(" w", strong=True)]


def test_markup_that_is_not_shown_closes_nothing():
    (block,) = blocks_of("<p><b>a<object><b>x</b></object>b</b>c")
    assert block.runs == (Run("ab", strong=True), Run("c"))


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        (b"../x?a=1&amp;b=2&copy=3", "http://example.org/x?a=1&b=2&copy=3"),
        (b" //other.org/\xc3\xbc ", "http://other.org/ü"),
        (b"java&#10;script:alert(1)", ""),
        (b"&#106;avascript:alert(1)", ""),
        (b"http://[x", ""),
        (b"ftp://x.org/", ""),
        (b"mailto:a@b.org", "mailto:a@b.org"),
        (b"x" * 3_000, ""),
        (b"\xff\xfe", "http://example.org/folder/\ufffd\ufffd"),
        (b"&#x110000;&#0;", "http://example.org/folder/\ufffd\ufffd"),
    ],
)
def test_addresses_of_links(href, expected):
    assert resolve(href, URL) == expected


def test_deep_nesting_is_written_in_linear_time():
    html = "<ul><li>" * 400 + "<blockquote>" * 100 + "a" + "<b><i>" * 400 + "<p>c" * 2000
    text = markdown(html)
    assert len(text) < 300_000
    assert text.startswith("- - - ")
