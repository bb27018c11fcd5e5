"""BPE as tokenizers' BpeTrainer learns it, spelled out: the oracle for what the trainer itself cannot be asked."""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

Pair = tuple[int, int]


@dataclass
class Learned:
    merges: list[tuple[Pair, int]]
    ambiguous: bool  # whether two entries of one pair were first with the same count: the trainer may take either


@dataclass(eq=False)
class Entry:
    pair: Pair
    count: int
    words: set[int]

    def rank(self) -> tuple[int, Pair]:
        return -self.count, self.pair


def learn(
    words: Sequence[Sequence[int]], counts: Sequence[int], pieces: Sequence[bytes], merges: int, min_frequency: int
) -> Learned:
    symbols, texts = [list(word) for word in words], list(pieces)
    ids = {text: index for index, text in enumerate(texts)}
    totals: Counter[Pair] = Counter()
    queue: list[Entry] = []
    came_up: dict[Pair, set[int]] = {}

    def enqueue() -> None:
        for pair, where in came_up.items():
            if totals[pair] > 0:
                queue.append(Entry(pair, totals[pair], where))
        came_up.clear()

    for index, word in enumerate(symbols):
        for pair in itertools.pairwise(word):
            totals[pair] += counts[index]
            came_up.setdefault(pair, set()).add(index)
    enqueue()
    learned: dict[Pair, int] = {}
    ambiguous = False
    while len(texts) < len(pieces) + merges and queue:
        top = min(queue, key=Entry.rank)  # of equal ones the first: the oldest
        if top.count != totals[top.pair]:
            top.count = totals[top.pair]
            continue
        if top.count < max(1, min_frequency):
            break
        ambiguous |= any((other.pair, other.count) == (top.pair, top.count) for other in queue if other is not top)
        queue.remove(top)
        text = texts[top.pair[0]] + texts[top.pair[1]]
        if text not in ids:
            ids[text] = len(texts)
            texts.append(text)
        learned.pop(top.pair, None)  # merged again: its rank is the last one
        learned[top.pair] = ids[text]
        for index in top.words:
            for pair, change in merge(symbols[index], top.pair, ids[text]):
                totals[pair] += change * counts[index]
                if change > 0:
                    came_up.setdefault(pair, set()).add(index)
        enqueue()
    return Learned(list(learned.items()), ambiguous)


def merge(word: list[int], pair: Pair, token: int) -> list[tuple[Pair, int]]:
    """Merges a pair in a word, from the left; gives the changes of the pairs around it, one after the other."""
    changes = []
    at = 0
    while at + 1 < len(word):
        if (word[at], word[at + 1]) == pair:
            if at:
                changes += [((word[at - 1], pair[0]), -1), ((word[at - 1], token), 1)]
            word[at : at + 2] = [token]
            if at + 1 < len(word):
                changes += [((pair[1], word[at + 1]), -1), ((token, word[at + 1]), 1)]
        at += 1
    return changes
