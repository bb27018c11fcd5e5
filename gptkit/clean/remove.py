"""`gptkit remove`: takes documents out of the shards of a stage, or of Parquet files (take-down requests).

An id is compared as it is; an address as block lists compare them (`urls`): without scheme, default
port, fragment and slashes at its end. Every Parquet shard with such a column loses the rows, the
lists of rejected documents too; a shard that loses none is copied byte for byte. Shards that are no
Parquet (damaged records, whose raw bytes may hold anything) are left out. The text of what was
removed is written nowhere.
"""

import dataclasses
import functools
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gptkit.clean.lists import read_list
from gptkit.clean.remove_settings import RemoveSettings
from gptkit.data import parquet
from gptkit.data.documents import open_documents
from gptkit.data.files import atomic_path, check_free_space, sha256_file
from gptkit.data.manifest import Manifest, Shard, read_manifest
from gptkit.engine.stage import Runtime, Stage
from gptkit.errors import GptkitError, UsageError
from gptkit.kernels import urls as kernels
from gptkit.kernels.columns import string_arrays
from gptkit.kernels.jit import compile_kernels

VERSION = 1
FITS = {"ids": r"\S", "urls": r"^\S+$"}
COLUMNS = {"ids": "id", "urls": "url"}
NAMED = 5  # entries without a document that a message names; the manifest has ten times as many


@dataclasses.dataclass(frozen=True)
class RemoveTask:
    """A shard to write again, or to copy."""

    shard: Shard
    folder: Path  # that the shard's name is relative to
    out: Path
    lists: tuple[tuple[str, Path, str], ...]  # ids or urls, the file, its SHA-256

    @property
    def weight(self) -> int:
        """Bytes on disk."""
        return self.shard.bytes

    @property
    def label(self) -> str:
        """What a message calls this task."""
        return str(self.folder / self.shard.name)


@functools.cache
def _entries(kind: str, path: Path, digest: str) -> pa.Array:
    """The different entries of a list, in order. `digest`: of the file, so that a changed one is not taken for it."""
    if sha256_file(path) != digest:
        raise GptkitError(f"{path}: has changed since the command began; run it again")
    return pc.unique(pa.concat_arrays(list(read_list(path, FITS[kind], kind))))


@functools.cache
def _hashes(path: Path, digest: str) -> tuple[np.ndarray, np.ndarray]:
    """The hashes of the addresses of a list in ascending order, and the place of each in the list."""
    hashes = kernels.hash_urls(*string_arrays(_entries("urls", path, digest)))
    order = np.argsort(hashes, kind="stable")
    return hashes[order], order


def places(kind: str, path: Path, digest: str, column: pa.Array) -> np.ndarray:
    """Where each value of a column of ids or urls stands in the list; int64 [rows], -1 where it does not."""
    values = column.cast(pa.string())
    if kind == "ids":
        found = pc.index_in(values, value_set=_entries(kind, path, digest)).fill_null(-1)
        return found.to_numpy(zero_copy_only=False).astype(np.int64)
    hashes, order = _hashes(path, digest)
    sought = kernels.hash_urls(*string_arrays(values.fill_null("")))
    nearest = np.minimum(np.searchsorted(hashes, sought), len(hashes) - 1)
    return np.where(hashes[nearest] == sought, order[nearest], -1)


def remove_task(task: RemoveTask) -> dict[str, Any]:
    """Copies a shard without the listed documents; which entries of each list it had."""
    source, target = task.folder / task.shard.name, task.out / task.shard.name
    if sha256_file(source) != task.shard.sha256:
        raise GptkitError(f"{source}: its checksum is not the one on record; make it again")
    with pq.ParquetFile(source) as file:
        known = [entry for entry in task.lists if COLUMNS[entry[0]] in file.schema_arrow.names]
        found: dict[str, set[int]] = {kind: set() for kind, _, _ in task.lists}
        documents = dict.fromkeys(found, 0)
        goes = [np.zeros(0, bool)]
        for batch in file.iter_batches(parquet.ROWS, columns=[COLUMNS[kind] for kind, _, _ in known]):
            listed = np.zeros(len(batch), bool)
            for kind, path, digest in known:
                place = places(kind, path, digest, batch.column(COLUMNS[kind]))
                found[kind].update(place[place >= 0].tolist())
                documents[kind] += int((place >= 0).sum())
                listed |= place >= 0
            goes.append(listed)
        removed = np.concatenate(goes)
        if removed.any():
            _write_without(file, removed, target)
        else:
            with atomic_path(target) as temporary:
                shutil.copyfile(source, temporary)
    return {
        "rows_in": task.shard.rows,
        "rows_out": task.shard.rows - int(removed.sum()),
        "found": {kind: sorted(indexes) for kind, indexes in found.items()},
        "documents": documents,
    }


def _write_without(file: pq.ParquetFile, removed: np.ndarray, target: Path) -> None:
    with parquet.writing(target, file.schema_arrow) as writer:
        row = 0
        for batch in file.iter_batches(parquet.ROWS):
            writer.write_batch(batch.filter(pa.array(~removed[row : row + len(batch)])))
            row += len(batch)


def run(source: str, output: Path, settings: RemoveSettings, runtime: Runtime) -> Manifest | None:
    """Writes `source` without the listed documents into `output`. None with --dry-run.

    source: a stage's output or a Parquet file. Raises GptkitError where it is neither, where a list is
    missing, empty or no list, and where no shard has the column that a list is of.
    """
    if runtime.limit is not None:
        raise UsageError("--limit: a removal reads everything; leave it out")
    documents = open_documents(source)
    lists = tuple(
        (kind, Path(path), _digest(Path(path)))
        for kind, path in (("ids", settings.ids), ("urls", settings.urls))
        if path is not None
    )
    entries = {kind: _entries(kind, path, digest) for kind, path, digest in lists}
    inputs = [documents.as_input()] + [
        {"name": kind, "digest": digest, "path": str(path)} for kind, path, digest in lists
    ]
    with Stage("remove", VERSION, settings, inputs, output, runtime) as stage:
        folder, shards = _shards(source)
        shards, left_out = _of_parquet(shards, True), _of_parquet(shards, False)
        for kind in entries:
            _check_column(folder, shards, kind, source)
        asked = " and ".join(f"{len(known):,} {kind}" for kind, known in entries.items())
        if stage.finished or not stage.begin(f"{asked} from {len(shards)} shards"):
            return stage.finished
        check_free_space(output, sum(shard.bytes for shard in shards))
        compile_kernels(runtime.progress.say, _warm_up, "remove")
        tasks = [RemoveTask(shard, folder, stage.out, lists) for shard in shards]
        results = stage.phase("remove", remove_task, tasks)
        made = [
            Shard.describe(stage.out, stage.out / shard.name, result["rows_out"], shard.source, shard.kind)
            for shard, result in zip(shards, results, strict=True)
        ]
        counts = _counts(shards, results, entries)
        counts["left_out"] = len(left_out)
        for kind, known in entries.items():
            missing = counts[kind]["not_found"]
            if missing:
                first = ", ".join(counts["without_document"][kind][:NAMED])
                runtime.progress.say(f"remove: {missing:,} of {len(known):,} {kind} match nothing: {first}")
        return stage.close(made, counts)


def _warm_up() -> None:
    kernels.hash_urls(*string_arrays(pa.array(["a.example"])))


def _counts(shards: Sequence[Shard], results: Sequence[dict[str, Any]], entries: dict[str, pa.Array]) -> dict[str, Any]:
    of_documents = [result for shard, result in zip(shards, results, strict=True) if shard.kind == "documents"]
    counts: dict[str, Any] = {
        "documents_in": sum(result["rows_in"] for result in of_documents),
        "documents_out": sum(result["rows_out"] for result in of_documents),
        "rows_removed_elsewhere": sum(result["rows_in"] - result["rows_out"] for result in results)
        - sum(result["rows_in"] - result["rows_out"] for result in of_documents),
        "without_document": {},
    }
    for kind, known in entries.items():
        met = set().union(*(result["found"][kind] for result in results))
        missing = [place for place in range(len(known)) if place not in met]
        counts[kind] = {
            "listed": len(known),
            "found": len(met),
            "not_found": len(missing),
            "documents": sum(result["documents"][kind] for result in of_documents),
        }
        counts["without_document"][kind] = [known[place].as_py() for place in missing[: 10 * NAMED]]
    return counts


def _digest(path: Path) -> str:
    if not path.is_file():
        raise GptkitError(f"{path}: no such file")
    return sha256_file(path)


def _shards(source: str) -> tuple[Path, list[Shard]]:
    """All shards of a stage's output, or the one that a Parquet file is; their names are relative to the folder."""
    path = Path(source)
    if path.is_file():
        documents = open_documents(source)
        return path.parent, [Shard.describe(path.parent, path, documents.rows[0], documents.files[0].source)]
    return path, read_manifest(path).shards


def _of_parquet(shards: Sequence[Shard], wanted: bool) -> list[Shard]:
    return [shard for shard in shards if shard.name.endswith(".parquet") == wanted]


def _check_column(folder: Path, shards: Sequence[Shard], kind: str, source: str) -> None:
    documents = [shard for shard in shards if shard.kind == "documents"]
    if not any(COLUMNS[kind] in pq.read_schema(folder / shard.name).names for shard in documents):
        raise GptkitError(f"{source}: has no column '{COLUMNS[kind]}', so --{kind} can find nothing")
