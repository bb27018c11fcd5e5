"""HTML's tokens, against the tokenizer of html5lib, lexbor's trees and Python's `html.unescape`."""

import html
import html.entities
import re
import string
from unittest import mock

import numpy as np
import pytest
from html5lib._tokenizer import HTMLTokenizer
from html5lib.constants import tokenTypes
from hypothesis import example, given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from gptkit.kernels import html_syntax
from gptkit.kernels.html_syntax import (
    cdata_end,
    find_byte,
    find_end_tag,
    fnv,
    hash_table,
    look_up,
    markup_end,
    name_end,
    next_attribute,
    reference,
    references,
    script_end,
    tag_end,
)

CAPITALS = {ord(letter): letter.lower() for letter in string.ascii_uppercase}
END_OF_STYLE = re.compile(r"</style(?=[\t\n\f />])", re.IGNORECASE)
NAMES = sorted(html.entities.html5)
KINDS = {number: name.replace("SpaceCharacters", "Characters") for name, number in tokenTypes.items()}


def array(text):
    return np.frombuffer(text.encode(), np.uint8)


def tokens(page):
    """What html5lib makes of a page, text in one piece."""
    found = []
    for token in HTMLTokenizer(page):
        kind = KINDS[token["type"]]
        if kind == "Characters" and found and found[-1][0] == kind:
            found[-1] = (kind, found[-1][1] + token["data"])
        elif kind == "Characters":
            found.append((kind, token["data"]))
        elif kind != "ParseError":
            found.append((kind, token.get("name"), token.get("data"), token.get("selfClosing")))
    return found


def pieces(*parts, longest=12):
    return st.lists(st.sampled_from(parts), max_size=longest).map("".join)


def test_fnv_1a():
    # the vectors of the function's own page
    assert fnv(b"") == 0xCBF29CE484222325
    assert fnv(b"a") == 0xAF63DC4C8601EC8C
    assert fnv(b"foobar") == 0x85944171F73967E8


def test_every_name_is_found_and_no_other():
    names = {name.encode(): number for number, name in enumerate(NAMES, 1)}
    keys, values = hash_table(names)
    assert all(look_up(keys, values, np.uint64(fnv(name))) == number for name, number in names.items())
    assert not any(look_up(keys, values, np.uint64(fnv(name + b"x"))) for name in names if name + b"x" not in names)


def test_two_names_of_one_hash_are_refused():
    with mock.patch.object(html_syntax, "fnv", return_value=7), pytest.raises(ValueError, match="two names"):
        hash_table({b"a": 1, b"b": 2})


@given(st.binary(max_size=80).map(lambda data: data.replace(b"\0", b"<")), st.integers(0, 80), st.integers(0, 80))
def test_find_byte(data, place, end):
    end = min(end, len(data))
    place = min(place, end)
    found = data.find(b"<", place, end)
    assert find_byte(np.frombuffer(data, np.uint8), place, end, np.uint8(60)) == (found if found >= 0 else end)


# Character references


def unescaped(text):
    page, out, place = array(text), [], 0
    while place < len(page):
        if page[place] == ord("&"):
            first, second, behind = reference(page, place, len(page), *references())
            if first:
                out.append((chr(first) + (chr(second) if second else "")).encode("utf-8", "surrogatepass"))
                place = behind
                continue
        out.append(page[place : place + 1].tobytes())
        place += 1
    return b"".join(out).decode()


def expected(text):
    with mock.patch.object(html, "_invalid_codepoints", frozenset()):  # Python drops these, the standard does not
        return html.unescape(text)


@pytest.mark.parametrize("after", ["", ";", "x", " ", "=", "&", "é", ";;", "#"])
def test_every_name_of_a_character(after):
    for name in NAMES:
        for text in (
            f"&{name}{after}",
            f"&{name.rstrip(';')}{after}",
            f"&{name[:-1]}{after}",
            f"&{name.swapcase()}{after}",
        ):
            assert unescaped(text) == expected(text)


@given(
    st.lists(st.sampled_from(NAMES) | pieces(*"&#;xX09afAFglt é"), max_size=6).map(lambda parts: "&" + "&".join(parts))
)
@example("&notit; &notin; &ampx &amp;amp; &AMP &am &")
@example("&CounterClockwiseContourIntegral;&CounterClockwiseContourIntegralx;&NotEqualTilde;")
@example("&#; &#x; &#xg; &#X41 &#x41g &#065;")
def test_references_in_text(text):
    assert unescaped(text) == expected(text)


@given(st.integers(0, 0x110010) | st.integers(0, 0x100) | st.integers(0, 10**40), st.sampled_from(["", ";", "g", " "]))
@example(0, ";")
@example(0x80, ";")
@example(0x81, "")
@example(0x9F, ";")
@example(0xD800, ";")
@example(0xDFFF, ";")
@example(0xFFFE, ";")
@example(0x10FFFF, ";")
@example(0x110000, ";")
@example(2**63, ";")
@example(2**64 + 65, ";")
def test_numbers_of_characters(number, after):
    for text in (f"&#{number}{after}", f"&#x{number:x}{after}", f"&#X{number:X}{after}", f"&#00{number}{after}"):
        assert unescaped(text) == expected(text)
        if number:  # lexbor's trees leave out some controls
            of_tree = LexborHTMLParser(f"<p>a{text}b</p>").css_first("p").text()
            assert unescaped(f"a{text}b") == of_tree


# Tags


def attributes(page):
    """(hash of the name, value) of each attribute of the tag at the page's start, where it ends, whether it closes."""
    content, found = array(page), []
    place, h = name_end(content, 1, len(content))
    while place < len(content):
        h, start, stop, place, closes = next_attribute(content, place, len(content))
        if not h:
            return found, place, closes
        found.append((h, content[start:stop].tobytes().decode()))
    return found, None, False


@given(pieces("a", "B", "=", "'", '"', "/", ">", " ", "\n", "\t", "é", "<", "-", "\f", longest=16))
@example("a=b c='d' e=\"f\" g")
@example("a = b c\n=\n'>' />")
@example('=a="b"c=d/')
@example("a=>")
@example("a='")
@example("/ /a/=/ /")
def test_attributes_as_in_html5lib(text):
    page = f"<x{'' if text[:1] in '/> ' else ' '}{text}>Z"
    found, place, closes = attributes(page)
    tags = [token for token in tokens(page) if token[0] == "StartTag"]
    if not tags:  # the page ends inside the tag
        assert place is None
        return
    _, _, of_tag, self_closing = tags[0]
    first = dict(reversed([(int(h), value) for h, value in found]))  # of two with one name the first counts
    assert first == {fnv(name.encode()): value for name, value in of_tag.items()}
    assert closes == self_closing
    content = array(page)
    assert (place, closes) == tag_end(content, name_end(content, 1, len(content))[0], len(content))
    assert tokens(page)[1:] == tokens(page.encode()[place:].decode())


@given(pieces("p", "A", "-", "1", ":", "é", "/", ">", " ", "\n", "\t", "\f", "<"))
def test_names_of_tags_as_in_html5lib(text):
    page = f"<x{text} >"
    stop, h = name_end(array(page), 1, len(page.encode()))
    name = tokens(page)[0][1]
    assert h == fnv(name.encode())
    assert page.encode()[1:stop].decode().translate(CAPITALS) == name


# What is no tag


@given(
    pieces("-", "!", ">", "<", "a", "--", "-->").map(lambda text: f"<!--{text}-->z")
    | pieces("-", "!", ">", "<", "a", "--", '"', " ").map(lambda text: f"<!{text}")
    | pieces("doctype", " ", '"', "'", ">", "<", "html", "public").map(lambda text: f"<!DOCTYPE{text}>z")
    | pieces("a", ">", "<", "?", '"').map(lambda text: f"<?{text}")
    | pieces("/", ">", "!", "a").map(lambda text: f"</ {text}")
)
@example("<!-->a")
@example("<!--->a")
@example("<!---->a")
@example("<!--a--!>b")
@example("<!---!>a-->b")
@example("<!----!>a-->b")
@example("<!--a--!b-->c")
@example("<!--a")
@example("<!--")
@example("<!--a-")
@example("<!--a--")
@example("<!--a--!")
@example("<!>a")
@example("<!")
@example("<![CDATA[>]]>a")
@example("</>a")
def test_markup_as_in_html5lib(page):
    end = markup_end(array(page), 0, len(page.encode()))
    found = tokens(page)
    if found and found[0][0] in ("Comment", "Doctype"):
        found = found[1:]
    assert found == tokens(page[end:])


@given(pieces("]", "]]", "]]>", ">", "a", "<", "<![CDATA[").map(lambda text: f"<![CDATA[{text}"))
@example("<![CDATA[>")
@example("<![CDATA[]>")
@example("<![CDATA[]]>")
@example("<![CDATA[]]")
def test_cdata(page):
    found = page.find("]]>", len("<![CDATA["))
    assert cdata_end(array(page), 0, len(page)) == (found + 3 if found >= 0 else len(page))
    assert cdata_end(array(f" {page}"), 0, len(page)) == 0
    assert cdata_end(array(page.lower()), 0, len(page)) == 0


# Raw text


@given(pieces("</style", "</STYLE", "</stylex", "<style", ">", " ", "/", "<!--", "a", "<", "</"))
@example("a</style")
@example("a</style/>b")
@example("</style>")
def test_the_end_of_raw_text_as_in_lexbor(text):
    page = f"<style>{text}"
    end = find_end_tag(array(page), 7, len(page), np.uint64(fnv(b"style")))
    inside = LexborHTMLParser(page).css_first("style").text() if text else ""
    complete = END_OF_STYLE.search(text)
    assert page[7:end] == (text[: complete.start()] if complete else text)
    if complete and ">" in text[complete.start() :]:  # else the page ends in the end tag
        assert page[7:end] == inside


def script(text):
    """The text of a script as we read it, and whether the page was read to its end."""
    content = array(f"<script>{text}")
    place, all_read = script_end(content, 8, len(content), np.uint64(fnv(b"script")))
    return content[8:place].tobytes().decode(), all_read


@given(
    pieces("<!--", "-->", "<script", "</script", "<script>", "</script>", ">", " ", "/", "x", "<", "-", "!", longest=16)
)
@example("<!--<script></script>x</script>y")
@example("<!--<script></script>--></script>y")
@example("<!--<script>--></script>y")
@example("<!--></script>")
@example("<!---><script></script>")
@example("<!--<scriptx></script>")
@example("<!--<script</script>")
@example("<!--<SCRIPT ></Script >x</script\t>")
def test_the_end_of_a_script_as_in_lexbor(text):
    inside, all_read = script(text)
    tree = LexborHTMLParser(f"<script>{text}</p>")  # so that the last tag is complete
    node = tree.css_first("script")
    of_tree = node.text() if node.child else ""
    if not all_read:
        assert inside == of_tree
    elif inside != text:  # a comment hides the ends of the script, all of the page would be script
        assert of_tree == f"{text}</p>"
        assert re.match("(?i)</script[ />]", text[len(inside) :])


def test_the_first_end_tag_counts_where_a_comment_hides_all():
    assert script("a<!--<script>b</script>c") == ("a<!--<script>b", True)
    assert script("a<!--<script>b</script>c</script>") == ("a<!--<script>b</script>c", False)
    assert script("a") == ("a", True)
