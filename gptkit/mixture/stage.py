"""`gptkit mix`: from weighted sources to one shuffled mixture, in memory bounded by a shard.

Each source's documents are ordered by a keyed draw for each epoch, and the shortest prefix that
reaches the source's share is taken. A second keyed draw gives the order of the mixture: documents
are scattered into partitions by ranges of it, and each partition is sorted on its own.
"""

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gptkit.data.files import check_free_space
from gptkit.data.manifest import Manifest, Shard
from gptkit.engine.stage import Runtime, Stage
from gptkit.mixture.draw import Drawn, decide, divide, draw, given_tokenizer, measure_portion, measure_tasks
from gptkit.mixture.scatter import ADDED, KEY, GatherTask, ScatterTask, gather, partitions_for, scatter
from gptkit.mixture.settings import MixSettings
from gptkit.mixture.sources import Source, common_schema, open_sources
from gptkit.mixture.table import lines
from gptkit.sampling.asks import By

VERSION = 2


def plan_inputs(sources: Sequence[Source], settings: MixSettings) -> list[dict[str, Any]]:
    """The inputs as a plan names them: the sources, and the tokenizer where tokens are counted."""
    inputs = [source.plan for source in sources]
    tokenizer = given_tokenizer(settings)
    if tokenizer is not None:
        inputs.append({"name": "tokenizer", "digest": hashlib.sha256(tokenizer).hexdigest()})
    return inputs


def describe(sources: Sequence[Source], runtime: Runtime) -> str:
    """What will be read, in words."""
    documents = sum(portion.documents for source in sources for portion in source.portions)
    size = sum(source.weight for source in sources)
    return f"{len(sources)} sources, {documents:,} documents of {size / 1e6:,.1f} MB, on {runtime.pool.workers} workers"


def run(arguments: list[str], output: Path, settings: MixSettings, runtime: Runtime) -> Manifest | None:
    """Mixes `NAME=WEIGHT:PATH` sources. None with --dry-run, which measures them and writes nothing."""
    sources = open_sources(arguments, runtime.limit)
    by = decide(sources, settings)
    with Stage("mix", VERSION, settings, plan_inputs(sources, settings), output, runtime) as stage:
        if stage.finished:
            return stage.finished
        if not stage.begin(describe(sources, runtime)):
            preview(sources, settings, by, runtime)
            return None
        drawn = draw(stage, sources, settings)
        runtime.progress.say("\n".join(lines([one.measured for one in drawn], drawn, settings, by)))
        return write(stage, sources, drawn, settings)


def preview(sources: Sequence[Source], settings: MixSettings, by: By, runtime: Runtime) -> None:
    """Measures the sources and says what would be drawn; keeps nothing."""
    with tempfile.TemporaryDirectory() as folder:  # for the tokenizer
        tasks = measure_tasks(sources, settings, Path(folder), keep=False)
        results = dict(runtime.pool.map(measure_portion, tasks))
    found = divide(sources, [results[number] for number in range(len(tasks))], settings)
    runtime.progress.say("\n".join(lines(found, None, settings, by)))


def write(stage: Stage, sources: Sequence[Source], drawn: Sequence[Drawn], settings: MixSettings) -> Manifest:
    """Runs the phases "scatter" and "gather" and closes the stage."""
    text = sum(one.text for one in drawn)
    check_free_space(stage.output, text)
    schema = common_schema(sources, [KEY.name, *ADDED.names])
    partitions = partitions_for(text)
    scatters = [
        ScatterTask(portion, partitions, stage.scratch / f"{portion.stem.name}.arrow", schema)
        for one in drawn
        for portion in one.portions
    ]
    scattered = stage.phase("scatter", scatter, scatters, "portions")
    gathers = [
        GatherTask(
            number,
            partitions,
            tuple(task.path for task in scatters),
            stage.out / f"mix-{number:05d}.parquet",
            schema,
            text // partitions,
        )
        for number in range(partitions)
    ]
    results = stage.phase("gather", gather, gathers, "shards")
    shards = [
        Shard.describe(stage.out, task.path, result["rows"]) for task, result in zip(gathers, results, strict=True)
    ]
    return stage.close(shards, counts(drawn, scattered, settings))


def counts(drawn: Sequence[Drawn], scattered: Sequence[dict[str, Any]], settings: MixSettings) -> dict[str, Any]:
    """What came of each source; `share` and `epochs` as they are, in the unit of the weights."""
    total = sum(one.size for one in drawn)
    wanted = sum(one.measured.share.wanted for one in drawn)
    sources, place = {}, 0
    for one in drawn:
        parts = scattered[place : place + len(one.portions)]
        place += len(parts)
        measured = one.measured
        sources[measured.source.name] = {
            "documents": measured.documents,
            "bytes": measured.bytes,
            "size": measured.size,
            "weight": measured.share.wanted / wanted,
            "wanted": measured.share.wanted,
            "drawn": one.size,
            "drawn_documents": sum(part["documents"] for part in parts),
            "drawn_bytes": sum(part["bytes"] for part in parts),
            "share": one.size / total,
            "epochs": one.size / measured.size,
        }
        if settings.weight_by is not None:
            sources[measured.source.name]["without_weight"] = measured.unweighted
    return {
        "documents_in": sum(one.measured.documents for one in drawn),
        "documents_out": sum(part["documents"] for part in scattered),
        "bytes_in": sum(one.measured.bytes for one in drawn),
        "bytes_out": sum(part["bytes"] for part in scattered),
        "unit": settings.counted_in,
        "sources": sources,
    }
