"""Shingles and Jaccard similarity in plain Python, and all pairs above a threshold: what gptkit is held against.

Nothing here comes from gptkit: words are found by Python's own tables of characters.
"""

import itertools
import math
import unicodedata
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import xxhash

NGRAM = 5
UNSPACED = ("CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")


class _Words(dict[int, str]):
    """For str.translate: a character of a word in lower case, apart where it is a word by itself; else a space."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if unicodedata.category(character)[0] == "M":
            found = character
        elif not character.isalnum():
            found = " "
        else:
            lower = character.lower()
            found = lower if len(lower) == 1 else character
            if character.isalpha() and unicodedata.name(character, "").startswith(UNSPACED):
                found = f" {found}\0"
        self[code] = found
        return found


_WORDS = _Words()


def words(text: str) -> list[str]:
    """Runs of letters, numbers and marks in lower case; a letter of a script without spaces is one with its marks."""
    translated = text.translate(_WORDS)
    if "\0" in translated:
        translated = "".join(_apart(translated))
    return [word for word in map(_without_leading_marks, translated.split()) if word]


def _apart(translated: str) -> list[str]:
    """Puts a space behind each letter that is marked by \\0, and behind the marks that follow it."""
    pieces, alone = [], False
    for character in translated:
        if character == "\0":
            alone = True
        elif alone and unicodedata.category(character)[0] != "M":
            pieces += [" ", character]
            alone = False
        else:
            pieces.append(character)
    return pieces


def _without_leading_marks(word: str) -> str:
    while word and not word[0].isalnum() and unicodedata.category(word[0])[0] == "M":
        word = word[1:]
    return word


def shingles(text: str, ngram: int = NGRAM) -> set[str]:
    """The set of word n-grams; a text of fewer words has one of them all, one without words none."""
    found = words(text)
    if len(found) < ngram:
        return {" ".join(found)} if found else set()
    return {" ".join(found[place : place + ngram]) for place in range(len(found) - ngram + 1)}


def jaccard(one: set[str], other: set[str]) -> float:
    """|A ∩ B| / |A ∪ B|; 0 where both are empty."""
    common = len(one & other)
    total = len(one) + len(other) - common
    return common / total if total else 0.0


def hashed(texts: Sequence[str]) -> list[np.ndarray]:
    """Each text's shingles as 64-bit hashes, ascending; uint64."""
    return [
        np.array(sorted(map(xxhash.xxh3_64_intdigest, map(str.encode, shingles(text)))), np.uint64) for text in texts
    ]


def all_pairs(sets: Sequence[np.ndarray], threshold: float) -> dict[tuple[int, int], float]:
    """Every pair (i < j) of Jaccard similarity of at least `threshold`, with it. Exact.

    Two sets that similar share one of the |A| - ceil(t·|A|) + 1 shingles of each that are rarest in
    all (the prefix filter: Chaudhuri, Ganti, Kaushik 2006; Bayardo, Ma, Srikant 2007), so only these are indexed.
    """
    shingle, counts = np.unique(np.concatenate(sets), return_counts=True)
    rank = np.empty(len(shingle), np.int64)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(shingle))
    postings: dict[int, list[int]] = defaultdict(list)
    found = {}
    for number, each in enumerate(sets):
        size = len(each)
        prefix = np.sort(rank[np.searchsorted(shingle, each)])[: size - math.ceil(threshold * size) + 1]
        near = set(itertools.chain.from_iterable(postings[place] for place in prefix.tolist()))
        for other in near:
            if min(size, len(sets[other])) >= threshold * max(size, len(sets[other])):
                common = len(np.intersect1d(each, sets[other], assume_unique=True))
                similarity = common / (size + len(sets[other]) - common)
                if similarity >= threshold:
                    found[other, number] = similarity
        for place in prefix.tolist():
            postings[place].append(number)
    return found
