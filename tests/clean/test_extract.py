import pytest

from gptkit.clean.extract import decode, extract

PAGE = "<html><head><title>t</title></head><body><nav>Menu</nav><article><h1>Title</h1><p>{}</p><p>Second &amp; last.</p></article></body></html>"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "windows-1251", "shift_jis", "utf-16"])
def test_the_headers_charset_is_used_where_the_page_is_no_utf8(encoding):
    text = "日本語の文章です" if encoding == "shift_jis" else "Это предложение"
    assert text in decode(PAGE.format(text).encode(encoding), None if encoding.startswith("utf-8") else encoding)


def test_a_charset_that_does_not_exist_is_no_error():
    assert "caf" in decode("café".encode("latin-1"), "no-such-charset")


def test_a_page_declares_its_own_charset():
    page = '<meta charset="iso-8859-1"><p>café crème</p>'.encode("latin-1")
    assert "café crème" in decode(page, None)


def test_main_text_keeps_paragraphs_and_drops_navigation():
    lines = extract(PAGE.format("A first paragraph of the article.").encode(), "utf-8").splitlines()
    assert [line for line in lines if line] == ["Title", "A first paragraph of the article.", "Second & last."]


@pytest.mark.parametrize("page", [b"", b"\x00\xff\xfe", b"<" * 1000, b"<div>" * 1000, b"not html at all"])
def test_odd_pages_are_text_or_nothing(page):
    assert isinstance(extract(page, None), str)
