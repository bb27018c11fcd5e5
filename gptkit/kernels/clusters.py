"""Union-find over edges that come from equal keys. Deterministic: a set's root is its least member."""

import numpy as np

from gptkit.kernels.jit import helper, kernel


@helper
def _root(parents, node):
    while parents[node] != node:
        parents[node] = parents[parents[node]]  # halves the path
        node = parents[node]
    return node


@kernel
def band_keys(signatures, band, rows, keys):
    """Hashes rows [band·rows, (band+1)·rows) of each signature (uint32 [n, k]) into `keys` (uint64 [n])."""
    for document in range(len(signatures)):
        h = np.uint64(0x9E3779B97F4A7C15)
        for k in range(band * rows, (band + 1) * rows):
            h = (h ^ np.uint64(signatures[document, k])) * np.uint64(0xFF51AFD7ED558CCD)
            h ^= h >> np.uint64(32)
        keys[document] = h


@kernel
def join_equal(keys, order, parents):
    """Joins neighbours of equal key. `order` sorts `keys`; `parents` (int64 [n]) is changed."""
    for place in range(1, len(order)):
        one, other = order[place - 1], order[place]
        if keys[one] == keys[other]:
            first, second = _root(parents, one), _root(parents, other)
            if first < second:
                parents[second] = first
            elif second < first:
                parents[first] = second


@kernel
def flatten(parents):
    """Makes every node's parent its root."""
    for node in range(len(parents)):
        parents[node] = _root(parents, node)
