"""The fast extractor: main text straight from the bytes of pages, without a tree of them."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gptkit.extraction.model import Model, load, own_model
from gptkit.kernels import html_blocks
from gptkit.kernels.block_columns import WIDTH
from gptkit.kernels.block_features import Scratch, features
from gptkit.kernels.block_text import tables
from gptkit.kernels.characters import character_flags
from gptkit.kernels.extraction import extract_pages
from gptkit.kernels.html_blocks import COUNTS, STOPPED, STOPS, TITLE_END, TITLE_START, Buffers, Limits, read_page
from gptkit.kernels.html_names import attribute_tables, tag_tables, word_trie
from gptkit.kernels.html_syntax import references
from gptkit.kernels.html_text import choose, join
from gptkit.kernels.trees import probabilities

LIMITS = Limits()
BEHIND = "what is behind is left out"
LEFT_OUT = {"bytes": BEHIND, "elements": BEHIND, "blocks": BEHIND, "depth": "what is nested deeper counts as less deep"}


@dataclass(frozen=True)
class Read:
    """A page as it was read: its blocks of text in order. Views of buffers that the next page overwrites."""

    elements: np.ndarray  # int32 [elements, ELEMENT_FIELDS]
    masks: np.ndarray  # uint64 [elements]
    blocks: np.ndarray  # int32 [blocks, BLOCK_FIELDS]
    text: np.ndarray  # uint8, valid UTF-8
    marks: np.ndarray  # int32 [marks, MARK_FIELDS]
    features: np.ndarray  # uint8 [blocks, WIDTH]
    stopped: str  # which limit the page went beyond: bytes, elements, blocks or depth; empty for none

    def texts(self) -> list[str]:
        """The text of each block."""
        content = self.text.tobytes()
        return [content[start:end].decode() for start, end in self.blocks[:, [html_blocks.START, html_blocks.END]]]


class FastExtractor:
    """Working memory for one thread: about 15 MB, more for pages of several megabytes."""

    def __init__(self, model: Model | None = None, limits: Limits = LIMITS) -> None:
        self._model = model
        self.limits = limits
        self._buffers = Buffers(limits)
        self._scratch = Scratch(limits.blocks, limits.elements)
        self._features = np.empty((limits.blocks, WIDTH), np.uint8)
        self._probabilities = np.empty(limits.blocks, np.float32)
        self._keep = np.empty(limits.blocks, np.bool_)
        self._out = np.empty(len(self._buffers.text) + 2 * limits.blocks, np.uint8)
        self._names = (*tag_tables(), *attribute_tables(), *word_trie(), *references())
        self._words = (*tables(), character_flags())

    @property
    def model(self) -> Model:
        """The model it was given, or the package's own, which is read when first needed: training needs none."""
        return self._model or own_model()

    def texts(
        self, pages: Sequence[bytes], favor: str = "balanced", comments: bool = False
    ) -> tuple[list[str], list[str]]:
        """The main text of pages (valid UTF-8), and which limit each went beyond (empty for none)."""
        starts = np.cumsum([0, *map(len, pages)], dtype=np.int64)
        content = _bytes(b"".join(pages))
        told = np.empty((len(pages), COUNTS), np.int64)
        ends = np.empty(len(pages), np.int64)
        texts: list[str] = []
        while len(texts) < len(pages):
            first = len(texts)
            done = extract_pages(
                content,
                starts[first:],
                self._names,
                self._words,
                self._buffers.arrays,
                (*self._scratch.arrays, self._features, self._probabilities, self._keep),
                self.model.arrays,
                self.limits.bytes,
                self.model.threshold(favor),
                comments,
                self._out,
                ends,
                told[first:],
            )
            begin = 0
            for end in ends[:done].tolist():
                texts.append(self._out[begin:end].tobytes().decode())
                begin = end
        return texts, [STOPS[stop] for stop in told[:, STOPPED].tolist()]

    def read(self, page: bytes, with_marks: bool = False) -> Read:
        """The blocks of one page (valid UTF-8) and their features."""
        content, b, counts = _bytes(page), self._buffers, self._buffers.counts
        read_page(content, *self._names, *b.arrays, self.limits.bytes, with_marks)
        number, rows, size = (
            int(counts[field]) for field in (html_blocks.ELEMENTS, html_blocks.BLOCKS, html_blocks.TEXT)
        )
        features(
            content, counts[TITLE_START], counts[TITLE_END], b.elements, number, b.masks, b.looks, b.blocks, rows, b.text,
            self._names[2], *self._words, *self._scratch.arrays, self._features,
        )  # fmt: skip
        return Read(
            b.elements[:number],
            b.masks[:number],
            b.blocks[:rows],
            b.text[:size],
            b.marks[: counts[html_blocks.MARKS]],
            self._features[:rows],
            STOPS[counts[STOPPED]],
        )

    def choose(
        self, page: Read, favor: str = "balanced", comments: bool = False
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """The probability of each block (float32), which are kept (bool), and the threshold that was used."""
        rows = len(page.blocks)
        probabilities(self._features, rows, *self.model.arrays, self._probabilities)
        found = self._probabilities[:rows].copy()
        return found, *self.cut(page, found, self.model.threshold(favor), comments)

    def cut(self, page: Read, found: np.ndarray, threshold: float, comments: bool = False) -> tuple[np.ndarray, float]:
        """Which blocks of such probabilities (float32 [blocks]) are kept (bool), and the threshold that was used.

        It is lower than the one given where too little would be kept (see `kernels.html_text.choose`).
        """
        rows = len(page.blocks)
        used = choose(
            page.elements,
            page.masks,
            page.blocks,
            rows,
            page.text,
            page.features,
            found,
            threshold,
            comments,
            self._keep,
        )
        return self._keep[:rows].copy(), used

    def join(self, page: Read, keep: np.ndarray) -> str:
        """The text of the blocks that are kept (bool [blocks])."""
        end = join(page.elements, page.blocks, len(page.blocks), page.text, keep, self._out, 0)
        return str(self._out[:end].tobytes().decode())


@functools.lru_cache(2)
def extractor(model: str | None = None) -> FastExtractor:
    """The extractor of this process, with a model's file or the model that comes with the package.

    Raises GptkitError where the file is no such model.
    """
    return FastExtractor(load(Path(model)) if model else None)


def _bytes(content: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.frombuffer(content, np.uint8)
