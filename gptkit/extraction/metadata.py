"""What a page states of itself: title, date, author, language, canonical address, licence.

Nothing is guessed: what is not stated in one of the known places, or not in one of the known forms, is null.
A link to a licence may be that of a picture, and a time that of an event: neither counts unless it says that it
is the page's.
"""

import contextlib
import html
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import numpy as np
import orjson
import pyarrow as pa

from gptkit.data.html import METADATA
from gptkit.extraction.dates import iso_date
from gptkit.kernels.html_facts import FACT, SCRIPTS, html_facts

TITLE_CHARACTERS, AUTHOR_CHARACTERS, ADDRESS_CHARACTERS = 500, 200, 2_000  # longer ones: cut, cut, and left out
BYTES_A_CHARACTER = 8  # of a value that are looked at: references such as `&#1090;` are long

# Where a field is looked for, the best place first
TITLE = "og:title citation_title headline dc.title dcterms.title parsely-title sailthru.title twitter:title".split()
DATE = """article:published_time og:article:published_time og:published_time datepublished citation_publication_date
    citation_online_date citation_date parsely-pub-date sailthru.date dcterms.issued dc.date.issued pubdate publishdate
    publish_date publish-date publication_date publication-date dcterms.created dc.date.created datecreated
    dcterms.date dc.date date""".split()
AUTHOR = """author citation_author parsely-author sailthru.author dc.creator dcterms.creator article:author
    og:article:author""".split()
LANGUAGE = ["html lang", "content-language", "og:locale", "dc.language", "dcterms.language", "inlanguage"]
CANONICAL = ["link canonical", "og:url"]
RIGHTS = ["dcterms.license", "dcterms.rights", "dc.rights"]

# ISO 639-1
LANGUAGES = frozenset(
    """aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en
    eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka
    kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl
    nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw
    ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu""".split()
)
OLD_CODES = {"iw": "he", "in": "id", "ji": "yi"}

# Controls, soft hyphens, spaces of no width and what changes the direction of text; joiners stay, which Persian and Hindi need
UNSEEN = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]+")
TAG = re.compile(r"<[^<>]*>")
# References to no character, with more digits than any has: Python reads no number of over 4,300 digits
NO_CHARACTER = re.compile(r"&#(?:[xX][0-9A-Fa-f]{9,}|[0-9]{9,});?")
NO_NAME = re.compile(r"(?:https?:)?//|www\.|@|[\W\d_]*$", re.IGNORECASE)  # of an author
DEED = re.compile(
    r"//(?:www\.)?creativecommons\.org/"
    r"(?:licenses/(?P<terms>[a-z+-]{2,12})/(?P<version>\d\.\d)(?:/(?P<port>[a-z]{2,3})(?![a-z.]))?"
    r"|(?:publicdomain|licenses)/(?P<public>zero|mark)/(?P<edition>\d\.\d))",
    re.IGNORECASE,
)
TERMS = frozenset("by by-sa by-nc by-nd by-nc-sa by-nc-nd".split())

OBJECTS, AUTHORS = 200, 10  # of JSON-LD that are looked at
# Of schema.org: what is read, and of which of its properties where it is an object
PROPERTIES = {
    "headline": (),
    "datePublished": (),
    "author": ("name",),
    "inLanguage": ("alternateName",),
    "license": ("url", "@id"),
}
# Types whose properties are those of the page; articles come first
ARTICLE = re.compile(r"(?:article|posting|report)$", re.IGNORECASE)
PAGE = re.compile(r"(?:page|recipe|creativework|book|dataset|question|review)$", re.IGNORECASE)


class Metadata(NamedTuple):
    """What a page states; None where it does not."""

    title: str | None = None
    date: str | None = None  # ISO 8601: of its publication, with the time where it is stated
    author: str | None = None
    html_language: str | None = None  # ISO 639-1
    canonical: str | None = None  # an absolute http(s) address
    licence: str | None = None  # such as CC-BY-SA-4.0 or CC0-1.0, or the address of another licence


SCHEMA = pa.schema(METADATA)  # a column for each field of Metadata, in that order


def metadata_columns(pages: Sequence[bytes], urls: Sequence[str]) -> pa.RecordBatch:
    """The metadata of pages (valid UTF-8) at addresses as a batch of `SCHEMA`, null where nothing is stated."""
    rows = [metadata(page, html_facts(page), url) for page, url in zip(pages, urls, strict=True)]
    columns = zip(*rows, strict=True) if rows else [()] * len(SCHEMA)
    return pa.RecordBatch.from_arrays([pa.array(column, pa.string()) for column in columns], schema=SCHEMA)


def metadata(page: bytes, facts: np.ndarray, url: str = "") -> Metadata:
    """What a page (valid UTF-8) states; `facts` from `html_facts`, `url` what its addresses are relative to."""
    spans: list[list[int]] = facts.tolist()

    def values(names: Iterable[str], longest: int) -> Iterator[str]:
        for name in names:
            start, end = spans[FACT[name]]
            if start >= 0 and (value := _text(page[start : min(end, start + longest * BYTES_A_CHARACTER)])):
                yield value

    title = _first(values([*TITLE, "title"], TITLE_CHARACTERS), _title)
    date = _first(values([*DATE, "time published"], 50), iso_date)
    author = _first(values(AUTHOR, AUTHOR_CHARACTERS), _author)
    language = _first(values(LANGUAGE, 50), _language)
    canonical = _first(values(CANONICAL, ADDRESS_CHARACTERS), lambda value: _address(value, url))
    licence = _first(values(["rel license"], ADDRESS_CHARACTERS), lambda value: _licence(value, url))
    licence = licence or _first(values(RIGHTS, ADDRESS_CHARACTERS), _deed)
    rest = not (title and date and author and language)
    if rest or not licence:
        stated = _json(page, spans, b"" if rest else b'"license"')
        title = title or _first(stated.get("headline", ()), _title)
        date = date or _first(stated.get("datePublished", ()), iso_date)
        author = author or _first(stated.get("author", ()), _author)
        language = language or _first(stated.get("inLanguage", ()), _language)
        licence = licence or _first(stated.get("license", ()), lambda value: _licence(value, url))
    author = author or _first(
        values(["a author"], AUTHOR_CHARACTERS), lambda value: _author(" ".join(TAG.sub(" ", value).split()))
    )
    return Metadata(title, date, author, language, canonical, licence)


def _first(values: Iterable[str], read: Callable[[str], str | None]) -> str | None:
    """The first value that can be read."""
    return next(filter(None, map(read, values)), None)


def _text(value: bytes | str) -> str:
    """What a page wrote: its references resolved, white space folded, without what cannot be seen."""
    text = value.decode("utf-8", "ignore") if isinstance(value, bytes) else value
    if "&" in text:
        text = html.unescape(NO_CHARACTER.sub("\ufffd", text))
    return " ".join(UNSEEN.sub("", text).split())


def _title(value: str) -> str:
    return value[:TITLE_CHARACTERS].rstrip()


def _author(value: str) -> str | None:
    return None if NO_NAME.match(value) else value[:AUTHOR_CHARACTERS].rstrip()


def _language(value: str) -> str | None:
    code = re.split("[-_]", value, maxsplit=1)[0].lower()
    code = OLD_CODES.get(code, code)
    return code if code in LANGUAGES else None


def _address(value: str, url: str) -> str | None:
    """An absolute http(s) address without credentials; None for anything else."""
    if len(value) > ADDRESS_CHARACTERS or " " in value:
        return None
    try:
        address = urljoin(url, value)
        parts = urlsplit(address)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return None
    return address if len(address) <= ADDRESS_CHARACTERS else None


def _licence(value: str, url: str) -> str | None:
    return _deed(value) or _address(value, url)


def _deed(value: str) -> str | None:
    """The name of a Creative Commons licence by SPDX (https://spdx.org/licenses/), from the address of its deed."""
    match = DEED.search(value)
    if match is None:
        return None
    if match["public"]:
        return f"{'CC0' if match['public'].lower() == 'zero' else 'CC-PDM'}-{match['edition']}"
    terms, version, port = match["terms"].lower(), match["version"], match["port"]
    terms = "by-nc-nd" if terms == "by-nd-nc" else terms
    if terms not in TERMS:
        return None
    name = f"CC-{terms}-{version}" + (f"-{port}" if port and version < "4" else "")
    return name.upper()


def _json(page: bytes, spans: list[list[int]], wanted: bytes) -> dict[str, list[str]]:
    """What JSON-LD states of the article or page: texts by property of schema.org, those of articles first."""
    objects: list[dict[str, Any]] = []
    for number in range(1, SCRIPTS + 1):
        start, end = spans[FACT[f"json {number}"]]
        if start < 0 or wanted not in page[start:end]:
            continue
        with contextlib.suppress(orjson.JSONDecodeError):
            _collect(orjson.loads(page[start:end].strip().removesuffix(b";")), objects)
    named = {thing["@id"]: thing for thing in objects if isinstance(thing.get("@id"), str)}
    found: dict[str, list[str]] = {}
    for kind in (ARTICLE, PAGE):
        for thing in objects:
            types = thing.get("@type")
            if any(
                isinstance(name, str) and kind.search(name) for name in (types if isinstance(types, list) else [types])
            ):
                for name, inner in PROPERTIES.items():
                    text = _text(_string(thing.get(name), inner, named)[: TITLE_CHARACTERS * BYTES_A_CHARACTER])
                    if text:
                        found.setdefault(name, []).append(text)
    return found


def _collect(value: Any, objects: list[dict[str, Any]]) -> None:
    """The objects on the upper levels of JSON-LD."""
    if isinstance(value, list):
        for item in value[:OBJECTS]:
            if isinstance(item, dict):
                _collect(item, objects)
    elif isinstance(value, dict) and len(objects) < OBJECTS:
        objects.append(value)
        _collect(value.get("@graph"), objects)


def _string(value: Any, inner: Sequence[str], named: dict[str, dict[str, Any]], deep: int = 2) -> str:
    """A text, that of an object's inner property (the object may stand elsewhere, by its @id), or those of a list."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        identity = value.get("@id")
        things = [value, named.get(identity, {}) if isinstance(identity, str) else {}]
        return next((thing[name] for thing in things for name in inner if isinstance(thing.get(name), str)), "")
    if isinstance(value, list) and deep:
        return ", ".join(filter(None, (_string(item, inner, named, deep - 1) for item in value[:AUTHORS])))
    return ""
