"""Numeric arrays: scratch files between the phases of a stage, and the different values of one."""

from pathlib import Path

import numpy as np

from gptkit.data.files import atomic_path


def save_array(path: Path, array: np.ndarray) -> None:
    """Writes an array as .npy, atomically."""
    array = np.ascontiguousarray(array)
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(array.data)  # np.save would not say why it failed


def load_array(path: Path, mapped: bool = False) -> np.ndarray:
    """Reads an array, or maps it into memory."""
    return np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)


def distinct(values: np.ndarray) -> np.ndarray:
    """The different values, ordered. (NumPy's `unique` goes through a hash table, which takes 70 times as long.)"""
    ordered = np.sort(values)
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])] if len(ordered) else ordered
