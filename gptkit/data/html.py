"""Reads HTML files: one page a file."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from gptkit.data import text
from gptkit.data.damage import Damage
from gptkit.data.identity import document_id, file_name
from gptkit.data.inputs import InputFile

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("url", pa.string()),
        ("source", pa.string()),
        ("html", pa.binary()),
        ("charset", pa.string()),  # what the server said; null where it said nothing
    ]
)

# What a page may state of itself, as a column each
METADATA = tuple(
    pa.field(name, pa.string()) for name in ("title", "date", "author", "html_language", "canonical", "licence")
)


def read(file: InputFile, damage: list[Damage]) -> Iterator[pa.RecordBatch]:
    """Reads a page as a batch of `SCHEMA`; its url is the file's relative path."""
    page = text.read_whole(file, damage)
    if page is not None:
        yield batch([(document_id(file, 0), file_name(file), file.source, page, None)])


def batch(rows: list[tuple[str, str, str, bytes, str | None]]) -> pa.RecordBatch:
    """Pages as a batch of `SCHEMA`."""
    columns = dict(zip(SCHEMA.names, zip(*rows, strict=True), strict=True))
    arrays = [
        _binary(columns[field.name]) if field.name == "html" else pa.array(columns[field.name], field.type)
        for field in SCHEMA
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def _binary(values: Sequence[bytes]) -> pa.Array:
    """A column of long values in one copy: Arrow's builder takes three times as long."""
    ends = np.cumsum([0, *map(len, values)], dtype=np.int32)
    return pa.Array.from_buffers(pa.binary(), len(values), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(values))])
