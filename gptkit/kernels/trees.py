"""Boosted trees over features that are bytes: the probability of each row.

A node is one number: its feature in the lowest byte, its threshold in the next, and the place of its
left child in the upper half; the right child lies behind the left. A row goes right where its feature
is greater than the threshold. A leaf is its own left child with the threshold 255, so that a walk may
go on: all rows take as many steps as the tree is deep, several rows at a time, without a branch.
"""

import numpy as np

from gptkit.kernels.jit import helper, kernel


@helper
def child(nodes, node, row):
    """The child that a row goes to; a leaf is its own."""
    packed = nodes[node]
    return np.int64(packed >> np.uint32(16)) + (
        row[packed & np.uint32(255)] > (packed >> np.uint32(8) & np.uint32(255))
    )


@kernel
def probabilities(features, rows, nodes, values, roots, depths, out):
    """Writes the probability of each row: the logistic function of the sum of the leaves it comes to.

    features: uint8 [≥ rows, columns]; nodes: uint32, values: float32, both [nodes], up to 65,536;
    roots, depths: int64 [trees]; out: float32 [≥ rows].
    """
    out[:rows] = 0
    for tree in range(len(roots)):
        root, depth = roots[tree], depths[tree]
        row = 0
        while row + 4 <= rows:
            a = b = c = d = root
            first, second, third, fourth = features[row], features[row + 1], features[row + 2], features[row + 3]
            for _ in range(depth):
                a, b = child(nodes, a, first), child(nodes, b, second)
                c, d = child(nodes, c, third), child(nodes, d, fourth)
            out[row] += values[a]
            out[row + 1] += values[b]
            out[row + 2] += values[c]
            out[row + 3] += values[d]
            row += 4
        while row < rows:
            a = root
            for _ in range(depth):
                a = child(nodes, a, features[row])
            out[row] += values[a]
            row += 1
    for row in range(rows):
        out[row] = 1 / (1 + np.exp(-out[row]))
