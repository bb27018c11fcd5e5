import html.parser
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptkit.sample.article import Writer
from gptkit.sample.blocks import Code, Heading, Items, Paragraph, Terms
from gptkit.sample.inline import clean, plain, to_html
from gptkit.sample.markup import read

NUMPY = """Return evenly spaced values.

Values lie within
the half-open interval.

Parameters
----------
start : int, optional
    Start of interval.

    The default is 0.
stop : int
    End of interval.

Returns
-------
ndarray
    The values.

Examples
--------
>>> arange(3)
array([0, 1, 2])
"""


def test_numpy_sections():
    summary, body, head, parameters, returns, values, examples, code = read(NUMPY)
    assert (summary, body) == (
        Paragraph("Return evenly spaced values."),
        Paragraph("Values lie within the half-open interval."),
    )
    assert (head, returns, examples) == (Heading(1, "Parameters"), Heading(1, "Returns"), Heading(1, "Examples"))
    assert parameters == Terms(
        (
            ("start : int, optional", (Paragraph("Start of interval."), Paragraph("The default is 0."))),
            ("stop : int", (Paragraph("End of interval."),)),
        )
    )
    assert values == Terms((("ndarray", (Paragraph("The values."),)),))
    assert code == Code(">>> arange(3)\narray([0, 1, 2])")


def test_google_sections():
    text = "Does it.\n\nArgs:\n    path (str): Where to read\n        from.\n    deep: How far.\n\nReturns:\n    A list, which\n    may be empty."
    assert read(text)[1:] == (
        Heading(2, "Args"),
        Terms((("path (str)", (Paragraph("Where to read from."),)), ("deep", (Paragraph("How far."),)))),
        Heading(2, "Returns"),
        Terms((("", (Paragraph("A list, which may be empty."),)),)),
    )


def test_sphinx_fields():
    (terms,) = read(
        ":param name: whom to greet,\n    politely\n:type name: str\n:raises ValueError: if empty\n:return: nothing"
    )
    assert terms == Terms(
        (
            ("name", (Paragraph("whom to greet, politely"),)),
            ("raises ValueError", (Paragraph("if empty"),)),
            ("Return", (Paragraph("nothing"),)),
        )
    )


def test_markdown():
    blocks = read(
        "# Title\n\nSome *words*.\n\n- one\n- two\n  more\n\n```python\nx = 1\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> [!TIP]\n> Quoted.\n"
    )
    assert blocks == (
        Heading(1, "Title"),
        Paragraph("Some *words*."),
        Items(((Paragraph("one"),), (Paragraph("two more"),))),
        Code("x = 1"),
        Paragraph("Quoted."),
    )


def test_restructured_text():
    blocks = read(
        "=====\nTitle\n=====\n\nCode follows::\n\n    x = [1]\n\n.. note:: Take care\n   of this.\n\n.. image:: x.png\n   :alt: y\n\n"
        ".. versionadded:: 3.2\n\nPart\n----\n\n1. first\n2. second\n\n.. a comment\n"
    )
    assert blocks == (
        Heading(1, "Title"),
        Paragraph("Code follows:"),
        Code("x = [1]"),
        Paragraph("Note: Take care of this."),
        Paragraph("Added in version 3.2"),
        Heading(2, "Part"),
        Items(((Paragraph("first"),), (Paragraph("second"),)), ordered=True),
    )


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("``a < b`` and `c`", "<code>a &lt; b</code> and <code>c</code>"),
        (":class:`~json.JSONDecoder` or :func:`words <target>`", "<code>JSONDecoder</code> or <code>words</code>"),
        ("**bold**, *slanted*, 2 * 3 * 4, **kwargs", "<strong>bold</strong>, <em>slanted</em>, 2 * 3 * 4, **kwargs"),
        ("`here <https://a.example/?b&c>`_", '<a href="https://a.example/?b&amp;c">here</a>'),
        ("[here](https://a.example) [there](other.md)", '<a href="https://a.example">here</a> there'),
        ("[![badge](https://b.example/x.svg)](https://b.example) text", "text"),
        ("<b>x</b> <!-- no --> & <script>", "x &amp;"),
    ],
)
def test_inline(markup, expected):
    assert to_html(markup) == expected


def test_javascript_links_are_no_links():
    assert to_html("[x](javascript:alert(1)) `y <javascript:z>`_").count("href") == 0


def test_clean_removes_what_identifies_people_and_machines():
    text = clean("By A. U. Thor <a.u+x@mail.example.org>, at 0x7f3a2bc4d010 but 0xFF\x00\x1b\ud800\r\n  %(doc)s  \nend")
    assert text == "By A. U. Thor, at 0x... but 0xFF\n\nend"


@given(st.text(st.characters(categories=["L", "N", "Zs"], include_characters=".,;()&<>\"'")))
def test_plain_text_comes_back(text):
    # "<word" would be an HTML tag in Markdown
    text = text.replace("<", "< ")
    assert plain(to_html(text)) == " ".join(text.split())


class Balance(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


PIECES = st.sampled_from(
    ["word", "Args:", "Parameters", "----", "====", "- ", "1. ", "  ", "    ", "\n", "\n\n", ">>> ", "```", ".. note::", "::",
     ":param x:", "|", "+--+", "`", "``", "*", "**", "[", "](", ")", "<", ">", "_", "# ", "> ", "<!--", "-->", " : "]
)  # fmt: skip


@given(st.lists(PIECES, max_size=60).map("".join) | st.text())
def test_any_text_gives_balanced_html(text):
    writer = Writer()
    writer.blocks(read(clean(text)), 1, "name")
    parser = Balance()
    parser.feed(writer.article("a", "b").html)
    parser.close()
    assert parser.open == []


@pytest.mark.parametrize(
    "piece", ["`", "``", "![", "[", "<!--", "a.", "- \n\n", "|", "-|", ":a ", "*a", "    x\n", "(", "a@"]
)
def test_hostile_text_takes_no_long_time(piece):
    started = time.perf_counter()
    writer = Writer()
    writer.blocks(read(clean("@ -" + piece * (100_000 // len(piece)) + "x")), 1)
    assert time.perf_counter() - started < 3


def test_a_page_says_nothing_twice():
    writer = Writer()
    writer.blocks((Paragraph("The same words."), Paragraph("The same words.")), 1)
    writer.blocks((Heading(1, "Again"), Paragraph("The same words.")), 1)
    assert writer.article("a", "b").html == "<p>The same words.</p>"


def test_code_does_not_crowd_out_prose():
    writer = Writer()
    writer.blocks((Paragraph("Some words."), Code("x" * 200), Code("y" * 200)), 1)
    page = writer.article("a", "b")
    assert "x" * 200 in page.html
    assert "y" * 200 not in page.html
    assert page.prose == ()  # shorter than what counts
