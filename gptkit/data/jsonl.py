"""Reads JSONL documents, by ranges where the file is plain; broken lines are kept apart."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import IO, Any

import orjson
import pyarrow as pa

from gptkit.data.damage import KEPT_BYTES, Damage
from gptkit.data.identity import document_id
from gptkit.data.inputs import InputFile
from gptkit.data.streams import open_plain
from gptkit.errors import GptkitError

BATCH_BYTES = 8_000_000
LINE_BYTES = 32_000_000  # a longer line is damage: no document is that long
LINE_VALUES = 4_000_000  # more values and keys in one line are damage: each takes some 64 bytes of memory or more
COLUMNS = 1_000  # further columns at most, and names of what is left out: a hostile line has a million keys
REPORTED_BYTES = 32_000_000  # of broken lines between two batches that are told one by one
REPORT_COST = 300  # bytes that a report takes besides what is kept of the line, roughly
OTHERS = "…"  # what is left out beyond that many names
SAMPLE_LINES = 1_000  # from which the types of further columns are taken
KNOWN = ("id", "text", "url", "source")
TYPES: dict[type, pa.DataType] = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
BOM = b"\xef\xbb\xbf"
PACKED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")  # how gzip and zstd begin


def read(
    file: InputFile, start: int, end: int | None, further: Sequence[pa.Field], damage: list[Damage], unfit: Counter[str]
) -> Iterator[pa.RecordBatch]:
    """Reads the lines that begin in bytes [start, end) as batches of id, text, url, source and `further`.

    A line is damage where it is no JSON object, no UTF-8, has no string in the column of text, or is
    too long; where there are very many, the last are only counted. Values of columns that `further` does not have, or of another type, are left out and
    counted in `unfit`.
    """
    columns = {field.name: field.type for field in further}
    rows: list[dict[str, Any]] = []
    size, reported, untold = 0, 0, 0
    offset = start

    def tell_the_rest() -> None:
        nonlocal reported, untold
        if untold:
            damage.append(Damage(file.relative, offset, f"and {untold:,} more broken lines up to here"))
        reported, untold = 0, 0

    for offset, line in _lines(file, start, end, damage):
        try:
            row = _parse(file, offset, line)
        except ValueError as error:
            reported += min(len(line), KEPT_BYTES) + REPORT_COST
            if reported <= REPORTED_BYTES:
                damage.append(Damage(file.relative, offset, str(error), line[:KEPT_BYTES]))
            else:
                untold += 1
            continue
        if row is None:
            continue
        rows.append(row)
        size += len(line)
        if size >= BATCH_BYTES:
            tell_the_rest()
            batch = _batch(rows, columns, unfit)
            del row, line  # they may be as long as a line can be, and the next one is read beside what is held
            rows, size = [], 0
            yield batch
    tell_the_rest()
    if rows:
        yield _batch(rows, columns, unfit)


def further_columns(file: InputFile) -> list[pa.Field]:
    """The columns of the first lines besides id, text, url and source, the first `COLUMNS` of them.

    Mixed numbers are float64; everything that is no string, number or boolean is kept as JSON text.
    """
    types: dict[str, pa.DataType] = {}
    without_text: dict[str, Any] | None = None
    sound = False
    for count, (_, line) in enumerate(_lines(file, 0, None, [])):
        if count == SAMPLE_LINES:
            break
        try:
            row = _parse(file, 0, line) or {}
        except NoTextError as error:
            without_text = without_text or error.row
            continue
        except ValueError:
            continue
        sound = sound or bool(row)
        for name, value in row.items():
            if name not in KNOWN and value is not None and (name in types or len(types) < COLUMNS):
                types[name] = common_type(types.get(name), TYPES.get(type(value), pa.string()))
    if without_text is not None and not sound:
        names = ", ".join(list(without_text)[:COLUMNS])
        raise GptkitError(f"{file.path}: its lines have no string '{file.text_column}'; they have {names}")
    return [pa.field(name, kind) for name, kind in types.items()]


def common_type(one: pa.DataType | None, other: pa.DataType) -> pa.DataType:
    """The type that holds both: float64 for mixed numbers, else text."""
    if one is None or one == other:
        return other
    if {one, other} <= {pa.int64(), pa.float64()}:
        return pa.float64()
    return pa.string()


class NoTextError(ValueError):
    """A line is sound JSON without a text; `row` is what it holds, if it is an object."""

    def __init__(self, reason: str, row: Any) -> None:
        super().__init__(reason)
        self.row = row if isinstance(row, dict) and row else None


def _parse(file: InputFile, offset: int, line: bytes) -> dict[str, Any] | None:
    """The document of a line; None where it is blank. Raises ValueError with the reason where it is damage."""
    line = line.removeprefix(BOM) if offset == 0 else line
    if not line.strip():
        return None
    if len(line) > LINE_VALUES and sum(map(line.count, (b",", b"[", b"{", b":"))) > LINE_VALUES:
        raise ValueError(f"a line of over {LINE_VALUES:,} values")
    row = _load(line)
    if not isinstance(row, dict) or not isinstance(row.get(file.text_column), str):
        raise NoTextError(f"no JSON object with a string '{file.text_column}'", row)
    row["text"] = row.pop(file.text_column)
    own = row.get("id")
    row["id"] = str(own) if isinstance(own, str | int) and own != "" else document_id(file, offset)
    row["url"] = row["url"] if isinstance(row.get("url"), str) else ""
    row["source"] = file.source
    return row


def _load(line: bytes) -> Any:
    """Raises ValueError with the reason where a line is no JSON, or not UTF-8 throughout (lone surrogates too)."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error.msg}") from None


def _batch(rows: list[dict[str, Any]], further: dict[str, pa.DataType], unfit: Counter[str]) -> pa.RecordBatch:
    for row in rows:
        for name, value in row.items():
            if name not in further and name not in KNOWN and value is not None:
                unfit[name if name in unfit or len(unfit) < COLUMNS else OTHERS] += 1
    fields = [pa.field(name, pa.string()) for name in KNOWN]
    arrays = [pa.array([row[name] for row in rows], pa.string()) for name in KNOWN]
    for name, kind in further.items():
        values = [_fit(row.get(name), kind) for row in rows]
        lost = sum(value is None and row.get(name) is not None for value, row in zip(values, rows, strict=True))
        unfit.update({name: lost} if lost else {})
        fields.append(pa.field(name, kind))
        arrays.append(pa.array(values, kind))
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def _fit(value: Any, kind: pa.DataType) -> Any:
    """A value as the column's type; null where it cannot be one."""
    if value is None or (kind == pa.string() and isinstance(value, str)):
        return value
    if kind == pa.string():
        try:
            return orjson.dumps(value).decode()
        except TypeError:  # nested too deep to be written
            return None
    if kind == pa.float64() and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind == pa.int64() and type(value) is int and -(1 << 63) <= value < 1 << 63:
        return value
    return value if kind == pa.bool_() and isinstance(value, bool) else None


def _lines(file: InputFile, start: int, end: int | None, damage: list[Damage]) -> Iterator[tuple[int, bytes]]:
    with open_plain(file) as stream:
        position = 0
        if start:
            stream.seek(start - 1)
            position = start - 1 + _skip_line(stream, None if end is None else end - start + 1)
        while end is None or position < end:
            try:
                line = stream.readline(LINE_BYTES)
                if position == 0 and line.startswith(PACKED):
                    damage.append(Damage(file.relative, 0, "is packed, and once more than its name says"))
                    return
                if len(line) == LINE_BYTES and not line.endswith(b"\n"):
                    damage.append(Damage(file.relative, position, f"a line of over {LINE_BYTES:,} bytes"))
                    position += len(line)
                    position += _skip_line(stream, None if end is None else end - position)
                    continue
            except OSError as error:
                damage.append(Damage(file.relative, position, str(error)))
                return
            if not line:
                return
            yield position, line
            position += len(line)


def _skip_line(stream: IO[bytes], limit: int | None) -> int:
    """Reads to the end of a line, or until `limit` bytes are gone: what is behind them is another task's."""
    skipped = 0
    while (limit is None or skipped < limit) and (part := stream.readline(1 << 20)):
        skipped += len(part)
        if part.endswith(b"\n"):
            break
    return skipped
