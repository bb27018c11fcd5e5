"""LSH buckets and union-find. Deterministic: a set's root is its least member."""

import numpy as np

from gptkit.kernels.jit import helper, kernel
from gptkit.kernels.minhash import fmix64


@helper
def band_key(row, band, rows):
    """The 64-bit key of one band of a signature (uint32 [bands·rows])."""
    h = np.uint64(0x9E3779B97F4A7C15) * np.uint64(band + 1)  # the same values in another band make another key
    for k in range(band * rows, (band + 1) * rows):
        h = (h ^ np.uint64(row[k])) * np.uint64(0xFF51AFD7ED558CCD)
        h ^= h >> np.uint64(32)
    return fmix64(h)


@kernel
def band_records(signatures, signed, bands, rows):
    """A record for each band of each document of which `signed` (bool [n]) says that it has shingles.

    signatures: uint32 [n, bands·rows]. Gives keys uint64 [m·bands] and places uint32 [m·bands],
    where m documents are signed.
    """
    count = 0
    for document in range(len(signed)):
        count += signed[document]
    keys = np.empty(count * bands, np.uint64)
    places = np.empty(count * bands, np.uint32)
    out = 0
    for document in range(len(signed)):
        if signed[document]:
            for band in range(bands):
                keys[out] = band_key(signatures[document], band, rows)
                places[out] = document
                out += 1
    return keys, places


@helper
def _root(parents, node):
    while parents[node] != node:
        parents[node] = parents[parents[node]]  # halves the path
        node = parents[node]
    return node


@helper
def _join(parents, one, other):
    first, second = _root(parents, one), _root(parents, other)
    if first < second:
        parents[second] = first
    elif second < first:
        parents[first] = second


@kernel
def join_equal(keys, nodes, gone):
    """Edges between neighbours of equal key: int64 [m, 2].

    keys: uint64 [n], ascending; nodes: int64 [n], ascending where keys are equal; those of which
    `gone` (bool, by node) says so are passed over. A chain of n - 1 edges joins a bucket of n.
    """
    edges = np.empty((max(0, len(keys) - 1), 2), np.int64)
    count, last = 0, -1
    for place in range(len(keys)):
        if place > 0 and keys[place] != keys[place - 1]:
            last = -1
        node = nodes[place]
        if gone[node]:
            continue
        if last >= 0 and last != node:
            edges[count, 0], edges[count, 1] = last, node
            count += 1
        last = node
    return edges[:count].copy()


@kernel
def _join_places(edges, parents):
    for edge in range(len(edges)):
        _join(parents, edges[edge, 0], edges[edge, 1])
    for node in range(len(parents)):
        parents[node] = _root(parents, node)


def forest(edges: np.ndarray) -> np.ndarray:
    """The components of a graph as (node, its least node) for each node that is not the least: int64 [m, 2].

    edges: int64 [e, 2]. Ascending by node. Memory follows the number of edges, not the nodes' numbers.
    """
    nodes, places = np.unique(edges, return_inverse=True)
    parents = np.arange(len(nodes), dtype=np.int64)
    _join_places(places.reshape(-1, 2), parents)
    inner = np.flatnonzero(parents != np.arange(len(nodes)))
    return np.stack([nodes[inner], nodes[parents[inner]]], axis=1)
