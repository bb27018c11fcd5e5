"""The inline markup of blocks: which runs of their text are strong, emphasised, code or links."""

import re
from html import unescape
from html.entities import html5
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from gptkit.extraction.fast import Read
from gptkit.kernels.html_blocks import (
    END,
    MARK_END,
    MARK_KIND,
    MARK_PLACE,
    MARK_START,
    NUMBERED,
    OPEN_CODE,
    OPEN_EMPHASIS,
    OPEN_LINK,
    OPEN_STRONG,
    START,
)

ADDRESS = 2_000  # bytes of a link's address; a longer one is left out
SCHEMES = ("http", "https", "mailto")
REFERENCE = re.compile(r"&(#\w{1,8}|\w{1,32});", re.ASCII)
UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # browsers take tabs and line feeds out of addresses


class Run(NamedTuple):
    """Text with the same inline markup."""

    text: str
    strong: bool = False
    emphasis: bool = False
    code: bool = False
    link: str = ""  # an absolute address; empty for none


def block_runs(read: Read, page: bytes, url: str) -> list[tuple[Run, ...]]:
    """The runs of each block of a page that was read with its marks; `url` is what links are relative to.

    The texts of a block's runs make up its text.
    """
    text, marks = read.text.tobytes(), read.marks[read.marks[:, MARK_KIND] != NUMBERED]
    places, kinds = marks[:, MARK_PLACE].tolist(), marks[:, MARK_KIND].tolist()
    depth = [0] * (OPEN_LINK + 1)
    links: list[str] = []
    resolved: dict[bytes, str] = {}
    found: list[tuple[Run, ...]] = []
    number = 0
    for start, end in read.blocks[:, [START, END]].tolist():
        spans: list[tuple[int, tuple[bool, bool, bool, str]]] = []  # where each begins, and its markup
        while True:
            stop = min(places[number], end) if number < len(places) else end
            if stop > start:
                markup = (
                    depth[OPEN_STRONG] > 0,
                    depth[OPEN_EMPHASIS] > 0,
                    depth[OPEN_CODE] > 0,
                    links[-1] if links else "",
                )
                if not spans or spans[-1][1] != markup:
                    spans.append((start, markup))
                start = stop
            if number >= len(places) or places[number] > end:
                break
            kind = kinds[number]
            depth[abs(kind)] += 1 if kind > 0 else -1
            if kind == OPEN_LINK:
                href = page[marks[number, MARK_START] : marks[number, MARK_END]]
                if href not in resolved:
                    resolved[href] = resolve(href, url)
                links.append(resolved[href])
            elif kind == -OPEN_LINK:
                links.pop()
            number += 1
        stops = [*(begin for begin, _ in spans[1:]), end]
        found.append(
            tuple(Run(text[begin:stop].decode(), *markup) for (begin, markup), stop in zip(spans, stops, strict=True))
        )
    return found


def resolve(href: bytes, url: str) -> str:
    """The absolute address of a link as the page wrote it (UTF-8); empty for what is no web or mail address.

    Links to a place in the page itself are none, nor are those that hold credentials.
    """
    if not href or len(href) > ADDRESS:
        return ""
    address = UNSEEN.sub("", REFERENCE.sub(_character, href.decode("utf-8", "replace"))).strip()
    if not address or address.startswith("#"):
        return ""
    try:
        absolute = urljoin(url, address)
        parts = urlsplit(absolute)
    except ValueError:  # brackets without an address
        return ""
    if (
        parts.scheme not in SCHEMES
        or "@" in parts.netloc
        or not (parts.netloc or (parts.scheme == "mailto" and parts.path))
    ):
        return ""
    return absolute


def _character(match: re.Match[str]) -> str:
    """In attributes a name without its own semicolon stands for itself."""
    name = match[1]
    return unescape(match[0]) if name.startswith("#") or f"{name};" in html5 else match[0]
