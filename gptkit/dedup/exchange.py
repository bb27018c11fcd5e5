"""Signatures as datasketch 2 writes and reads them: the bytes of LeanMinHash.serialize, one value a document."""

import struct

import numpy as np
import pyarrow as pa

from gptkit.errors import InputError

SCHEMES = {1: "affine32", 2: "affine64"}
AFFINE32 = 1
HEADER = struct.Struct("@qiB3x")  # seed, negated number of values, scheme, padding up to the values


def _layout(permutations: int) -> np.dtype:
    """HEADER and the values; all in this machine's byte order, as datasketch has it by default."""
    return np.dtype(
        [("seed", "i8"), ("number", "i4"), ("scheme", "u1"), ("padding", "V3"), ("values", "u4", permutations)]
    )


def to_lean(signatures: np.ndarray, seed: int) -> pa.Array:
    """Each signature (a row of uint32 [documents, permutations]) as the bytes of a LeanMinHash of affine32.

    `datasketch.LeanMinHash.deserialize` reads each value. Raises ValueError from 2 GiB on.
    """
    layout = _layout(signatures.shape[1])
    if len(signatures) * layout.itemsize >= 1 << 31:
        raise ValueError("too many signatures for one Arrow array: split them")
    rows = np.zeros(len(signatures), layout)
    rows["seed"], rows["number"], rows["scheme"] = seed, -signatures.shape[1], AFFINE32
    rows["values"] = signatures
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * np.int32(layout.itemsize)
    return pa.Array.from_buffers(pa.binary(), len(rows), [None, pa.py_buffer(offsets), pa.py_buffer(rows)])


def from_lean(column: pa.Array, permutations: int, seed: int, where: str) -> np.ndarray:
    """The signatures (uint32 [documents, permutations]) of a binary column of LeanMinHashes.

    where: what errors call the column. Raises InputError where a value is not a LeanMinHash of
    affine32 with this seed and number of permutations.
    """
    if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
        raise InputError(f"{where}: signatures must be binary, not {column.type}")
    layout = _layout(permutations)
    column = column.cast(pa.large_binary())
    _, offsets, content = column.buffers()
    starts = np.zeros(1, np.int64)
    if len(column):
        starts = np.frombuffer(offsets, np.int64, len(column) + 1, column.offset * 8)
    odd = np.diff(starts) != layout.itemsize
    if column.null_count:
        odd |= column.is_null().to_numpy(zero_copy_only=False)
    if not len(column):
        return np.empty((0, permutations), np.uint32)
    if not odd.any():
        rows = np.frombuffer(content, layout, len(column), starts[0])
        odd = (rows["seed"] != seed) | (rows["number"] != -permutations) | (rows["scheme"] != AFFINE32)
        if not odd.any():
            return np.ascontiguousarray(rows["values"])
    row = int(np.argmax(odd))
    raise InputError(f"{where}, row {row}: {_fault(column[row].as_py(), permutations, seed)}")


def _fault(value: bytes | None, permutations: int, seed: int) -> str:
    """What is wrong with a value that is not the LeanMinHash that was asked for."""
    if value is None or len(value) < HEADER.size:
        return "not a signature of datasketch 2 (LeanMinHash.serialize)"
    found_seed, number, scheme = HEADER.unpack_from(value)
    if number >= 0:
        return "a signature of datasketch's scheme legacy (before 2.0), which no other is comparable to: sign the texts anew"
    if scheme != AFFINE32:
        return (
            f"a signature of datasketch's scheme {SCHEMES.get(scheme, f'number {scheme}')}; only affine32 can be read"
        )
    if -number != permutations:
        return f"a signature of {-number} permutations, where bands times rows are {permutations}"
    if found_seed != seed:
        return f"a signature of seed {found_seed}, where the seed is {seed}"
    return f"{len(value)} bytes, where a signature of {permutations} permutations has {_layout(permutations).itemsize}"
