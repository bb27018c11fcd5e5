"""How many words and characters texts have."""

import numpy as np

from gptkit.kernels.characters import count_characters
from gptkit.kernels.jit import kernel
from gptkit.kernels.words import WALK, count_words


@kernel
def text_sizes(text, starts, rows, flags):
    """int64 [rows, 2]: words and characters of the texts at `rows` (int64) of a string column (see string_arrays).

    flags: see `character_flags`.
    """
    walk = np.empty(WALK, np.int64)
    sizes = np.empty((len(rows), 2), np.int64)
    for place in range(len(rows)):
        start, end = starts[rows[place]], starts[rows[place] + 1]
        sizes[place, 0], _ = count_words(text, start, end, flags, walk)
        sizes[place, 1] = count_characters(text, start, end)
    return sizes
