"""One number for every document of a run, and what was written down of it when it was signed.

The documents are numbered portion by portion: those to be deduplicated, then those of reference
sets, then those of an index. What is known of a portion's documents lies in arrays of its own,
`STEM.NAME.npy`.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from gptkit.data.arrays import load_array

Role = Literal["input", "reference", "index"]
ROLES: tuple[Role, ...] = ("input", "reference", "index")


@dataclasses.dataclass(frozen=True)
class Numbering:
    """Where each portion's numbers begin, and how much its documents are wanted."""

    folder: Path
    firsts: tuple[int, ...]  # one more than portions: the last is the number of documents
    roles: tuple[Role, ...]
    sources: tuple[str, ...]
    tiers: tuple[int, ...]  # the lower, the more wanted; below 0 the documents stay in any case
    merits: bool  # whether documents have a merit of their own (the keep rule)

    @property
    def documents(self) -> int:
        """Documents in all."""
        return self.firsts[-1]

    def stem(self, portion: int) -> Path:
        """What the names of a portion's files begin with."""
        return self.folder / f"{portion:06d}"

    @property
    def stems(self) -> list[Path]:
        """The stem of each portion."""
        return [self.stem(portion) for portion in range(len(self.roles))]

    def portions(self, documents: np.ndarray) -> np.ndarray:
        """The portion of each document; int64 [n]."""
        return np.searchsorted(np.array(self.firsts), documents, side="right") - 1

    def by_portion(self, documents: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Each portion that has some of the documents, and where in `documents` these stand."""
        portions = self.portions(documents)
        order = np.argsort(portions, kind="stable")
        found, starts = np.unique(portions[order], return_index=True)
        ends = np.append(starts, len(order))
        for place, portion in enumerate(found.tolist()):
            yield portion, order[ends[place] : ends[place + 1]]

    def values(self, documents: np.ndarray, name: str, kind: type) -> np.ndarray:
        """What the portions' arrays `name` say of documents; [n] of dtype `kind`."""
        result: np.ndarray = np.empty(len(documents), kind)
        for portion, places in self.by_portion(documents):
            array = load_array(self.stem(portion).with_suffix(f".{name}.npy"), mapped=True)
            result[places] = array[documents[places] - self.firsts[portion]]
        return result

    def pinned(self, documents: np.ndarray) -> np.ndarray:
        """Whether each stays in any case; bool [n]."""
        return np.array(self.tiers)[self.portions(documents)] < 0

    def order(self, groups: np.ndarray, documents: np.ndarray) -> np.ndarray:
        """Sorts documents by group, and within it by how much each is wanted: what `--keep` and `--prefer` say."""
        keys = [documents]
        if self.merits:
            keys.append(-self.values(documents, "merit", np.float64))
        keys += [np.array(self.tiers)[self.portions(documents)], groups]
        return np.lexsort(keys)
