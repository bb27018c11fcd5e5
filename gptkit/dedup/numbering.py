"""One number for every document of a run, and what was written down of it when it was signed.

The documents are numbered portion by portion: those to be deduplicated, then those of reference
sets, then those of an index. What is known of a portion's documents lies in arrays of its own,
`STEM.NAME.npy`.
"""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gptkit.data.arrays import load_array
from gptkit.data.files import beside, read_json, write_json

Role = Literal["input", "reference", "index"]
TABLE = "numbering.json"


@dataclasses.dataclass(frozen=True)
class Lot:
    """A portion's documents, or those of a file of an index."""

    documents: int
    role: Role
    source: str
    tier: int  # the lower, the more wanted; below 0 the documents stay in any case


@dataclasses.dataclass(frozen=True)
class Numbering:
    """Where each portion's numbers begin, and how much its documents are wanted.

    It lies in a file of its own: a task carries its name, however many portions there are.
    """

    folder: Path

    @staticmethod
    def make(folder: Path, lots: Sequence[Lot], merits: bool) -> "Numbering":
        """Writes the file. merits: whether documents have a merit of their own (the keep rule)."""
        write_json(folder / TABLE, {"merits": merits, "lots": [dataclasses.astuple(lot) for lot in lots]})
        return Numbering(folder)

    @property
    def _table(self) -> "_Table":
        state = (self.folder / TABLE).stat()
        return _read_table(self.folder / TABLE, state.st_mtime_ns, state.st_ino)

    @property
    def firsts(self) -> list[int]:
        """The first number of each portion, and the number of documents behind them."""
        return self._table.firsts

    @property
    def roles(self) -> list[Role]:
        """The role of each portion."""
        return self._table.roles

    @property
    def sources(self) -> list[str]:
        """The source of each portion."""
        return self._table.sources

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
        return np.searchsorted(self._table.bounds, documents, side="right") - 1

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
            array = load_array(beside(self.stem(portion), f".{name}.npy"), mapped=True)
            result[places] = array[documents[places] - self.firsts[portion]]
        return result

    def pinned(self, documents: np.ndarray) -> np.ndarray:
        """Whether each stays in any case; bool [n]."""
        return self._table.tiers[self.portions(documents)] < 0

    def order(self, groups: np.ndarray, documents: np.ndarray) -> np.ndarray:
        """Sorts documents by group, and within it by how much each is wanted: what `--keep` and `--prefer` say."""
        keys = [documents]
        if self._table.merits:
            keys.append(-self.values(documents, "merit", np.float64))
        keys += [self._table.tiers[self.portions(documents)], groups]
        return np.lexsort(keys)


class _Table:
    """What the file says."""

    def __init__(self, content: dict[str, Any]) -> None:
        lots = [Lot(*lot) for lot in content["lots"]]
        self.merits: bool = content["merits"]
        self.bounds = np.cumsum([0, *(lot.documents for lot in lots)])
        self.firsts: list[int] = self.bounds.tolist()
        self.roles = [lot.role for lot in lots]
        self.sources = [lot.source for lot in lots]
        self.tiers = np.array([lot.tier for lot in lots], np.int64)


@functools.lru_cache(maxsize=2)
def _read_table(path: Path, changed: int, inode: int) -> _Table:
    """Reads the file once; `changed` and `inode` tell it from another of that name."""
    return _Table(read_json(path))
