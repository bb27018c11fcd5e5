"""From hashes and signatures to clusters, each named by its first document."""

import numpy as np

from gptkit.kernels import clusters
from gptkit.kernels.minhash import EMPTY


def exact_clusters(hashes: np.ndarray) -> np.ndarray:
    """For each document the first one with the same hash (uint64 [n, 2]); int64 [n]."""
    _, first, inverse = np.unique(hashes, axis=0, return_index=True, return_inverse=True)
    return first[inverse.reshape(-1)].astype(np.int64)


def near_clusters(signatures: np.ndarray, bands: int, rows: int) -> np.ndarray:
    """For each document the first of its cluster; int64 [n].

    signatures: uint32 [n, bands·rows]. Documents that agree in all rows of any band are joined;
    those of the empty set are left alone.
    """
    places = np.flatnonzero((signatures != EMPTY).any(axis=1))
    signed = signatures[places]
    parents = np.arange(len(signed), dtype=np.int64)
    keys = np.empty(len(signed), np.uint64)
    for band in range(bands):
        clusters.band_keys(signed, band, rows, keys)
        clusters.join_equal(keys, np.argsort(keys, kind="stable"), parents)
    clusters.flatten(parents)
    roots = np.arange(len(signatures), dtype=np.int64)
    roots[places] = places[parents]
    return roots


def warm_up() -> None:
    """Compiles the kernels."""
    near_clusters(np.zeros((2, 2), np.uint32), 1, 2)
