"""Opens the documents a later stage reads: the output of an earlier one, or Parquet files by name."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gptkit.data import parquet
from gptkit.data.inputs import ADDRESS, InputFile, find_one, shown
from gptkit.data.manifest import read_manifest
from gptkit.data.pieces import further_columns
from gptkit.errors import GptkitError

EPOCH_COLUMN = "mix_epoch"  # how many times a mixture had drawn the document before
SOURCE_COLUMN = "mix_source"  # the source of the mixture that it was drawn from


@dataclasses.dataclass(frozen=True)
class Documents:
    """Shards of documents in order, and the digest that stands for them in a plan."""

    files: list[InputFile]
    rows: list[int]  # of each file
    digest: str
    path: str

    def as_input(self) -> dict[str, Any]:
        """The input as a plan names it."""
        return {"digest": self.digest, "path": self.path}

    def limited(self, limit: int | None) -> list[tuple[InputFile, int]]:
        """Each file with the rows to read of it, up to `limit` rows in all; files beyond it are left out."""
        if limit is None:
            return list(zip(self.files, self.rows, strict=True))
        left, chosen = limit, []
        for file, rows in zip(self.files, self.rows, strict=True):
            if left > 0:
                chosen.append((file, min(rows, left)))
            left -= rows
        return chosen


def open_documents(path: str) -> Documents:
    """Opens a stage's output folder or a Parquet file. Raises GptkitError where it is neither."""
    if ADDRESS.match(path):
        raise GptkitError(f"{shown(path)}: is an address; gptkit clean reads these")
    if not Path(path).is_file():
        read_manifest(Path(path))  # says why, where it is no finished stage
    found, digest = find_one("", path)
    unfit = next((file for file in found if file.format != "parquet"), None)
    if unfit is not None:
        raise GptkitError(f"{path}: is not documents in Parquet ({unfit.relative}); gptkit clean makes them")
    rows = [parquet.open_file(file.path).metadata.num_rows for file in found]
    return Documents(found, rows, digest, path)


def schema_of(files: Sequence[InputFile]) -> pa.Schema:
    """id, text, url, source and the further columns of all files."""
    return pa.schema([pa.field(name, pa.string()) for name in parquet.KNOWN] + further_columns(files))


def read_documents(file: InputFile, rows: int, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Reads the first `rows` documents of a file as batches of `schema`."""
    for batch in parquet.read(file, 0, None, [field for field in schema if field.name not in parquet.KNOWN]):
        yield parquet.conform(batch[:rows], schema)
        rows -= len(batch)
        if rows <= 0:
            return


def find_document(path: str, identity: str | None, index: int) -> dict[str, Any]:
    """One document of a stage's output or a Parquet file, by id or by place, as a dictionary.

    Raises GptkitError where there is none.
    """
    documents = open_documents(path)
    schema, place = schema_of(documents.files), 0
    for file, rows in zip(documents.files, documents.rows, strict=True):
        if identity is None and place + rows <= index:
            place += rows
            continue
        for batch in read_documents(file, rows, schema):
            if identity is None and index < place + len(batch):
                return batch[index - place : index - place + 1].to_pylist()[0]
            if identity is not None:
                for found in np.flatnonzero(pc.equal(batch.column("id"), identity).to_numpy(zero_copy_only=False)):
                    return batch[int(found) : int(found) + 1].to_pylist()[0]
            place += len(batch)
    what = f"no document with id '{identity}'" if identity is not None else f"{place:,} documents; --index starts at 0"
    raise GptkitError(f"{path}: has {what}")


def count_documents(path: str) -> dict[str, Any]:
    """Documents, bytes of text and columns of a Parquet file."""
    documents = open_documents(path)
    schema = schema_of(documents.files)
    text = 0
    for file, rows in zip(documents.files, documents.rows, strict=True):
        text += sum(parquet.text_bytes(batch) for batch in read_documents(file, rows, schema))
    return {"documents": sum(documents.rows), "bytes": text, "columns": ", ".join(schema.names)}
