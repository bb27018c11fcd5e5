"""What the blocks of a page are for training: main text or not, and how much that counts.

Truth comes first: phrases that the main text has or has not, then the whole main text where it is known.
Else the labels are weak: what other extractors keep.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate

import numpy as np

from gptkit.extraction.alignment import Alignment, align
from gptkit.extraction.truth import LabelledPage, folded

PHRASE_WEIGHT = 12.0
ARTICLE_WEIGHT = 2.0  # where the main text is known, beside weak labels
LEAST_CERTAIN = 0.25


def base_weights(blocks: Sequence[str]) -> np.ndarray:
    """What each block counts by its length, and by how many there are; float32 [blocks].

    √(characters / 60) within 0.25 … 3, times √(80 / blocks): a page counts for more than one of its
    blocks, but less than in proportion to them.
    """
    lengths = np.array([len(block) for block in blocks], np.float32)
    return np.clip(np.sqrt(lengths / 60), 0.25, 3) * np.float32(np.sqrt(80 / max(1, len(blocks))))


def block_labels(blocks: Sequence[str], page: LabelledPage, weak: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The label of each block, 0 to 1, and its weight; both float32 [blocks].

    `blocks` are the texts of the page's blocks in page order, white space folded; `weak` are texts that
    other extractors took from the page. Without any of them, and without truth, weights are 0.
    """
    weight = base_weights(blocks)
    if page.article:
        found = align(blocks, page.article)
        label = found.kept.astype(np.float32)
        # a text that is not on the page (but in a script, say) says little of what is
        weight *= ARTICLE_WEIGHT * np.maximum(found.certainty, LEAST_CERTAIN) * min(1.0, 2 * found.coverage)
    elif weak:
        votes: list[Alignment] = [align(blocks, text) for text in weak]
        label = np.mean([vote.kept for vote in votes], axis=0, dtype=np.float32)
        weight *= np.maximum(np.mean([vote.certainty for vote in votes], axis=0), LEAST_CERTAIN)
    else:
        label, weight = np.zeros_like(weight), np.zeros_like(weight)
    _apply_phrases(blocks, page, label, weight)
    return label, weight


def _apply_phrases(blocks: Sequence[str], page: LabelledPage, label: np.ndarray, weight: np.ndarray) -> None:
    """Sets label and weight of the blocks with a phrase; a block with phrases of both kinds is main text."""
    before = label.copy()
    joined = _Joined(blocks)
    for phrase in page.without:
        for touched in joined.find(phrase):
            label[touched], weight[touched] = 0, PHRASE_WEIGHT
    for phrase in page.with_:
        found = list(joined.find(phrase))
        # one place is enough; of several (a headline and links to it) those are meant that were labelled so
        meant = [touched for touched in found if before[touched].mean() >= 0.5] or found
        for touched in meant:
            label[touched], weight[touched] = 1, PHRASE_WEIGHT / len(meant)


class _Joined:
    """The blocks as one text, to find phrases that several of them hold together."""

    def __init__(self, blocks: Sequence[str]) -> None:
        self.spaced = " ".join(blocks)
        self.packed = "".join(map(_packed, blocks))
        self.spaced_ends = list(accumulate(len(block) + 1 for block in blocks))
        self.packed_ends = list(accumulate(len(_packed(block)) for block in blocks))

    def find(self, phrase: str) -> Iterator[slice]:
        """The blocks that each place of a phrase touches; without regard to white space if there is no other."""
        places = list(_places(self.spaced, folded(phrase), self.spaced_ends))
        yield from places or _places(self.packed, _packed(phrase), self.packed_ends)


def _packed(text: str) -> str:
    return "".join(text.split())


def _places(text: str, phrase: str, ends: list[int]) -> Iterator[slice]:
    for match in re.finditer(re.escape(phrase), text):
        first, last = np.searchsorted(ends, [match.start(), match.end() - 1], side="right")
        yield slice(int(first), int(last) + 1)
