"""The hash FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/): h = (h ^ byte) · FNV_PRIME for each byte."""

import numpy as np

FNV_START, FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)


def fnv(name: bytes) -> int:
    """FNV-1a, 64 bits, (http://www.isthe.com/chongo/tech/comp/fnv/)."""
    h = int(FNV_START)
    for byte in name:
        h = (h ^ byte) * int(FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
    return h
