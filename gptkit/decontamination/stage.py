"""The stage "decontaminate": takes evaluation data out of training documents, after GPT-3's appendix C.

The n-grams of what is protected are counted in the training documents, then cut out of those that
have them; what too many documents have is left alone (arXiv 2005.14165, appendix C).
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gptkit.data import parquet
from gptkit.data.arrays import distinct, load_array, save_array
from gptkit.data.files import check_free_space
from gptkit.data.manifest import Manifest, Shard
from gptkit.data.portions import Corpus, Portion, PortionTask, check, open_corpus, read
from gptkit.decontamination.contamination import Contamination, gather, load_table, save_table, warm_up
from gptkit.decontamination.cutting import TOUCHED, Cutter
from gptkit.decontamination.overlap_report import write_overlap
from gptkit.decontamination.references import find_references
from gptkit.decontamination.settings import DecontaminateSettings
from gptkit.engine.stage import Runtime, Stage
from gptkit.kernels import grams
from gptkit.kernels.columns import string_arrays
from gptkit.kernels.grams import DOCUMENT, GRAM
from gptkit.kernels.jit import compile_kernels
from gptkit.tasks.overlap import ITEMS, TOTALS

VERSION = 1
TEXT = pa.schema([("text", pa.string())])


@dataclasses.dataclass(frozen=True)
class CountTask(PortionTask):
    """Documents in which to count n-grams."""

    table: Path  # folder
    result: Path


def count_task(task: CountTask) -> dict[str, Any]:
    """Writes int64 [found, 2]: each n-gram that a portion has, and in how many of its documents."""
    check(task.portion)
    table, characters = load_table(task.table), grams.word_characters()
    found = np.zeros((0, 2), np.int64)
    documents = bytes_in = 0
    for batch in read(task.portion, TEXT):
        content, starts = string_arrays(batch.column("text"))
        hits = grams.find_grams(content, starts, table, characters)
        found = _added([found, *_documents_of(hits[:, DOCUMENT], hits[:, GRAM])])
        documents += len(batch)
        bytes_in += parquet.text_bytes(batch)
    save_array(task.result, found)
    return {"documents_in": documents, "bytes_in": bytes_in}


def _documents_of(documents: np.ndarray, ids: np.ndarray) -> list[np.ndarray]:
    """Each n-gram and the number of documents that have it, of places where n-grams were found."""
    if len(ids) == 0:
        return []
    width = int(ids.max()) + 1
    numbers, counts = np.unique(distinct(documents * width + ids) % width, return_counts=True)
    return [np.stack([numbers, counts], axis=1)]


def _added(parts: Sequence[np.ndarray]) -> np.ndarray:
    """The sums of counts (int64 [n, 2]: number, count) by number, ordered."""
    if len(parts) == 1:
        return parts[0]
    joined = np.concatenate(parts)
    numbers, places = np.unique(joined[:, 0], return_inverse=True)
    return np.stack([numbers, np.bincount(places, joined[:, 1]).astype(np.int64)], axis=1)


@dataclasses.dataclass(frozen=True)
class CutTask(PortionTask):
    """Documents to write again without what is protected."""

    table: Path  # folder; only n-grams that cut
    names: tuple[str, ...]  # of the sets
    out: Path
    schema: pa.Schema
    settings: DecontaminateSettings


def cut_task(task: CutTask) -> dict[str, Any]:
    """Writes a portion's documents, and a row for each that was touched."""
    owners = np.asarray(load_array(task.table / "owners.npy", mapped=True))
    cutter = Cutter(load_table(task.table), owners, task.names, task.settings)
    counts = dict.fromkeys(("documents_in", "documents_out", "bytes_out"), 0)
    with parquet.writing(task.out / f"{task.portion.name}.parquet", task.schema) as file:
        for batch in read(task.portion, task.schema):
            cut = cutter.cut(batch)
            file.write_batch(cut)
            counts["documents_in"] += len(batch)
            counts["documents_out"] += len(cut)
            counts["bytes_out"] += parquet.text_bytes(cut)
    with parquet.writing(task.out / f"contaminated/{task.portion.name}.parquet", TOUCHED) as file:
        file.write_table(pa.Table.from_pylist(cutter.touched, TOUCHED))
    touched = cutter.touched
    return counts | {
        "touched": len(touched),
        "dropped": cutter.dropped,
        "characters_removed": sum(row["characters_removed"] for row in touched),
        "matched": {name: sum(name in row["matched"] for row in touched) for name in task.names},
    }


def run(inputs: Sequence[str], output: Path, settings: DecontaminateSettings, runtime: Runtime) -> Manifest | None:
    """Writes the documents of `inputs` without what is protected. None with --dry-run.

    Raises UsageError and GptkitError for what is neither task nor data, and what cannot be read.
    """
    references = find_references(settings)
    corpus = open_corpus(inputs, runtime.limit)
    against = [reference.entry | {"role": "against"} for reference in references]
    with Stage("decontaminate", VERSION, settings, [*corpus.digests, *against], output, runtime) as stage:
        if stage.finished:
            return stage.finished
        compile_kernels(runtime.progress.say, warm_up, "decontaminate")
        contamination = gather(references, settings)
        what = (
            f"{corpus.documents:,} documents in {len(corpus.portions)} tasks, {corpus.bytes / 1e6:,.1f} MB, on "
            f"{runtime.pool.workers} workers, against {len(distinct(contamination.owners[:, 0])):,} n-grams of "
            f"{sum(one.protected for one in contamination.sets):,} items in {len(references)} sets"
        )
        if not stage.begin(what):
            return None
        check_free_space(output, corpus.bytes)
        for one in contamination.sets:
            if one.short:
                runtime.progress.say(
                    f"{one.name}: {one.short:,} of {one.protected:,} items have fewer than {one.cut_n} words "
                    "and cut nothing"
                )
        counts, training = _count(stage, corpus, contamination)
        totals = write_overlap(stage.out, contamination, counts, settings.max_documents, training)
        cuts = _cutting_table(stage.scratch / "cutting", contamination, counts, settings.max_documents)
        names = tuple(one.name for one in contamination.sets)
        tasks = [CutTask(portion, cuts, names, stage.out, corpus.schema, settings) for portion in corpus.portions]
        results = stage.phase("cut", cut_task, tasks)
        shards = [
            Shard.describe(stage.out, stage.out / f"{folder}{portion.name}.parquet", result[rows], portion.source, kind)
            for folder, rows, kind in (("", "documents_out", "documents"), ("contaminated/", "touched", "contaminated"))
            for portion, result in zip(corpus.portions, results, strict=True)
        ]
        items = sum(total["items"] for total in totals)
        shards += [
            Shard.describe(stage.out, stage.out / name, rows, kind="overlap")
            for name, rows in ((ITEMS, items), (TOTALS, 0))
        ]
        return stage.close(shards, _totals(contamination, counts, settings, training, totals, results))


def _count(stage: Stage, corpus: Corpus, contamination: Contamination) -> tuple[np.ndarray, dict[str, Any]]:
    """In how many training documents each n-gram is, int64 [grams], and what was looked at."""
    table = stage.scratch / "all"
    save_table(table, contamination.table())
    tasks = [CountTask(portion, table, _result(stage, portion)) for portion in corpus.portions]
    results = stage.phase("count", count_task, tasks)
    counts = np.zeros(len(contamination.keys), np.int64)
    for task in tasks:
        found = load_array(task.result)
        counts[found[:, 0]] += found[:, 1]
    return counts, {
        "documents": sum(result["documents_in"] for result in results),
        "bytes": sum(result["bytes_in"] for result in results),
        "inputs": [{"name": entry["name"], "digest": entry["digest"]} for entry in corpus.digests],
    }


def _result(stage: Stage, portion: Portion) -> Path:
    return stage.scratch / "counts" / f"{portion.name}.npy"


def _cutting_table(folder: Path, contamination: Contamination, counts: np.ndarray, most: int) -> Path:
    """Writes a table of the n-grams that cut something, which are few, and the sets that each belongs to."""
    met = (counts > 0) & (counts <= most)
    owners = contamination.owners[met[contamination.owners[:, 0]]]
    ids, places = np.unique(owners[:, 0], return_inverse=True)
    sizes = [one.cut_n for one in contamination.sets]
    save_table(folder, grams.make_table(contamination.keys[ids], contamination.checks[ids], sizes if len(ids) else []))
    save_array(folder / "owners.npy", np.stack([places, owners[:, 1]], axis=1))
    return folder


def _totals(
    contamination: Contamination,
    counts: np.ndarray,
    settings: DecontaminateSettings,
    training: dict[str, Any],
    totals: Sequence[dict[str, Any]],
    results: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """The manifest's counts."""

    def sum_of(name: str) -> int:
        return sum(result[name] for result in results)

    dropped = {name: sum(result["dropped"][name] for result in results) for name in Cutter.REASONS}
    cutting = distinct(contamination.owners[:, 0])
    sets = {}
    for number, (one, total) in enumerate(zip(contamination.sets, totals, strict=True)):
        own = counts[contamination.owners[contamination.owners[:, 1] == number, 0]]
        sets[one.name] = {
            "items": one.protected,
            "items_without_grams": one.short,
            "documents": sum(result["matched"][one.name] for result in results),
            **_gram_counts(own, settings.max_documents),
            "evaluated": {name: total[name] for name in ("n", "items", "dirty", "clean", "without_grams")},
        }
    return {
        "documents_in": training["documents"],
        "documents_out": sum_of("documents_out"),
        "bytes_in": training["bytes"],
        "bytes_out": sum_of("bytes_out"),
        "touched": sum_of("touched"),
        "cut": sum_of("touched") - sum(dropped.values()),
        "dropped": dropped,
        "characters_removed": sum_of("characters_removed"),
        **_gram_counts(counts[cutting], settings.max_documents),
        "sets": sets,
    }


def _gram_counts(counts: np.ndarray, most: int) -> dict[str, int]:
    found = int((counts > 0).sum())
    ignored = int((counts > most).sum())
    return {"grams": len(counts), "grams_found": found, "grams_ignored": ignored}
