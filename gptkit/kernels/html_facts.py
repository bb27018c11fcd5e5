"""Where a page states what it is: its title, date, author, language, address and licence.

One pass over the bytes, without a tree: what belongs into a head, and links, times and scripts wherever
they stand. Comments and raw text (scripts, styles, text areas, frames) are passed over.
"""

from functools import cache

import numpy as np

from gptkit.kernels.html_syntax import (
    BANG,
    FNV_PRIME,
    FNV_START,
    GT,
    LT,
    QUESTION,
    SEMICOLON,
    SLASH,
    find_byte,
    find_end_tag,
    fnv,
    hash_table,
    is_letter,
    is_space,
    look_up,
    lowered,
    markup_end,
    name_end,
    next_attribute,
    tag_end,
)
from gptkit.kernels.jit import helper, kernel

SCRIPTS = 4
PLACES = (
    "html lang",
    "title",
    "link canonical",
    "rel license",  # of <link> and <a>
    "time published",
    "a author",  # the HTML inside
    *(f"json {number}" for number in range(1, SCRIPTS + 1)),  # <script type="application/ld+json">
)
KEYS = """
og:title twitter:title citation_title dc.title dcterms.title parsely-title sailthru.title headline
article:published_time og:article:published_time og:published_time datepublished datecreated
citation_publication_date citation_online_date citation_date dcterms.created dcterms.issued dcterms.date
dc.date.issued dc.date.created dc.date parsely-pub-date sailthru.date pubdate publishdate publish_date publish-date
publication_date publication-date date
author article:author og:article:author dc.creator dcterms.creator citation_author parsely-author sailthru.author
content-language og:locale dc.language dcterms.language inlanguage
og:url dcterms.license dc.rights dcterms.rights
""".split()
FACTS = (*PLACES, *KEYS)
FACT = {name: row for row, name in enumerate(FACTS)}
JSON_BYTES = 65_536  # longer JSON-LD is passed over
AUTHOR_BYTES = 1_000  # how far behind <a rel=author> its end is sought

HTML_LANG, TITLE, CANONICAL, LICENCE, PUBLISHED, AUTHOR, JSON = range(7)

TAGS = "html meta link a time svg title script style textarea xmp iframe noembed noframes".split()
HTML_TAG, META_TAG, LINK_TAG, A_TAG, TIME_TAG, SVG_TAG, TITLE_TAG, SCRIPT_TAG = range(1, 9)  # from TITLE_TAG on: raw

ATTRIBUTES = "name property itemprop http-equiv content href rel datetime pubdate type lang xml:lang".split()
NAME, PROPERTY, ITEMPROP, EQUIV, CONTENT, HREF, REL, DATETIME, PUBDATE, TYPE, LANG, XML_LANG = range(1, 13)

A, SVG, JSON_TYPE, DATE_PUBLISHED = (
    np.uint64(fnv(name)) for name in (b"a", b"svg", b"application/ld+json", b"datepublished")
)
REL_CANONICAL, REL_LICENCE, REL_AUTHOR = (np.uint64(fnv(name)) for name in (b"canonical", b"license", b"author"))


def html_facts(page: bytes) -> np.ndarray:
    """int32 [facts, 2]: where in a page the value of each of `FACTS` begins and ends; -1 where none is stated.

    Values are as the page wrote them, with their character references. Of two the first counts.
    """
    spans = np.full((len(FACTS), 2), -1, np.int32)
    _find_facts(np.frombuffer(page, np.uint8), *_tables(), np.empty((len(ATTRIBUTES) + 1, 2), np.int64), spans)
    return spans


@cache
def _tables() -> tuple[np.ndarray, ...]:
    keys: list[np.ndarray] = []
    for names, first in ((TAGS, 1), (ATTRIBUTES, 1), (KEYS, len(PLACES))):
        keys += hash_table({name.encode(): number for number, name in enumerate(names, first)})
    return tuple(keys)


@helper
def _next_token(page, place, end):
    """The hash of the next word of a value, in small letters, and the place behind it; 0 where there is none."""
    while place < end and (is_space(page[place]) or page[place] == SEMICOLON):
        place += 1
    h = FNV_START
    start = place
    while place < end and not (is_space(page[place]) or page[place] == SEMICOLON):
        h = (h ^ np.uint64(lowered(page[place]))) * FNV_PRIME
        place += 1
    return (h if place > start else np.uint64(0)), place


@helper
def _has_token(page, span, token):
    """Whether one of a value's words has a hash."""
    h, place = _next_token(page, span[0], span[1])
    while h != np.uint64(0) and h != token:
        h, place = _next_token(page, place, span[1])
    return h == token


@helper
def _keep(spans, fact, start, end):
    """Keeps a value that is stated for the first time."""
    if spans[fact, 0] < 0 and start < end:
        spans[fact, 0], spans[fact, 1] = start, end


@kernel
def _find_facts(page, tag_keys, tag_values, attribute_keys, attribute_values, keys, values, found, spans):
    """Writes `spans` (int32 [facts, 2], -1 so far). `found` (int64 [attributes + 1, 2]) is scratch: a tag's values."""
    end = len(page)
    place, scripts, unended = 0, 0, 0
    drawing, sought = False, False  # inside <svg>, whose titles are not the page's; an <a rel=author> was met
    while True:
        place = find_byte(page, place, end, LT)
        if place + 1 >= end:
            return
        byte = page[place + 1]
        if not is_letter(byte):
            if byte == SLASH and place + 2 < end and is_letter(page[place + 2]):
                place, h = name_end(page, place + 2, end)
                drawing = drawing and h != SVG
                place, _ = tag_end(page, place, end)
            elif byte == SLASH or byte == BANG or byte == QUESTION:
                place = markup_end(page, place, end)
            else:
                place += 1
            continue
        place, name = name_end(page, place + 1, end)
        tag = look_up(tag_keys, tag_values, name)
        if tag == 0:
            place, _ = tag_end(page, place, end)
            continue
        found[:] = -1
        h, closes = np.uint64(1), False
        while h != np.uint64(0) and place < end:
            h, start, stop, place, closes = next_attribute(page, place, end)
            attribute = look_up(attribute_keys, attribute_values, h)
            if attribute and found[attribute, 0] < 0:
                found[attribute, 0], found[attribute, 1] = start, stop
        if h != np.uint64(0) or page[place - 1] != GT:  # the page ends inside the tag
            return
        if tag == META_TAG:
            for attribute in range(NAME, EQUIV + 1):
                h, start = _next_token(page, found[attribute, 0], found[attribute, 1])
                while h != np.uint64(0):
                    fact = look_up(keys, values, h)
                    if fact:
                        _keep(spans, fact, found[CONTENT, 0], found[CONTENT, 1])
                    h, start = _next_token(page, start, found[attribute, 1])
        elif tag == LINK_TAG or tag == A_TAG:
            start, stop = found[HREF, 0], found[HREF, 1]
            if found[REL, 0] >= 0:
                if _has_token(page, found[REL], REL_LICENCE):
                    _keep(spans, LICENCE, start, stop)
                if tag == LINK_TAG and _has_token(page, found[REL], REL_CANONICAL):
                    _keep(spans, CANONICAL, start, stop)
                if tag == A_TAG and not sought and _has_token(page, found[REL], REL_AUTHOR):
                    sought = True
                    limit = min(end, place + AUTHOR_BYTES)
                    stop_text = find_end_tag(page, place, limit, A)
                    if stop_text < limit:
                        _keep(spans, AUTHOR, place, stop_text)
        elif tag == TIME_TAG:
            if found[PUBDATE, 0] >= 0 or _has_token(page, found[ITEMPROP], DATE_PUBLISHED):
                _keep(spans, PUBLISHED, found[DATETIME, 0], found[DATETIME, 1])
        elif tag == HTML_TAG:
            _keep(spans, HTML_LANG, found[LANG, 0], found[LANG, 1])
            _keep(spans, HTML_LANG, found[XML_LANG, 0], found[XML_LANG, 1])
        elif tag == SVG_TAG:
            drawing = not closes
        elif not (unended >> tag & 1 or (drawing and tag == TITLE_TAG)):
            stop = find_end_tag(page, place, end, name)
            if stop >= end:
                if tag == SCRIPT_TAG:  # it hides what is behind it
                    return
                unended |= 1 << tag  # an ordinary tag, as the other ones that come: time stays linear
                continue
            if tag == TITLE_TAG:
                _keep(spans, TITLE, place, stop)
            elif scripts < SCRIPTS and stop - place <= JSON_BYTES and _has_token(page, found[TYPE], JSON_TYPE):
                _keep(spans, JSON + scripts, place, stop)
                scripts += 1
            place = stop
