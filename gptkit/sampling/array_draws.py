"""Keyed draws for arrays of documents."""

import numpy as np

from gptkit.sampling.draws import draw64


def draws64(identities: np.ndarray, *key: object) -> np.ndarray:
    """A uniform uint64 for each of `identities` (uint64 [n]) that depends on nothing but it and `key`.

    The key's draw is added, and the sum finalised as in SplitMix64 (Steele, Lea, Flood, 2014), which
    is a permutation: different identities have different draws.
    """
    mixed = identities + np.uint64(draw64(*key))
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def uniforms(draws: np.ndarray) -> np.ndarray:
    """Draws (uint64 [n]) as numbers in (0, 1), float64: never 0, so that they have a logarithm."""
    return ((draws >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
