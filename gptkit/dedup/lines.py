"""`gptkit dedup --unit line` and `paragraph`: units that occur again anywhere in the corpus go (CCNet, arXiv 1911.00359).

Every portion writes the hash of each of its units with the unit's number; equal hashes meet in a part
of limited size, which tells which units go; then every portion is written again without them.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gptkit.data import parquet
from gptkit.data.arrays import load_array, save_array
from gptkit.data.files import beside, check_free_space, read_json, write_json
from gptkit.data.manifest import Manifest, Shard
from gptkit.data.portions import Corpus, PortionTask, check, open_corpus, read
from gptkit.dedup.records import parts_for, read_part, share_of, write_records
from gptkit.dedup.settings import VERSION, DedupSettings
from gptkit.engine.stage import Runtime, Stage
from gptkit.kernels import units
from gptkit.kernels.characters import character_flags
from gptkit.kernels.columns import excerpts, string_arrays
from gptkit.kernels.jit import compile_kernels
from gptkit.kernels.lines import string_column
from gptkit.kernels.sorting import sort_records

RECORD_BYTES = 12  # on disk: hash and number
FREQUENT = 1_000  # units that the table of the most frequent ones names
REMOVED = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("units", pa.int64()),
        ("characters", pa.int64()),
        ("first", pa.string()),
    ]
)
REPEATED = pa.schema([("occurrences", pa.int64()), ("text", pa.string())])


@dataclasses.dataclass(frozen=True)
class SignTask(PortionTask):
    """A portion whose units are hashed."""

    records: Path
    parts: int
    settings: DedupSettings


@dataclasses.dataclass(frozen=True)
class FindTask:
    """A part of the records of all portions."""

    part: int
    records: tuple[Path, ...]  # of each portion
    firsts: tuple[int, ...]  # number of each portion's first unit
    stem: Path
    settings: DedupSettings


@dataclasses.dataclass(frozen=True)
class FilterTask(PortionTask):
    """A portion to be written again without units."""

    first: int  # number of its first unit
    units: int
    found: tuple[Path, ...]  # the numbers of the units that go, ascending in each file
    examples: tuple[int, ...]  # numbers of units, ascending, whose text is wanted
    out: Path
    schema: pa.Schema
    settings: DedupSettings


def sign(task: SignTask) -> dict[str, Any]:
    """Writes the records (hash of a unit, its number in the portion)."""
    check(task.portion)
    paragraphs, table, flags = _how(task.settings)
    hashes, numbers, first = [np.empty(0, np.uint64)], [np.empty(0, np.uint32)], 0
    for batch in read(task.portion, pa.schema([("text", pa.string())])):
        content, starts = string_arrays(batch.column("text"))
        found, places, count = units.hash_units(content, starts, paragraphs, task.settings.min_length, table, flags)
        hashes.append(found)
        numbers.append(places + np.uint32(first))
        first += count
    write_records(task.records, np.concatenate(hashes), np.concatenate(numbers), task.parts)
    return {"units": first}


def find(task: FindTask) -> dict[str, Any]:
    """Writes the numbers of the units of a part that go, and of its most frequent ones number and occurrences."""
    keys, places = read_part(task.records, task.firsts, task.part)
    begins = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.empty(0, np.int64)
    counts = np.diff(begins, append=len(keys))
    repeated = counts >= task.settings.min_count
    goes = np.repeat(repeated, counts)
    if task.settings.keep_first:
        goes[begins] = False
        repeated &= counts > 1  # with --min-count 1 of a unit that occurs once nothing goes
    save_array(beside(task.stem, ".goes.npy"), np.sort(places[goes]))
    frequent = np.stack([counts[repeated], places[begins[repeated]]], axis=1)
    save_array(beside(task.stem, ".frequent.npy"), _most_frequent(frequent))
    return {"units_removed": int(goes.sum())}


def filter_portion(task: FilterTask) -> dict[str, Any]:
    """Writes the documents without the units that go, and a row for each document that lost some."""
    paragraphs, _, flags = _how(task.settings)
    goes = np.zeros(task.units, np.bool_)
    for path in task.found:
        numbers = load_array(path, mapped=True)
        low, high = np.searchsorted(numbers, [task.first, task.first + task.units])
        goes[numbers[low:high] - task.first] = True
    examples = np.array(task.examples, np.int64) - task.first
    result: dict[str, Any] = dict.fromkeys(
        ("documents_in", "documents_out", "bytes_in", "bytes_out", "emptied", "removed", "characters_removed"), 0
    )
    result["examples"] = []
    name, first = task.portion.name, 0
    with (
        parquet.writing(task.out / f"{name}.parquet", task.schema) as file,
        parquet.writing(task.out / f"removed/{name}.parquet", REMOVED) as removed,
    ):
        for batch in read(task.portion, task.schema):
            text = batch.column("text")
            content, starts = string_arrays(text)
            out, out_starts, rows = units.remove_units(content, starts, paragraphs, goes[first:], flags)
            count = int(rows[:, units.UNITS].sum())
            wanted = examples[(examples >= first) & (examples < first + count)] - first
            result["examples"] += excerpts(content, units.places(content, starts, paragraphs, wanted, flags))
            first += count
            changed = np.flatnonzero(rows[:, units.REMOVED])
            emptied = changed[np.diff(out_starts)[changed] == 0]
            kept = batch
            if len(changed):
                place = batch.schema.get_field_index("text")
                kept = batch.set_column(place, "text", string_column(out, out_starts, text.type))
                stays = np.ones(len(batch), np.bool_)
                stays[emptied] = False
                kept = kept.filter(pa.array(stays))
                lost = batch.take(pa.array(changed))
                shown = excerpts(content, rows[changed][:, [units.BEGIN, units.END]])
                columns = [
                    lost.column("id"),
                    lost.column("source"),
                    pa.array(rows[changed, units.REMOVED]),
                    pa.array(rows[changed, units.CHARACTERS]),
                    pa.array(shown, pa.string()),
                ]
                removed.write_batch(pa.RecordBatch.from_arrays(columns, schema=REMOVED))
            file.write_batch(kept)
            result["documents_in"] += len(batch)
            result["documents_out"] += len(kept)
            result["bytes_in"] += parquet.text_bytes(batch)
            result["bytes_out"] += parquet.text_bytes(kept)
            result["emptied"] += len(emptied)
            result["removed"] += len(changed)
            result["characters_removed"] += int(rows[:, units.CHARACTERS].sum())
    return result


def run(inputs: Sequence[str], output: Path, settings: DedupSettings, runtime: Runtime) -> Manifest | None:
    """Removes lines or paragraphs that occur again. None with --dry-run.

    Two units are equal where they are but for white space around them; with `normalise` also but for
    case, accents, digits, punctuation and runs of white space (see `units.normalised_characters`).
    Equal hashes of 64 bits are taken for equal units: of a billion different ones, two have the same
    with a probability of 3 %. Raises GptkitError as `open_corpus` does, and where the disk is too full.
    """
    settings = settings.for_workers(runtime.pool.workers)
    share = share_of(settings.memory, runtime.pool.workers)
    corpus = open_corpus(inputs, runtime.limit)
    with Stage("dedup", VERSION, settings, corpus.digests, output, runtime) as stage:
        what = f"{settings.unit}s of {corpus.documents:,} documents, {corpus.bytes / 1e6:,.1f} MB"
        if stage.finished or not stage.begin(f"{what}, on {runtime.pool.workers} workers"):
            return stage.finished
        most = corpus.weight // max(2, settings.min_length)  # a unit has as many bytes, and what parts it from the next
        check_free_space(output, corpus.bytes + most * (RECORD_BYTES + 8))
        compile_kernels(runtime.progress.say, _warm_up, "dedup-lines")
        parts = _parts(stage.scratch / "parts.json", most, share)
        records = tuple(stage.scratch / f"{portion.name}.records" for portion in corpus.portions)
        signed = stage.phase(
            "sign",
            sign,
            [SignTask(portion, path, parts, settings) for portion, path in zip(corpus.portions, records, strict=True)],
        )
        firsts = np.cumsum([0, *(result["units"] for result in signed)]).tolist()
        stems = [stage.scratch / f"part-{part:05d}" for part in range(parts)]
        found = stage.phase(
            "find",
            find,
            [FindTask(part, records, tuple(firsts[:-1]), stem, settings) for part, stem in enumerate(stems)],
        )
        tables = [load_array(beside(stem, ".frequent.npy")) for stem in stems]
        frequent = _most_frequent(np.concatenate(tables))
        results = stage.phase("filter", filter_portion, _filter_tasks(corpus, firsts, stems, frequent, stage, settings))
        shards = []
        for portion, result in zip(corpus.portions, results, strict=True):
            shard, removed = stage.out / f"{portion.name}.parquet", stage.out / f"removed/{portion.name}.parquet"
            shards.append(Shard.describe(stage.out, shard, result["documents_out"], portion.source))
            shards.append(Shard.describe(stage.out, removed, result["removed"], portion.source, "removed"))
        shards.append(_write_frequent(stage, frequent, results))
        names = ("documents_in", "documents_out", "bytes_in", "bytes_out", "characters_removed")
        counts: dict[str, Any] = {name: sum(result[name] for result in results) for name in names}
        counts["units"] = firsts[-1]
        counts["units_removed"] = sum(result["units_removed"] for result in found)
        counts["rejected"] = {"emptied": sum(result["emptied"] for result in results)}
        return stage.close(shards, counts)


def _how(settings: DedupSettings) -> tuple[bool, np.ndarray, np.ndarray]:
    """Whether units are paragraphs; the tables of the kernels."""
    table = units.normalised_characters() if settings.normalise else units.AS_IT_IS
    return settings.unit == "paragraph", table, character_flags()


def _warm_up() -> None:
    content, starts = string_arrays(pa.array(["a line"]))
    flags = character_flags()
    units.hash_units(content, starts, False, 0, units.AS_IT_IS, flags)
    units.remove_units(content, starts, False, np.zeros(1, np.bool_), flags)
    units.places(content, starts, False, np.zeros(1, np.int64), flags)
    sort_records(np.zeros(1, np.uint64), np.zeros(1, np.uint32))
    sort_records(np.zeros(1, np.uint64), np.zeros(1, np.int64))


def _parts(path: Path, records: int, memory: int) -> int:
    """Into how many parts the first run of this output cut the records: a later one may have other memory."""
    if not path.exists():
        write_json(path, parts_for(records, memory))
    return int(read_json(path))


def _most_frequent(table: np.ndarray) -> np.ndarray:
    """The first FREQUENT rows of a table (occurrences, number of the first unit): the most, then the first."""
    return table[np.lexsort([table[:, 1], -table[:, 0]])[:FREQUENT]]


def _filter_tasks(
    corpus: Corpus, firsts: list[int], stems: list[Path], frequent: np.ndarray, stage: Stage, settings: DedupSettings
) -> list[FilterTask]:
    found = tuple(beside(stem, ".goes.npy") for stem in stems)
    wanted = np.sort(frequent[:, 1])
    tasks = []
    for portion, first, last in zip(corpus.portions, firsts[:-1], firsts[1:], strict=True):
        examples = tuple(wanted[slice(*np.searchsorted(wanted, [first, last]))].tolist())
        tasks.append(FilterTask(portion, first, last - first, found, examples, stage.out, corpus.schema, settings))
    return tasks


def _write_frequent(stage: Stage, frequent: np.ndarray, results: Sequence[dict[str, Any]]) -> Shard:
    texts = [text for result in results for text in result["examples"]]  # by the number of the unit
    order = np.argsort(np.argsort(frequent[:, 1]))
    table = [pa.array(frequent[:, 0]), pa.array([texts[place] for place in order], pa.string())]
    path = stage.out / "repeated.parquet"
    with parquet.writing(path, REPEATED) as file:
        file.write_batch(pa.RecordBatch.from_arrays(table, schema=REPEATED))
    return Shard.describe(stage.out, path, len(frequent), kind="repeated")
