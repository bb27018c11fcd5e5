"""A corpus without text whose duplicates are known: what `gptkit dedup` writes down of each document, made directly.

    python tests/benchmarks/dedup_planted.py plant FOLDER --documents 1000000
    python tests/benchmarks/dedup_planted.py run FOLDER --memory 2000000000 --workers 2

The second makes the files of the phase `sign` and runs the phases behind it (with --no-verify, as
there is no text to compare), prints what was counted and the seconds of each phase as JSON, and
leaves FOLDER/found.npy, the document that stays for each.

A document belongs to a planted cluster and has a text. Each value of a text's signature is its
cluster's with the probability √J, else its own, so that two texts of a cluster agree in a value with
the probability J, which is the cluster's. Copies have the text of another document.
"""

import argparse
import dataclasses
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import numba
import numpy as np

from gptkit.data.manifest import Manifest
from gptkit.data.portions import Corpus, Portion
from gptkit.dedup import documents
from gptkit.dedup.curve import Scheme, scheme_of
from gptkit.dedup.fates import Fates
from gptkit.dedup.records import share_of
from gptkit.dedup.sets import Sets
from gptkit.dedup.settings import VERSION, DedupSettings
from gptkit.dedup.sign import Signer, write_exact
from gptkit.engine.pool import Pool
from gptkit.engine.progress import Progress
from gptkit.engine.stage import Runtime, Stage
from gptkit.kernels.jit import compile_kernels

UNIQUE = 0.7  # of all documents
COPIES = 0.2  # of the documents of clusters, but the first, that are exact copies
LEAST, MOST = 0.8, 0.95  # Jaccard similarity within a cluster
EXPONENT = 2.2  # of the sizes: a cluster has s members with a probability that falls as s^-EXPONENT
LARGEST = 0.001  # of all documents
PORTION = 50_000  # documents: portions of 64 MB of text hold from 10,000 to 50,000
BATCH = 5_000
SEED = 7


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is planted: the cluster of each document, whose text it has, and each cluster's similarity."""

    clusters: np.ndarray  # int64 [documents]
    texts: np.ndarray  # int64 [documents]: the number of the document itself, or of the one it is a copy of
    similarity: np.ndarray  # float64 [clusters]

    @staticmethod
    def make(count: int) -> "Plan":
        """Plants `count` documents in a random order."""
        generator = np.random.default_rng(SEED)
        together = count - int(count * UNIQUE)
        sizes = np.minimum(generator.zipf(EXPONENT, together) + 1, max(2, int(count * LARGEST)))
        sizes = sizes[: np.searchsorted(np.cumsum(sizes), together)]
        sizes = np.concatenate([sizes, np.ones(count - sizes.sum(), np.int64)])
        by_cluster = np.repeat(np.arange(len(sizes)), sizes)
        firsts = np.repeat(np.cumsum(sizes) - sizes, sizes)
        places = np.arange(count)
        texts = places.copy()
        copies = (places != firsts) & (generator.random(count) < COPIES)
        texts[copies] = generator.integers(firsts[copies], places[copies])
        texts = texts[texts]  # a copy of a copy, once more
        while (texts != texts[texts]).any():
            texts = texts[texts]
        order = generator.permutation(count)  # place -> document
        clusters, of = np.empty(count, np.int64), np.empty(count, np.int64)
        clusters[order], of[order] = by_cluster, order[texts]
        return Plan(clusters, of, generator.uniform(LEAST, MOST, len(sizes)))

    def save(self, folder: Path) -> None:
        """Writes one array a file, so that tasks can map them."""
        for field in dataclasses.fields(self):
            np.save(folder / f"{field.name}.npy", getattr(self, field.name))

    @staticmethod
    def load(folder: Path) -> "Plan":
        """Maps what `save` wrote."""
        return Plan(*(np.load(folder / f"{field.name}.npy", mmap_mode="r") for field in dataclasses.fields(Plan)))


@numba.njit
def _mix(x):  # type: ignore[no-untyped-def]
    """SplitMix64 (Steele, Lea, Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@numba.njit
def values(clusters, texts, similarity, low, high):  # type: ignore[no-untyped-def]
    """The values [low, high) of the signatures of texts: uint32 [n, high - low]. similarity: of each text's cluster."""
    result = np.empty((len(texts), high - low), np.uint32)
    step = np.uint64(0x9E3779B97F4A7C15)
    for row in range(len(texts)):
        own = _mix(np.uint64(2 * texts[row] + 1) * step)
        common = _mix(np.uint64(2 * clusters[row] + 2) * step)
        least = np.uint64(np.sqrt(similarity[row]) * 4294967296.0)
        for k in range(low, high):
            drawn = _mix(own + np.uint64(k + 1) * step)
            if drawn & np.uint64(0xFFFFFFFF) < least:
                drawn = _mix(common + np.uint64(k + 1) * step)
            result[row, k - low] = np.uint32(drawn >> np.uint64(32))
    return result


@dataclasses.dataclass(frozen=True)
class PlantTask:
    """One portion to sign."""

    folder: Path
    first: int
    last: int
    stem: Path
    scheme: Scheme
    exact_parts: int
    band_parts: int


def plant_portion(task: PlantTask) -> dict[str, Any]:
    """Writes what `gptkit.dedup.sign.sign_portion` writes of documents, as far as later phases read it."""
    plan = Plan.load(task.folder)
    signer = Signer(task.scheme, SEED)
    for first in range(task.first, task.last, BATCH):
        rows = slice(first, min(first + BATCH, task.last))
        clusters, texts = plan.clusters[rows], plan.texts[rows]
        signatures = values(clusters, texts, plan.similarity[clusters], 0, task.scheme.permutations)
        signer.add_signatures(signatures, np.full(len(texts), 100), keep=False)
    signer.write(task.stem, task.band_parts, keep=False)
    texts = np.asarray(plan.texts[task.first : task.last]).astype(np.uint64)
    halves = [_scrambled(2 * texts + np.uint64(half)) for half in range(2)]
    write_exact(task.stem, np.stack(halves, axis=1), task.exact_parts)
    return {"documents": task.last - task.first}


def _scrambled(numbers: np.ndarray) -> np.ndarray:
    return numbers * np.uint64(0x9E3779B97F4A7C15) ^ (numbers * np.uint64(0xD6E8FEB86659FD93) >> np.uint64(32))


class PlantedRun(documents.DocumentRun):
    """The phases of `gptkit dedup`, but for its first and last, which read text."""

    folder: Path
    bytes_of_bands: int  # band records, the largest scratch files

    def _sign(self) -> None:
        firsts = self.numbering.firsts
        common = (self.scheme, self.exact_parts, self.band_parts)
        tasks = [
            PlantTask(self.folder, first, last, self.numbering.stem(number), *common)
            for number, (first, last) in enumerate(itertools.pairwise(firsts))
        ]
        self.stage.phase("sign", plant_portion, tasks)
        self.bytes_of_bands = _size(self.stage.scratch, "*.bands")

    def _write(self, table: Fates, found: dict[str, Any], large: list[int], candidates: int) -> Manifest:
        stays = np.arange(self.numbering.documents)
        stays[table.load("goes")] = table.load("stays_for")
        np.save(self.folder / "found.npy", stays)
        parts = {"exact_parts": self.exact_parts, "band_parts": self.band_parts}
        disk = self.bytes_of_bands + _size(self.stage.scratch, "*")  # bands were removed when they were joined
        return self.stage.close([], found | {"candidates": candidates, "disk": disk, **parts})


def _size(folder: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file())


def run(folder: Path, memory: int, workers: int) -> dict[str, Any]:
    """Signs and runs what was planted; gives counts, bytes of scratch files and the seconds of each phase."""
    count = len(Plan.load(folder).clusters)
    settings = DedupSettings(verify=False, memory=memory)
    rows = [min(PORTION, count - first) for first in range(0, count, PORTION)]
    portions = [Portion(f"planted-{number:05d}", "planted", (), (each,)) for number, each in enumerate(rows)]
    corpus = Corpus(portions, [], None, 0)
    found = Sets(corpus, None, None, scheme_of(settings), None, settings)
    compile_kernels(Progress().say, documents._warm_up, "dedup")
    pool = Pool(workers)
    with Stage("dedup", VERSION, settings, [], folder / "stage", Runtime(pool, Progress(quiet=True))) as stage:
        stage.begin("planted documents")
        phases = PlantedRun(stage, found, settings, share_of(memory, workers))
        phases.folder = folder
        manifest = phases.all_phases()
    pool.close()
    shutil.rmtree(folder / "stage")
    return manifest.counts | {"phases": manifest.run["phase_seconds"], "seconds": manifest.run["seconds"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", choices=("plant", "run"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--memory", type=int, default=2_000_000_000)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.work == "plant":
        Plan.make(arguments.documents).save(arguments.folder)
    else:
        print(json.dumps(run(arguments.folder, arguments.memory, arguments.workers)))


if __name__ == "__main__":
    import dedup_planted  # workers must find its functions in a module that they can import

    dedup_planted.main()
