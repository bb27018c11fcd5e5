"""Reads HTML files: one page a file."""

from collections.abc import Iterator

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


def read(file: InputFile, damage: list[Damage]) -> Iterator[pa.RecordBatch]:
    """Reads a page as a batch of `SCHEMA`; its url is the file's relative path."""
    page = text.read_whole(file, damage)
    if page is not None:
        yield batch([(document_id(file, 0), file_name(file), file.source, page, None)])


def batch(rows: list[tuple[str, str, str, bytes, str | None]]) -> pa.RecordBatch:
    """Pages as a batch of `SCHEMA`."""
    columns = zip(*rows, strict=True)
    return pa.RecordBatch.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )
