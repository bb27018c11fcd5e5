"""`gptkit mix`: from weighted sources to one shuffled mixture, in memory bounded by a shard.

Each source's documents are ordered by a keyed draw for each epoch, and the shortest prefix that
reaches the source's share is taken. A second keyed draw gives the order of the mixture: documents
are scattered into partitions by ranges of it, and each partition is sorted on its own.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gptkit.data import parquet
from gptkit.data.arrays import load_array, save_array
from gptkit.data.documents import EPOCH_COLUMN, ShardTask, read_documents, schema_of
from gptkit.data.files import beside, check_free_space
from gptkit.data.manifest import Manifest, Shard
from gptkit.engine.stage import Runtime, Stage
from gptkit.mixture.settings import MixSettings
from gptkit.mixture.sources import Source, open_sources, shares
from gptkit.sampling.draws import draw64

VERSION = 1
PARTITION_BYTES = 16_000_000  # of text in one output shard, about
KEY = pa.field("mix_key", pa.uint64())  # of the order; only between scatter and gather
EPOCH = pa.field(EPOCH_COLUMN, pa.int32())
ID_TEXT = pa.schema([("id", pa.string()), ("text", pa.string())])


@dataclasses.dataclass(frozen=True)
class SourceTask(ShardTask):
    """A shard of a source, in all phases: what to read and where its scratch files lie."""

    source: str
    stem: Path
    seed: int


def measure(task: SourceTask) -> dict[str, Any]:
    """Writes the bytes of each document; gives their sum."""
    task.file.check()
    lengths = [np.empty(0, np.int64)]
    for batch in read_documents(task.file, task.rows, ID_TEXT):
        lengths.append(pc.binary_length(batch.column("text").fill_null("")).to_numpy().astype(np.int64))
    found = np.concatenate(lengths)
    save_array(beside(task.stem, ".lengths.npy"), found)
    return {"bytes": int(found.sum()), "documents": len(found)}


@dataclasses.dataclass(frozen=True)
class SelectTask:
    """A source's shards, and what is wanted of its last, partial epoch."""

    shards: tuple[SourceTask, ...]
    epoch: int
    bytes: int


def select(task: SelectTask) -> dict[str, Any]:
    """The greatest key of the shortest prefix, in the epoch's order, that reaches the bytes wanted; −1 for none."""
    if task.bytes == 0:
        return {"cut": -1}
    keys = np.concatenate([_keys(shard, "draw", task.epoch) for shard in task.shards])
    lengths = np.concatenate([load_array(beside(shard.stem, ".lengths.npy")) for shard in task.shards])
    order = np.argsort(keys, kind="stable")
    last = int(np.searchsorted(np.cumsum(lengths[order]), task.bytes))
    return {"cut": int(keys[order[min(last, len(order) - 1)]])}


def _keys(task: SourceTask, purpose: str, epoch: int) -> np.ndarray:
    """A uniform uint64 for each document of a shard, that depends on nothing but what it is for."""
    only_id = pa.schema([ID_TEXT.field("id")])
    return np.array(
        [
            draw64(task.seed, purpose, task.source, epoch, identity)
            for batch in read_documents(task.file, task.rows, only_id)
            for identity in batch.column("id").to_pylist()
        ],
        np.uint64,
    )


@dataclasses.dataclass(frozen=True)
class ScatterTask:
    """A shard whose chosen documents go to the partitions of the mixture."""

    shard: SourceTask
    epochs: int
    cut: int
    partitions: int
    folder: Path
    schema: pa.Schema

    @property
    def weight(self) -> int:
        """Bytes on disk."""
        return self.shard.weight


def scatter(task: ScatterTask) -> dict[str, Any]:
    """Writes, for each partition, the chosen documents whose key lies in its range."""
    chosen: list[tuple[np.ndarray, np.ndarray]] = []  # which rows, and their keys in the mixture
    for epoch in range(task.epochs + (task.cut >= 0)):
        whole = epoch < task.epochs
        rows = (
            np.arange(task.shard.rows)
            if whole
            else np.flatnonzero(_keys(task.shard, "draw", epoch) <= np.uint64(task.cut))
        )
        chosen.append((rows, _keys(task.shard, "order", epoch)[rows]))
    documents = pa.Table.from_batches(list(read_documents(task.shard.file, task.shard.rows, task.schema)), task.schema)
    source = pa.array([task.shard.source] * len(documents), pa.string())
    documents = documents.set_column(documents.schema.get_field_index("source"), "source", source)
    parts = []
    for epoch, (rows, keys) in enumerate(chosen):
        part = documents.take(pa.array(rows))
        parts.append(
            part.append_column(EPOCH, pa.array([epoch] * len(part), EPOCH.type)).append_column(
                KEY, pa.array(keys, KEY.type)
            )
        )
    table = pa.concat_tables(parts)
    place = _partition(table.column(KEY.name).to_numpy(), task.partitions)
    for partition in range(task.partitions):
        path = task.folder / f"{partition:05d}" / f"{task.shard.stem.name}.parquet"
        with parquet.writing(path, table.schema) as file:
            file.write_table(table.filter(pa.array(place == partition)))
    return {"documents": len(table), "bytes": parquet.text_bytes(table)}


def _partition(keys: np.ndarray, partitions: int) -> np.ndarray:
    """Cuts the range of 64-bit keys into equal parts."""
    return ((keys >> np.uint64(32)) * np.uint64(partitions)) >> np.uint64(32)


@dataclasses.dataclass(frozen=True)
class GatherTask:
    """A partition to sort and write."""

    pieces: tuple[Path, ...]
    path: Path


def gather(task: GatherTask) -> dict[str, Any]:
    """Writes one shard of the mixture, in the order of the keys."""
    table = pa.concat_tables(
        [
            pa.Table.from_batches(parquet.read_shard(path), parquet.open_file(str(path)).schema_arrow)
            for path in task.pieces
        ]
    )
    table = table.sort_by([(KEY.name, "ascending"), ("source", "ascending"), ("id", "ascending")]).drop_columns(
        [KEY.name]
    )
    with parquet.writing(task.path, table.schema) as file:
        for batch in table.combine_chunks().to_batches(parquet.ROWS):
            file.write_batch(batch)
    return {"rows": len(table)}


def run(arguments: list[str], output: Path, settings: MixSettings, runtime: Runtime) -> Manifest | None:
    """Mixes `NAME=WEIGHT:PATH` sources. None with --dry-run, which measures nothing."""
    sources = open_sources(arguments)
    inputs = [{**source.documents.as_input(), "name": source.name, "weight": source.weight} for source in sources]
    with Stage("mix", VERSION, settings, inputs, output, runtime) as stage:
        size = sum(source.documents.bytes for source in sources)
        what = f"{len(sources)} sources, {size / 1e6:,.1f} MB on disk, on {runtime.pool.workers} workers"
        if stage.finished or not stage.begin(what):
            return stage.finished
        check_free_space(output, size)
        shards = [_shard_tasks(source, stage, settings) for source in sources]
        measured = stage.phase("measure", measure, [task for tasks in shards for task in tasks])
        sizes = _sums(measured, shards, "bytes")
        budget, taken = shares([source.weight for source in sources], sizes, settings.bytes)
        wanted = [
            SelectTask(tuple(tasks), share.epochs, share.rest) for tasks, share in zip(shards, taken, strict=True)
        ]
        cuts = [result["cut"] for result in stage.phase("select", select, wanted)]
        partitions = max(1, -(-budget // PARTITION_BYTES))
        schema = _common_schema(sources)
        scatters = [
            ScatterTask(task, share.epochs, cut, partitions, stage.scratch, schema)
            for tasks, share, cut in zip(shards, taken, cuts, strict=True)
            for task in tasks
        ]
        scattered = stage.phase("scatter", scatter, scatters)
        names = [task.shard.stem.name for task in scatters]
        gathers = [
            GatherTask(
                tuple(stage.scratch / f"{part:05d}" / f"{name}.parquet" for name in names),
                stage.out / f"mix-{part:05d}.parquet",
            )
            for part in range(partitions)
        ]
        results = stage.phase("gather", gather, gathers)
        counts = _count(
            sources,
            sizes,
            _sums(measured, shards, "documents"),
            _sums(scattered, shards, "bytes"),
            _sums(scattered, shards, "documents"),
        )
        written = [
            Shard.describe(stage.out, task.path, result["rows"]) for task, result in zip(gathers, results, strict=True)
        ]
        return stage.close(written, counts)


def _shard_tasks(source: Source, stage: Stage, settings: MixSettings) -> list[SourceTask]:
    limited = source.documents.limited(stage.runtime.limit)
    return [
        SourceTask(file, rows, source.name, stage.scratch / f"{source.name}-{index:06d}", settings.seed)
        for index, (file, rows) in enumerate(limited)
    ]


def _common_schema(sources: list[Source]) -> pa.Schema:
    return pa.schema(
        [
            field
            for field in schema_of([file for source in sources for file in source.documents.files])
            if field.name not in (KEY.name, EPOCH.name)
        ]
    )


def _sums(results: list[dict[str, Any]], shards: list[list[SourceTask]], key: str) -> list[int]:
    """The sum of a count over the shards of each source."""
    values = iter(results)
    return [sum(next(values)[key] for _ in tasks) for tasks in shards]


def _count(
    sources: list[Source], sizes: list[int], documents: list[int], drawn: list[int], drawn_documents: list[int]
) -> dict[str, Any]:
    total = sum(drawn)
    weights = sum(source.weight for source in sources)
    return {
        "documents_in": sum(documents),
        "documents_out": sum(drawn_documents),
        "bytes_in": sum(sizes),
        "bytes_out": total,
        "sources": {
            source.name: {
                "bytes": size,
                "weight": source.weight / weights,
                "drawn_bytes": part,
                "share": part / total if total else 0.0,
                "epochs": part / size,
            }
            for source, size, part in zip(sources, sizes, drawn, strict=True)
        },
    }
