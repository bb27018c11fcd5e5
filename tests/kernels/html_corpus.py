"""Pages that parsers find hard: nasty snippets, and pages that are hostile at any size."""

from collections.abc import Callable

import numpy as np

from gptkit.kernels.html_syntax import FNV_PRIME, FNV_START, fnv

SNIPPETS: tuple[str, ...] = (
    "",
    " ",
    "\0",
    "x",
    "<",
    "</",
    "<!",
    "<!-",
    "<!--",
    "<!-->",
    "<!--->",
    "<?",
    "<a",
    "<a ",
    "<a href",
    "<a href=",
    "<a href='",
    "<a href='x",
    "<a href='x'",
    "<a href=x/",
    "</a",
    "</a ",
    "</p>",
    "</br>",
    "</html></body></p>x",
    "&",
    "&#",
    "&#x",
    "&#x;",
    "&#0;",
    "&#xD800;",
    "&#1114112;",
    "&#99999999999999999999;",
    "&amp",
    "&ampx;",
    "&notit; &notin; &nGt;&NotEqualTilde;",
    "&CounterClockwiseContourIntegral;&CounterClockwiseContourIntegral",
    "<p>a<p>b</p></p>c",
    "<b><p>x</b>y</p>z",
    "<a href=1>x<a href=2>y</a>z</a>",
    "<a><div><a>x</a></div></a>",
    "<h1>a<h2>b</h1>c</h2>",
    "<ul><li>a<ul><li>b</ul><li>c</ul>d",
    "<dl><dt>a<dd>b<dl><dd>c</dl><dt>d</dl>",
    "<li>a<li>b</ul>c",
    "<table><tr><td>a<td>b<tr><th>c</table>d",
    "<table>a<tr>b<td>c</tr>d</table>e",
    "<table><tr><td><table><tr><td>a</table>b<td>c</table>d",
    "<tr><td>a</td></tr></table>b",
    "<td></div>a</td></table>",
    "<table><caption>a<tbody><tr><td>b<tfoot><td>c",
    "<pre>\n  a\n\tb\n</pre>c<pre>\t\t</pre>",
    "<pre>a<br>b<p>\t\t\td</pre>",
    "<textarea><p>a</textarea>b",
    "<title>a<p>b</title>c",
    "<title>a",
    "<title>a</title><title>b</title>",
    "<style>a<b",
    "<script>a</script>b<script>c",
    "<script><!--<script></script>x</script>y",
    "<script><!--<script></script>x",
    "<script/>a</script>b",
    "<svg><title>a</title><p>b",
    "<svg/>a<svg><path/></svg>b",
    "<svg><foreignObject><p>a</p></foreignObject></svg>b",
    "<svg><style>a<b>c</style></svg>d",
    "<svg><![CDATA[</svg>]]></svg>a",
    "<math><mi>x</mi><mtext><p>y</p></mtext></math>z",
    "<math><![CDATA[<p>]]>x",
    "<select><option>a<p>b</select>c",
    "<select><div>a</div>",
    "<template><p>a</template>b",
    "<noscript><img src='x'></noscript><noscript>a</noscript>",
    "<ruby>a<rt>b<rp>c</ruby>d",
    "<video><p>a</p></video>b",
    "<object><div>a</object></div>b",
    "<iframe/>a</iframe>b",
    "<body><body class=x>a<html>b",
    "<head>a<body>b</head>c",
    "<frameset><frame>a</frameset>b",
    "<plaintext><b>a",
    "<xmp><b>a</xmp>b",
    "<p hidden>a<p style='DISPLAY : none'>b<p aria-hidden=true>c",
    "<p style='display'>a<p style='display:'>b<p style='display:non'>c",
    "<p class='article-body navBar2 ad'>a",
    "a\u00adb\u200bc\u200dd\ufeff\u00a0e\u2060",
    "<p>\u200b</p><p>\u00a0</p>",
    "é\u20ac\U0001f600\U0010ffff",
    "<é>a</é>b",
    "<p\u20ac>a<p \u20ac=\u20ac>b",
    "<x:y>a</x:y><x-y>b",
    "<p/>a<br/>b<div/>c",
    "<br>a<br><br>b<hr>c</br>d",
    "<button>a<button>b</button>",
    "<p" + " a=b" * 40 + ">x",
    "<" * 70,
    "<div>" * 20 + "x" + "</div>" * 30 + "y",
    "<b>" * 20 + "x<p>" * 5 + "</b>" * 30 + "y",
    "<article>" + "<div class=comment id=c1><p>A comment of some length, as people write them.</p></div>" * 6,
    "<h1>A title</h1>" + "<p>One sentence, and one more. The third is here for the length of it.</p>" * 5,
    "<ul>" + "<li><a href=x>a link</a>" * 12 + "</ul>",
    "<table>" + "<tr><td>a cell<td>1,234.56" * 6 + "</table>",
)  # fmt: skip


def colliding(rows: int, part: int, tag: str = "") -> list[str]:
    """Words that a hash table for so many rows puts into one stretch of it, of which it has `part`.

    They are classes of a tag outside any other element, or without a tag texts of blocks.
    """
    letters = np.arange(97, 123, dtype=np.uint64)
    hashes = np.full(1, FNV_START)
    for _ in range(4):
        hashes = ((hashes[:, None] ^ letters) * FNV_PRIME).ravel()
    if tag:
        hashes = (((hashes ^ np.uint64(fnv(tag.encode()))) * FNV_PRIME) ^ np.uint64(0)) * FNV_PRIME
    size = 16
    while size < 2 * rows:
        size *= 2
    found = ((hashes ^ (hashes >> np.uint64(29))) & np.uint64(size - 1)) < max(1, size // part)
    return ["".join(chr(97 + index // 26**place % 26) for place in (3, 2, 1, 0)) for index in np.flatnonzero(found)]


def flood(size: int) -> str:
    """A page of elements, and of texts, that one stretch of a hash table is for."""
    number = size // len("<i class=abcd>abcd<hr></i>")
    names = zip(colliding(number + 1, 16, "i"), colliding(number, 16), strict=False)
    return "".join(f"<i class={name}>{text}<hr></i>" for (name, text), _ in zip(names, range(number), strict=False))


# What is repeated to make a page of any size, and what stands before it: each could take time that grows
# with the square of the page, where what was read is read again
HOSTILE: dict[str, tuple[str, str] | Callable[[int], str]] = {
    "plain text": ("<p>", "Some words and more of them. "),
    "paragraphs": ("", "<p>"),
    "paragraphs with text": ("", "<p>x"),
    "div, deep": ("", "<div>"),
    "div with text, deep": ("", "<div>x"),
    "unknown elements, deep": ("", "<x>y"),
    "stray end tags": ("", "</b>"),
    "end tags of one open element behind 500": ("<b><td>" + "<i>" * 500, "</b>"),
    "block end tags behind 500 inline elements": ("<div><table><tr><td>" + "<i>" * 500, "</div>"),
    "unknown end tags behind 500 elements": ("<x><td>" + "<y>" * 500, "</x>"),
    "items behind 500 inline elements": ("<ul><li>" + "<i>" * 500, "<li>x"),
    "lines within 500 inline elements": ("<i>" * 500, "x<br>"),
    "lines within 500 blocks": ("<div>" * 500, "x<br>"),
    "blocks within 500 inline elements": ("<i>" * 500, "<div>x</div>"),
    "rows within 500 inline elements": ("<table>" + "<i>" * 500, "<tr><td>x"),
    "links, unclosed": ("", "<a>"),
    "links with text, unclosed": ("", "<a href=x>y"),
    "links and bold, misnested": ("", "<a href=x><b>y</a>"),
    "headings, unclosed": ("", "<h1>x"),
    "body, again and again": ("", "<body class=x>y"),
    "heads and bodies": ("", "<head><body>"),
    "nested tables": ("", "<table><tr><td>"),
    "nested tables with text": ("", "<table><tr><td>x"),
    "cells": ("<table>", "<td>x"),
    "lists, deep": ("", "<ul><li>x"),
    "svg, unclosed": ("", "<svg>"),
    "svg, broken out of": ("", "<svg><p>x"),
    "svg in svg, broken out of": ("<svg>" * 500, "<foreignObject><svg><p>x"),
    "math with CDATA, unclosed": ("<math>", "<![CDATA["),
    "math with CDATA, nearly closed": ("<math>", "<![CDATA[]>"),
    "template, unclosed": ("", "<template><p>x"),
    "select, unclosed": ("", "<select><option>x"),
    "comments, unclosed": ("", "<!--"),
    "comments, nearly closed": ("", "<!-- - -- ->"),
    "comments": ("", "<!---->x"),
    "declarations": ("", "<!x>y"),
    "dashes in a comment": ("<!--", "-"),
    "processing instructions, unclosed": ("", "<?"),
    "scripts, unclosed": ("", "<script>"),
    "scripts with comments, unclosed": ("", "<script><!--"),
    "scripts that hide their ends": ("", "<script><!--<script></script>"),
    "script with tags in a comment": ("<script><!--", "<a"),
    "script with script tags in a comment": ("<script><!--", "<script "),
    "script with end tags in a comment": ("<script><!--", "</scrip"),
    "end tags of a script without >": ("<script>", "</script"),
    "titles, unclosed": ("", "<title>"),
    "styles, unclosed": ("", "<style>"),
    "text areas, unclosed": ("", "<textarea>x"),
    "raw tags, unclosed": ("", "<title><style><textarea><iframe><noembed><noframes>"),
    "raw tags, nearly closed": ("", "<title></titl<style></styl<iframe></ifram"),
    "raw tags": ("", "<title></title><style></style><iframe></iframe>x"),
    "a long title": ("<title>", "a title of words "),
    "attributes": ("<p ", "a=b "),
    "attributes without values": ("<p ", "a "),
    "equals signs": ("<p ", "="),
    "slashes in a tag": ("<p ", "/"),
    "quotes": ("<p ", "'\""),
    "a long quoted attribute": ('<p class="', "article-body "),
    "a long style": ('<p style="', "display :"),
    "an attribute that no quote ends": ("", '<p class="a'),
    "a long tag name": ("<", "a"),
    "tags without an end": ("", "<a"),
    "end tags without an end": ("", "</a"),
    "less than": ("", "<"),
    "less than, slash": ("", "</"),
    "less than, exclamation mark": ("", "<!"),
    "greater than": ("", ">"),
    "ampersands": ("", "&"),
    "references without semicolons": ("", "&amp"),
    "names of no characters": ("", "&CounterClockwiseContourIntegra"),
    "a reference of many digits": ("&#", "9"),
    "a reference of many zeros": ("&#x", "0"),
    "number signs": ("", "&#"),
    "references that grow": ("", "&nGt;"),
    "null": ("", "\0"),
    "null in tags": ("", "<\0a\0>"),
    "spaces": ("", " "),
    "spaces in pre": ("<pre>x", " "),
    "tabs in pre": ("<pre>", "\t" * 16 + "x<hr>"),
    "line breaks": ("", "<br>"),
    "zero width": ("", "\u200b"),
    "one word": ("", "ä"),
    "same blocks": ("", "<p class=a1>the same words in each"),
    "articles": ("", "<article class=comment><h1>x</h1><p>" + "long text of a comment, with words. " * 5),
    "classes and texts of few hashes": flood,
}  # fmt: skip


def hostile(name: str, size: int) -> bytes:
    """A hostile page of about so many bytes, valid UTF-8."""
    made = HOSTILE[name]
    if callable(made):
        return made(size).encode()
    before, unit = made
    return (before + unit * (max(0, size - len(before)) // len(unit.encode()))).encode()
