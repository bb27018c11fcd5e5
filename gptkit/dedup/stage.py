"""`gptkit dedup`: of documents that are equal or nearly so, the first one stays."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gptkit.data import parquet
from gptkit.data.arrays import load_array, save_array
from gptkit.data.documents import ShardTask, open_documents, read_documents, schema_of
from gptkit.data.files import check_free_space
from gptkit.data.inputs import InputFile
from gptkit.data.manifest import Manifest, Shard
from gptkit.dedup import clusters, signatures
from gptkit.dedup.settings import DedupSettings
from gptkit.engine.stage import Runtime, Stage
from gptkit.kernels.jit import compile_kernels

VERSION = 1
REMOVED = pa.schema(
    [("id", pa.string()), ("kept_id", pa.string()), ("kept_source", pa.string()), ("reason", pa.string())]
)
KEPT, EXACT, NEAR = 0, 1, 2
REASONS = {EXACT: "exact", NEAR: "near"}


@dataclasses.dataclass(frozen=True)
class SignTask(ShardTask):
    """A shard to read once for its hashes and signatures."""

    stem: Path
    settings: DedupSettings


def sign_shard(task: SignTask) -> dict[str, Any]:
    """Writes the exact hashes and signatures of a shard's documents, as .npy."""
    task.file.check()
    hashes, signed = [], []
    schema = pa.schema([("id", pa.string()), ("text", pa.string())])
    for batch in read_documents(task.file, task.rows, schema):
        text = batch.column("text").fill_null("")
        hashes.append(signatures.exact_hashes(text))
        if task.settings.near:
            signed.append(
                signatures.sign(text, task.settings.ngram, task.settings.bands * task.settings.rows, task.settings.seed)
            )
    save_array(task.stem.with_suffix(".exact.npy"), np.concatenate([np.empty((0, 2), np.uint64), *hashes]))
    save_array(
        task.stem.with_suffix(".signatures.npy"),
        np.concatenate([np.empty((0, task.settings.bands * task.settings.rows), np.uint32), *signed]),
    )
    return {}


@dataclasses.dataclass(frozen=True)
class ClusterTask:
    """All shards' hashes and signatures, in order."""

    stems: tuple[Path, ...]
    result: Path
    settings: DedupSettings


def cluster(task: ClusterTask) -> dict[str, Any]:
    """Writes int64 [documents, 2]: what becomes of each document, and the one that stays for it."""
    hashes = np.concatenate([load_array(stem.with_suffix(".exact.npy")) for stem in task.stems])
    roots = clusters.exact_clusters(hashes)
    fate = np.where(roots == np.arange(len(roots)), KEPT, EXACT)
    if task.settings.near:
        distinct = np.flatnonzero(fate == KEPT)
        signed = np.concatenate([load_array(stem.with_suffix(".signatures.npy")) for stem in task.stems])
        near = distinct[clusters.near_clusters(signed[distinct], task.settings.bands, task.settings.rows)]
        fate[distinct[near != distinct]] = NEAR
        roots[distinct] = near
        roots = roots[roots]  # an exact copy of a near duplicate points to what stays
    save_array(task.result, np.stack([fate, roots], axis=1).astype(np.int64))
    return {"documents": len(fate), "exact": int((fate == EXACT).sum()), "near": int((fate == NEAR).sum())}


@dataclasses.dataclass(frozen=True)
class FilterTask(ShardTask):
    """A shard to write again without its duplicates."""

    first: int  # the place of its first document among all
    fates: Path
    ids: tuple[tuple[int, str, str], ...]  # place, id, source of the documents that stay for removed ones
    out: Path
    schema: pa.Schema


def filter_shard(task: FilterTask) -> dict[str, Any]:
    """Writes the documents that stay, and a list of those that go with the one each goes for."""
    fates = load_array(task.fates, mapped=True)[task.first : task.first + task.rows]
    stays_for = {place: (identity, source) for place, identity, source in task.ids}
    name = Path(task.file.relative).stem
    removed: list[tuple[str, str, str, str]] = []
    row = bytes_in = bytes_out = rows_out = 0
    with parquet.writing(task.out / f"{name}.parquet", task.schema) as file:
        for batch in read_documents(task.file, task.rows, task.schema):
            part = fates[row : row + len(batch)]
            kept = batch.filter(pa.array(part[:, 0] == KEPT))
            file.write_batch(kept)
            ids = batch.column("id")
            removed += [
                (ids[int(i)].as_py(), *stays_for[int(part[i, 1])], REASONS[int(part[i, 0])])
                for i in np.flatnonzero(part[:, 0])
            ]
            row += len(batch)
            rows_out += len(kept)
            bytes_in += parquet.text_bytes(batch)
            bytes_out += parquet.text_bytes(kept)
    columns = list(zip(*removed, strict=True)) or [()] * len(REMOVED)
    with parquet.writing(task.out / f"removed/{name}.parquet", REMOVED) as file:
        file.write_table(pa.table([pa.array(column, pa.string()) for column in columns], schema=REMOVED))
    return {
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
        "documents_in": row,
        "documents_out": rows_out,
        "removed": len(removed),
    }


def run(source: str, output: Path, settings: DedupSettings, runtime: Runtime) -> Manifest | None:
    """Removes duplicates from the documents of `source`. None with --dry-run.

    All signatures are held in memory: 4 · bands · rows + 32 bytes a document.
    """
    documents = open_documents(source)
    with Stage("dedup", VERSION, settings, [documents.as_input()], output, runtime) as stage:
        chosen = documents.limited(runtime.limit)
        total = sum(rows for _, rows in chosen)
        what = f"{total:,} documents in {len(chosen)} shards, {documents.bytes / 1e6:,.1f} MB, on {runtime.pool.workers} workers"
        if stage.finished or not stage.begin(what):
            return stage.finished
        check_free_space(output, documents.bytes + total * (4 * settings.bands * settings.rows + 32))
        compile_kernels(runtime.progress.say, _warm_up, "dedup")
        stems = [stage.scratch / f"{index:06d}" for index in range(len(chosen))]
        stage.phase(
            "sign",
            sign_shard,
            [SignTask(file, rows, stem, settings) for (file, rows), stem in zip(chosen, stems, strict=True)],
        )
        fates = stage.scratch / "fates.npy"
        if stems:
            (found,) = stage.phase("cluster", cluster, [ClusterTask(tuple(stems), fates, settings)])
        else:
            found = {"documents": 0, "exact": 0, "near": 0}
        schema = schema_of(documents.files)
        tasks = _filter_tasks(chosen, fates, stage.out, schema) if stems else []
        results = stage.phase("filter", filter_shard, tasks)
        shards = []
        for (file, _), result in zip(chosen, results, strict=True):
            name = Path(file.relative).stem
            shards.append(
                Shard.describe(stage.out, stage.out / f"{name}.parquet", result["documents_out"], file.source)
            )
            removed = stage.out / f"removed/{name}.parquet"
            shards.append(Shard.describe(stage.out, removed, result["removed"], file.source, "removed"))
        counts = {
            "documents_in": found["documents"],
            "documents_out": sum(result["documents_out"] for result in results),
            "bytes_in": sum(result["bytes_in"] for result in results),
            "bytes_out": sum(result["bytes_out"] for result in results),
            "rejected": {"exact": found["exact"], "near": found["near"]},
        }
        return stage.close(shards, counts)


def _warm_up() -> None:
    signatures.warm_up()
    clusters.warm_up()


def _filter_tasks(chosen: list[tuple[InputFile, int]], fates: Path, out: Path, schema: pa.Schema) -> list[FilterTask]:
    table = load_array(fates, mapped=True)
    firsts = np.cumsum([0, *(rows for _, rows in chosen)])
    wanted = np.unique(table[table[:, 0] != KEPT, 1])
    names: dict[int, tuple[int, str, str]] = {}
    only_id = pa.schema([("id", pa.string()), ("source", pa.string())])
    for (file, rows), first in zip(chosen, firsts[:-1], strict=True):
        places = wanted[(wanted >= first) & (wanted < first + rows)] - first
        if len(places):
            ids = [identity.as_py() for batch in read_documents(file, rows, only_id) for identity in batch.column("id")]
            names |= {int(first + place): (int(first + place), ids[place], file.source) for place in places}
    tasks = []
    for (file, rows), first in zip(chosen, firsts[:-1], strict=True):
        part = table[first : first + rows]
        needed = np.unique(part[part[:, 0] != KEPT, 1])
        tasks.append(
            FilterTask(file, rows, int(first), fates, tuple(names[int(place)] for place in needed), out, schema)
        )
    return tasks
