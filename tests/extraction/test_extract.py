import pytest

from gptkit.extraction.extract import extract as extract_pages
from gptkit.extraction.parsed import DEEPEST

PAGE = "<html><head><title>t</title></head><body><nav>Menu</nav><article><h1>Title</h1><p>{}</p><p>{}</p><p>Third &amp; last.</p></article></body></html>"
EXTRACTORS = ["fast", "resiliparse", "trafilatura"]


def extract(page, charset, extractor):
    found = extract_pages([page], [charset], extractor)
    return found.texts[0], found.failed[0]


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_main_text_keeps_paragraphs_and_drops_navigation(extractor):
    paragraph = "This is a first paragraph of the article, which is long enough to be taken for one. " * 5
    another = paragraph.replace("first", "second")
    text, reason = extract(PAGE.format(paragraph, another).encode(), "utf-8", extractor)
    assert reason is None
    lines = [line for line in text.splitlines() if line]
    assert lines[-3:] == [paragraph.strip(), another.strip(), "Third & last."]
    assert "Menu" not in text


@pytest.mark.parametrize("extractor", EXTRACTORS)
@pytest.mark.parametrize("page", [b"", b"\x00\xff\xfe", b"<" * 1000, b"<div>" * 1000, b"not html at all"])
def test_odd_pages_are_text_or_nothing(extractor, page):
    text, _ = extract(page, None, extractor)
    assert isinstance(text, str)


@pytest.mark.parametrize("tag", ["div", "DIV", "article", "div class=x"])
def test_what_is_nested_too_deep_is_not_parsed(tag):
    text, reason = extract(f"<{tag}>".encode() * 100_000 + b"text", None, "resiliparse")
    assert (text, reason) == ("", f"more than {DEEPEST:,} nested <div> or <article>")


@pytest.mark.parametrize("tag", ["b", "p", "span", "table", "ul><li", "blockquote", "a", "section", "font"])
def test_what_else_is_nested_deep_costs_little(tag):
    text, reason = extract((f"<{tag}>" * 100_000 + "text").encode(), None, "resiliparse")
    assert reason is None
    assert text in ("text", "")


def test_many_boxes_one_beside_the_other_are_no_harm():
    page = "".join(f"<div><div>Line {n} of a page.</div></DIV>" for n in range(DEEPEST))
    text, reason = extract(page.encode(), None, "resiliparse")
    assert reason is None
    assert f"Line {DEEPEST - 1} of a page." in text
