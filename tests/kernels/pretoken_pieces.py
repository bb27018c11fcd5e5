"""The pieces that a split pattern makes of texts, which gptkit itself only counts."""

import numpy as np
import pyarrow as pa

from gptkit.kernels.columns import string_arrays
from gptkit.kernels.jit import kernel
from gptkit.kernels.pretokens import piece_end


@kernel
def _piece_ends(text, starts, kinds, pattern, ends):
    found = 0
    for row in range(len(starts) - 1):
        place, end = starts[row], starts[row + 1]
        while place < end:
            place = piece_end(text, place, end, kinds, pattern)
            ends[found] = place
            found += 1
    return found


def piece_ends(texts: pa.Array, kinds: np.ndarray, pattern: int) -> tuple[np.ndarray, np.ndarray]:
    """The bytes of a string column (uint8), and where each piece of its texts ends in them (int64 [pieces])."""
    text, starts = string_arrays(texts)
    ends = np.empty(starts[-1] - starts[0], np.int64)
    return text, ends[: _piece_ends(text, starts, kinds, pattern, ends)]
