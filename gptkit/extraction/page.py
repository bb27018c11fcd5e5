"""One page as Python objects: its blocks, which of them are kept and why, and what it states of itself."""

import functools
from dataclasses import dataclass

import numpy as np

from gptkit.data.encoding import as_utf8
from gptkit.extraction.fast import LIMITS, FastExtractor, Read
from gptkit.extraction.inline import Run, block_runs
from gptkit.extraction.metadata import Metadata, metadata
from gptkit.extraction.model import Model
from gptkit.extraction.reasons import Reason, contributions, strongest
from gptkit.kernels import html_blocks
from gptkit.kernels.html_blocks import Limits
from gptkit.kernels.html_facts import html_facts
from gptkit.kernels.html_names import TAG_NAMES

PATH = 10  # elements that a path names, from the innermost
KINDS = (
    {"pre": "pre", "listing": "pre", "li": "item", "td": "cell", "th": "cell", "dt": "term", "dd": "definition"}
    | {"caption": "caption", "figcaption": "caption", "blockquote": "quote"}
    | {f"h{level}": f"h{level}" for level in range(1, 7)}
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Element:
    """An element that holds blocks."""

    tag: str  # empty for tags that no standard knows
    parent: "Element | None"
    order: int  # place among its siblings, from 0
    blocks: int  # that it holds, kept or not
    start: int | None  # the first number, where an <ol> states one
    kind: str  # of the blocks in it: h1 … h6, pre, item, cell, term, definition, caption, quote or text

    @property
    def path(self) -> str:
        """The names of its ancestors and itself, such as `body > div > p`; of many the inner ones."""
        names: list[str] = []
        element: Element | None = self
        while element is not None and element.parent is not None:  # the outermost is the page
            if len(names) == PATH:
                names.append("…")
                break
            names.append(element.tag or "?")
            element = element.parent
        return " > ".join(reversed(names))


@dataclass(frozen=True)
class Block:
    """A piece of text between two tags that part text."""

    text: str
    runs: tuple[Run, ...]  # the same text with its inline markup
    element: Element  # the innermost around all of it
    new_line: bool  # whether a single <br> is all that parts it from the block before
    probability: float  # of being main text
    kept: bool
    reasons: tuple[Reason, ...]  # the strongest first

    @property
    def kind(self) -> str:
        """See `Element.kind`."""
        return self.element.kind

    @property
    def path(self) -> str:
        """See `Element.path`."""
        return self.element.path


@dataclass(frozen=True)
class Page:
    """A page that was read."""

    url: str  # empty where it is not known
    text: str  # of the blocks that are kept
    metadata: Metadata
    blocks: list[Block]
    threshold: float  # the probability from which a block is kept
    stopped: str  # the limit that the page goes beyond (see LEFT_OUT); empty for none

    @property
    def kept(self) -> list[Block]:
        """The blocks that the text is made of."""
        return [block for block in self.blocks if block.kept]

    @property
    def counts(self) -> dict[str, int]:
        """Blocks and characters, of all and of those that are kept."""
        return {
            "blocks": len(self.blocks),
            "blocks_kept": len(self.kept),
            "characters": sum(len(block.text) for block in self.blocks),
            "characters_kept": sum(len(block.text) for block in self.kept),
        }


def page_extractor(model: Model | None = None) -> FastExtractor:
    """An extractor that has room for the inline markup of pages; with the package's own model unless told."""
    # an element opens once, closes once, and if it has a number it is no inline one
    return FastExtractor(
        model, Limits(LIMITS.bytes, LIMITS.elements, LIMITS.blocks, LIMITS.depth, marks=2 * LIMITS.elements)
    )


@functools.cache
def _own_extractor() -> FastExtractor:
    return page_extractor()


def read_page(
    content: bytes,
    charset: str | None = None,
    url: str = "",
    favor: str = "balanced",
    comments: bool = False,
    extractor: FastExtractor | None = None,
) -> Page:
    """Reads a page of any encoding; any bytes are one.

    charset: what the server said. url: its address, to which links are relative; where it is not known, the one
    that the page states. extractor: one of `page_extractor`, for another model than the package's own.
    """
    extractor = extractor or _own_extractor()
    page = as_utf8(content, charset)
    read = extractor.read(page, with_marks=True)
    probabilities, keep, threshold = extractor.choose(read, favor, comments)
    stated = metadata(page, html_facts(page), url)
    address = url or stated.canonical or ""
    elements = _elements(read)
    runs = block_runs(read, page, address)
    weights = contributions(extractor.model, read.features)
    blocks = []
    for row, fields in enumerate(read.blocks.tolist()):
        blocks.append(
            Block(
                "".join(run.text for run in runs[row]),
                runs[row],
                elements[fields[html_blocks.ELEMENT]],
                row > 0 and fields[html_blocks.GAP] == html_blocks.LINE,
                float(probabilities[row]),
                bool(keep[row]),
                strongest(read.features[row], weights[row]),
            )
        )
    return Page(address, extractor.join(read, keep), stated, blocks, float(threshold), read.stopped)


def _elements(read: Read) -> dict[int, Element]:
    """The elements around blocks, by number."""
    wanted = np.zeros(len(read.elements), np.bool_)
    rows = read.elements.tolist()
    for number in read.blocks[:, html_blocks.ELEMENT].tolist():
        while number >= 0 and not wanted[number]:
            wanted[number] = True
            number = rows[number][html_blocks.PARENT]
    starts = {
        mark[html_blocks.MARK_START]: mark[html_blocks.MARK_END]
        for mark in read.marks.tolist()
        if mark[html_blocks.MARK_KIND] == html_blocks.NUMBERED
    }
    made: dict[int, Element] = {}
    for number in np.flatnonzero(wanted).tolist():  # parents come first
        row = rows[number]
        tag, parent = TAG_NAMES[row[html_blocks.NAME]], made.get(row[html_blocks.PARENT])
        made[number] = Element(
            tag,
            parent,
            row[html_blocks.ORDER],
            row[html_blocks.BEHIND] - row[html_blocks.FIRST],
            starts.get(number),
            KINDS.get(tag) or (parent.kind if parent else "text"),
        )
    return made
