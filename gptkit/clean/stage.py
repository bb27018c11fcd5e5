"""`gptkit clean`: from a raw crawl to documents that read like prose, with a reason for each rejection."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gptkit.clean import language, rules
from gptkit.clean.extract import extract
from gptkit.clean.repair import repair
from gptkit.clean.settings import CleanSettings
from gptkit.data import parquet
from gptkit.data.damage import Damage, write_damage
from gptkit.data.files import check_free_space
from gptkit.data.inputs import InputFile, find_inputs
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
        return f"{self.pieces[0].file.path} (task {self.name})"


def run(inputs: Sequence[str], output: Path, settings: CleanSettings, runtime: Runtime) -> Manifest | None:
    """Cleans `[NAME=]PATH` inputs into `output`. None with --dry-run.

    Raises GptkitError where inputs are missing, or where nothing in them could be read.
    """
    found = find_inputs(inputs)
    with Stage("clean", VERSION, settings, found.digests, output, runtime) as stage:
        # a limit is of the first documents in input order: one task counts them
        pieces = cut(found.files) if runtime.limit is None else _in_order(found.files)
        what = f"{len(found.files)} files, {found.bytes / 1e6:,.1f} MB, {len(pieces)} tasks on {runtime.pool.workers} workers"
        if stage.finished or not stage.begin(what):
            return stage.finished
        check_free_space(output, found.bytes)
        compile_kernels(runtime.progress.say, rules.warm_up, [gopher_statistics])
        further = pa.schema(further_columns(found.files))
        names = _shard_names(pieces)
        tasks = [
            CleanTask(tuple(part), stage.out, name, further, settings, runtime.limit)
            for part, name in zip(pieces, names, strict=True)
        ]
        results = stage.phase("clean", clean_task, tasks)
        counts = _sum_counts(results)
        if counts["documents_in"] == 0:
            first = next((entry for result in results for entry in result["damage"]), None)
            reason = f"{first['file']}: {first['reason']}" if first else "no HTML pages and no documents"
            raise InputError(f"{', '.join(inputs)}: nothing could be read ({reason})")
        counts["repeated_ids"] = 0
        if any(file.format != "warc" for file in found.files):
            shard_names = tuple(f"{name}.parquet" for name in names)
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
    rejected: Counter[str] = Counter()
    for result in results:
        rejected.update(result["rejected"])
    total = {
        key: sum(result[key] for result in results)
        for key in ("documents_in", "documents_out", "bytes_in", "bytes_text", "bytes_out", "damaged")
    }
    return {
        **total,
        "rejected": dict(sorted(rejected.items())),
        "damage": [entry for result in results for entry in result["damage"]],
    }


def clean_task(task: CleanTask) -> dict[str, Any]:
    """Cleans the pieces of one task into one shard, one file of rejections, and one of damaged records."""
    damage: list[Damage] = []
    rejected: Counter[str] = Counter()
    documents_in = documents_out = bytes_in = bytes_text = bytes_out = 0
    kept_schema = pa.schema(
        [(name, pa.string()) for name in parquet.KNOWN]
        + [pa.field(*score) for score in SCORES]
        + [f for f in task.further if f.name not in dict(SCORES)]
    )
    rejected_schema = pa.schema(REJECTED + ([("text", pa.string())] if task.settings.keep_rejected else []))
    kept_name, rejected_name = f"{task.name}.parquet", f"rejected/{task.name}.parquet"
    with (
        parquet.writing(task.out / kept_name, kept_schema) as kept_file,
        parquet.writing(task.out / rejected_name, rejected_schema) as rejected_file,
    ):
        for batch in _limited(task, damage):
            documents_in += len(batch)
            bytes_in += batch.nbytes
            judged = judge_batch(batch, task.settings)
            bytes_text += parquet.text_bytes(judged)
            rejected.update(rule for rule in judged.column("rule").to_pylist() if rule is not None)
            keep = judged.column("rule").is_null()
            out = parquet.conform(judged.filter(keep), kept_schema)
            kept_file.write_batch(out)
            documents_out += len(out)
            bytes_out += parquet.text_bytes(out)
            rejected_file.write_batch(parquet.conform(judged.filter(pc.invert(keep)), rejected_schema))
    source = task.pieces[0].file.source
    shards = [
        {"name": kept_name, "rows": documents_out, "source": source, "kind": "documents"},
        {"name": rejected_name, "rows": sum(rejected.values()), "source": source, "kind": "rejected"},
    ]
    if damage:
        name = f"damaged/{task.name}.jsonl"
        write_damage(task.out / name, damage)
        shards.append({"name": name, "rows": len(damage), "source": source, "kind": "damaged"})
    return {
        "shards": shards,
        "documents_in": documents_in,
        "documents_out": documents_out,
        "bytes_in": bytes_in,
        "bytes_text": bytes_text,
        "bytes_out": bytes_out,
        "damaged": len(damage),
        "damage": [{"file": entry.file, "offset": entry.offset, "reason": entry.reason} for entry in damage[:3]],
        "rejected": dict(rejected),
    }


def _limited(task: CleanTask, damage: list[Damage]) -> Iterator[pa.RecordBatch]:
    left = task.limit if task.limit is not None else 1 << 62
    for piece in task.pieces:
        for batch in read(piece, list(task.further), damage):
            yield batch[:left]
            left -= len(batch)
            if left <= 0:
                return


def judge_batch(batch: pa.RecordBatch, settings: CleanSettings) -> pa.RecordBatch:
    """Gives a batch its text, `language`, `language_score`, and `rule`, `value`, `limit` (null where kept)."""
    if "html" in batch.schema.names:
        pages = zip(batch.column("html").to_pylist(), batch.column("charset").to_pylist(), strict=True)
        texts = [repair(extract(page, charset)) for page, charset in pages]
        batch = batch.drop_columns(["html", "charset"])
    else:
        texts = [repair(text or "") for text in batch.column("text").to_pylist()]
        batch = batch.drop_columns(["text"])
    found = [language.detect(text, settings.language_characters) for text in texts]
    codes, scores = [code for code, _ in found], np.array([score for _, score in found])
    column = pa.array(texts, pa.string())
    verdicts = rules.judge(column, settings)
    rule, value, limit = verdicts.rule, verdicts.value, verdicts.limit
    for place, text in enumerate(texts):  # what is asked before the rules of quality
        if not text:
            rule[place], value[place], limit[place] = "empty", 0, 1
        elif settings.language != ("any",):
            if codes[place] not in settings.language:
                rule[place], value[place], limit[place] = f"language_{codes[place] or 'unknown'}", scores[place], np.nan
            elif scores[place] < settings.language_score:
                rule[place], value[place], limit[place] = "language_score", scores[place], settings.language_score
    broken = np.array([name is None for name in rule])
    columns = {
        "text": column,
        "language": pa.array(codes),
        "language_score": pa.array(scores, pa.float32()),
        "rule": pa.array(rule, pa.string()),
        "value": pa.array(value, pa.float64(), mask=broken),
        "limit": pa.array(limit, pa.float64(), mask=broken | np.isnan(limit)),
    }
    rest = {name: batch.column(name) for name in batch.schema.names if name not in columns}
    return pa.RecordBatch.from_pydict(rest | columns)


@dataclasses.dataclass(frozen=True)
class RepeatTask:
    """The shards in whose ids repetitions are looked for, in input order."""

    out: Path
    names: tuple[str, ...]


def find_repeated_ids(task: RepeatTask) -> dict[str, Any]:
    """For each shard the rows whose id stood before in their source, and the id they get: `…#2`, and so on."""
    seen: Counter[tuple[str, str]] = Counter()
    shards: dict[str, dict[str, str]] = {}
    for name in task.names:
        row = 0
        for batch in parquet.read_shard(task.out / name, ["id", "source"]):
            for key in zip(batch.column("source").to_pylist(), batch.column("id").to_pylist(), strict=True):
                seen[key] += 1
                if seen[key] > 1:
                    shards.setdefault(name, {})[str(row)] = f"{key[1]}#{seen[key]}"
                row += 1
    return {"shards": shards}


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
