"""From the bytes of pages to their main text, by any of the extractors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gptkit.data.encoding import as_utf8
from gptkit.extraction.fast import extractor as fast_extractor
from gptkit.extraction.parsed import extract_parsed

FAST = "fast"


@dataclass(frozen=True)
class Extracted:
    """What was found in each of some pages."""

    pages: list[bytes]  # as UTF-8
    texts: list[str]
    failed: list[str | None]  # why there is no text, where the extractor did not cope
    cut: list[str]  # the limit that a page goes beyond: bytes, elements, blocks or depth; empty for none


def extract(
    pages: Sequence[bytes],
    charsets: Sequence[str | None],
    extractor: str = FAST,
    favor: str = "balanced",
    comments: bool = False,
    model: str | None = None,
    begin: Callable[[int], None] = lambda number: None,
) -> Extracted:
    """The main text of pages of any encoding, paragraphs and list items on lines of their own.

    charsets: what the servers said; model: the file of one for the fast extractor. `begin` is called with
    a page's number before it is parsed by an extractor that takes one at a time.
    Raises GptkitError where the extractor is not installed, or the model's file is none.
    """
    decoded = [as_utf8(page, charset) for page, charset in zip(pages, charsets, strict=True)]
    if extractor == FAST:
        texts, cut = fast_extractor(model).texts(decoded, favor, comments)
        return Extracted(decoded, texts, [None] * len(texts), cut)
    found = []
    for number, page in enumerate(decoded):
        begin(number)
        found.append(extract_parsed(page.decode(), extractor, comments, favor))
    return Extracted(decoded, [text for text, _ in found], [reason for _, reason in found], [""] * len(found))
