"""Boosted trees from LightGBM (Ke et al. 2017), as the model that the extractor reads.

LightGBM is needed to train only. It runs on one thread: how many share a sum decides how it is
rounded, and from the same data is to come the same model. Folds are trained side by side instead.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from gptkit.errors import GptkitError
from gptkit.extraction.model import FAVORS, Model
from gptkit.extraction.training_settings import TrainingSettings
from gptkit.kernels.trees import probabilities

if TYPE_CHECKING:
    from lightgbm import Booster

MOST_NODES = 1 << 16  # the place of a node has 16 bits
LEAF = 255 << 8  # a threshold that no byte is greater than


def need_lightgbm() -> None:
    """Raises GptkitError with what to do where LightGBM cannot be loaded."""
    try:
        import lightgbm  # noqa: F401
    except (ImportError, OSError) as error:  # OSError: it is there, but a library that it needs is not
        raise GptkitError(f"training needs lightgbm ({error}); pip install 'gptkit[dev]'") from None


def fit(features: np.ndarray, labels: np.ndarray, weights: np.ndarray, settings: TrainingSettings) -> "Booster":
    """Trees for labels from 0 to 1, by cross-entropy.

    features: uint8 [rows, columns]; labels, weights: float32 [rows], weights above 0. Memory: about
    ten times the features.
    """
    need_lightgbm()
    import lightgbm

    parameters = {
        "objective": "cross_entropy",
        "num_leaves": settings.leaves,
        "max_depth": settings.depth,
        "learning_rate": settings.rate,
        "feature_fraction": settings.columns,
        "min_data_in_leaf": settings.leaf_blocks,
        "lambda_l2": settings.penalty,
        "max_bin": settings.bins,
        "seed": settings.seed,
        "deterministic": True,
        "force_row_wise": True,  # else it times both ways and takes the faster
        "num_threads": 1,
        "verbosity": -1,
    }
    return lightgbm.train(parameters, lightgbm.Dataset(features, labels, weight=weights), settings.trees)


def convert(booster: "Booster") -> Model:
    """The same trees in the form of `kernels.trees`; the thresholds of the model are to be chosen yet.

    Thresholds of byte features are rounded down, which changes nothing: a byte is greater than 3.5
    where it is greater than 3. Raises GptkitError for more nodes than a model can have.
    """
    nodes: list[int] = []
    values: list[float] = []
    roots, depths = [], []
    for tree in booster.dump_model()["tree_info"]:
        roots.append(len(nodes))
        depths.append(_add(tree["tree_structure"], nodes, values))
    if len(nodes) > MOST_NODES:
        raise GptkitError(
            f"the trees have {len(nodes):,} nodes, over {MOST_NODES:,}; ask for fewer --trees or --leaves"
        )
    return Model(
        np.array(nodes, np.uint32),
        np.array(values, np.float32),
        np.array(roots, np.int64),
        np.array(depths, np.int64),
        np.full(len(FAVORS), 0.5, np.float32),
    )


def _add(tree: dict[str, Any], nodes: list[int], values: list[float]) -> int:
    """Adds a tree level by level, the two children of a node side by side; gives its depth."""
    row, depth = [(tree, len(nodes))], 0
    nodes.append(0)
    values.append(0.0)
    while True:
        below = []
        for node, place in row:
            if "leaf_value" in node:
                nodes[place], values[place] = place << 16 | LEAF, node["leaf_value"]
                continue
            left = len(nodes)
            nodes[place] = left << 16 | int(node["threshold"]) << 8 | node["split_feature"]
            nodes += [0, 0]
            values += [0.0, 0.0]
            below += [(node["left_child"], left), (node["right_child"], left + 1)]
        if not below:
            return depth
        row, depth = below, depth + 1


def predict(model: Model, features: np.ndarray) -> np.ndarray:
    """The probability of each row of features (uint8 [rows, columns]), float32 [rows], as the extractor has it."""
    out = np.empty(len(features), np.float32)
    probabilities(np.ascontiguousarray(features), len(features), *model.arrays, out)
    return out
