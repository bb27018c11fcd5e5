"""`gptkit dedup --unit substring`: spans of text that another document has too are found and cut.

Lee et al. (arXiv 2107.06499) find them with a suffix array; how it is done here, kernels/spans.py
says. All text is held in the memory of one process; reading it and writing what is left is done in
parallel.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gptkit.data import parquet
from gptkit.data.arrays import load_array, save_array
from gptkit.data.files import atomic_path, beside, check_free_space
from gptkit.data.manifest import Manifest, Shard
from gptkit.data.portions import Corpus, Portion, PortionTask, check, open_corpus, read
from gptkit.dedup.settings import VERSION, DedupSettings
from gptkit.dedup.sign import load_ids, save_ids
from gptkit.engine.stage import Runtime, Stage
from gptkit.errors import GptkitError
from gptkit.kernels import span_cuts, spans
from gptkit.kernels.characters import character_flags
from gptkit.kernels.columns import excerpts, string_arrays
from gptkit.kernels.jit import compile_kernels
from gptkit.kernels.lines import string_column
from gptkit.kernels.shingles import word_table
from gptkit.kernels.windows import CHARACTERS

WORD_BYTES = 4  # of a word and what parts it from the next, at least on average
OWNERS = 8  # slots for each anchor that is to be expected: one window in twenty is a candidate by chance
CANDIDATE_BYTES = 12  # a slot of eight bytes; the table is never more than two thirds full
SPAN_BYTES = 80  # of each span, while it is found who has it first
DOCUMENT_BYTES = 24
SPARE = 1_000_000
REMOVED = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("first_id", pa.string()),
        ("first_source", pa.string()),
        ("text", pa.string()),
    ]
)


@dataclasses.dataclass(frozen=True)
class ReadTask(PortionTask):
    """A portion whose text is to be at hand."""

    stem: Path


@dataclasses.dataclass(frozen=True)
class FindTask:
    """All text."""

    stems: tuple[Path, ...]
    result: Path
    settings: DedupSettings


@dataclasses.dataclass(frozen=True)
class CutTask(PortionTask):
    """A portion to be written again without its spans."""

    first: int  # number of its first document
    found: Path  # see `find`
    stems: tuple[Path, ...]  # of all portions
    firsts: tuple[int, ...]  # number of each portion's first document
    sources: tuple[str, ...]  # of each portion
    out: Path
    schema: pa.Schema


def memory_needed(size: int, documents: int, settings: DedupSettings) -> int:
    """Bytes of memory that finding takes for `size` bytes of text, beside Python and its libraries.

    The text; two bits for each byte of it; DOCUMENT_BYTES a document; and the larger of what is there
    first (4 bytes for each of `_owners`, and half a byte of text for the table of windows: more is
    used where it is there, and saves going through the candidates again) and what is there
    last (SPAN_BYTES for each span). For 200 characters that is 2.4 bytes for each byte of text.
    """
    first = 4 * _owners(size, settings) + size // 2
    last = SPAN_BYTES * (size // _span(settings))
    return size + 2 * (size // 8 + 1) + DOCUMENT_BYTES * documents + max(first, last) + SPARE


def _span(settings: DedupSettings) -> int:
    return settings.span_characters or settings.span_words


def _owners(size: int, settings: DedupSettings) -> int:
    """Slots for the anchors of a text: of the grams of a window, w in number, 2 in w + 1 are anchors."""
    units = size if settings.span_characters else size // WORD_BYTES
    return min(2 * OWNERS * units // (_span(settings) // 2 + 2), units, (1 << 32) - 2) + 1


def _table(settings: DedupSettings) -> np.ndarray:
    return CHARACTERS if settings.span_characters else word_table()


def _check_memory(size: int, documents: int, settings: DedupSettings) -> None:
    needed = memory_needed(size, documents, settings)
    if needed > settings.memory:
        raise GptkitError(
            f"--unit substring holds all text in memory: {size / 1e6:,.0f} MB of it need "
            f"{-(-needed // 1_000_000):,} MB, and --memory is {settings.memory / 1e6:,.0f} MB; "
            "give more, or parts of the text one by one"
        )


def read_text(task: ReadTask) -> dict[str, Any]:
    """Writes the text of a portion without gaps, the lengths of its documents in bytes, and their ids."""
    check(task.portion)
    ids, lengths = [], [np.empty(0, np.int64)]
    with atomic_path(beside(task.stem, ".text")) as temporary, open(temporary, "wb") as file:
        for batch in read(task.portion, pa.schema([("id", pa.string()), ("text", pa.string())])):
            content, starts = string_arrays(batch.column("text"))
            file.write(content[starts[0] : starts[-1]].data)
            lengths.append(np.diff(starts))
            ids.append(batch.column("id"))
    save_ids(task.stem, ids)
    save_array(beside(task.stem, ".lengths.npy"), np.concatenate(lengths))
    return {"bytes": sum(int(part.sum()) for part in lengths)}


def find(task: FindTask) -> dict[str, Any]:
    """Writes the spans to cut, int64 [spans, 6]: the columns of `span_cuts.merge_windows` and the first document with it."""
    settings, span, table = task.settings, _span(task.settings), _table(task.settings)
    lengths = [load_array(beside(stem, ".lengths.npy")) for stem in task.stems]
    starts = np.zeros(1 + sum(map(len, lengths)), np.int64)
    np.cumsum(np.concatenate([np.empty(0, np.int64), *lengths]), out=starts[1:])
    size = int(starts[-1])
    text = np.empty(size, np.uint8)
    place = 0
    for stem, own in zip(task.stems, lengths, strict=True):
        with open(beside(stem, ".text"), "rb") as file:
            place += file.readinto(text[place : place + int(own.sum())].data)
    text.flags.writeable = False  # as the kernels are compiled
    candidates, marks = np.zeros(size // 8 + 1, np.uint8), np.zeros(size // 8 + 1, np.uint8)
    owners = np.zeros(_owners(size, settings), np.uint32)
    number = spans.find_candidates(text, starts, span, table, owners, candidates)
    room = settings.memory - memory_needed(size, len(starts) - 1, settings) + size // 2 + SPARE
    parts = max(1, -(-number * CANDIDATE_BYTES // room))
    places = np.empty(number * CANDIDATE_BYTES // 8 // parts + 1_000, np.uint64)
    for forward in (True,) if settings.keep_first else (True, False):
        for part in range(parts):
            places[:] = 0
            spans.mark_repeats(text, starts, span, table, candidates, forward, part, parts, places, marks)
    del owners, places
    found = span_cuts.merge_windows(text, starts, span, table, marks)
    first = span_cuts.first_documents(text, starts, span, table, candidates, found)
    save_array(task.result, np.column_stack([found, first]))
    return {
        "spans_removed": len(found),
        "characters_removed": int((found[:, span_cuts.LAST] - found[:, span_cuts.FIRST]).sum()),
    }


def cut(task: CutTask) -> dict[str, Any]:
    """Writes the documents without their spans, and a row for each span."""
    found = load_array(task.found, mapped=True)
    documents, flags = np.array(found[:, span_cuts.DOCUMENT]), character_flags()
    result = dict.fromkeys(("documents_in", "documents_out", "bytes_in", "bytes_out", "emptied", "removed"), 0)
    name, first = task.portion.name, task.first
    with (
        parquet.writing(task.out / f"{name}.parquet", task.schema) as file,
        parquet.writing(task.out / f"removed/{name}.parquet", REMOVED) as removed,
    ):
        for batch in read(task.portion, task.schema):
            low, high = np.searchsorted(documents, [first, first + len(batch)])
            kept = batch
            if high > low:
                here = np.array(found[low:high])
                here[:, span_cuts.DOCUMENT] -= first
                text = batch.column("text")
                content, starts = string_arrays(text)
                out, out_starts = span_cuts.cut_spans(content, starts, here[:, :5].copy(), flags)
                place = batch.schema.get_field_index("text")
                kept = batch.set_column(place, "text", string_column(out, out_starts, text.type))
                emptied = np.zeros(len(batch), np.bool_)
                emptied[here[:, span_cuts.DOCUMENT]] = True
                emptied &= np.diff(out_starts) == 0
                kept = kept.filter(pa.array(~emptied))
                removed.write_batch(_rows(task, batch, content, starts, here))
                result["emptied"] += int(emptied.sum())
                result["removed"] += len(here)
            file.write_batch(kept)
            first += len(batch)
            result["documents_in"] += len(batch)
            result["documents_out"] += len(kept)
            result["bytes_in"] += parquet.text_bytes(batch)
            result["bytes_out"] += parquet.text_bytes(kept)
    return result


def _rows(
    task: CutTask, batch: pa.RecordBatch, content: np.ndarray, starts: np.ndarray, here: np.ndarray
) -> pa.RecordBatch:
    """The rows of REMOVED for the spans of a batch."""
    owners = batch.take(pa.array(here[:, span_cuts.DOCUMENT]))
    portions = np.searchsorted(task.firsts, here[:, 5], side="right") - 1
    ids = [""] * len(here)
    for portion in np.unique(portions).tolist():
        places = np.flatnonzero(portions == portion)
        known = load_ids(task.stems[portion], here[places, 5] - task.firsts[portion])
        for place, identity in zip(places.tolist(), known, strict=True):
            ids[place] = identity
    begins = starts[here[:, span_cuts.DOCUMENT]] + here[:, span_cuts.BEGIN]
    ends = starts[here[:, span_cuts.DOCUMENT]] + here[:, span_cuts.END]
    texts = excerpts(content, np.stack([begins, ends], axis=1))
    columns = [
        owners.column("id"),
        owners.column("source"),
        pa.array(here[:, span_cuts.FIRST]),
        pa.array(here[:, span_cuts.LAST]),
        pa.array(ids, pa.string()),
        pa.array([task.sources[portion] for portion in portions], pa.string()),
        pa.array(texts, pa.string()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=REMOVED)


def run(inputs: Sequence[str], output: Path, settings: DedupSettings, runtime: Runtime) -> Manifest | None:
    """Cuts every span of `span_characters`, or else `span_words`, that another document has first. None with --dry-run.

    Spans of characters are equal to the byte; those of words (see kernels/shingles.py) in their
    words. Repetition within one document is left alone. Without `keep_first` every copy goes of what
    two documents have. A cut may go through a word; what stands between the two parts that are left
    says `span_cuts.cut_spans`. Raises GptkitError as `open_corpus` does, where the text needs more than
    `memory`, and where the disk is too full.
    """
    settings = settings.for_workers(runtime.pool.workers)
    corpus = open_corpus(inputs, runtime.limit)
    with Stage("dedup", VERSION, settings, corpus.digests, output, runtime) as stage:
        size = sum(map(_text_bytes, corpus.portions))
        what = f"spans of {corpus.documents:,} documents, {size / 1e6:,.1f} MB of text"
        if stage.finished or not stage.begin(f"{what}, on {runtime.pool.workers} workers"):
            return stage.finished
        _check_memory(size, corpus.documents, settings)
        check_free_space(output, corpus.bytes + size)
        compile_kernels(runtime.progress.say, _warm_up, "dedup-substrings")
        stems = tuple(stage.scratch / portion.name for portion in corpus.portions)
        tasks = [ReadTask(portion, stem) for portion, stem in zip(corpus.portions, stems, strict=True)]
        texts = stage.phase("read", read_text, tasks)
        _check_memory(sum(result["bytes"] for result in texts), corpus.documents, settings)  # equal texts are packed
        found = stage.scratch / "spans.npy"
        (counted,) = stage.phase("find", find, [FindTask(stems, found, settings)])
        results = stage.phase("cut", cut, _cut_tasks(corpus, stems, found, stage.out))
        shards = []
        for portion, result in zip(corpus.portions, results, strict=True):
            shard, removed = stage.out / f"{portion.name}.parquet", stage.out / f"removed/{portion.name}.parquet"
            shards.append(Shard.describe(stage.out, shard, result["documents_out"], portion.source))
            shards.append(Shard.describe(stage.out, removed, result["removed"], portion.source, "removed"))
        names = ("documents_in", "documents_out", "bytes_in", "bytes_out")
        counts: dict[str, Any] = {name: sum(result[name] for result in results) for name in names}
        counts |= counted
        counts["rejected"] = {"emptied": sum(result["emptied"] for result in results)}
        return stage.close(shards, counts)


def _cut_tasks(corpus: Corpus, stems: tuple[Path, ...], found: Path, out: Path) -> list[CutTask]:
    firsts = np.cumsum([0, *(portion.documents for portion in corpus.portions)]).tolist()
    sources = tuple(portion.source for portion in corpus.portions)
    return [
        CutTask(portion, first, found, stems, tuple(firsts[:-1]), sources, out, corpus.schema)
        for portion, first in zip(corpus.portions, firsts[:-1], strict=True)
    ]


def _text_bytes(portion: Portion) -> int:
    """Bytes of the texts of a portion, as the Parquet files say: fewer where equal ones are stored once."""
    total = 0.0
    for piece, rows in zip(portion.pieces, portion.rows, strict=True):
        with parquet.opening(piece.file) as opened:
            metadata = opened.metadata
        groups = [metadata.row_group(index) for index in range(piece.start, piece.end or metadata.num_row_groups)]
        columns = [group.column(index) for group in groups for index in range(group.num_columns)]
        size = sum(
            column.total_uncompressed_size for column in columns if column.path_in_schema == piece.file.text_column
        )
        total += size * rows / max(1, sum(group.num_rows for group in groups))
    return int(total)


def _warm_up() -> None:
    content, starts = string_arrays(pa.array(["a line", "a line"]))
    candidates, marks = np.zeros(2, np.uint8), np.zeros(2, np.uint8)
    spans.find_candidates(content, starts, 3, CHARACTERS, np.zeros(9, np.uint32), candidates)
    spans.mark_repeats(content, starts, 3, CHARACTERS, candidates, True, 0, 1, np.zeros(99, np.uint64), marks)
    found = span_cuts.merge_windows(content, starts, 3, CHARACTERS, marks)
    span_cuts.first_documents(content, starts, 3, CHARACTERS, candidates, found)
    span_cuts.cut_spans(content, starts, found, character_flags())
