"""The last phase: a portion is read again and written without its duplicates, with a row for each that is in a cluster."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gptkit.data import parquet
from gptkit.data.arrays import load_array
from gptkit.data.files import beside
from gptkit.data.portions import PortionTask, read
from gptkit.dedup.exchange import to_lean
from gptkit.dedup.fates import REASONS, Fates
from gptkit.dedup.numbering import Numbering
from gptkit.dedup.sign import load_ids

CLUSTERS = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("cluster", pa.int64()),
        ("kept", pa.bool_()),
        ("kept_id", pa.string()),
        ("kept_source", pa.string()),
        ("kept_in", pa.string()),
        ("reason", pa.string()),
        ("jaccard", pa.float64()),
    ]
)

SIGNATURES = pa.schema(
    [("id", pa.string()), ("source", pa.string()), ("hash", pa.binary(16)), ("signature", pa.binary())]
)
SIGNATURE_BYTES = 64_000_000  # written at a time


@dataclasses.dataclass(frozen=True)
class WriteTask(PortionTask):
    """A portion to write again."""

    number: int  # of the portion
    numbering: Numbering
    fates: Fates
    out: Path
    schema: pa.Schema
    signatures: "SignatureForm | None"


@dataclasses.dataclass(frozen=True)
class SignatureForm:
    """How signatures are written, and what they were made with."""

    seed: int
    metadata: str


def write_portion(task: WriteTask) -> dict[str, Any]:
    """Writes NAME.parquet, clusters/NAME.parquet and, where asked for, signatures/NAME.parquet."""
    first, last = task.numbering.firsts[task.number : task.number + 2]
    goes = task.fates.load("goes")
    low, high = np.searchsorted(goes, [first, last])
    stays = np.ones(last - first, bool)
    stays[goes[low:high] - first] = False
    row = bytes_in = bytes_out = 0
    with parquet.writing(task.out / f"{task.portion.name}.parquet", task.schema) as file:
        for batch in read(task.portion, task.schema):
            part = stays[row : row + len(batch)]
            kept = batch if part.all() else batch.filter(pa.array(part))
            file.write_batch(kept)
            row += len(batch)
            bytes_in += parquet.text_bytes(batch)
            bytes_out += parquet.text_bytes(kept)
    clusters = _cluster_rows(task, low, high)
    with parquet.writing(task.out / f"clusters/{task.portion.name}.parquet", CLUSTERS) as file:
        file.write_table(clusters)
    if task.signatures is not None:
        _write_signatures(task, task.signatures, np.flatnonzero(stays))
    return {
        "documents_in": row,
        "documents_out": int(stays.sum()),
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
        "clustered": len(clusters),
    }


def _cluster_rows(task: WriteTask, low: int, high: int) -> pa.Table:
    """Rows of the documents of a portion that go, or that stay for others, in their order."""
    fates, numbering = task.fates, task.numbering
    first, last = numbering.firsts[task.number : task.number + 2]
    stays = fates.load("stays")
    staying = np.asarray(stays[slice(*np.searchsorted(stays, [first, last]))])
    documents = np.concatenate([np.asarray(fates.load("goes")[low:high]), staying])
    stays_for = np.concatenate([np.asarray(fates.load("stays_for")[low:high]), staying])
    reasons = [REASONS[reason] for reason in fates.load("reasons")[low:high].tolist()] + ["kept"] * len(staying)
    similarity = np.concatenate([np.asarray(fates.load("similarity")[low:high]), np.ones(len(staying))])
    order = np.argsort(documents, kind="stable")
    names: list[str] = [""] * len(documents)
    for portion, places in numbering.by_portion(stays_for):
        found = load_ids(numbering.stem(portion), stays_for[places] - numbering.firsts[portion])
        for place, name in zip(places.tolist(), found, strict=True):
            names[place] = name
    portions = numbering.portions(stays_for).tolist()
    sources, roles = numbering.sources, numbering.roles
    table = pa.table(
        [
            pa.array(load_ids(numbering.stem(task.number), documents - first), pa.string()),
            pa.array([task.portion.source] * len(documents), pa.string()),
            pa.array(stays_for, pa.int64()),
            pa.array(documents == stays_for, pa.bool_()),
            pa.array(names, pa.string()),
            pa.array([sources[portion] for portion in portions], pa.string()),
            pa.array([roles[portion] for portion in portions], pa.string()),
            pa.array(reasons, pa.string()),
            pa.array(similarity, pa.float64(), from_pandas=True),
        ],
        schema=CLUSTERS,
    )
    return table.take(pa.array(order))


def _write_signatures(task: WriteTask, form: SignatureForm, places: np.ndarray) -> None:
    """Signatures of the documents that stay, a row for each row of the shard."""
    stem = task.numbering.stem(task.number)
    signatures = load_array(beside(stem, ".signatures.npy"), mapped=True)
    hashes = load_array(beside(stem, ".hashes.npy"), mapped=True)
    schema = SIGNATURES.with_metadata({"gptkit": form.metadata})
    step = max(1, SIGNATURE_BYTES // (4 * signatures.shape[1]))
    with parquet.writing(task.out / f"signatures/{task.portion.name}.parquet", schema) as file:
        for first in range(0, len(places), step):
            part = places[first : first + step]
            halves = np.ascontiguousarray(hashes[part]).astype(">u8").tobytes()
            columns = [
                pa.array(load_ids(stem, part), pa.string()),
                pa.array([task.portion.source] * len(part), pa.string()),
                pa.Array.from_buffers(pa.binary(16), len(part), [None, pa.py_buffer(halves)]),
                to_lean(signatures[part], form.seed),
            ]
            file.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
