"""Reads data sets through `datasets`: of the hub as a stream, of a local folder without copies. Runs no code of theirs."""

import contextlib
import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from gptkit.data import parquet
from gptkit.data.addresses import DEFAULT_SPLIT, DatasetName
from gptkit.data.identity import document_id
from gptkit.data.inputs import InputFile
from gptkit.errors import GptkitError

ROWS = 200  # of one batch; nothing says before how long they are
SAVED = ("dataset_info.json", "dataset_dict.json")  # what save_to_disk leaves in a folder
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
REASON_CHARACTERS = 300


def read(file: InputFile, skip: int, further: Sequence[pa.Field], unfit: Counter[str]) -> Iterator[pa.RecordBatch]:
    """Reads the rows behind the first `skip` as batches of id, text, url, source and `further`.

    Values of columns that `further` does not have, or that fit not their type, are left out and
    counted in `unfit` by name. Raises GptkitError where the data set cannot be had.
    """
    schema = pa.schema([pa.field(name, pa.string()) for name in parquet.KNOWN] + list(further))
    row = skip
    for table in _tables(file, skip):
        named = {name: table.column(name).combine_chunks() for name in table.column_names}
        named["text"] = named.pop(file.text_column)
        own = named["id"].cast(pa.string()).to_pylist() if "id" in named else [None] * len(table)
        ids = [identity or document_id(file, row + place) for place, identity in enumerate(own)]
        named["id"] = pa.array(ids, pa.string())
        named["source"] = pa.array([file.source] * len(table), pa.string())
        columns = [_fit(named, field, len(table), unfit) for field in schema]
        unfit.update({name: len(table) for name in named if name not in schema.names})
        row += len(table)
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _fit(named: dict[str, pa.Array], field: pa.Field, rows: int, unfit: Counter[str]) -> pa.Array:
    if field.name not in named:
        return pa.nulls(rows, field.type)
    try:
        return parquet.cast(named[field.name], field.type)
    except (pa.ArrowException, TypeError):
        unfit[field.name] += rows
        return pa.nulls(rows, field.type)


def further_columns(file: InputFile) -> list[pa.Field]:
    """The columns of the first rows besides id, text, url and source."""
    first = next(_tables(file, 0), None)
    if first is None:
        raise GptkitError(f"{file.path}: holds no rows")
    return [field.remove_metadata() for field in first.schema if field.name not in (*parquet.KNOWN, file.text_column)]


def _tables(file: InputFile, skip: int) -> Iterator[pa.Table]:
    with _reaching(file.path):
        rows = _open(file)
        if skip:
            rows = rows.skip(skip)
        for table in rows.with_format("arrow").iter(ROWS):
            _check_text(file, table.schema)
            yield table


def _check_text(file: InputFile, schema: pa.Schema) -> None:
    if file.text_column not in schema.names:
        raise GptkitError(f"{file.path}: has no column '{file.text_column}'; it has {', '.join(schema.names)}")
    kind = schema.field(file.text_column).type
    if not parquet.is_text(kind):
        raise GptkitError(f"{file.path}: its column '{file.text_column}' is {kind}, not a string")


def _open(file: InputFile) -> Any:
    """A Dataset or IterableDataset."""
    import datasets
    from datasets.packaged_modules import _PACKAGED_DATASETS_MODULES

    datasets.disable_progress_bars()
    for name in ("datasets", "huggingface_hub"):  # an error is said once, by us
        logging.getLogger(name).setLevel(logging.CRITICAL)
    known = DatasetName.parse(file.path)
    split = known.split or DEFAULT_SPLIT
    if not known.local:
        if not HUB_NAME.fullmatch(known.name):
            raise GptkitError(f"{file.path}: no such folder, and no name of a data set on the hub")
        if known.name in _PACKAGED_DATASETS_MODULES:  # it would read what lies in the current folder
            raise GptkitError(f"{file.path}: is a format, not a data set; name the files themselves")
        return datasets.load_dataset(known.name, known.config, split=split, streaming=True)
    folder = Path(known.name).resolve()  # a relative name could also be one of the hub's
    if not any((folder / name).is_file() for name in SAVED):
        return datasets.load_dataset(str(folder), split=split, streaming=True)
    saved = datasets.load_from_disk(str(folder))
    if not isinstance(saved, dict):  # one split, of which the name is not always kept
        split = str(saved.split or DEFAULT_SPLIT) if known.split is None else split
        saved = {str(saved.split or DEFAULT_SPLIT): saved}
    if split not in saved:
        raise GptkitError(f"{file.path}: has no split '{split}'; it has {', '.join(saved)}")
    return saved[split]


@contextlib.contextmanager
def _reaching(name: str) -> Iterator[None]:
    """Turns what `datasets` and the libraries below it raise into one line."""
    try:
        yield
    except (GptkitError, GeneratorExit):
        raise
    except Exception as error:  # datasets passes on the errors of whatever reads the data
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise GptkitError(f"{name}: cannot be read ({lines[0][:REASON_CHARACTERS]})") from None
