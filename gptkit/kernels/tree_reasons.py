"""Walks down boosted trees (see `trees`) that remember their way: which nodes rows come through, and what each step changes."""

import numpy as np

from gptkit.kernels.jit import kernel
from gptkit.kernels.trees import child


@kernel
def count_visits(features, nodes, roots, depths, visits):
    """Adds to `visits` (int64 [nodes]) how many rows of features (uint8 [rows, columns]) come to each node below a root."""
    for tree in range(len(roots)):
        for row in range(len(features)):
            node = roots[tree]
            for _ in range(depths[tree]):
                below = child(nodes, node, features[row])
                if below == node:
                    break
                visits[below] += 1
                node = below


@kernel
def add_changes(features, nodes, means, roots, depths, out):
    """Adds to `out` (float32 [rows, columns]), at each step's feature, how much it changes the mean (float32 [nodes])."""
    for row in range(len(features)):
        for tree in range(len(roots)):
            node = roots[tree]
            for _ in range(depths[tree]):
                below = child(nodes, node, features[row])
                if below == node:
                    break
                out[row, nodes[node] & np.uint32(255)] += means[below] - means[node]
                node = below
