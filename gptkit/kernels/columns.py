"""An Arrow string column as the arrays kernels read, without a copy."""

import numpy as np
import pyarrow as pa

EXCERPT = 200  # characters that tables show of a text


def string_arrays(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The bytes (uint8) and offsets (int64 [rows + 1], into the bytes) of a string column.

    Raises ValueError where the column has nulls or is not of strings.
    """
    if column.null_count:
        raise ValueError("the column has nulls")
    if pa.types.is_string(column.type):
        width: np.dtype = np.dtype(np.int32)
    elif pa.types.is_large_string(column.type):
        width = np.dtype(np.int64)
    else:
        raise ValueError(f"the column is of {column.type}, not of strings")
    _, offsets, data = column.buffers()
    if len(column) == 0:
        return _read_only(np.empty(0, np.uint8)), np.zeros(1, np.int64)
    starts = np.frombuffer(offsets, width, len(column) + 1, column.offset * width.itemsize)
    content = _read_only(np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8))
    if starts[-1] > len(content) or starts[0] < 0:
        raise ValueError("the column's offsets leave its data")
    return content, starts.astype(np.int64)


def excerpts(content: np.ndarray, places: np.ndarray) -> list[str]:
    """The first EXCERPT characters of the text at each of `places` (int64 [n, 2]: begin and end)."""
    return [
        bytes(content[begin : min(end, begin + 4 * EXCERPT)]).decode(errors="ignore")[:EXCERPT] for begin, end in places
    ]


def _read_only(content: np.ndarray) -> np.ndarray:
    """Some of Arrow's buffers are read-only, others not: two types, for which each kernel would be compiled twice."""
    content.flags.writeable = False
    return content
