"""Exact copies: documents whose 128-bit hashes are equal, and the one of them that stays."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from gptkit.data.arrays import load_array, save_array
from gptkit.data.files import beside
from gptkit.dedup.numbering import Numbering
from gptkit.dedup.records import read_part


@dataclasses.dataclass(frozen=True)
class CopiesTask:
    """One part of the exact hashes of all portions."""

    numbering: Numbering
    part: int
    result: Path


def find_copies(task: CopiesTask) -> dict[str, Any]:
    """Writes int64 [n, 2]: each copy that goes, and the document that stays for it."""
    numbering = task.numbering
    paths = [beside(stem, ".exact") for stem in numbering.stems]
    keys, documents = read_part(paths, numbering.firsts[:-1], task.part)
    several = np.zeros(len(keys), bool)
    several[1:] = keys[1:] == keys[:-1]
    several[:-1] |= several[1:]
    keys, documents = keys[several], documents[several]
    seconds = numbering.values(documents, "second", np.uint64)
    order = np.lexsort((seconds, keys))
    keys, seconds, documents = keys[order], seconds[order], documents[order]
    groups = np.zeros(len(keys), np.int64)
    groups[1:] = np.cumsum((keys[1:] != keys[:-1]) | (seconds[1:] != seconds[:-1]))
    order = numbering.order(groups, documents)
    groups, documents = groups[order], documents[order]
    _, starts, sizes = np.unique(groups, return_index=True, return_counts=True)
    stays = np.repeat(documents[starts], sizes) if len(starts) else documents
    goes = (documents != stays) & ~numbering.pinned(documents)
    save_array(task.result, np.stack([documents[goes], stays[goes]], axis=1).astype(np.int64))
    return {}


def mark_copies(results: list[Path], documents: int, result: Path) -> None:
    """Writes bool [documents]: which are exact copies that go."""
    gone = np.zeros(documents, bool)
    for path in results:
        gone[load_array(path)[:, 0]] = True
    save_array(result, gone)
