"""The tasks of `gptkit clean`: pieces or chunks into shards, and streams into chunks."""

import dataclasses
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from gptkit.clean.chain import LEFT_OUT, ROW, Outcome, chain_of
from gptkit.clean.funnel import Funnel
from gptkit.clean.settings import CleanSettings
from gptkit.data import parquet
from gptkit.data.chunks import read_chunk, write_chunk
from gptkit.data.damage import Damage, DamageList, write_damage
from gptkit.data.inputs import InputFile, shown
from gptkit.data.pieces import TASK_BYTES, Piece, merged, read
from gptkit.engine import watch

REJECTED = [("id", pa.string()), ("url", pa.string()), *LEFT_OUT]
SHOWN_DAMAGE = 3  # places of each task that the manifest names


@dataclasses.dataclass(frozen=True)
class CleanTask:
    """Pieces of one source, or a chunk of a stream, that become one shard."""

    pieces: tuple[Piece, ...]
    out: Path
    name: str
    further: pa.Schema
    settings: CleanSettings
    chunk: Path | None = None  # what to read instead of the pieces
    limit: int | None = None
    one_by_one: bool = False  # send each document through the chain alone: one of them does harm
    quarantine: tuple[tuple[int, str], ...] = ()  # documents that are not to be touched, by number, and why

    @property
    def weight(self) -> int:
        """Bytes to read, roughly."""
        return sum(piece.weight for piece in self.pieces)

    @property
    def label(self) -> str:
        """What a message calls this task."""
        return f"{shown(self.pieces[0].file.path)} (task {self.name})"


@dataclasses.dataclass(frozen=True)
class StreamTask:
    """A file that has one reader, which cuts it into chunks."""

    file: InputFile
    scratch: Path
    name: str
    further: pa.Schema
    limit: int | None = None
    parts: tuple[dict[str, Any], ...] = ()  # what was read before

    @property
    def weight(self) -> int:
        """Bytes to read, roughly."""
        return Piece(self.file).weight

    @property
    def label(self) -> str:
        """What a message calls this task."""
        return f"{shown(self.file.path)} (stream {self.name})"


def read_stream(task: StreamTask) -> Iterator[dict[str, Any]]:
    """Writes chunks of about `TASK_BYTES`, the first behind those that are there; yields each when it is written."""
    if task.parts and task.parts[-1]["last"]:
        return
    damage = DamageList()
    unfit: Counter[str] = Counter()
    done = sum(part["rows"] for part in task.parts)
    number = len(task.parts)
    held: list[pa.RecordBatch] = []

    def chunk(last: bool) -> dict[str, Any]:
        nonlocal held, number
        name, rows = f"{task.name}-{number:05d}.arrow", sum(map(len, held))
        write_chunk(task.scratch / name, held, damage, unfit)
        held, number = [], number + 1
        damage.clear()
        unfit.clear()
        return {"chunk": name, "rows": rows, "last": last}

    if number == 0:
        task.file.check()
    left = task.limit - done if task.limit is not None else None
    for batch in read(Piece(task.file), list(task.further), damage, unfit, skip=done):
        held.append(batch if left is None else batch[:left])
        if left is not None:
            left -= len(held[-1])
        if left == 0:
            break
        if sum(batch.nbytes for batch in held) >= TASK_BYTES:
            yield chunk(last=False)
    yield chunk(last=True)  # perhaps without documents: damage may lie behind them


def clean_task(task: CleanTask) -> dict[str, Any]:
    """Cleans the documents of one task into one shard, one file of rejections, and one of damaged records."""
    damage = DamageList()
    unfit: Counter[str] = Counter()
    funnel = Funnel()
    rows, came = Counter[str](), Counter[str]()
    chain = chain_of(task.settings)
    own = dict(chain.columns)
    further = [field for field in task.further if field.name not in own]
    schema = pa.schema([*((name, pa.string()) for name in parquet.KNOWN), *own.items(), *further])
    left_out = pa.schema(REJECTED + ([("text", pa.string())] if task.settings.keep_rejected else []))
    names = {"documents": f"{task.name}.parquet", "rejected": f"rejected/{task.name}.parquet"}
    with (
        parquet.writing(task.out / names["documents"], schema) as kept_file,
        parquet.writing(task.out / names["rejected"], left_out) as rejected_file,
    ):
        for batch in _batches(task, damage, unfit):
            watch.at(came["documents_in"]) if task.one_by_one else watch.at_many()
            outcome = chain.run(batch, came["documents_in"], dict(task.quarantine))
            funnel.merge(outcome.funnel)
            kept_file.write_batch(parquet.conform(outcome.kept, schema))
            rejected = _in_order(outcome, left_out)
            rejected_file.write_table(rejected)
            rows["documents"] += len(outcome.kept)
            rows["rejected"] += len(rejected)
            came["documents_in"] += len(batch)
            came["bytes_in"] += batch.nbytes
            came["bytes_out"] += parquet.text_bytes(outcome.kept)
            watch.leave()  # reading what follows is no work on these
    source = task.pieces[0].file.source
    shards = [{"name": name, "rows": rows[kind], "source": source, "kind": kind} for kind, name in names.items()]
    if damage:
        name = f"damaged/{task.name}.jsonl"
        write_damage(task.out / name, damage)
        shards.append({"name": name, "rows": len(damage), "source": source, "kind": "damaged"})
    return {
        "shards": shards,
        "documents_in": came["documents_in"],
        "documents_out": rows["documents"],
        "bytes_in": came["bytes_in"],
        "bytes_out": came["bytes_out"],
        "funnel": funnel.as_json(),
        "damaged": len(damage),
        "damage": [
            {"file": entry.file, "offset": entry.offset, "reason": entry.reason} for entry in damage[:SHOWN_DAMAGE]
        ],
        "quarantine": [[task.name, number, reason] for number, reason in task.quarantine],
        "values_left_out": dict(unfit),
    }


def _batches(task: CleanTask, damage: list[Damage], unfit: Counter[str]) -> Iterator[pa.RecordBatch]:
    """The input's batches up to the limit."""
    left = task.limit if task.limit is not None else 1 << 62
    batches = merged(_read_all(task, damage, unfit))
    if task.one_by_one:
        batches = (batch[row : row + 1] for batch in batches for row in range(len(batch)))
    for batch in batches:
        yield batch[:left]
        left -= len(batch)
        if left <= 0:
            return


def _read_all(task: CleanTask, damage: list[Damage], unfit: Counter[str]) -> Iterator[pa.RecordBatch]:
    if task.chunk is not None:
        yield from read_chunk(task.chunk, damage, unfit)
        return
    for piece in task.pieces:
        if piece.start == 0:
            piece.file.check()
        yield from read(piece, list(task.further), damage, unfit)


def _in_order(outcome: Outcome, schema: pa.Schema) -> pa.Table:
    """The rejected documents of a batch, in the order in which they came in."""
    order = pa.schema([*schema, (ROW, pa.int64())])
    table = pa.Table.from_batches([parquet.conform(went, order) for went in outcome.rejected], order)
    return table.sort_by(ROW).drop_columns([ROW])
