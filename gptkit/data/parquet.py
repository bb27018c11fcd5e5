"""Documents as Parquet (zstd): `id`, `text`, `url`, `source` and any further columns."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gptkit.data.files import atomic_path
from gptkit.data.identity import document_id
from gptkit.data.inputs import InputFile
from gptkit.errors import GptkitError

KNOWN = ("id", "text", "url", "source")
ROWS = 2_000  # of one batch read


def open_file(path: str) -> pq.ParquetFile:
    """Opens a Parquet file. Raises GptkitError where it is none, or has no string column `text`."""
    try:
        file = pq.ParquetFile(path)
        kind = file.schema_arrow.field("text").type
    except (pa.ArrowInvalid, OSError) as error:
        raise GptkitError(f"{path}: cannot be read as Parquet ({str(error).splitlines()[0]})") from None
    except KeyError:
        raise GptkitError(f"{path}: has no column 'text'") from None
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise GptkitError(f"{path}: its column 'text' is {kind}, not a string")
    return file


def row_group_ranges(file: InputFile, task_bytes: int) -> list[tuple[int, int]]:
    """Ranges of row groups [first, last) of about `task_bytes` each, unpacked."""
    metadata = open_file(file.path).metadata
    ranges, first, filled = [], 0, 0
    for index in range(metadata.num_row_groups):
        filled += metadata.row_group(index).total_byte_size
        if filled >= task_bytes or index == metadata.num_row_groups - 1:
            ranges.append((first, index + 1))
            first, filled = index + 1, 0
    return ranges


def further_columns(file: InputFile) -> list[pa.Field]:
    """The columns besides id, text, url and source."""
    return [field for field in open_file(file.path).schema_arrow if field.name not in KNOWN]


def read(file: InputFile, first: int, last: int | None, further: Sequence[pa.Field]) -> Iterator[pa.RecordBatch]:
    """Reads row groups [first, last) as batches of id, text, url, source and `further`."""
    opened = open_file(file.path)
    groups = opened.metadata.num_row_groups
    row = sum(opened.metadata.row_group(index).num_rows for index in range(first))
    schema = pa.schema([pa.field(name, pa.string()) for name in KNOWN] + list(further))
    for batch in opened.iter_batches(ROWS, row_groups=list(range(first, groups if last is None else last))):
        named = {name: batch.column(name) for name in batch.schema.names}
        own = named["id"].cast(pa.string()).to_pylist() if "id" in named else [None] * len(batch)
        ids = [identity or document_id(file, row + place) for place, identity in enumerate(own)]
        named["id"] = pa.array(ids, pa.string())
        named["source"] = pa.array([file.source] * len(batch), pa.string())
        row += len(batch)
        yield conform(pa.RecordBatch.from_pydict(named), schema)


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The columns of a schema: cast where a batch has them, null where it has not.

    What is no text and must be is written as JSON.
    """
    present = set(batch.schema.names)
    columns = [
        _cast(batch.column(field.name), field.type) if field.name in present else pa.nulls(len(batch), field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    try:
        return column.cast(kind)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        if kind != pa.string():
            raise
        values = column.to_pylist()
        return pa.array(
            [None if value is None else orjson.dumps(value, default=str).decode() for value in values], kind
        )


def read_shard(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Reads a shard that gptkit wrote, whole, in batches."""
    yield from open_file(str(path)).iter_batches(ROWS, columns=columns)


def text_bytes(batch: pa.RecordBatch | pa.Table) -> int:
    """Bytes of UTF-8 in the column `text`."""
    return pc.sum(pc.binary_length(batch.column("text"))).as_py() or 0


@contextlib.contextmanager
def writing(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """Gives a writer whose file appears under `path` when the block ends well."""
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        yield writer
