"""`gptkit clean`: from a raw crawl to documents that read like prose, with a reason for each rejection."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from gptkit.clean.chain import RULE_ORDER, STEPS, chain_of, list_files
from gptkit.clean.funnel import Funnel
from gptkit.clean.quality import Quality
from gptkit.clean.repeats import RenameTask, RepeatTask, find_repeated_ids, rename_ids
from gptkit.clean.settings import CleanSettings
from gptkit.clean.task import CleanTask, StreamTask, clean_task, read_stream
from gptkit.data import html
from gptkit.data.files import check_free_space
from gptkit.data.formats import PAGES
from gptkit.data.inputs import InputFile, find_inputs, shown
from gptkit.data.manifest import Manifest, Shard
from gptkit.data.pieces import Piece, cut, further_columns, splits
from gptkit.engine.phase import Feed
from gptkit.engine.stage import Runtime, Stage
from gptkit.errors import InputError
from gptkit.extraction.extract import FAST
from gptkit.extraction.model import model_digest
from gptkit.kernels.jit import compile_kernels

VERSION = 3
BEFORE_TEXT = ("quarantine", "urls", "extract")  # steps whose bytes may be of HTML
SUMS = ("documents_in", "documents_out", "bytes_in", "bytes_out", "damaged")


def run(inputs: Sequence[str], output: Path, settings: CleanSettings, runtime: Runtime) -> Manifest | None:
    """Cleans `[NAME=]PATH` inputs into `output`. None with --dry-run.

    Raises GptkitError where inputs are missing, or where nothing in them could be read.
    """
    found = find_inputs(inputs, settings.text_column)
    if runtime.limit is None:  # a limit is of the first documents in the order given
        found = found.in_one_order()
    inputs_of_plan = [*found.digests, *_further_inputs(settings, found.files)]
    with Stage("clean", VERSION, settings, inputs_of_plan, output, runtime) as stage:
        groups = cut(found.files) if runtime.limit is None else _whole_files(found.files)
        what = (
            f"{len(found.files)} files, {found.bytes / 1e6:,.1f} MB, "
            f"{len(groups)} tasks on {runtime.pool.workers} workers"
        )
        if stage.finished or not stage.begin(what):
            return stage.finished
        check_free_space(output, found.bytes)
        compile_chain(settings, found.files, runtime)
        tasks = _tasks(stage, groups, pa.schema(further_columns(found.files)), settings)
        results = _limited(stage, tasks) if runtime.limit is not None else stage.phase("clean", clean_task, tasks)
        counts = _sum_counts(results)
        if counts["documents_in"] == 0:
            first = next((entry for result in results for entry in result["damage"]), None)
            reason = f"{first['file']}: {first['reason']}" if first else "no HTML pages and no documents"
            raise InputError(f"{', '.join(map(shown, inputs))}: nothing could be read ({reason})")
        shards = [shard for result in results for shard in result["shards"]]
        kept = tuple(shard["name"] for shard in shards if shard["kind"] == "documents")
        (repeated,) = stage.phase("ids", find_repeated_ids, [RepeatTask(stage.out, kept)])
        renames = [RenameTask(stage.out / name, ids) for name, ids in repeated["shards"].items()]
        stage.phase("rename", rename_ids, renames)
        counts["repeated_ids"] = sum(len(task.ids) for task in renames)
        return stage.close(
            [
                Shard.describe(stage.out, stage.out / shard["name"], shard["rows"], shard["source"], shard["kind"])
                for shard in shards
            ],
            counts,
        )


def _further_inputs(settings: CleanSettings, files: Sequence[InputFile]) -> list[dict[str, Any]]:
    """What decides the result besides documents and settings: block lists and models, by what is in them."""
    lists = list_files(settings)
    entries = [{"name": "block lists", "digest": lists.digest()}] if lists.given else []
    if settings.quality_model:
        model = Quality.load(settings.quality_model)
        entries.append({"name": "quality model", "digest": model.digest, "path": settings.quality_model})
    if settings.extractor == FAST and any(file.format in PAGES for file in files):
        entries.append({"name": "extraction model", "digest": model_digest(settings.extractor_model)})
    return entries


def compile_chain(settings: CleanSettings, files: Sequence[InputFile], runtime: Runtime) -> None:
    """Compiles the kernels of the chain by sending a page or a little text through it."""
    pages = any(file.format in PAGES for file in files)
    steps = "-".join([*([settings.extractor] if pages else []), *chain_of(settings).steps])
    compile_kernels(runtime.progress.say, lambda: _warm_up(settings, pages), f"clean-{steps}")


def _warm_up(settings: CleanSettings, pages: bool) -> None:
    text = "“Curly” marks, and a café.\nLines."
    if pages:
        batch = html.batch([("a", "https://a.example/", "a", f"<p>{text}".encode(), None)])
    else:
        columns = {"id": "a", "url": "https://a.example/", "source": "a", "text": text}
        batch = pa.RecordBatch.from_pydict({name: pa.array([value], pa.string()) for name, value in columns.items()})
    chain_of(settings).explain(batch)


def _tasks(
    stage: Stage, groups: Sequence[Sequence[Piece]], further: pa.Schema, settings: CleanSettings
) -> list[CleanTask | Feed]:
    """A task for each group of pieces, or a feed where it is a stream. Shards are named in input order."""
    seen: Counter[str] = Counter()
    tasks: list[CleanTask | Feed] = []
    for pieces in groups:
        source = pieces[0].file.source
        name = f"{source}-{seen[source]:05d}"
        seen[source] += 1
        task = CleanTask(tuple(pieces), stage.out, name, further, settings)
        tasks.append(task if splits(pieces[0].file) else _feed(task, stage.scratch))
    return tasks


def _whole_files(files: Sequence[InputFile]) -> list[list[Piece]]:
    """One group for files of a source that follow each other, but for streams: for runs that stop at a limit."""
    groups: list[list[Piece]] = []
    for file in files:
        last = groups[-1][-1].file if groups else None
        if last is not None and last.source == file.source and splits(last) and splits(file):
            groups[-1].append(Piece(file))
        else:
            groups.append([Piece(file)])
    return groups


def _feed(task: CleanTask, scratch: Path) -> Feed:
    def part_task(number: int, part: dict[str, Any]) -> CleanTask:
        return dataclasses.replace(task, name=f"{task.name}-{number:05d}", chunk=scratch / part["chunk"])

    return Feed(read_stream, StreamTask(task.pieces[0].file, scratch, task.name, task.further), part_task)


def _limited(stage: Stage, tasks: Sequence[CleanTask | Feed]) -> list[dict[str, Any]]:
    """Runs tasks one after the other until the limit is reached: it is of the first documents in input order."""
    results: list[dict[str, Any]] = []
    left = stage.runtime.limit or 0
    for number, task in enumerate(tasks):
        if left <= 0:
            break
        if isinstance(task, Feed):
            limited: CleanTask | Feed = dataclasses.replace(task, task=dataclasses.replace(task.task, limit=left))
        else:
            limited = dataclasses.replace(task, limit=left)
        found = stage.phase(f"clean-{number:05d}", clean_task, [limited])
        results += found
        left -= sum(result["documents_in"] for result in found)
    return results


def _sum_counts(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The counts of all tasks."""
    funnel, unfit = Funnel(), Counter[str]()
    for result in results:
        funnel.merge(Funnel.from_json(result["funnel"]))
        unfit.update(result["values_left_out"])
    table = funnel.counts(STEPS, RULE_ORDER)
    first: dict[str, Any] = next((step for step in table["steps"] if step["step"] not in BEFORE_TEXT), {})
    return {
        **{name: sum(result[name] for result in results) for name in SUMS},
        "bytes_text": first.get("bytes_in", 0),
        "rejected": {rule: counts["documents"] for rule, counts in table["rules"].items()},
        "funnel": table,
        "damage": [entry for result in results for entry in result["damage"]],
        "quarantine": [entry for result in results for entry in result["quarantine"]],
        "values_left_out": dict(sorted(unfit.items())),
    }
