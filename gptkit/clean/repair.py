"""Mends mis-decoded text as ftfy does; ftfy is called only for the lines it would really change.

What ftfy does to single characters (quotes, ligatures, widths, control characters, line breaks) is
done by a kernel, which also tells which lines look mis-decoded, hold entities, or are not
normalised. Those alone are handed on.
"""

import numpy as np
import pyarrow as pa

from gptkit.clean.mend import compose, mend
from gptkit.clean.repair_tables import tables
from gptkit.kernels.columns import string_arrays
from gptkit.kernels.repair import (
    BEGIN,
    DECODES,
    DOCUMENT,
    END,
    ENTITY,
    FOREIGN,
    FOUND_IN_IT,
    PLACE,
    SEGMENT,
    UNNORMAL,
    repair_segments,
)

BLOCK = 20_000  # segments that are mended at a time, which bounds memory
LONGEST_EXPANSION = 3  # normalisation to NFC makes text no longer than so many times (Unicode annex 15)


def repair(column: pa.Array) -> pa.Array:
    """A string column's texts as `ftfy.fix_text` gives them; the column itself where nothing changes.

    Raises ValueError where the column has nulls or is not of strings.
    """
    text, starts = string_arrays(column)
    changed, out, out_starts, marks = repair_segments(text, starts, *tables())
    if not changed:
        return column
    mended = bytearray()
    sizes = np.empty(len(marks), np.int64)
    done = 0
    for first in range(0, len(marks), BLOCK):
        block = marks[first : first + BLOCK]
        segments = [text[mark[BEGIN] : mark[END]].tobytes().decode() for mark in block]
        for number, (place, new) in enumerate(zip(block[:, PLACE], _mended(segments, block), strict=True)):
            mended += memoryview(out[done:place])
            mended += new
            sizes[first + number] = len(new)
            done = place
    mended += memoryview(out[done:])
    put_in = np.zeros(len(column) + 1, np.int64)  # bytes, by document
    np.add.at(put_in, marks[:, DOCUMENT] + 1, sizes)
    offsets = out_starts + np.cumsum(put_in)
    buffers = pa.py_buffer(offsets), pa.py_buffer(mended)
    return pa.LargeStringArray.from_buffers(len(column), *buffers).cast(column.type)


def repair_one(text: str) -> str:
    """One text as `ftfy.fix_text` gives it."""
    return repair(pa.array([text], pa.large_string()))[0].as_py()


def _mended(segments: list[str], marks: np.ndarray) -> list[bytes]:
    """The segments as ftfy gives them, in UTF-8."""
    normalised = _normalised(segments, marks)
    return [
        normalised[place] if place in normalised else mend(segment, bool(mark[DECODES])).encode()
        for place, (segment, mark) in enumerate(zip(segments, marks, strict=True))
    ]


def _normalised(segments: list[str], marks: np.ndarray) -> dict[int, bytes]:
    """Those segments for which normalisation and the kernel are enough, by place.

    Characters that ftfy replaces take no part in normalisation, so it may come first: what the kernel
    then finds in order is canonically equivalent to what ftfy gives.
    """
    entity = (marks[:, DECODES] > 0) & (marks[:, FOUND_IN_IT] & ENTITY > 0)
    only = (marks[:, FOUND_IN_IT] & (UNNORMAL | FOREIGN) == UNNORMAL) & ~entity
    places = [place for place in np.flatnonzero(only) if len(segments[place]) * LONGEST_EXPANSION <= SEGMENT]
    column = pa.array([compose(segments[place]) for place in places], pa.large_string())
    text, starts = string_arrays(column)
    changed, out, out_starts, left = repair_segments(text, starts, *tables())
    if not changed:
        out, out_starts = text, starts
    more_needed = set(left[:, DOCUMENT].tolist())
    return {
        int(place): out[out_starts[row] : out_starts[row + 1]].tobytes()
        for row, place in enumerate(places)
        if row not in more_needed
    }
