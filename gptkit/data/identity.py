"""A document's id: the input's own, else a hash of where it stands. Never an absolute path."""

import numpy as np
import pyarrow as pa
import xxhash

from gptkit.data.inputs import InputFile


def document_id(file: InputFile, place: int | str) -> str:
    """xxh3-128 of (source, path relative to the argument, record offset or row), as hexadecimal."""
    return xxhash.xxh3_128_hexdigest(f"{file.source}\0{file.relative}\0{place}".encode("utf-8", "surrogateescape"))


def file_name(file: InputFile) -> str:
    """The path relative to the argument as valid Unicode: names of files may hold any bytes."""
    return file.relative.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def hash_ids(ids: pa.Array) -> np.ndarray:
    """xxh3-64 of each id, uint64 [rows]: what keyed draws of documents start from."""
    return np.array([xxhash.xxh3_64_intdigest(identity) for identity in ids.cast(pa.binary()).to_pylist()], np.uint64)
