"""Chunks of a stream: what one reader took from a file that cannot be cut, for tasks to work on.

A chunk is record batches (Arrow IPC) and, in the schema's metadata, the damage met on the way to them.
"""

import base64
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson
import pyarrow as pa

from gptkit.data.damage import Damage
from gptkit.data.files import atomic_path

NOTES = b"gptkit"


def write_chunk(path: Path, batches: Sequence[pa.RecordBatch], damage: Sequence[Damage], unfit: Counter[str]) -> None:
    """Writes batches, of which each may have a schema of its own."""
    places = [[entry.file, entry.offset, entry.reason, base64.b64encode(entry.raw).decode()] for entry in damage]
    notes = pa.schema([], metadata={NOTES: orjson.dumps({"damage": places, "unfit": dict(unfit)})})
    with atomic_path(path) as temporary, pa.OSFile(str(temporary), "wb") as sink:
        for batch in [pa.RecordBatch.from_arrays([], schema=notes), *batches]:
            with pa.ipc.new_stream(sink, batch.schema) as writer:
                writer.write_batch(batch)


def read_chunk(path: Path, damage: list[Damage], unfit: Counter[str]) -> Iterator[pa.RecordBatch]:
    """Reads the batches of a chunk; what was damaged or did not fit is added to the lists."""
    with pa.OSFile(str(path), "rb") as source:
        size = source.size()
        notes = orjson.loads(pa.ipc.open_stream(source).read_all().schema.metadata[NOTES])
        for file, offset, reason, raw in notes["damage"]:
            damage.append(Damage(file, offset, reason, base64.b64decode(raw)))
        unfit.update(notes["unfit"])
        while source.tell() < size:
            yield from pa.ipc.open_stream(source)
