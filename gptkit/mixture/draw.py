"""Which documents a mixture takes: phases that measure the sources and cut each one's draw.

Both leave arrays on disk, a portion each, so that `DrawnPortion.chosen` can say at any time which
rows of a portion are taken and where they stand in the mixture.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gptkit.data.arrays import load_array, save_array
from gptkit.data.files import atomic_path, beside
from gptkit.data.identity import hash_ids
from gptkit.data.portions import Portion, PortionTask, check, read
from gptkit.engine.stage import Stage
from gptkit.errors import InputError, UsageError
from gptkit.mixture.keys import draw_keys, order_keys, weighs
from gptkit.mixture.settings import MixSettings, Unit
from gptkit.mixture.sources import Source, weight_field
from gptkit.sampling.asks import By
from gptkit.sampling.prefix import Cut, shortest_prefix
from gptkit.sampling.shares import Share, decided_by, shares

if TYPE_CHECKING:
    from gptkit.bpe.encoder import Encoder

IDS, SIZES, WEIGHTS = ".ids.npy", ".sizes.npy", ".weights.npy"


@dataclasses.dataclass(frozen=True)
class MeasureTask(PortionTask):
    """A portion to measure."""

    unit: Unit
    tokenizer: (
        tuple[Path, str, str | None] | None
    )  # tokenizer.json, its SHA-256 and end-of-text, where tokens are counted
    weight_by: pa.Field | None
    stem: Path | None  # of the arrays: the hashes of the ids, sizes, and weights; None to keep none


def measure_portion(task: MeasureTask) -> dict[str, Any]:
    """Writes each document's hash (uint64), size in the unit (int64) and weight (float64), and gives their sums."""
    check(task.portion)
    fields = [pa.field("id", pa.string()), pa.field("text", pa.string())]
    if task.weight_by is not None:
        fields.append(task.weight_by)
    encoder = _encoder(*task.tokenizer) if task.tokenizer is not None else None
    hashes, sizes, weights = [np.empty(0, np.uint64)], [np.empty(0, np.int64)], [np.empty(0)]
    text = 0
    for batch in read(task.portion, pa.schema(fields)):
        lengths = pc.binary_length(batch.column("text")).to_numpy().astype(np.int64)
        text += int(lengths.sum())
        if task.stem is not None:
            hashes.append(hash_ids(batch.column("id")))
        if encoder is not None:
            lengths = np.diff(encoder.encode(batch.column("text"))[1]) + 1  # end-of-text
        sizes.append(np.ones_like(lengths) if task.unit == "documents" else lengths)
        if task.weight_by is not None:
            weights.append(_numbers(batch.column(task.weight_by.name)))
    size, weight = np.concatenate(sizes), np.concatenate(weights)
    if task.stem is not None:
        save_array(beside(task.stem, IDS), np.concatenate(hashes))
        save_array(beside(task.stem, SIZES), size)
        if task.weight_by is not None:
            save_array(beside(task.stem, WEIGHTS), weight)
    unweighted = len(weight) - int(weighs(weight).sum())
    return {"documents": len(size), "size": int(size.sum()), "bytes": text, "unweighted": unweighted}


@functools.lru_cache(maxsize=1)
def _encoder(path: Path, digest: str, end_of_text: str | None) -> "Encoder":
    """The encoder, loaded once a worker."""
    from gptkit.bpe.encoder import Encoder  # numba and the tokenizers; most mixtures count bytes

    return Encoder(path, end_of_text)


def _numbers(column: pa.Array) -> np.ndarray:
    return column.cast(pa.float64(), safe=False).fill_null(float("nan")).to_numpy()


@dataclasses.dataclass(frozen=True)
class Order:
    """How the documents of a source are drawn and ordered."""

    source: str
    seed: int
    weighted: bool
    temperature: float

    def keys(self, stem: Path, epoch: int) -> np.ndarray:
        """The keys of a portion's documents in an epoch's draw, uint64 [documents]."""
        weights = load_array(beside(stem, WEIGHTS)) if self.weighted else None
        return draw_keys(load_array(beside(stem, IDS)), weights, self.temperature, self.seed, self.source, epoch)


@dataclasses.dataclass(frozen=True)
class SelectTask:
    """A source's portions, and what is wanted of its last, partial epoch."""

    order: Order
    stems: tuple[Path, ...]
    epoch: int
    wanted: int


def select_source(task: SelectTask) -> dict[str, Any]:
    """The shortest prefix of the epoch's draw that reaches what is wanted: the fields of a Cut."""

    def parts() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for stem in task.stems:
            yield task.order.keys(stem, task.epoch), load_array(beside(stem, SIZES))

    return dataclasses.asdict(shortest_prefix(parts, task.wanted))


@dataclasses.dataclass(frozen=True)
class Chosen:
    """Rows of a portion that the mixture takes: by epoch, and in each as they lie in the portion."""

    rows: np.ndarray  # int64 [n]
    epochs: np.ndarray  # int32 [n]
    keys: np.ndarray  # uint64 [n]: places in the mixture; equal keys: by source, then as the rows are


@dataclasses.dataclass(frozen=True)
class DrawnPortion:
    """What a mixture takes of a portion: all of it `epochs` times, and of one more epoch what lies before the cut."""

    portion: Portion
    order: Order
    stem: Path
    first: int  # the first document's ordinal in its source
    epochs: int
    cut: Cut

    def identities(self) -> np.ndarray:
        """The hashes of the ids of the portion's documents, uint64 [documents]."""
        return load_array(beside(self.stem, IDS))

    def chosen(self) -> Chosen:
        """Reads the portion's arrays. Memory: as many numbers as documents are taken."""
        hashes = self.identities()
        every = np.arange(len(hashes))
        rows = [every] * self.epochs
        if self.cut.documents:
            rows.append(np.flatnonzero(self.cut.takes(self.order.keys(self.stem, self.epochs), self.first)))
        rows = rows or [every[:0]]
        return Chosen(
            np.concatenate(rows),
            np.repeat(np.arange(len(rows), dtype=np.int32), [len(part) for part in rows]),
            np.concatenate(
                [order_keys(hashes[part], self.order.seed, self.order.source, epoch) for epoch, part in enumerate(rows)]
            ),
        )


@dataclasses.dataclass(frozen=True)
class Measured:
    """A source as it was measured, and what the budget wants of it."""

    source: Source
    portions: tuple[int, ...]  # documents of each
    documents: int
    size: int  # in the unit
    bytes: int  # of text
    unweighted: int  # documents without a positive finite weight
    share: Share


@dataclasses.dataclass(frozen=True)
class Drawn:
    """The draw of one source."""

    measured: Measured
    portions: list[DrawnPortion]
    documents: int  # drawn, with repetitions
    size: int  # drawn, in the unit

    @property
    def text(self) -> int:
        """Bytes of the text drawn, about."""
        return round(self.measured.bytes * self.size / self.measured.size)


def decide(sources: Sequence[Source], settings: MixSettings) -> By:
    """Whether weights or epochs decide. Raises UsageError where not all sources have them."""
    try:
        return decided_by([source.ask for source in sources], settings.by)
    except ValueError as error:
        raise UsageError(str(error)) from None


def given_tokenizer(settings: MixSettings) -> bytes | None:
    """The tokenizer that counts tokens, as tokenizer.json; None where none is needed."""
    if settings.counted_in != "tokens" or settings.tokenizer is None:
        return None
    from gptkit.bpe.take import take_tokenizer

    return take_tokenizer(settings.tokenizer, end_of_text=settings.end_of_text)


def measure_tasks(
    sources: Sequence[Source], settings: MixSettings, folder: Path, keep: bool = True
) -> list[MeasureTask]:
    """The tasks of `measure_portion`, source by source; writes the tokenizer they count with, a tokenizer.json.

    They leave arrays in the folder if these are to be kept. Raises GptkitError where a column of weights is none.
    """
    known, tokenizer = None, given_tokenizer(settings)
    if tokenizer is not None:
        known = folder / "tokenizer.json", hashlib.sha256(tokenizer).hexdigest(), settings.end_of_text
        with atomic_path(known[0]) as temporary:
            temporary.write_bytes(tokenizer)
    return [
        MeasureTask(
            portion,
            settings.counted_in,
            known,
            weight_field(source, settings.weight_by) if settings.weight_by is not None else None,
            folder / f"{source.name}-{number:05d}" if keep else None,
        )
        for source in sources
        for number, portion in enumerate(source.portions)
    ]


def divide(sources: Sequence[Source], results: Sequence[dict[str, Any]], settings: MixSettings) -> list[Measured]:
    """What measuring found, source by source, and what each is to give. Raises InputError for a source without text."""
    found, place = [], 0
    for source in sources:
        parts = results[place : place + len(source.portions)]
        place += len(parts)
        sums = {name: sum(part[name] for part in parts) for name in ("documents", "size", "bytes", "unweighted")}
        if not sums["size"]:
            raise InputError(f"source '{source.name}' of the mixture holds no text; leave it out")
        found.append((source, tuple(part["documents"] for part in parts), sums))
    sizes = [sums["size"] for *_, sums in found]
    taken = shares([source.ask for source in sources], sizes, settings.budget, decide(sources, settings))
    return [
        Measured(source, portions, share=share, **sums)
        for (source, portions, sums), share in zip(found, taken, strict=True)
    ]


def draw(stage: Stage, sources: Sequence[Source], settings: MixSettings) -> list[Drawn]:
    """Runs the phases "measure" and "select" of a stage: what the mixture takes of each source."""
    tasks = measure_tasks(sources, settings, stage.scratch)
    found = divide(sources, stage.phase("measure", measure_portion, tasks, "portions"), settings)
    selects, place = [], 0
    for measured in found:
        source = measured.source
        stems = tuple(task.stem for task in tasks[place : place + len(source.portions)] if task.stem is not None)
        place += len(stems)
        order = Order(source.name, settings.seed, settings.weight_by is not None, settings.temperature)
        selects.append(SelectTask(order, stems, measured.share.epochs, measured.share.rest))
    cuts = [Cut(**result) for result in stage.phase("select", select_source, selects, "sources")]
    return [_drawn(measured, task, cut) for measured, task, cut in zip(found, selects, cuts, strict=True)]


def _drawn(measured: Measured, task: SelectTask, cut: Cut) -> Drawn:
    firsts = np.cumsum([0, *measured.portions]).tolist()
    portions = [
        DrawnPortion(portion, task.order, stem, first, task.epoch, cut)
        for portion, stem, first in zip(measured.source.portions, task.stems, firsts, strict=False)
    ]
    return Drawn(
        measured,
        portions,
        task.epoch * measured.documents + cut.documents,
        task.epoch * measured.size + cut.size,
    )
