"""Which blocks of a page a text is made of: what both have in the same order.

A long block is found by its words alone. A short one (a date, a heading, a name) may stand in the
navigation too, so it is kept only where its words follow, in the text, those of blocks near it in the page.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gptkit.extraction.truth import words

SHINGLE = 3  # words
LONG_CHARACTERS = 25  # of a block that is found by its words alone
LONG_WORDS = 4
MOST_PLACES = 64  # of one block in the text; one that is more common says nothing about where it is
CHAINS = 3  # parts of a page that the text may have in another order
SPAN_COST = 0.02  # words that a chain must gain for each block it reaches further: of two headings the nearer one
NEAR_BLOCKS = 6
NEAR_WORDS = 3
HALF = 0.5  # of a long block's shingles, from which on it is kept


@dataclass(frozen=True)
class Alignment:
    """What of a page's blocks is in a text."""

    kept: np.ndarray  # bool [blocks]
    certainty: np.ndarray  # float32 [blocks], 0 to 1
    coverage: float  # share of the text's words that blocks account for


@dataclass(frozen=True)
class _Match:
    """Words [start, end) of the text are a block's; `gain` of them are the same."""

    block: int
    start: int
    end: int
    gain: float


def align(blocks: Sequence[str], text: str) -> Alignment:
    """Aligns the texts of a page's blocks, in page order, with a text taken from the page.

    The time grows with the words of both, and with `MOST_PLACES` for each block.
    """
    split = [words(block) for block in blocks]
    target = words(text)
    places = _index(target)
    owner = np.full(len(target), -1, np.int64)  # block of each word of the text
    matches = [match for number, block in enumerate(split) for match in _candidates(number, block, target, places)]
    for _ in range(CHAINS):
        free = [match for match in matches if owner[match.start : match.end].max() < 0]
        chain = _heaviest_chain(free, len(target))
        if not chain:
            break
        for match in chain:
            owner[match.start : match.end] = match.block
        taken = {match.block for match in chain}
        matches = [match for match in free if match.block not in taken]
    _fill(split, target, owner)
    return _decide(blocks, split, target, places, owner, _line_bounds(text))


Places = dict[tuple[str, ...], list[int]]


def _index(target: list[str]) -> Places:
    """Where each run of one to `SHINGLE` words begins."""
    places: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    for size in range(1, SHINGLE + 1):
        for start, run in enumerate(zip(*(target[i:] for i in range(size)), strict=False)):
            places[run].append(start)
    return dict(places)


def _candidates(number: int, block: list[str], target: list[str], places: Places) -> list[_Match]:
    if not block:
        return []
    size = len(block)
    starts = places.get(tuple(block[:SHINGLE]), [])
    if len(starts) <= MOST_PLACES:
        exact = [at for at in starts if target[at : at + size] == block]
        if exact:
            return [_Match(number, at, at + size, size) for at in exact]
    # else about where most of its shingles are; at least a quarter of them
    votes: Counter[int] = Counter()
    for offset in range(size - SHINGLE + 1):
        found = places.get(tuple(block[offset : offset + SHINGLE]), [])
        if len(found) <= MOST_PLACES:
            votes.update(at - offset for at in found)
    if not votes:
        return []
    diagonal, count = votes.most_common(1)[0]
    if 4 * count < size - SHINGLE + 1:
        return []
    return [_Match(number, max(0, diagonal), min(len(target), diagonal + size), count)]


def _heaviest_chain(matches: list[_Match], size: int) -> list[_Match]:
    """The matches of rising blocks and places without overlap that gain most, less what their span costs.

    Weighted longest increasing subsequence, with a Fenwick tree of prefix maxima over the text.
    """
    best = [(0.0, -1)] * (size + 1)  # of chains that end at or before a word: score, last match
    scores: list[tuple[float, int]] = []  # of the best chain that ends in each match, and the match before
    first = 0
    while first < len(matches):
        last = first
        while last < len(matches) and matches[last].block == matches[first].block:
            match = matches[last]
            # a chain costs its last block less its first, which is credited to it where it begins
            score, before = max(_prefix(best, match.start), (SPAN_COST * match.block, -1))
            scores.append((match.gain + score, before))
            last += 1
        for number in range(first, last):  # a block is matched once, so its matches do not follow each other
            _raise(best, matches[number].end, (scores[number][0], number))
        first = last
    if not scores:
        return []
    number = max(range(len(scores)), key=lambda i: scores[i][0] - SPAN_COST * matches[i].block)
    chain = []
    while number >= 0:
        chain.append(matches[number])
        number = scores[number][1]
    return chain[::-1]


def _prefix(tree: list[tuple[float, int]], place: int) -> tuple[float, int]:
    found = (0.0, -1)
    place += 1
    while place > 0:
        found = max(found, tree[place - 1])
        place -= place & -place
    return found


def _raise(tree: list[tuple[float, int]], place: int, value: tuple[float, int]) -> None:
    place += 1
    while place <= len(tree):
        tree[place - 1] = max(tree[place - 1], value)
        place += place & -place


def _fill(split: list[list[str]], target: list[str], owner: np.ndarray) -> None:
    """Gives words that follow those of a block at once to the next block, where they are its words."""
    last: dict[int, int] = {int(block): at for at, block in enumerate(owner) if block >= 0}
    cursor = 0
    for number, block in enumerate(split):
        if number in last:
            cursor = last[number] + 1
            continue
        end = cursor + len(block)
        if block and target[cursor:end] == block and owner[cursor:end].max() < 0:
            owner[cursor:end] = number
            cursor = end


def _line_bounds(text: str) -> list[int]:
    """The number of words before each line, and of all."""
    bounds = [0]
    for line in text.splitlines():
        bounds.append(bounds[-1] + len(words(line)))
    return bounds


def _decide(
    blocks: Sequence[str],
    split: list[list[str]],
    target: list[str],
    places: Places,
    owner: np.ndarray,
    bounds: list[int],
) -> Alignment:
    kept, certainty = np.zeros(len(blocks), bool), np.ones(len(blocks), np.float32)
    copies = Counter(map(tuple, split))
    spans: dict[int, tuple[int, int]] = {}
    for at, number in enumerate(owner.tolist()):
        if number >= 0:
            spans[number] = (spans.get(number, (at, at))[0], at + 1)
    for number, block in enumerate(split):
        if len(block) >= LONG_WORDS and len(blocks[number]) >= LONG_CHARACTERS:
            shingles = [tuple(block[i : i + SHINGLE]) for i in range(len(block) - SHINGLE + 1)]
            share = sum(shingle in places for shingle in shingles) / len(shingles)
            kept[number], certainty[number] = share >= HALF, abs(2 * share - 1)
            if kept[number] and number not in spans and copies[tuple(block)] > 1:
                # one of several copies, as a headline in a list of links: the one in order is meant
                in_text = min(len(places[shingle]) for shingle in shingles if shingle in places)
                if in_text < copies[tuple(block)]:
                    kept[number], certainty[number] = False, HALF
        else:
            kept[number] = number in spans and _in_company(number, *spans[number], owner, bounds)
            if not kept[number] and tuple(block[:SHINGLE]) in places:  # its words are meant elsewhere, it seems
                certainty[number] = HALF
    for number, block in enumerate(split):
        if not block:  # bullets and dashes go with what stands around them
            around = [*kept[max(0, number - 1) : number], *kept[number + 1 : number + 2]]
            kept[number], certainty[number] = bool(around) and all(around), HALF
    return Alignment(kept, certainty, float((owner >= 0).mean()) if len(target) else 0.0)


def _in_company(number: int, start: int, end: int, owner: np.ndarray, bounds: list[int]) -> bool:
    """Whether words of a block near it stand beside its words in the text, or they are whole lines of it."""
    beside = np.concatenate([owner[max(0, start - NEAR_WORDS) : start], owner[end : end + NEAR_WORDS]])
    if ((beside >= 0) & (abs(beside - number) <= NEAR_BLOCKS)).any():
        return True
    return all(bounds[bisect_right(bounds, place) - 1] == place for place in (start, end))
