"""The first phase: a portion is read once for its hashes, band keys, and what the keep rule goes by."""

import dataclasses
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gptkit.data.arrays import save_array
from gptkit.data.files import atomic_path, beside
from gptkit.data.parquet import text_bytes
from gptkit.data.portions import PortionTask, check, read
from gptkit.dedup.curve import Scheme
from gptkit.dedup.records import write_records
from gptkit.dedup.settings import DedupSettings
from gptkit.dedup.signatures import exact_hashes, shingles
from gptkit.kernels import clusters, minhash

COLUMN_OF = {"newest": "date", "highest": "quality"}  # what --keep goes by where no column is named
LEAST = -np.inf  # merit of a document whose column is empty


@dataclasses.dataclass(frozen=True)
class SignTask(PortionTask):
    """A portion, and how its records are cut."""

    stem: Path
    settings: DedupSettings
    scheme: Scheme
    exact_parts: int
    band_parts: int
    column: pa.Field | None  # what the keep rule goes by
    keep_signatures: bool


def sign_portion(task: SignTask) -> dict[str, Any]:
    """Writes what later phases need of a portion's documents, below `stem`.

    .exact and .bands: records; .second.npy: uint64, the second half of the exact hash; .shingles.npy:
    int64, how many each has; .merit.npy: float64; .ids.arrow; .signatures.npy; .hashes.npy.
    """
    check(task.portion)
    settings, scheme = task.settings, task.scheme
    signer = Signer(scheme, settings.seed)
    fields = [pa.field("id", pa.string()), pa.field("text", pa.string())]
    schema = pa.schema([*fields, task.column] if task.column is not None else fields)
    hashes: list[np.ndarray] = []
    merits: list[np.ndarray] = []
    ids: list[pa.Array] = []
    size = 0
    for batch in read(task.portion, schema):
        text = batch.column("text")
        hashes.append(exact_hashes(text, settings.normalise))
        if settings.near:
            signer.add(*shingles(text, scheme.ngram, settings.base_hash), task.keep_signatures)
        if settings.keep != "first":
            merits.append(merit_of(batch, settings.keep))
        ids.append(batch.column("id"))
        size += text_bytes(batch)
    exact = np.concatenate([np.empty((0, 2), np.uint64), *hashes])
    write_exact(task.stem, exact, task.exact_parts)
    save_ids(task.stem, ids)
    if settings.near:
        signer.write(task.stem, task.band_parts, task.keep_signatures)
    if task.keep_signatures:
        save_array(beside(task.stem, ".hashes.npy"), exact)
    if settings.keep != "first":
        save_array(beside(task.stem, ".merit.npy"), np.concatenate([np.empty(0), *merits]))
    unknown = sum(int((merit == LEAST).sum()) for merit in merits)
    return {"documents": len(exact), "bytes": size, "unknown": unknown}


class Signer:
    """Gathers band records of batches of documents."""

    def __init__(self, scheme: Scheme, seed: int) -> None:
        self.scheme = scheme
        self.parameters = minhash.permutations(scheme.permutations, seed)
        self.keys: list[np.ndarray] = [np.empty(0, np.uint64)]
        self.places: list[np.ndarray] = [np.empty(0, np.uint32)]
        self.counts: list[np.ndarray] = [np.empty(0, np.int64)]
        self.signatures: list[np.ndarray] = [np.empty((0, scheme.permutations), np.uint32)]
        self.documents = 0

    def add(self, hashes: np.ndarray, starts: np.ndarray, keep: bool) -> None:
        """Takes the shingles of the next documents (see signatures.shingles)."""
        self.add_signatures(minhash.signatures(hashes, starts, *self.parameters), np.diff(starts), keep)

    def add_signatures(self, signatures: np.ndarray, counts: np.ndarray, keep: bool) -> None:
        """Takes signatures (uint32 [n, permutations]) and how many shingles each is of."""
        keys, places = clusters.band_records(signatures, counts > 0, self.scheme.bands, self.scheme.rows)
        self.keys.append(keys)
        self.places.append(places + np.uint32(self.documents))
        self.counts.append(counts)
        if keep:
            self.signatures.append(signatures)
        self.documents += len(counts)

    def write(self, stem: Path, parts: int, keep: bool) -> None:
        """Writes the records, the numbers of shingles and, to `keep` them, the signatures."""
        write_records(beside(stem, ".bands"), np.concatenate(self.keys), np.concatenate(self.places), parts)
        save_array(beside(stem, ".shingles.npy"), np.concatenate(self.counts))
        if keep:
            save_array(beside(stem, ".signatures.npy"), np.concatenate(self.signatures))


def write_exact(stem: Path, hashes: np.ndarray, parts: int) -> None:
    """Writes the records of exact hashes (uint64 [n, 2]): the first half is the key."""
    write_records(beside(stem, ".exact"), hashes[:, 0].copy(), np.arange(len(hashes), dtype=np.uint32), parts)
    save_array(beside(stem, ".second.npy"), hashes[:, 1])


def save_ids(stem: Path, ids: list[pa.Array]) -> None:
    """Writes ids so that single ones can be looked up."""
    column = pa.chunked_array(ids, pa.string()).combine_chunks()
    table = pa.table({"id": column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column})
    with atomic_path(beside(stem, ".ids.arrow")) as temporary, pa.ipc.new_file(temporary, table.schema) as file:
        file.write_table(table)


def load_ids(stem: Path, places: np.ndarray) -> list[str]:
    """The ids of documents of a portion, by their places in it."""
    with pa.memory_map(str(beside(stem, ".ids.arrow"))) as source:
        column = pa.ipc.open_file(source).read_all().column("id")
        found: list[str] = column.take(pa.array(places, pa.int64())).to_pylist()
    return found


def merit_of(batch: pa.RecordBatch, keep: str) -> np.ndarray:
    """How much each document is wanted, by a keep rule: float64 [n], the higher the more; LEAST where nothing is known."""
    if keep == "longest":
        return pc.utf8_length(batch.column("text")).to_numpy().astype(np.float64)
    column = batch.column(batch.num_columns - 1)
    if keep == "newest":
        values = [_seconds(value) for value in column.to_pylist()]
    else:
        values = [LEAST if value is None else float(value) for value in column.to_pylist()]
    return np.nan_to_num(np.array(values, np.float64), nan=LEAST, posinf=np.inf, neginf=LEAST)


def _seconds(value: Any) -> float:
    """A date, time or number as a number; what is no date has none."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return LEAST
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return (aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    return float(value) if isinstance(value, int | float) else LEAST
