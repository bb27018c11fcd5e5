"""What becomes of every document: exact copies and near duplicates in one table, with what stays for each."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from gptkit.data.arrays import load_array, save_array
from gptkit.data.files import beside
from gptkit.dedup.numbering import Numbering
from gptkit.errors import GptkitError

REMOVED_BYTES = 150  # of memory for each document that goes while the table is made
EXACT, NEAR = 1, 2
REASONS = {EXACT: "exact", NEAR: "near"}


@dataclasses.dataclass(frozen=True)
class Fates:
    """A table on disk of the documents that go, ascending by number, and of those that stay for them."""

    stem: Path

    def save(self, name: str, array: np.ndarray) -> None:
        """Writes one column: goes, stays_for (int64), reasons (uint8), similarity (float64); or stays (int64)."""
        save_array(beside(self.stem, f".{name}.npy"), array)

    def load(self, name: str) -> np.ndarray:
        """One column, mapped into memory."""
        return load_array(beside(self.stem, f".{name}.npy"), mapped=True)


@dataclasses.dataclass(frozen=True)
class FatesTask:
    """The results of the phases before."""

    numbering: Numbering
    copies: tuple[Path, ...]
    near: tuple[Path, ...]
    fates: Fates
    memory: int


def decide_fates(task: FatesTask) -> dict[str, Any]:
    """Writes the table; gives counts by reason and source, and of clusters by size.

    Raises GptkitError where it takes more memory than allowed.
    """
    removed = sum(len(load_array(path, mapped=True)) for path in (*task.copies, *task.near))
    if (needed := removed * REMOVED_BYTES) > task.memory:
        raise GptkitError(
            f"{removed:,} documents go, and to list them takes {needed / 1e6:,.0f} MB; "
            f"name at least --memory {needed // 10**6 + 1}MB"
        )
    copies = np.concatenate([np.empty((0, 2), np.int64), *(load_array(path) for path in task.copies)])
    near = np.concatenate([np.empty((0, 3)), *(load_array(path) for path in task.near)])
    near = near[np.argsort(near[:, 0])]
    near_goes, near_stays = near[:, 0].astype(np.int64), near[:, 1].astype(np.int64)
    # a copy of what goes as a near duplicate goes for the same document: its text, and so its similarity, is the same
    places = np.searchsorted(near_goes, copies[:, 1])
    places[places == len(near_goes)] = 0
    follows = near_goes[places] == copies[:, 1] if len(near_goes) else np.zeros(len(copies), bool)
    stays_for = copies[:, 1].copy()
    stays_for[follows] = near_stays[places[follows]]
    similarity = np.ones(len(copies))
    similarity[follows] = near[places[follows], 2]
    goes = np.concatenate([copies[:, 0], near_goes])
    order = np.argsort(goes)
    columns = {
        "goes": goes,
        "stays_for": np.concatenate([stays_for, near_stays]),
        "reasons": np.concatenate([np.where(follows, NEAR, EXACT), np.full(len(near), NEAR)]).astype(np.uint8),
        "similarity": np.concatenate([similarity, near[:, 2]]),
    }
    columns = {name: column[order] for name, column in columns.items()}
    stays, sizes = np.unique(columns["stays_for"], return_counts=True)
    for name, column in columns.items():
        task.fates.save(name, column)
    task.fates.save("stays", stays)
    return _count(task.numbering, columns) | {"clusters": len(stays), "sizes": _histogram(sizes + 1)}


def _count(numbering: Numbering, columns: dict[str, np.ndarray]) -> dict[str, Any]:
    sources: dict[str, dict[str, int]] = {}
    portions = numbering.portions(columns["goes"])
    for portion, source in enumerate(numbering.sources):
        if numbering.roles[portion] == "input":
            here = columns["reasons"][portions == portion]
            counts = sources.setdefault(source, {"documents_in": 0, "exact": 0, "near": 0})
            counts["documents_in"] += numbering.firsts[portion + 1] - numbering.firsts[portion]
            for reason, name in REASONS.items():
                counts[name] += int((here == reason).sum())
    of_others = np.array([role != "input" for role in numbering.roles])[numbering.portions(columns["stays_for"])]
    return {
        "exact": int((columns["reasons"] == EXACT).sum()),
        "near": int((columns["reasons"] == NEAR).sum()),
        "for_others": int(of_others.sum()),
        "sources": sources,
    }


def _histogram(sizes: np.ndarray) -> dict[str, int]:
    """Clusters by size: 2, 3-4, 5-8, …"""
    found: dict[str, int] = {}
    low, high = 2, 2
    while len(sizes) and low <= sizes.max():
        found[str(low) if low == high else f"{low}-{high}"] = int(((sizes >= low) & (sizes <= high)).sum())
        low, high = high + 1, high * 2
    return found
