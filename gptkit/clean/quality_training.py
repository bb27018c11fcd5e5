"""`gptkit quality train`: learns to tell good text from a raw crawl, and measures how well it does."""

import dataclasses
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from gptkit.clean import quality
from gptkit.clean.quality import Quality, keep_probability
from gptkit.clean.quality_settings import QualitySettings
from gptkit.data.arrays import load_array, save_array
from gptkit.data.damage import Damage, write_damage
from gptkit.data.files import check_free_space
from gptkit.data.inputs import find_inputs, shown
from gptkit.data.manifest import Manifest, Shard
from gptkit.data.pieces import Piece, cut, merged, read
from gptkit.engine.stage import Runtime, Stage
from gptkit.errors import InputError
from gptkit.kernels.jit import compile_kernels
from gptkit.sampling.draws import uniform

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

VERSION = 1
NEGATIVE, POSITIVE = "negative", "positive"
SIDES = (NEGATIVE, POSITIVE)  # a side's place is its label
ALPHAS = (1, 3, 6, 9, 12, 20)  # for which is reported how much would be kept
BINS = 10  # of the histogram of scores


@dataclasses.dataclass(frozen=True)
class BagTask:
    """Pieces of one side whose documents become bags of words."""

    side: str
    pieces: tuple[Piece, ...]
    stem: Path  # of the arrays it writes
    damaged: Path
    settings: QualitySettings
    limit: int | None

    @property
    def weight(self) -> int:
        """Bytes to read, roughly."""
        return sum(piece.weight for piece in self.pieces)

    @property
    def label(self) -> str:
        """What a message calls this task."""
        return shown(self.pieces[0].file.path)


def make_bags(task: BagTask) -> dict[str, Any]:
    """Writes the bags of a task's documents as arrays of a CSR matrix, and which documents are held out.

    A document without words is counted and left out.
    """
    damage: list[Damage] = []
    sizes, features, held = [np.empty(0, np.int64)], [np.empty(0, np.int32)], [np.empty(0, bool)]
    read_in = 0
    for batch in merged(_batches(task, damage)):
        read_in += len(batch)
        rows, found = quality.bags(batch.column("text").fill_null(""), task.settings.features)
        filled = np.diff(rows) > 0
        draws = [uniform(task.settings.seed, "quality", identity) for identity in batch.column("id").to_pylist()]
        sizes.append(np.diff(rows)[filled])
        features.append(found)
        held.append((np.array(draws, np.float64) < task.settings.held_out)[filled])
    for name, parts in (("sizes", sizes), ("features", features), ("held", held)):
        save_array(_array(task.stem, name), np.concatenate(parts))
    if damage:
        write_damage(task.damaged, damage)
    return {
        "documents": read_in,
        "without_words": read_in - sum(map(len, sizes)),
        "damaged": len(damage),
        "damage": [{"file": entry.file, "offset": entry.offset, "reason": entry.reason} for entry in damage[:3]],
    }


def _array(stem: Path, name: str) -> Path:
    return stem.with_name(f"{stem.name}.{name}.npy")


def _batches(task: BagTask, damage: list[Damage]) -> Iterator[pa.RecordBatch]:
    left = task.limit if task.limit is not None else 1 << 62
    for piece in task.pieces:
        if piece.start == 0:
            piece.file.check()
        for batch in read(piece, [], damage, Counter()):
            if "html" in batch.schema.names:
                where = shown(piece.file.path)
                raise InputError(f"{where}: holds web pages; run gptkit clean --rules none on it and give its output")
            yield batch.select(["id", "text"])[:left]
            left -= len(batch)
            if left <= 0:
                return


@dataclasses.dataclass(frozen=True)
class FitTask:
    """The bags of both sides, to fit one model to."""

    stems: tuple[tuple[str, Path], ...]  # side and arrays
    out: Path
    settings: QualitySettings


def fit(task: FitTask) -> dict[str, Any]:
    """Fits the model to the documents that are not held out, writes it, and measures it on those that are.

    Memory: about 40 bytes for each distinct word of each document.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    matrix, labels, held = _load(task)
    _check_sides(labels, held)
    settings = task.settings
    model = LogisticRegression(
        C=1 / settings.penalty,
        class_weight="balanced" if settings.balanced else None,
        max_iter=settings.iterations,
        tol=1e-6,  # as good as the best there is: how sums are rounded no longer shows in a score
    )
    # one thread, whatever runs this task: how many share a sum decides how it is rounded
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # reaching the last step is reported in words
        model.fit(matrix[~held], labels[~held])
    trained = Quality(model.coef_[0].astype(np.float32), float(np.float32(model.intercept_[0])))
    files = trained.save(task.out)
    logits = matrix[held] @ trained.weights.astype(np.float64) + trained.bias
    measured = measure(labels[held], 1 / (1 + np.exp(-logits)))
    trained_on = {side: int((labels[~held] == label).sum()) for label, side in enumerate(SIDES)}
    return {"files": files, "trained_on": trained_on, "held_out": measured, "steps": int(model.n_iter_[0])}


def _load(task: FitTask) -> tuple["csr_matrix", np.ndarray, np.ndarray]:
    """Unit-length bags (float64 [documents, features]), labels (int64) and held-out flags (bool) of all documents."""
    from scipy.sparse import csr_matrix

    parts = [[load_array(_array(stem, name)) for name in ("sizes", "features", "held")] for _, stem in task.stems]
    sizes, features, held = (np.concatenate(column) for column in zip(*parts, strict=True))
    labels = np.repeat([SIDES.index(side) for side, _ in task.stems], [len(part[0]) for part in parts])
    rows = np.concatenate([[0], np.cumsum(sizes)])
    values = np.repeat(1 / np.sqrt(sizes), sizes)
    return csr_matrix((values, features, rows), shape=(len(sizes), task.settings.features)), labels, held


def _check_sides(labels: np.ndarray, held: np.ndarray) -> None:
    """Raises InputError where a side has nothing to train on or to measure with."""
    for label, side in enumerate(SIDES):
        documents, kept = int((labels == label).sum()), int((held & (labels == label)).sum())
        if kept in (0, documents):
            raise InputError(
                f"quality: of {documents:,} {side} documents with words, --held-out keeps {kept:,} from training; "
                "both parts need some; give more documents"
            )


def measure(labels: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    """How well scores tell label 1 from 0 at the threshold .5, and what would be kept of each side.

    labels: int [documents]; scores: float64 [documents]. `kept` is the expected share by Pareto's
    draw for each alpha; `histogram` counts scores in `BINS` equal bins from 0 to 1.
    """
    from sklearn.metrics import roc_auc_score

    good, taken = labels == 1, scores > 0.5
    right = int((good & taken).sum())
    negative, positive = scores[~good], scores[good]
    bars = [np.histogram(part, BINS, (0, 1))[0].tolist() for part in (negative, positive)]
    return {
        "documents": {NEGATIVE: len(negative), POSITIVE: len(positive)},
        "precision": right / max(1, int(taken.sum())),
        "recall": right / len(positive),
        "accuracy": float((good == taken).mean()),
        "auc": float(roc_auc_score(labels, scores)),
        "kept": [
            {
                "alpha": alpha,
                NEGATIVE: float(keep_probability(negative, alpha).mean()),
                POSITIVE: float(keep_probability(positive, alpha).mean()),
            }
            for alpha in ALPHAS
        ],
        "histogram": [
            {"from": place / BINS, "to": (place + 1) / BINS, NEGATIVE: low, POSITIVE: high}
            for place, (low, high) in enumerate(zip(*bars, strict=True))
        ],
    }


def run(
    positive: Sequence[str], negative: Sequence[str], output: Path, settings: QualitySettings, runtime: Runtime
) -> Manifest | None:
    """Trains on `[NAME=]PATH` inputs of both sides and writes the model to `output`. None with --dry-run.

    `runtime.limit` is of each side's first documents. The model does not depend on the workers;
    between machines whose processors sum in another order its last digits may differ.
    Raises GptkitError where inputs are missing or hold pages, or a side has too few documents.
    """
    sides = {NEGATIVE: find_inputs(negative), POSITIVE: find_inputs(positive)}
    digests = [{"side": side, **entry} for side, found in sides.items() for entry in found.digests]
    with Stage(quality.STAGE, VERSION, settings, digests, output, runtime) as stage:
        size = sum(found.bytes for found in sides.values())
        files = sum(len(found.files) for found in sides.values())
        what = f"{files} files, {size / 1e6:,.1f} MB, on {runtime.pool.workers} workers"
        if stage.finished or not stage.begin(what):
            return stage.finished
        check_free_space(output, size)
        compile_kernels(runtime.progress.say, quality.warm_up, "quality")
        tasks = []
        for side, found in sides.items():
            whole = [[Piece(file) for file in found.files]]  # the first documents are read in order
            for index, pieces in enumerate(cut(found.files) if runtime.limit is None else whole):
                name = f"{side}-{index:05d}"
                damaged = stage.out / f"damaged/{name}.jsonl"
                tasks.append(BagTask(side, tuple(pieces), stage.scratch / name, damaged, settings, runtime.limit))
        results = stage.phase("bags", make_bags, tasks)
        counts = _sum_counts(tasks, results)
        stems = tuple((task.side, task.stem) for task in tasks)
        (fitted,) = stage.phase("fit", fit, [FitTask(stems, stage.out, settings)])
        if fitted["steps"] >= settings.iterations:
            runtime.progress.say(f"fit: stopped after {fitted['steps']} steps, not at the best; see --iterations")
        shards = [Shard.describe(stage.out, stage.out / name, kind="model") for name in fitted.pop("files")]
        for task, result in zip(tasks, results, strict=True):
            if result["damaged"]:
                shards.append(Shard.describe(stage.out, task.damaged, result["damaged"], kind="damaged"))
        return stage.close(shards, counts | fitted, {"features": settings.features})


def _sum_counts(tasks: Sequence[BagTask], results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The counts of all tasks. Raises InputError where nothing of a side could be read."""
    documents, without_words = Counter(dict.fromkeys(SIDES, 0)), Counter(dict.fromkeys(SIDES, 0))
    damage: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    for task, result in zip(tasks, results, strict=True):
        documents[task.side] += result["documents"]
        without_words[task.side] += result["without_words"]
        damage[task.side] += result["damage"]
    for side in SIDES:
        if documents[side] == 0:
            first = next(iter(damage[side]), None)
            reason = f"{first['file']}: {first['reason']}" if first else "no documents"
            raise InputError(f"--{side}: nothing could be read ({reason})")
    return {
        "documents": dict(documents),
        "without_words": dict(without_words),
        "damaged": sum(result["damaged"] for result in results),
        "damage": [entry for side in SIDES for entry in damage[side]],
    }
