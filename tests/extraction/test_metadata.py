"""What pages state of themselves."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptkit.data.encoding import as_utf8
from gptkit.extraction.metadata import SCHEMA, Metadata, metadata, metadata_columns
from gptkit.kernels.html_facts import html_facts

URL = "https://example.org/a/b.html"


def of(page, url=URL):
    data = page.encode()
    return metadata(data, html_facts(data), url)


def meta(key, value):
    return f'<meta property="{key}" content="{value}">'


def json(text):
    return f'<script type="application/ld+json">{text}</script>'


def test_a_page_that_states_all():
    page = f"""<!doctype html><html lang="de-AT"><head><title>Site | The &quot;title&quot;</title>
        {meta("og:title", "  The   &quot;title&quot;&#58; &auml;")}{meta("article:published_time", "2024-05-01T12:00:00+0200")}
        <meta name="author" content="A. Writer"><link rel="canonical" href="/c?a=1&amp;b=2">
        <link rel="license" href="https://creativecommons.org/licenses/by-sa/4.0/deed.de"></head>"""
    assert of(page) == Metadata(
        'The "title": ä',
        "2024-05-01T12:00:00+02:00",
        "A. Writer",
        "de",
        "https://example.org/c?a=1&b=2",
        "CC-BY-SA-4.0",
    )


def test_a_page_that_states_nothing():
    assert of("<p>The title by A. Writer, May 1, 2024") == Metadata()
    assert of("") == Metadata()


def test_columns():
    batch = metadata_columns([b"<title>One</title>", b"<html lang=en>"], [URL, URL])
    assert batch.schema == SCHEMA
    assert batch.column("title").to_pylist() == ["One", None]
    assert batch.column("html_language").to_pylist() == [None, "en"]
    assert metadata_columns([], []).num_rows == 0
    assert all(field.type == pa.string() for field in SCHEMA)


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("<title> A \n title </title>" + meta("twitter:title", "Another"), "Another"),
        ("<title>x</title>" + meta("og:title", " &nbsp; \u200b "), "x"),
        ("<title>a\u200bb\u202e c\u00ad&#1;&#xD800;&zwnj;d</title>", "ab c\ufffd\u200cd"),
        ("<title>a&#0000000065;b&#123456789abc&#xabcdef012;d&#9999999;</title>", "a\ufffdb\ufffdabc\ufffdd\ufffd"),
        ("<title>&#65abcdefghi</title>", "Aabcdefghi"),
        ("<title>" + "é" * 600 + "</title>", "é" * 500),
        ("<title>" + "&#1090;" * 600 + "</title>", "т" * 500),
        (json('{"@type": "NewsArticle", "headline": "A &amp; b"}'), "A & b"),
    ],
)
def test_titles(page, title):
    assert of(page).title == title


@pytest.mark.parametrize(
    ("page", "date"),
    [
        (meta("article:published_time", "soon") + meta("date", "2024-05-01"), "2024-05-01"),
        (meta("date", "2024-05-02") + "<time pubdate datetime=2024-05-01>", "2024-05-02"),
        ("<time datetime=2024-05-02><time itemprop=datePublished datetime=2024-05-01>", "2024-05-01"),
        ("<time datetime=2024-05-02>" + json('{"@type": "BlogPosting", "datePublished": "2024-05-01"}'), "2024-05-01"),
        ("<time class=published datetime=2024-05-02>", None),  # of a teaser, or a comment
        (json('{"@type": "Event", "datePublished": "2024-05-01"}'), None),
        (meta("article:modified_time", "2024-05-01"), None),
    ],
)
def test_dates(page, date):
    assert of(page).date == date


@pytest.mark.parametrize(
    ("page", "author"),
    [
        (meta("article:author", "https://facebook.com/x") + meta("dc.creator", "B"), "B"),
        (meta("author", "@handle") + "<a rel=author href=/a> <b>A.</b>&nbsp;<i>Writer</i></a>", "A. Writer"),
        (meta("author", "x" * 300), "x" * 200),
        (json('{"@type": ["Article"], "author": [{"name": "A"}, {"name": "B"}, "C", 1, null]}'), "A, B, C"),
        (
            json('[{"@graph": [{"@type": "Article", "author": {"@id": "#a"}}, {"@type": "Person", "@id": "#a", "name": "A"}]}]'),
            "A",
        ),
        (json('{"@type": "WebPage", "author": "W"}') + json('{"@type": "Article", "author": {"name": "A"}}'), "A"),
        (json('{"@type": "Article", "author": {"name": {"a": 1}}}'), None),
        (json('{"@type": "Article", "author": "\\ud800"}'), None),
        (json("[" * 10_000), None),
        (json('{"@graph":[' * 500 + "]}" * 500), None),
        (json("{") + json("null") + json('{"@type": 1}'), None),
    ],
)  # fmt: skip
def test_authors(page, author):
    assert of(page).author == author


@pytest.mark.parametrize(
    ("page", "language"),
    [
        ("<html lang=EN_us>", "en"),
        ("<html lang=x-klingon><meta property=og:locale content=pt_BR>", "pt"),
        ("<meta http-equiv=Content-Language content=iw>", "he"),
        ("<meta http-equiv=Content-Language content='de, en'>", None),
        ("<html lang=english>", None),
        (json('{"@type": "WebPage", "inLanguage": "fr-FR"}'), "fr"),
    ],
)
def test_languages(page, language):
    assert of(page).html_language == language


@pytest.mark.parametrize(
    ("address", "url", "canonical"),
    [
        ("c.html", URL, "https://example.org/a/c.html"),
        ("//other.org/", URL, "https://other.org/"),
        ("https://other.org/x", "", "https://other.org/x"),
        ("c.html", "folder/page.html", None),
        ("javascript:alert(1)", URL, None),
        ("https://me:secret@other.org/", URL, None),
        ("https://[other/", URL, None),
        ("https://other.org/a b", URL, None),
        ("https://other.org/" + "a" * 2_000, URL, None),
    ],
)
def test_canonical_addresses(address, url, canonical):
    assert of(f'<link rel=canonical href="{address}">', url).canonical == canonical


@pytest.mark.parametrize(
    ("address", "licence"),
    [
        ("http://www.creativecommons.org/licenses/by-nc-nd/3.0/de/", "CC-BY-NC-ND-3.0-DE"),
        ("//creativecommons.org/licenses/by-nd-nc/1.0", "CC-BY-NC-ND-1.0"),
        ("https://creativecommons.org/licenses/by/4.0/deed.en", "CC-BY-4.0"),
        ("https://creativecommons.org/licenses/by/4.0/fr/", "CC-BY-4.0"),
        ("https://creativecommons.org/licenses/by/3.0/igo/legalcode", "CC-BY-3.0-IGO"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "CC-PDM-1.0"),
        ("https://creativecommons.org/licenses/by-me/4.0/", None),
        ("https://creativecommons.org/", None),
        ("https://example.org/licence", None),
    ],
)
def test_licences(address, licence):
    assert of(f"<a href='{address}'>").licence is None
    assert of(f"<link rel=license href='{address}'>").licence == (licence or address)
    assert of(meta("dc.rights", address)).licence == licence
    assert of(f"<a rel=license href='{address}'>").licence == (licence or address)
    assert of(json(f'{{"@type": "WebPage", "license": {{"@id": "{address}"}}}}')).licence == (licence or address)


def test_a_licence_of_something_else_is_not_the_pages():
    photo = "<a href=//creativecommons.org/licenses/by/2.0/>"
    own = "<a rel=license href=//creativecommons.org/licenses/by-sa/4.0/>"
    assert of(photo).licence is None
    assert of(photo + own).licence == "CC-BY-SA-4.0"
    assert of(json('{"@type": "ImageObject", "license": "//creativecommons.org/licenses/by/2.0/"}')).licence is None


PIECES = st.sampled_from(
    [meta("og:title", "é"), meta("date", "2024-"), "<html lang=", "&#" + "1" * 5_000, "&#X" + "f" * 5_000 + ";", "<link rel=canonical href=", "http://[", "&#", "\u202e",
     json('{"@type": "Article", "author": [[[["x"]]]]}'), json('{"@type":"Article","headline":"'), '\\ud800"}', "<title>",
     "</title>", "<a rel=author>", "</a>", "<a rel=license href=", "creativecommons.org/licenses/by/", "4.0", "<", ">", "'"]
)  # fmt: skip


@given(st.lists(PIECES | st.text(max_size=5), max_size=20).map("".join), st.text(max_size=10))
def test_hostile_pages(page, url):
    found = metadata_columns([page.encode()], [url])
    found.validate(full=True)
    for value in (row for column in found.columns for row in column.to_pylist() if row is not None):
        assert value == value.strip() != ""
        assert len(value) <= 2_000
        assert not any(character < " " or "\u202a" <= character <= "\u202e" for character in value)


@pytest.mark.parametrize(
    "digits", ["&#" + "1" * 5_000 + ";", "&#x" + "1" * 5_000 + ";", "&#0" + "1" * 5_000, "9" * 5_000]
)
def test_numbers_of_any_length(digits):
    """Python reads no number of over 4,300 digits."""
    found = of(
        f"<html lang='{digits}'><title>{digits}</title><link rel=canonical href='{digits}'><a rel=author>{digits}</a>"
        f"<link rel=license href='{digits}'><time pubdate datetime='{digits}'>"
        + meta("og:title", digits)
        + meta("date", digits)
        + json(
            f'{{"@type": "Article", "headline": "{digits}", "datePublished": "{digits}", "position": {"9" * 5_000}}}'
        )
    )
    assert found.date is None
    assert found.html_language is None


@given(st.lists(PIECES.map(str.encode) | st.binary(max_size=20), max_size=20).map(b"".join) | st.binary(max_size=300))
def test_any_bytes_have_metadata(data):
    assert metadata_columns([as_utf8(data)], [URL]).num_rows == 1
