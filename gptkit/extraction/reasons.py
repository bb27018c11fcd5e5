"""Why the model takes a block for main text or not: how much each feature adds to the log odds.

By the method of A. Saabas (2014, "Interpreting random forests"): each step down a tree changes the mean of
the leaves that can still be reached, and the change is put down to the feature that the step asks for. The
means are over the blocks of the page itself, and one more that goes either way: so the reasons say what
tells a block from the others of its page. The parts of all features and the mean of the roots make up the
log odds. Of features that say much the same, which one has the credit is chance.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gptkit.extraction.model import Model
from gptkit.kernels.block_columns import FARTHEST, FEATURES, TAG_CLASSES, WIDTH
from gptkit.kernels.html_names import GROUPS
from gptkit.kernels.tree_reasons import add_changes, count_visits

STRONGEST = 8  # reasons that are given for a block
LEAST = 0.005  # of the log odds; what adds less is no reason


class Reason(NamedTuple):
    """What one feature adds to the log odds of a block's being main text."""

    feature: str
    value: str
    weight: float


def contributions(model: Model, features: np.ndarray) -> np.ndarray:
    """float32 [blocks, WIDTH]: what each feature adds to each block's log odds. features: uint8 [blocks, WIDTH]."""
    parts = np.zeros((len(features), WIDTH), np.float32)
    add_changes(features, model.nodes, _means(model, features), model.roots, model.depths, parts)
    return parts


def _means(model: Model, features: np.ndarray) -> np.ndarray:
    """float32 [nodes]: the value of a leaf, and of an inner node the mean of its children by how many blocks come there."""
    visits = np.ones(len(model.nodes), np.int64)
    count_visits(features, model.nodes, model.roots, model.depths, visits)
    left = (model.nodes >> np.uint32(16)).astype(np.int64)
    inner = np.flatnonzero(left != np.arange(len(left)))
    lower, upper = left[inner], left[inner] + 1
    share = (visits[lower] / (visits[lower] + visits[upper])).astype(np.float32)
    means = model.values.astype(np.float32)
    for _ in range(int(model.depths.max(initial=0))):
        means[inner] = share * means[lower] + (1 - share) * means[upper]
    return means


def strongest(features: np.ndarray, parts: np.ndarray) -> tuple[Reason, ...]:
    """The features of a block that add most to its log odds or take most from them, the strongest first."""
    order = np.argsort(-np.abs(parts), kind="stable")[:STRONGEST].tolist()
    return tuple(
        Reason(
            _label(FEATURES[column]), _reading(FEATURES[column], int(features[column])), round(float(parts[column]), 3)
        )
        for column in order
        if abs(parts[column]) >= LEAST
    )


def _label(name: str) -> str:
    if name.startswith("word:"):
        return f"named {name.removeprefix('word:')}"
    return f"in {name}" if name.startswith("<") else name


def _length(value: int) -> str:
    return f"{2 ** (value / 8) - 1:.0f}"


def _share(value: int) -> str:
    return f"{value / 255:.0%}"


def _per_hundred(value: int) -> str:
    return f"{value / 25.5:.1f} in 100 words"


def _from_here(value: int) -> str:
    """Beyond 64 blocks a step is eight of them, and the last one all that are farther."""
    steps = abs(value - 128)
    size = steps if steps <= 64 else 64 + 8 * (steps - 64)
    return f"{size if value >= 128 else -size:+}{' or more' if steps >= 127 else ''}"


def _since_heading(value: int) -> str:
    return "none" if value == 255 else _from_here(value)


def _ancestor(value: int) -> str:
    return "no" if value >= FARTHEST else f"{value} up"


def _steps(value: int) -> str:
    return "none" if value >= FARTHEST else str(value)


def _tag(value: int) -> str:
    if value == 255:
        return "none"
    return TAG_CLASSES[value - 1] if 0 < value <= len(TAG_CLASSES) else "another"


def _blocks_to(value: int) -> str:
    return "none" if value == 255 else str(value)


def _one_of(*names: str) -> Callable[[int], str]:
    return lambda value: names[value] if value < len(names) else str(value)


_letters = _one_of("none", "small letter", "capital", "letter", "digit", "end of sentence", "mark", "other", "colon")

# How the numbers of features are read, by name; others are what they are. It turns what `block_features` does around.
READINGS: dict[str, Callable[[int], str]] = {
    **dict.fromkeys(GROUPS, _ancestor),
    **dict.fromkeys(
        """characters/words/stop words/blocks before/blocks behind/page characters/page blocks/window characters/
        long text before/items/item characters/items mean/outer items/outer item characters""".replace("\n", "")
        .replace("  ", "")
        .split("/"),
        _length,
    ),
    **{name: _share for name in FEATURES if name.endswith("share")},
    **dict.fromkeys(("digit share", "capital words", "capital letters", "place in page", "words of title"), _share),
    **{name: _from_here for name in FEATURES if name.endswith(("before main text", "behind main text"))},
    **{name: _from_here for name in FEATURES if name.endswith(("before best container", "behind best container"))},
    **{name: _steps for name in FEATURES if name.startswith("steps to")},
    "blocks since h1": _since_heading,
    "tag": _tag,
    "inner tag": _tag,
    "parent tag": _tag,
    "first character": _letters,
    "last character": _letters,
    "line break before": _one_of("none", "a line", "a paragraph"),
    "line break after": _one_of("none", "a line", "a paragraph"),
    "word length": lambda value: f"{value / 10:.1f}",
    "stop words a sentence": lambda value: f"{value / 16:.1f}",
    "long block before": _blocks_to,
    "long block behind": _blocks_to,
    "in comments": lambda value: {0: "no", 128: "few", 255: "most of the page"}.get(value, str(value)),
}
CONTAINER_READINGS = {
    **dict.fromkeys(("characters", "blocks", "mean block"), _length),
    **dict.fromkeys(("text share", "link share", "long text share", "stop word share", "place"), _share),
    **dict.fromkeys(("sentence ends", "commas"), _per_hundred),
    "tag": _tag,
}
NEIGHBOUR_READINGS = {"characters": _length, "link share": _share, "stop word share": _share, "tag": _tag}
NEIGHBOUR_READINGS["shared steps"] = _steps


def _reading(name: str, value: int) -> str:
    """A feature's number as one reads it."""
    where, _, inner = name.partition(": ")
    if inner:
        return (CONTAINER_READINGS if where.startswith("container") else NEIGHBOUR_READINGS).get(inner, str)(value)
    return READINGS.get(name, str)(value)
