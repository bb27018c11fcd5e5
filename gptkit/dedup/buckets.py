"""Candidates: documents that share a band are joined, part by part, and the parts' forests into one."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from gptkit.data.arrays import load_array, save_array
from gptkit.data.files import beside
from gptkit.dedup.numbering import Numbering
from gptkit.dedup.records import read_part
from gptkit.engine.stage import Stage
from gptkit.kernels.clusters import forest, join_equal

EDGE_BYTES = 130  # of memory for each edge while edges are joined


@dataclasses.dataclass(frozen=True)
class BucketTask:
    """One part of the band records of all portions."""

    numbering: Numbering
    part: int
    gone: Path  # bool by document: exact copies, which stand in no bucket
    result: Path


def join_buckets(task: BucketTask) -> dict[str, Any]:
    """Writes the forest of a part: int64 [n, 2], a document and the first of its component."""
    paths = [beside(stem, ".bands") for stem in task.numbering.stems]
    keys, documents = read_part(paths, task.numbering.firsts[:-1], task.part)
    edges = join_equal(keys, documents, load_array(task.gone, mapped=True))
    del keys, documents
    joined = forest(edges)
    save_array(task.result, joined)
    return {"edges": len(joined)}


@dataclasses.dataclass(frozen=True)
class JoinTask:
    """Forests to make one of."""

    parts: tuple[Path, ...]
    result: Path


def join_forests(task: JoinTask) -> dict[str, Any]:
    """Writes the forest of several forests."""
    joined = forest(np.concatenate([load_array(path) for path in task.parts]))
    save_array(task.result, joined)
    return {"edges": len(joined)}


def join_all(stage: Stage, parts: list[Path], edges: list[int], folder: Path, memory: int) -> Path:
    """One forest of all, in rounds of tasks of which each fits in `memory` bytes; gives its file."""
    number = 0
    while number == 0 or len(parts) > 1:
        groups: list[list[int]] = []
        filled = 0
        for part, count in enumerate(edges):
            if groups and (len(groups[-1]) < 2 or (filled + count) * EDGE_BYTES <= memory):
                groups[-1].append(part)
                filled += count
            else:
                groups.append([part])
                filled = count
        tasks = [
            JoinTask(tuple(parts[part] for part in group), folder / f"forest-{number}-{place:06d}.npy")
            for place, group in enumerate(groups)
        ]
        results = stage.phase(f"join-{number}", join_forests, tasks)
        parts, edges = [task.result for task in tasks], [result["edges"] for result in results]
        number += 1
    return parts[0]
