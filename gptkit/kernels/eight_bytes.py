"""Eight bytes of text as one number."""

import numpy as np

from gptkit.kernels.jit import helper


@helper
def eight_bytes(text, place):
    """text[place : place + 8] as a number, first byte lowest. LLVM makes one load of it (with unsigned indices)."""
    place = np.uint64(place)
    block = np.uint64(0)
    for index in range(8):
        block |= np.uint64(text[place + np.uint64(index)]) << np.uint64(8 * index)
    return block
