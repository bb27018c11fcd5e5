"""`gptkit extract train`: learns to tell main text from the rest of a page, and measures how well it does."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gptkit.data.encoding import as_utf8
from gptkit.data.files import atomic_path
from gptkit.engine.stage import Runtime
from gptkit.errors import GptkitError, InputError, UsageError
from gptkit.extraction import boosting
from gptkit.extraction.fast import FastExtractor
from gptkit.extraction.labels import block_labels
from gptkit.extraction.model import FAVORS, Model
from gptkit.extraction.training_sets import LabelledSet, open_sets
from gptkit.extraction.training_settings import TrainingSettings
from gptkit.extraction.truth import LabelledPage, folded, folds
from gptkit.extraction.validation import calibration, choose_thresholds, main_measure, measure_page, summary
from gptkit.extraction.weak import need_trafilatura, weak_texts
from gptkit.kernels.jit import compile_kernels

MOST_BYTES = 200_000  # of a model's file
TASK_BYTES = 4_000_000  # of pages
CHECKED = 20_000  # blocks on which the converted trees are compared with LightGBM's
MOST_DIFFERENCE = 1e-4  # between the probabilities of both


@dataclasses.dataclass(frozen=True)
class LabelTask:
    """Pages whose blocks are to be labelled."""

    pages: tuple[LabelledPage, ...]
    weak: bool

    @property
    def label(self) -> str:
        """What a message calls this task."""
        return self.pages[0].url


def label_blocks(task: LabelTask) -> dict[str, Any]:
    """Features (uint8 [blocks, columns]), labels and weights (float32 [blocks]) of the pages' blocks, and their numbers.

    `cut` are the pages that are beyond a limit of the extractor.
    """
    extractor = FastExtractor()
    rows, labels, weights, cut = [], [], [], 0
    for page in task.pages:
        html = as_utf8(page.html, page.charset)
        read = extractor.read(html)
        weak = weak_texts(html.decode()) if task.weak and not page.article else []
        label, weight = block_labels([folded(text) for text in read.texts()], page, weak)
        ever, _ = extractor.cut(read, np.ones(len(weight), np.float32), 0.5)
        weight[~ever] = 0  # what is not kept even if it is certain to be main text teaches nothing
        rows.append(read.features.copy())
        labels.append(label)
        weights.append(weight)
        cut += bool(read.stopped)
    return {
        "features": np.concatenate(rows),
        "labels": np.concatenate(labels).astype(np.float32),
        "weights": np.concatenate(weights).astype(np.float32),
        "sizes": [len(each) for each in rows],
        "cut": cut,
    }


@dataclasses.dataclass(frozen=True, eq=False)
class Blocks:
    """The blocks of all pages, page by page."""

    features: np.ndarray  # uint8 [blocks, columns]
    labels: np.ndarray  # float32 [blocks]
    weights: np.ndarray  # float32 [blocks]; one without a label has 0
    folds: np.ndarray  # int64 [blocks]


@dataclasses.dataclass(frozen=True, eq=False)
class FitTask:
    """Trains on all blocks but those of a fold, or on all."""

    blocks: Blocks
    fold: int | None
    settings: TrainingSettings

    @property
    def label(self) -> str:
        """What a message calls this task."""
        return "all pages" if self.fold is None else f"fold {self.fold}"


def fit(task: FitTask) -> dict[str, Any]:
    """The model, and what it makes of the blocks that were held out (float32).

    `difference` is the largest between its probabilities and those of LightGBM itself.
    """
    blocks = task.blocks
    held = blocks.folds == task.fold if task.fold is not None else np.zeros(len(blocks.folds), bool)
    used = ~held & (blocks.weights > 0)
    booster = boosting.fit(blocks.features[used], blocks.labels[used], blocks.weights[used], task.settings)
    model = boosting.convert(booster)
    sample = blocks.features[:: max(1, len(blocks.features) // CHECKED)]
    difference = np.abs(boosting.predict(model, sample) - booster.predict(sample, num_threads=1)).max()
    return {
        "model": model,
        "held_out": boosting.predict(model, blocks.features[held]),
        "difference": float(difference),
    }


@dataclasses.dataclass(frozen=True, eq=False)
class MeasureTask:
    """Pages and the probabilities of their blocks (float32)."""

    pages: tuple[LabelledPage, ...]
    probabilities: list[np.ndarray]
    thresholds: tuple[float, ...]

    @property
    def label(self) -> str:
        """What a message calls this task."""
        return self.pages[0].url


def measure(task: MeasureTask) -> dict[str, Any]:
    """The measures of each page with each threshold (see `measure_page`), float64 [pages, thresholds, COLUMNS]."""
    extractor = FastExtractor()
    pairs = zip(task.pages, task.probabilities, strict=True)
    return {"measured": np.stack([measure_page(extractor, page, found, task.thresholds) for page, found in pairs])}


def run(arguments: Sequence[str], output: Path, settings: TrainingSettings, runtime: Runtime) -> dict[str, Any] | None:
    """Trains on the sets of `[NAME=[WEIGHT:]]PAGES,TRUTH` arguments, and writes the model. None with --dry-run.

    Gives the report as JSON values: sets, measures by cross-validation, calibration, the thresholds and
    why, the model. The model depends on the pages and the settings only, not on workers or threads.
    Raises GptkitError where something is missing, the pages cannot be learned from, or the output exists.
    """
    if output.is_dir():
        raise UsageError(f"{output}: is a folder; name a file, for example {output / 'model.npz'}")
    if output.exists() and not runtime.overwrite:
        raise GptkitError(f"{output}: exists already; name another file or add --overwrite")
    boosting.need_lightgbm()
    if settings.weak:
        need_trafilatura()
    say = runtime.progress.say
    sets = open_sets(arguments, runtime.limit)
    pages = [page for one in sets for page in one.pages]
    size = sum(len(page.html) for page in pages)
    what = f"{len(pages):,} pages of {len(sets)} sets, {size / 1e6:,.1f} MB, on {runtime.pool.workers} workers"
    if runtime.dry_run:
        say(f"extract train: would make {output}: {what}")
        return None
    say(f"extract train: {what} → {output}")
    page_folds = folds(pages, settings.folds, settings.seed)
    if len(set(page_folds)) < 2:
        raise InputError(
            "the pages are all of one part for cross-validation; give pages of more domains, or another --seed"
        )
    compile_kernels(say, warm_up, "extraction-training")

    blocks, ends, described = _label(sets, page_folds, settings, runtime)
    models, probabilities, difference = _fit(blocks, settings, runtime)
    found = np.split(probabilities, ends[:-1])
    measured = _measure(pages, found, settings, runtime)
    report = {"sets": described, **_results(sets, measured, settings.thresholds)}
    labelled = blocks.weights > 0
    report["calibration"] = calibration(probabilities[labelled], blocks.labels[labelled], blocks.weights[labelled])

    chosen = [report["thresholds"][name]["threshold"] for name in FAVORS]
    model = dataclasses.replace(models, thresholds=np.array(chosen, np.float32))
    return report | {"model": {**_write(model, output), "difference": difference}}


def _label(
    sets: list[LabelledSet], page_folds: list[int], settings: TrainingSettings, runtime: Runtime
) -> tuple[Blocks, np.ndarray, list[dict[str, Any]]]:
    """All blocks, the row behind each page's, and the numbers of each set."""
    parts = [(one, chunk) for one in sets for chunk in _chunks(one.pages)]
    results = _map(runtime, "label", label_blocks, [LabelTask(chunk, settings.weak) for _, chunk in parts])
    sizes = [size for result in results for size in result["sizes"]]
    features = np.concatenate([result.pop("features") for result in results])
    weights = np.concatenate([result["weights"] * one.weight for (one, _), result in zip(parts, results, strict=True)])
    labels = np.concatenate([result["labels"] for result in results])
    if not (weights > 0).any():
        raise InputError("no block of any page has a label: no phrase or article of the truth is on its page")
    if np.ptp(labels[weights > 0]) == 0:
        raise InputError("all blocks have one label; give pages with main text and with something else")
    described = []
    for one in sets:
        own = [result for (of, _), result in zip(parts, results, strict=True) if of is one]
        described.append(
            {
                "name": one.name,
                "weight": one.weight,
                "pages": len(one.pages),
                "domains": len({page.domain for page in one.pages}),
                "blocks": sum(sum(result["sizes"]) for result in own),
                "cut": sum(result["cut"] for result in own),
            }
        )
    blocks = Blocks(features, labels, weights.astype(np.float32), np.repeat(page_folds, sizes))
    return blocks, np.cumsum(sizes), described


def _fit(blocks: Blocks, settings: TrainingSettings, runtime: Runtime) -> tuple[Model, np.ndarray, float]:
    """The model of all blocks, the probability of each block by a model that was not trained on its domain,
    and the largest difference to LightGBM's.
    """
    numbers = np.unique(blocks.folds).tolist()
    tasks = [FitTask(blocks, fold, settings) for fold in (None, *numbers)]
    for task in tasks[1:]:
        if not (blocks.weights[blocks.folds != task.fold] > 0).any():
            raise InputError("outside one part for cross-validation no block has a label; give pages of more domains")
    whole, *parts = _map(runtime, "fit", fit, tasks)
    difference = max(result["difference"] for result in (whole, *parts))
    if difference > MOST_DIFFERENCE:
        raise GptkitError(
            f"the model's probabilities differ by {difference:.1e} from LightGBM's; is its version known?"
        )
    probabilities = np.empty(len(blocks.folds), np.float32)
    for fold, result in zip(numbers, parts, strict=True):
        probabilities[blocks.folds == fold] = result["held_out"]
    return whole["model"], probabilities, difference


def _measure(
    pages: list[LabelledPage], found: list[np.ndarray], settings: TrainingSettings, runtime: Runtime
) -> np.ndarray:
    tasks, first = [], 0
    for chunk in _chunks(pages):
        tasks.append(MeasureTask(chunk, found[first : first + len(chunk)], settings.thresholds))
        first += len(chunk)
    results = _map(runtime, "measure", measure, tasks)
    return np.concatenate([result["measured"] for result in results])


def _results(sets: list[LabelledSet], measured: np.ndarray, thresholds: tuple[float, ...]) -> dict[str, Any]:
    """The measures of each set with each threshold, the choice of thresholds, and the measures by kind of page."""
    numbers = np.repeat(np.arange(len(sets)), [len(one.pages) for one in sets])
    by_set = {one.name: measured[numbers == place] for place, one in enumerate(sets)}
    tables = {
        name: [{"threshold": each, **summary(rows[:, place])} for place, each in enumerate(thresholds)]
        for name, rows in by_set.items()
    }
    scores = []
    for place in range(len(thresholds)):
        known = [score for rows in tables.values() if (score := main_measure(rows[place])) is not None]
        if not known:
            raise InputError("the truth has no phrases and no articles to measure with")
        scores.append(sum(known) / len(known))
    chosen = choose_thresholds(thresholds, scores)
    balanced = thresholds.index(chosen["balanced"]["threshold"])
    kinds = []
    for one in sets:
        for kind in sorted({page.kind for page in one.pages if page.kind}):
            rows = by_set[one.name][[page.kind == kind for page in one.pages], balanced]
            kinds.append({"set": one.name, "kind": kind, "pages": len(rows), **summary(rows)})
    mean = [{"threshold": each, "score": score} for each, score in zip(thresholds, scores, strict=True)]
    return {"measures": tables, "mean": mean, "thresholds": chosen, "kinds": kinds}


def _write(model: Model, output: Path) -> dict[str, Any]:
    with atomic_path(output) as temporary:
        model.save(temporary)
        size = temporary.stat().st_size
        if size > MOST_BYTES:
            raise GptkitError(
                f"{output}: the model has {size:,} bytes, over {MOST_BYTES:,}; ask for fewer --trees or --leaves"
            )
    return {"path": str(output), "bytes": size, "trees": len(model.roots), "nodes": len(model.nodes)}


def _chunks(pages: Sequence[LabelledPage]) -> Iterator[tuple[LabelledPage, ...]]:
    """Runs of pages for a task each, cut by bytes."""
    chunk: list[LabelledPage] = []
    size = 0
    for page in pages:
        chunk.append(page)
        size += len(page.html)
        if size >= TASK_BYTES:
            yield tuple(chunk)
            chunk, size = [], 0
    if chunk:
        yield tuple(chunk)


def _map(
    runtime: Runtime, name: str, function: Callable[[Any], dict[str, Any]], tasks: Sequence[Any]
) -> list[dict[str, Any]]:
    """What the function gives for each task, in their order."""
    started = time.monotonic()
    results: list[dict[str, Any]] = [{}] * len(tasks)
    with runtime.progress.bar(name, len(tasks)) as advance:
        for index, result in runtime.pool.map(function, tasks):
            results[index] = result
            advance(1, "")
    runtime.progress.say(f"{name}: done in {time.monotonic() - started:.1f} s")
    return results


def warm_up() -> None:
    """Calls every kernel that workers need."""
    extractor = FastExtractor()
    page = LabelledPage("http://site.invalid/", b"<title>One</title><p>A page of one paragraph.</p>")
    read = extractor.read(page.html)
    none = np.zeros(1, np.int64)
    leaf = Model(none.astype(np.uint32), none.astype(np.float32), none, none, np.zeros(len(FAVORS), np.float32))
    measure_page(extractor, page, boosting.predict(leaf, read.features), (0.5,))
