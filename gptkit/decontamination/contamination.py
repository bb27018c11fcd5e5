"""The n-grams of what is protected: which of them cut training documents, and which each item is judged by.

Report: an item's n-grams have N words, N being the 5th percentile of the lengths of its set's items,
8 at least and 13 at most; an item that shares one with the training data is dirty (GPT-3, appendix C).
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from gptkit.data.arrays import distinct, load_array, save_array
from gptkit.decontamination.references import Reference, ReferenceItem
from gptkit.decontamination.settings import LEAST_N, MOST_N, DecontaminateSettings
from gptkit.errors import GptkitError
from gptkit.kernels import grams
from gptkit.kernels.columns import string_arrays
from gptkit.kernels.grams import GramTable

PERCENTILE = 5
MOST_GRAMS = 50_000_000  # with repetitions; about 100 bytes of memory each while the table is made
MOST_TEXT = 1_000_000_000  # characters of one set
TOO_MUCH = "are too many to protect; gptkit dedup --against removes what is near a large set"


@dataclasses.dataclass(frozen=True)
class ReferenceSet:
    """What is known of a task or of data files before the training data are read."""

    name: str
    digest: str
    n: int  # words of the n-grams of the report
    cut_n: int  # words of the n-grams that cut
    protected: int  # items, of all splits
    short: int  # of these, too short to have an n-gram that cuts
    evaluated: list[tuple[str, int]]  # split and index of the items that are reported


@dataclasses.dataclass(frozen=True)
class Contamination:
    """All n-grams of all sets, numbered by ascending key."""

    sets: list[ReferenceSet]
    keys: np.ndarray  # uint64 [grams]
    checks: np.ndarray  # uint64 [grams]
    owners: np.ndarray  # int64 [pairs, 2]: an n-gram that cuts, and the number of a set that has it; ordered
    item_grams: (
        np.ndarray
    )  # int64 [pairs, 2]: an evaluated item, numbered through all sets, and an n-gram of it; ordered

    @property
    def sizes(self) -> list[int]:
        """The different n."""
        return sorted({n for one in self.sets for n in (one.n, one.cut_n)})

    def table(self) -> GramTable:
        """The table that finds all of them."""
        return grams.make_table(self.keys, self.checks, self.sizes)


class _Gathered:
    """Keys of n-grams of texts, with the number of whatever each text belongs to."""

    def __init__(self) -> None:
        self.keys: list[np.ndarray] = []
        self.checks: list[np.ndarray] = []
        self.numbers: list[np.ndarray] = []
        self.total = 0

    def add(self, texts: list[str], numbers: list[int], n: int) -> np.ndarray:
        """Adds the n-grams of texts; gives the number of each."""
        content, starts = _arrays(texts)
        words = grams.count_words(content, starts, grams.word_characters())
        self.total += int(np.maximum(0, words - n + 1).sum())
        if self.total > MOST_GRAMS:
            raise GptkitError(f"--against: over {MOST_GRAMS:,} n-grams {TOO_MUCH}")
        keys, checks, documents = grams.gram_keys(content, starts, words, n, grams.power(n), grams.word_characters())
        self.keys.append(keys)
        self.checks.append(checks)
        self.numbers.append(np.array(numbers, np.int64)[documents])
        return self.numbers[-1]


def gather(references: Sequence[Reference], settings: DecontaminateSettings) -> Contamination:
    """Reads what is protected. Raises GptkitError where it cannot be read, or has too many n-grams, or none."""
    cutting, judged = _Gathered(), _Gathered()
    cutting_sets: list[np.ndarray] = []
    sets: list[ReferenceSet] = []
    before = 0  # evaluated items of earlier sets
    for number, reference in enumerate(references):
        items = _read(reference, settings)
        evaluated = [item for item in items if item.evaluated]
        n = _length(evaluated or items)
        cut_n = n if settings.task_ngram else settings.ngram
        texts = [(text, place) for place, item in enumerate(items) for text in (*item.reported, *item.further)]
        found = cutting.add([text for text, _ in texts], [place for _, place in texts], cut_n)
        cutting_sets.append(np.full(len(found), number, np.int64))
        texts = [(text, before + place) for place, item in enumerate(evaluated) for text in item.reported]
        judged.add([text for text, _ in texts], [place for _, place in texts], n)
        before += len(evaluated)
        short = len(items) - len(distinct(found))
        places = [(item.split, item.index) for item in evaluated]
        sets.append(ReferenceSet(reference.name, reference.entry["digest"], n, cut_n, len(items), short, places))
    keys, first = np.unique(np.concatenate([*cutting.keys, *judged.keys]), return_index=True)
    if len(keys) == 0:
        shortest = min(one.cut_n for one in sets)
        raise GptkitError(f"--against: nothing that is protected has {shortest} words, so nothing could be found")
    checks = np.concatenate([*cutting.checks, *judged.checks])[first]
    owners = _pairs(np.searchsorted(keys, np.concatenate(cutting.keys)), np.concatenate(cutting_sets))
    item_grams = _pairs(np.concatenate(judged.numbers), np.searchsorted(keys, np.concatenate(judged.keys)))
    return Contamination(sets, keys, checks, owners, item_grams)


def _read(reference: Reference, settings: DecontaminateSettings) -> list[ReferenceItem]:
    items, characters = [], 0
    for item in reference.items(settings):
        items.append(item)
        characters += sum(map(len, (*item.reported, *item.further)))
        if characters > MOST_TEXT:
            raise GptkitError(f"--against {reference.name}: over {MOST_TEXT:,} characters {TOO_MUCH}")
    return items


def _length(items: Sequence[ReferenceItem]) -> int:
    """Words of the n-grams of a set: what 5 % of its items have at most, within the bounds."""
    content, starts = _arrays([item.reported[0] for item in items])
    words = grams.count_words(content, starts, grams.word_characters())
    return int(np.clip(np.percentile(words, PERCENTILE), LEAST_N, MOST_N))


def _arrays(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    # JSON can hold half a surrogate pair, which has no UTF-8
    sound = [text if text.isascii() else text.encode("utf-8", "replace").decode() for text in texts]
    return string_arrays(pa.array(sound, pa.large_string()))


def _pairs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The different pairs, ordered; int64 [pairs, 2]."""
    width = int(second.max(initial=0)) + 1
    joined = distinct(first.astype(np.int64) * width + second)
    return np.stack([joined // width, joined % width], axis=1)


def save_table(folder: Path, table: GramTable) -> None:
    """Writes a table for workers to map into memory."""
    for name, array in table._asdict().items():
        save_array(folder / f"{name}.npy", array)


def load_table(folder: Path) -> GramTable:
    """Maps a table: all workers of a machine share one copy."""
    return GramTable(*(np.asarray(load_array(folder / f"{name}.npy", mapped=True)) for name in GramTable._fields))


def warm_up() -> None:
    """Compiles the kernels."""
    content, starts = _arrays(["one two"])
    words = grams.count_words(content, starts, grams.word_characters())
    keys, checks, _ = grams.gram_keys(content, starts, words, 2, grams.power(2), grams.word_characters())
    table = grams.make_table(keys, checks, [2])
    grams.removals(content, starts, grams.find_grams(content, starts, table, grams.word_characters()), 1)
