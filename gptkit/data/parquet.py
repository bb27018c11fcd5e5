"""Documents as Parquet (zstd): `id`, `text`, `url`, `source` and any further columns."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gptkit.data.addresses import shown
from gptkit.data.damage import Damage
from gptkit.data.files import atomic_path
from gptkit.data.identity import document_id
from gptkit.data.inputs import InputFile
from gptkit.data.streams import open_raw
from gptkit.errors import GptkitError

KNOWN = ("id", "text", "url", "source")
ROWS = 2_000  # of one batch read, at most
BATCH_BYTES = 16_000_000  # of one batch read, roughly
BUFFER_BYTES = 1 << 20  # of a column: it need not be held packed as a whole


def open_file(path: str, text_column: str = "text") -> pq.ParquetFile:
    """Opens a local Parquet file. Raises GptkitError where it is none, or has no such string column."""
    return _open(path, path, text_column)


@contextlib.contextmanager
def opening(file: InputFile) -> Iterator[pq.ParquetFile]:
    """Opens a local file or an address of which ranges can be read; raises GptkitError as `open_file` does."""
    if not file.remote:
        yield open_file(file.path, file.text_column)
        return
    with open_raw(file) as stream:
        if not stream.seekable():
            raise GptkitError(f"{shown(file.path)}: its server gives no parts of a file; fetch it first")
        yield _open(stream, shown(file.path), file.text_column)


def _open(place: str | IO[bytes], name: str, text_column: str) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(place, buffer_size=BUFFER_BYTES, page_checksum_verification=True)
        names = file.schema_arrow.names
    except (pa.ArrowException, OSError) as error:
        raise GptkitError(f"{name}: cannot be read as Parquet ({_one_line(error)})") from None
    if text_column not in names:
        raise GptkitError(f"{name}: has no column '{text_column}'; it has {', '.join(names)}")
    kind = file.schema_arrow.field(text_column).type
    if not is_text(kind):
        raise GptkitError(f"{name}: its column '{text_column}' is {kind}, not a string")
    return file


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds strings."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _one_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def row_group_ranges(file: InputFile, task_bytes: int) -> list[tuple[int, int, int]]:
    """Ranges of row groups [first, last) of about `task_bytes` each, and the bytes of each, unpacked."""
    with opening(file) as opened:
        metadata = opened.metadata
    ranges, first, filled = [], 0, 0
    for index in range(metadata.num_row_groups):
        filled += metadata.row_group(index).total_byte_size
        if filled >= task_bytes or index == metadata.num_row_groups - 1:
            ranges.append((first, index + 1, filled))
            first, filled = index + 1, 0
    return ranges


def largest_row_group(file: InputFile) -> int:
    """Bytes of the largest row group, unpacked."""
    with opening(file) as opened:
        metadata = opened.metadata
    return max((metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups)), default=0)


def further_columns(file: InputFile) -> list[pa.Field]:
    """The columns besides id, text, url and source."""
    with opening(file) as opened:
        return [field for field in opened.schema_arrow if field.name not in (*KNOWN, file.text_column)]


def read(
    file: InputFile,
    first: int,
    last: int | None,
    further: Sequence[pa.Field],
    damage: list[Damage] | None = None,
    known: Sequence[str] = KNOWN,
) -> Iterator[pa.RecordBatch]:
    """Reads row groups [first, last) as batches of id, text, url, source, or those of them in `known`, and `further`.

    Rows that are no UTF-8 are damage and left out, and so is what follows damage in a row group;
    reading goes on with the next one. Without a list for them, damage raises GptkitError.
    """
    schema = pa.schema([pa.field(name, pa.string()) for name in known] + list(further))
    with opening(file) as opened:
        metadata = opened.metadata
        sizes = [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]
        wanted = {file.text_column if name == "text" else name for name in schema.names} - {"source"}
        names = [name for name in opened.schema_arrow.names if name in wanted]
        for group in range(first, len(sizes) if last is None else last):
            row = sum(sizes[:group])
            try:
                for batch in opened.iter_batches(_rows_at_once(metadata.row_group(group)), [group], names):
                    yield conform(_named(file, row, batch, damage, "id" in known), schema)
                    row += len(batch)
            except (pa.ArrowException, OSError) as error:
                if damage is None:
                    raise GptkitError(f"{shown(file.path)}: is damaged ({_one_line(error)})") from None
                lost = sum(sizes[: group + 1]) - row
                damage.append(Damage(file.relative, row, f"{lost:,} rows cannot be read: {_one_line(error)}"))


def _rows_at_once(group: Any) -> int:
    """Rows of a batch: fewer where documents are long."""
    return max(1, min(ROWS, BATCH_BYTES * group.num_rows // max(1, group.total_byte_size)))


def _named(file: InputFile, row: int, batch: pa.RecordBatch, damage: list[Damage] | None, ids: bool) -> pa.RecordBatch:
    """The columns under our names, with the source and, where asked for, an id for each document, `row` being the
    first one's place."""
    places: Sequence[int] = range(row, row + len(batch))
    if not _is_sound(batch):
        if damage is None:
            raise GptkitError(f"{shown(file.path)}: is damaged (a string among rows {row:,} and on is no UTF-8)")
        sound = _sound_rows(file, row, batch, damage)
        batch, places = batch.take(pa.array(sound, pa.int64())), [row + place for place in sound]
    named = {name: batch.column(name) for name in batch.schema.names}
    if file.text_column in named:
        named["text"] = named.pop(file.text_column)
    if ids:
        own = named["id"].cast(pa.string()).to_pylist() if "id" in named else [None] * len(batch)
        made = [identity or document_id(file, place) for place, identity in zip(places, own, strict=True)]
        named["id"] = pa.array(made, pa.string())
    named["source"] = pa.array([file.source] * len(batch), pa.string())
    return pa.RecordBatch.from_pydict(named)


def _sound_rows(file: InputFile, row: int, batch: pa.RecordBatch, damage: list[Damage]) -> list[int]:
    """The rows whose strings are UTF-8, which Parquet does not promise."""
    sound = []
    for place in range(len(batch)):
        if _is_sound(batch.slice(place, 1)):
            sound.append(place)
        else:
            damage.append(Damage(file.relative, row + place, "a string that is no UTF-8"))
    return sound


def _is_sound(batch: pa.RecordBatch) -> bool:
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The columns of a schema: cast where a batch has them, null where it has not.

    What is no text and must be is written as JSON.
    """
    present = set(batch.schema.names)
    columns = [
        cast(batch.column(field.name), field.type) if field.name in present else pa.nulls(len(batch), field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """A column as another type; what is no text and must be is written as JSON. Raises pa.ArrowException."""
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
