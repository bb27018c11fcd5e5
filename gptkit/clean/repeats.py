"""Ids that come more than once in a source: each later document gets `…#2`, `…#3` and so on, in input order."""

import dataclasses
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from gptkit.data import parquet


@dataclasses.dataclass(frozen=True)
class RepeatTask:
    """The shards in whose ids repetitions are looked for, in input order."""

    out: Path
    names: tuple[str, ...]


def find_repeated_ids(task: RepeatTask) -> dict[str, Any]:
    """For each shard the rows whose id stood before in their source, and the id they get: `…#2`, and so on.

    Memory: 16 bytes a document, and the ids that are repeated.
    """
    hashes = np.sort(np.concatenate([np.empty(0, np.uint64), *(_hashes(task.out / name) for name in task.names)]))
    repeated = hashes[1:][hashes[1:] == hashes[:-1]]
    if not len(repeated):
        return {"shards": {}}
    met: Counter[tuple[str, str]] = Counter()
    given: set[tuple[str, str]] = set()
    shards: dict[str, dict[str, str]] = {}
    for name in task.names:
        suspects = np.flatnonzero(_among(_hashes(task.out / name), repeated))
        if not len(suspects):
            continue
        keys = list(_keys(task.out / name))
        for row in suspects.tolist():
            source, identity = keys[row]
            met[source, identity] += 1
            if met[source, identity] == 1:
                continue
            while _taken((source, f"{identity}#{met[source, identity]}"), hashes, given):
                met[source, identity] += 1  # an id of the input looks like that
            new = f"{identity}#{met[source, identity]}"
            given.add((source, new))
            shards.setdefault(name, {})[str(row)] = new
    return {"shards": shards}


def _taken(key: tuple[str, str], hashes: np.ndarray, given: set[tuple[str, str]]) -> bool:
    return key in given or bool(_among(np.array([_hash(key)], np.uint64), hashes)[0])


def _among(values: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    places = np.searchsorted(ordered, values)
    return ordered[np.minimum(places, len(ordered) - 1)] == values


def _hashes(path: Path) -> np.ndarray:
    return np.fromiter(map(_hash, _keys(path)), np.uint64)


def _hash(key: tuple[str, str]) -> int:
    return xxhash.xxh3_64_intdigest("\0".join(key).encode("utf-8", "surrogatepass"))


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
