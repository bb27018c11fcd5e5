"""An index: the signatures of all that earlier runs kept, so that new data are matched without reading the old again.

A folder with an entry for each run, `000012-PLAN-INPUT/`, whose Parquet files hold `id`, `source`, `hash`
(the exact hash) and `signature` (datasketch's LeanMinHash). Parquet files beside the entries count
too; they need `id` and `signature` alone, and are taken for signatures over SHA-1, as datasketch makes them. A run reads the entries before its own, so that typing
the same command again finds the same plan.
"""

import dataclasses
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gptkit.data.arrays import save_array
from gptkit.data.files import beside, safe_name, sha256_file, sha256_json, sync_folder
from gptkit.data.parquet import open_file
from gptkit.dedup.curve import Scheme
from gptkit.dedup.exchange import from_lean
from gptkit.dedup.settings import DedupSettings
from gptkit.dedup.sign import Signer, save_ids, write_exact
from gptkit.errors import GptkitError, InputError
from gptkit.kernels.minhash import EMPTY

ENTRY = re.compile(r"(\d{6})-([0-9a-f]{16})-([0-9a-f]{16})")
ROWS = 20_000  # of signatures read at a time


def metadata(scheme: Scheme, settings: DedupSettings) -> str:
    """What signatures were made with, as their files say it."""
    return json.dumps(
        {
            "ngram": scheme.ngram,
            "base_hash": settings.base_hash,
            "normalise": settings.normalise,
            "permutations": scheme.permutations,
            "seed": settings.seed,
        },
        sort_keys=True,
    )


@dataclasses.dataclass(frozen=True)
class Entry:
    """A file of signatures."""

    path: Path
    number: int  # of the run that wrote it; -1 where none did
    run: str  # the digest of its plan, shortened
    input: str  # the digest of its input, shortened
    digest: str
    documents: int
    source: str


@dataclasses.dataclass(frozen=True)
class Index:
    """What a folder holds, as far as a run reads it."""

    folder: Path
    entries: list[Entry]
    number: int  # that the run's own entry has

    @property
    def as_input(self) -> dict[str, Any]:
        """The index as a plan names it."""
        digest = sha256_json([entry.digest for entry in self.entries])
        return {"name": "index", "digest": digest, "path": str(self.folder)}

    def up_to(self, number: int) -> "Index":
        """What runs before `number` left."""
        return Index(self.folder, [entry for entry in self.entries if entry.number < number], number)

    def before(self, plan_of: Callable[["Index"], str]) -> "Index":
        """The entries that a run reads: all, or those before its own where it has been here before.

        plan_of: gives the digest of the run's plan with an index.
        """
        for number in sorted({entry.number for entry in self.entries} - {-1}):
            earlier = self.up_to(number)
            runs = {entry.run for entry in self.entries if entry.number == number}
            if short(plan_of(earlier)) in runs:
                return earlier
        return self

    def check_new(self, digest: str) -> None:
        """Raises GptkitError where an entry is of the input with this digest: all of it would go for itself."""
        for entry in self.entries:
            if entry.input == short(digest):
                raise GptkitError(
                    f"{entry.path.parent}: holds what a run with other settings kept of the same input, which would "
                    "all go; remove that folder first, or name another --index"
                )

    def publish(self, output: Path, names: list[str], plan: str, digest: str) -> None:
        """Adds what a run kept (files `names` below `output`) as an entry, if it is not there yet."""
        target = self.folder / f"{self.number:06d}-{short(plan)}-{short(digest)}"
        if target.exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f".{target.name}.{os.getpid()}"
        temporary.mkdir()
        try:
            for name in names:
                shutil.copyfile(output / name, temporary / Path(name).name)
            sync_folder(temporary)
            os.replace(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        sync_folder(self.folder)


def short(digest: str) -> str:
    """As much of a digest as names hold."""
    return digest[:16]


def open_index(folder: Path) -> Index:
    """Lists an index folder, which need not exist yet. Raises GptkitError where its files are no signatures."""
    if folder.exists() and not folder.is_dir():
        raise GptkitError(f"{folder}: is a file; --index names a folder")
    entries = []
    for path in sorted(folder.rglob("*.parquet")) if folder.exists() else []:
        match = ENTRY.fullmatch(path.parent.name)
        if path.parent != folder and match is None:
            continue  # a copy that was interrupted
        opened = open_file(str(path), "id")
        if "signature" not in opened.schema_arrow.names:
            raise GptkitError(f"{path}: has no column 'signature'; an index holds what --save-signatures writes")
        number, run, of = (int(match[1]), match[2], match[3]) if match else (-1, "", "")
        size, source = opened.metadata.num_rows, _source(opened, path)
        entries.append(Entry(path, number, run, of, sha256_file(path), size, source))
    return Index(folder, entries, max((entry.number for entry in entries), default=-1) + 1)


def _source(opened: pq.ParquetFile, path: Path) -> str:
    """The source of a file's documents, which is one; of a file of somebody else its name."""
    if "source" in opened.schema_arrow.names:
        for batch in opened.iter_batches(1, columns=["source"]):
            return str(batch.column("source")[0].as_py())
    return safe_name(path.stem)


@dataclasses.dataclass(frozen=True)
class IndexTask:
    """A file of an index to sign as a portion."""

    path: Path
    stem: Path
    settings: DedupSettings
    scheme: Scheme
    exact_parts: int
    band_parts: int


def sign_entry(task: IndexTask) -> dict[str, Any]:
    """Writes what `sign_portion` does, from signatures. Raises GptkitError where they were made otherwise."""
    opened = open_file(str(task.path), "id")
    mine = metadata(task.scheme, task.settings)
    told = (opened.schema_arrow.metadata or {}).get(b"gptkit")
    if told is None and task.settings.base_hash != "sha1":
        raise InputError(
            f"{task.path}: does not say how its shingles were hashed; datasketch takes SHA-1: add --base-hash sha1"
        )
    theirs = mine if told is None else told.decode(errors="replace")
    if theirs != mine:
        raise InputError(f"{task.path}: was made with {theirs}, and this run has {mine}; use the same settings")
    signer = Signer(task.scheme, task.settings.seed)
    columns = [name for name in ("id", "hash", "signature") if name in opened.schema_arrow.names]
    hashes, ids = [np.empty((0, 2), np.uint64)], []
    for batch in opened.iter_batches(ROWS, columns=columns):
        signatures = from_lean(batch.column("signature"), task.scheme.permutations, task.settings.seed, str(task.path))
        signer.add_signatures(signatures, (signatures != EMPTY).any(axis=1).astype(np.int64), keep=True)
        ids.append(batch.column("id").cast(pa.string()))
        if "hash" in columns:
            hashes.append(_exact_hashes(batch.column("hash"), task.path))
    write_exact(task.stem, np.concatenate(hashes), task.exact_parts)
    save_ids(task.stem, ids)
    signer.write(task.stem, task.band_parts, keep=True)
    if task.settings.keep != "first":  # what is in an index stays in any case
        save_array(beside(task.stem, ".merit.npy"), np.zeros(signer.documents))
    return {"documents": signer.documents}


def _exact_hashes(column: pa.Array, path: Path) -> np.ndarray:
    """The exact hashes of a column as uint64 [documents, 2]."""
    try:
        joined = b"".join(column.cast(pa.binary(16)).to_pylist())
    except (pa.ArrowException, TypeError):
        raise InputError(f"{path}: its column 'hash' is not of 16 bytes each; leave it out or make it again") from None
    return np.frombuffer(joined, ">u8").astype(np.uint64).reshape(-1, 2)
