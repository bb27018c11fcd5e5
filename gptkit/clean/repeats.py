"""Ids that come more than once in a source: each later document gets `…#2`, `…#3` and so on, in input order."""

import dataclasses
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from gptkit.data import parquet


@dataclasses.dataclass(frozen=True)
class RepeatTask:
    """The shards in whose ids repetitions are looked for, in input order."""

    out: Path
    names: tuple[str, ...]


def find_repeated_ids(task: RepeatTask) -> dict[str, Any]:
    """For each shard the rows whose id stood before in their source, and the id they get: `…#2`, and so on."""
    taken: set[tuple[str, str]] = set()  # every (source, id) of the input, and those given out
    for name in task.names:
        taken.update(_keys(task.out / name))
    met: Counter[tuple[str, str]] = Counter()
    shards: dict[str, dict[str, str]] = {}
    for name in task.names:
        for row, (source, identity) in enumerate(_keys(task.out / name)):
            met[source, identity] += 1
            if met[source, identity] == 1:
                continue
            while (source, f"{identity}#{met[source, identity]}") in taken:
                met[source, identity] += 1  # an id of the input looks like that
            new = f"{identity}#{met[source, identity]}"
            taken.add((source, new))
            shards.setdefault(name, {})[str(row)] = new
    return {"shards": shards}


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
