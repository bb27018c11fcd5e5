"""`gptkit clean`: from a raw crawl to documents that read like prose, with a reason for each rejection."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gptkit.clean import language, rules
from gptkit.clean.extract import extract
from gptkit.clean.repair import repair
from gptkit.clean.settings import CleanSettings
from gptkit.data import parquet
from gptkit.data.damage import Damage, write_damage
from gptkit.data.files import check_free_space
from gptkit.data.inputs import InputFile, find_inputs, shown
from gptkit.data.manifest import Manifest, Shard
from gptkit.data.pieces import Piece, cut, further_columns, read
from gptkit.engine.stage import Runtime, Stage
from gptkit.errors import InputError
from gptkit.kernels.gopher import gopher_statistics
from gptkit.kernels.jit import compile_kernels

VERSION = 1
REJECTED = [
    ("id", pa.string()),
    ("url", pa.string()),
    ("rule", pa.string()),
    ("value", pa.float64()),
    ("limit", pa.float64()),
]
SUMS = ("documents_in", "documents_out", "bytes_in", "bytes_text", "bytes_out")
SCORES = [("language", pa.string()), ("language_score", pa.float32())]


@dataclasses.dataclass(frozen=True)
class CleanTask:
    """Pieces of one source that become one shard."""

    pieces: tuple[Piece, ...]
    out: Path
    name: str
    further: pa.Schema
    settings: CleanSettings
    limit: int | None

    @property
    def weight(self) -> int:
        """Bytes to read, roughly."""
        return sum(piece.weight for piece in self.pieces)

    @property
    def label(self) -> str:
        """What a message calls this task."""
        return f"{shown(self.pieces[0].file.path)} (task {self.name})"


def run(inputs: Sequence[str], output: Path, settings: CleanSettings, runtime: Runtime) -> Manifest | None:
    """Cleans `[NAME=]PATH` inputs into `output`. None with --dry-run.

    Raises GptkitError where inputs are missing, or where nothing in them could be read.
    """
    found = find_inputs(inputs)
    with Stage("clean", VERSION, settings, found.digests, output, runtime) as stage:
        pieces = cut(found.files) if runtime.limit is None else _in_order(found.files)
        what = (
            f"{len(found.files)} files, {found.bytes / 1e6:,.1f} MB, "
            f"{len(pieces)} tasks on {runtime.pool.workers} workers"
        )
        if stage.finished or not stage.begin(what):
            return stage.finished
        check_free_space(output, found.bytes)
        compile_kernels(runtime.progress.say, rules.warm_up, [gopher_statistics])
        further = pa.schema(further_columns(found.files))
        tasks = [
            CleanTask(tuple(part), stage.out, name, further, settings, runtime.limit)
            for part, name in zip(pieces, _shard_names(pieces), strict=True)
        ]
        results = _limited(stage, tasks) if runtime.limit is not None else stage.phase("clean", clean_task, tasks)
        tasks = tasks[: len(results)]
        counts = _sum_counts(results)
        if counts["documents_in"] == 0:
            first = next((entry for result in results for entry in result["damage"]), None)
            reason = f"{first['file']}: {first['reason']}" if first else "no HTML pages and no documents"
            raise InputError(f"{', '.join(map(shown, inputs))}: nothing could be read ({reason})")
        shard_names = tuple(f"{task.name}.parquet" for task in tasks)
        (repeated,) = stage.phase("ids", find_repeated_ids, [RepeatTask(stage.out, shard_names)])
        renames = [RenameTask(stage.out / name, ids) for name, ids in repeated["shards"].items()]
        stage.phase("rename", rename_ids, renames)
        counts["repeated_ids"] = sum(len(task.ids) for task in renames)
        shards = [
            Shard.describe(stage.out, stage.out / shard["name"], shard["rows"], shard["source"], shard["kind"])
            for result in results
            for shard in result["shards"]
        ]
        return stage.close(shards, counts)


def _limited(stage: Stage, tasks: Sequence[CleanTask]) -> list[dict[str, Any]]:
    """Runs tasks one after the other until the limit is reached: it is of the first documents in input order."""
    results: list[dict[str, Any]] = []
    left = stage.runtime.limit or 0
    for task in tasks:
        if left <= 0:
            break
        results += stage.phase(f"clean-{task.name}", clean_task, [dataclasses.replace(task, limit=left)])
        left -= results[-1]["documents_in"]
    return results


def _in_order(files: Sequence[InputFile]) -> list[list[Piece]]:
    tasks: list[list[Piece]] = []
    for file in files:
        if tasks and tasks[-1][0].file.source == file.source:
            tasks[-1].append(Piece(file))
        else:
            tasks.append([Piece(file)])
    return tasks


def _shard_names(tasks: Sequence[Sequence[Piece]]) -> list[str]:
    seen: Counter[str] = Counter()
    names = []
    for pieces in tasks:
        source = pieces[0].file.source
        names.append(f"{source}-{seen[source]:05d}")
        seen[source] += 1
    return names


def _sum_counts(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The counts of all tasks."""
    rejected: Counter[str] = Counter()
    unfit: Counter[str] = Counter()
    for result in results:
        rejected.update(result["rejected"])
        unfit.update(result["values_left_out"])
    return {
        **{name: sum(result[name] for result in results) for name in (*SUMS, "damaged")},
        "rejected": dict(sorted(rejected.items())),
        "damage": [entry for result in results for entry in result["damage"]],
        "values_left_out": dict(sorted(unfit.items())),
    }


def clean_task(task: CleanTask) -> dict[str, Any]:
    """Cleans the pieces of one task into one shard, one file of rejections, and one of damaged records."""
    damage: list[Damage] = []
    rejected: Counter[str] = Counter()
    unfit: Counter[str] = Counter()
    total: Counter[str] = Counter(dict.fromkeys(SUMS, 0))
    further = [field for field in task.further if field.name not in dict(SCORES)]
    schema = pa.schema([*((name, pa.string()) for name in parquet.KNOWN), *SCORES, *further])
    rejected_schema = pa.schema(REJECTED + ([("text", pa.string())] if task.settings.keep_rejected else []))
    kept_name, rejected_name = f"{task.name}.parquet", f"rejected/{task.name}.parquet"
    with (
        parquet.writing(task.out / kept_name, schema) as kept_file,
        parquet.writing(task.out / rejected_name, rejected_schema) as rejected_file,
    ):
        for batch, pages in _batches(task, damage, unfit):
            documents = _with_text(batch, pages, task.settings)
            verdicts = judge(documents, task.settings)
            keep = np.array([rule is None for rule in verdicts.rule])
            kept = parquet.conform(documents.filter(pa.array(keep)), schema)
            kept_file.write_batch(kept)
            rejected_file.write_batch(
                parquet.conform(_reasons(documents, verdicts).filter(pa.array(~keep)), rejected_schema)
            )
            rejected.update(rule for rule in verdicts.rule if rule is not None)
            total["documents_in"] += len(documents)
            total["documents_out"] += len(kept)
            total["bytes_in"] += batch.nbytes
            total["bytes_text"] += parquet.text_bytes(documents)
            total["bytes_out"] += parquet.text_bytes(kept)
    source = task.pieces[0].file.source
    shards = [
        {"name": kept_name, "rows": total["documents_out"], "source": source, "kind": "documents"},
        {"name": rejected_name, "rows": rejected.total(), "source": source, "kind": "rejected"},
    ]
    if damage:
        name = f"damaged/{task.name}.jsonl"
        write_damage(task.out / name, damage)
        shards.append({"name": name, "rows": len(damage), "source": source, "kind": "damaged"})
    return {
        "shards": shards,
        **total,
        "damaged": len(damage),
        "damage": [{"file": entry.file, "offset": entry.offset, "reason": entry.reason} for entry in damage[:3]],
        "rejected": dict(rejected),
        "values_left_out": dict(unfit),
    }


def _batches(task: CleanTask, damage: list[Damage], unfit: Counter[str]) -> Iterator[tuple[pa.RecordBatch, bool]]:
    """The input's batches up to the limit, and whether they hold pages rather than text."""
    left = task.limit if task.limit is not None else 1 << 62
    for piece in task.pieces:
        if piece.start == 0:
            piece.file.check()
        for batch in read(piece, list(task.further), damage, unfit):
            yield batch[:left], piece.file.format == "warc"
            left -= len(batch)
            if left <= 0:
                return


def _with_text(batch: pa.RecordBatch, pages: bool, settings: CleanSettings) -> pa.RecordBatch:
    """Gives a batch its repaired `text`, `language` and `language_score`; these columns are written over."""
    if pages:
        raw = zip(batch.column("html").to_pylist(), batch.column("charset").to_pylist(), strict=True)
        texts = [repair(extract(page, charset)) for page, charset in raw]
        batch = batch.drop_columns(["html", "charset"])
    else:
        texts = [repair(text or "") for text in batch.column("text").to_pylist()]
    found = [language.detect(text, settings.language_characters) for text in texts]
    columns = {name: batch.column(name) for name in batch.schema.names}
    columns["text"] = pa.array(texts, pa.string())
    columns["language"] = pa.array([code for code, _ in found], pa.string())
    columns["language_score"] = pa.array([score for _, score in found], pa.float32())
    return pa.RecordBatch.from_pydict(columns)


def judge(documents: pa.RecordBatch, settings: CleanSettings) -> rules.Verdicts:
    """What is wrong with each document: it is empty, in another language, or breaks a rule of quality."""
    verdicts = rules.judge(documents.column("text"), settings)
    rule, value, limit = verdicts.rule, verdicts.value, verdicts.limit
    columns = (documents.column(name).to_pylist() for name in ("text", "language", "language_score"))
    for place, (text, code, score) in enumerate(zip(*columns, strict=True)):
        if not text:
            rule[place], value[place], limit[place] = "empty", 0, 1
        elif settings.language != ("any",):
            if code not in settings.language:
                rule[place], value[place], limit[place] = f"language_{code or 'unknown'}", score, np.nan
            elif score < settings.language_score:
                rule[place], value[place], limit[place] = "language_score", score, settings.language_score
    return verdicts


def _reasons(documents: pa.RecordBatch, verdicts: rules.Verdicts) -> pa.RecordBatch:
    """The documents with the rule each broke, the value that was measured and the limit, if it has one."""
    columns = {name: documents.column(name) for name in ("id", "url", "text")}
    columns["rule"] = pa.array(verdicts.rule, pa.string())
    columns["value"] = pa.array(verdicts.value, pa.float64())
    columns["limit"] = pa.array(verdicts.limit, pa.float64(), mask=np.isnan(verdicts.limit))
    return pa.RecordBatch.from_pydict(columns)


@dataclasses.dataclass(frozen=True)
class RepeatTask:
    """The shards in whose ids repetitions are looked for, in input order."""

    out: Path
    names: tuple[str, ...]


def find_repeated_ids(task: RepeatTask) -> dict[str, Any]:
    """For each shard the rows whose id stood before in their source, and the id they get: `…#2`, and so on."""
    taken: set[tuple[str, str]] = set()  # every (source, id) of the input, and those given out
    for name in task.names:
        taken.update(_keys(task.out / name))
    met: Counter[tuple[str, str]] = Counter()
    shards: dict[str, dict[str, str]] = {}
    for name in task.names:
        for row, (source, identity) in enumerate(_keys(task.out / name)):
            met[source, identity] += 1
            if met[source, identity] == 1:
                continue
            while (source, f"{identity}#{met[source, identity]}") in taken:
                met[source, identity] += 1  # an id of the input looks like that
            new = f"{identity}#{met[source, identity]}"
            taken.add((source, new))
            shards.setdefault(name, {})[str(row)] = new
    return {"shards": shards}


def _keys(path: Path) -> Iterator[tuple[str, str]]:
    for batch in parquet.read_shard(path, ["id", "source"]):
        yield from zip(batch.column("source").to_pylist(), batch.column("id").to_pylist(), strict=True)


@dataclasses.dataclass(frozen=True)
class RenameTask:
    """New ids for some rows of a shard."""

    path: Path
    ids: dict[str, str]  # by row; the rows are text, as JSON has them


def rename_ids(task: RenameTask) -> dict[str, Any]:
    """Writes a shard again with the new ids."""
    schema, row = parquet.open_file(str(task.path)).schema_arrow, 0
    with parquet.writing(task.path, schema) as file:
        for batch in parquet.read_shard(task.path):
            ids = [task.ids.get(str(row + place), old) for place, old in enumerate(batch.column("id").to_pylist())]
            file.write_batch(batch.set_column(batch.schema.names.index("id"), "id", pa.array(ids, pa.string())))
            row += len(batch)
    return {}
