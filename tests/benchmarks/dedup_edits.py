"""Pairs of documents that differ by known amounts: real text of which words are replaced until a wanted similarity."""

import dataclasses
import random
from collections.abc import Iterator, Sequence

import corpora
from dedup_jaccard import NGRAM, jaccard, shingles, words

TARGETS = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
LENGTHS = (100, 400)  # words
SEED = 11


@dataclasses.dataclass(frozen=True)
class Pair:
    """A text, the same text edited, and their exact Jaccard similarity."""

    name: str
    target: float
    one: str
    other: str
    similarity: float

    @property
    def rows(self) -> list[dict[str, str]]:
        """Both as documents."""
        return [{"id": f"{self.name} a", "text": self.one}, {"id": f"{self.name} b", "text": self.other}]


def pairs(each: int, targets: Sequence[float] = tuple(TARGETS)) -> Iterator[Pair]:
    """`each` pairs of every wanted similarity, from stretches of text/mixed.

    A pair's words carry its number, so that it has nothing in common with any other pair.
    """
    generator = random.Random(SEED)
    texts = [row["text"] for row in corpora.rows(corpora.MIXED)]
    number = 0
    while number < each * len(targets):
        found = words(generator.choice(texts)[:20_000])
        length = generator.randint(*LENGTHS)
        if len(found) < length:
            continue
        first = generator.randint(0, len(found) - length)
        own = [f"{word}{number}" for word in found[first : first + length]]
        target = targets[number % len(targets)]
        other = edited(own, target, generator)
        one, two = " ".join(own), " ".join(other)
        yield Pair(f"{number:06d}", target, one, two, jaccard(shingles(one), shingles(two)))
        number += 1


def edited(own: Sequence[str], target: float, generator: random.Random) -> list[str]:
    """Replaces words one by one, at random places, as long as that comes nearer to the similarity.

    With k of n shingles replaced the similarity is (n - k) / (n + k).
    """
    count = len(own) - NGRAM + 1
    wanted = count * (1 - target) / (1 + target)
    changed = [False] * count
    result, done = list(own), 0
    for place in generator.sample(range(len(own)), len(own)):
        hit = [start for start in range(max(0, place - NGRAM + 1), min(place, count - 1) + 1) if not changed[start]]
        if abs(done + len(hit) - wanted) < abs(done - wanted):
            result[place] = f"{own[place]}x"
            done += len(hit)
            for start in hit:
                changed[start] = True
    return result
