"""The keys that order documents: in a source's draw, and in the mixture."""

import numpy as np

from gptkit.sampling.array_draws import draws64, uniforms

ORDERED_INFINITY = 0xFFF << 52  # above the ordered bits of every finite float64


def draw_keys(
    identities: np.ndarray, weights: np.ndarray | None, temperature: float, seed: int, source: str, epoch: int
) -> np.ndarray:
    """The order in which documents are drawn in an epoch, uint64 [n].

    identities: uint64 [n], hashes of the ids. weights: float64 [n], or None where all weigh the same.
    A weighted document comes at -log(u) / w^(1/temperature), so that each next one is drawn with a
    probability in proportion to its weight among those that are left (Efraimidis and Spirakis, 2006;
    here as its logarithm, which cannot overflow). Those without a positive finite weight come last.
    """
    draws = draws64(identities, seed, "draw", source, epoch)
    if weights is None:
        return draws
    sound = weighs(weights)
    keys = draws >> np.uint64(12) | np.uint64(ORDERED_INFINITY)
    times = np.log(-np.log(uniforms(draws[sound]))) - np.log(weights[sound]) / temperature
    keys[sound] = _ordered(times)
    return keys


def weighs(weights: np.ndarray) -> np.ndarray:
    """Whether each weight can be used: above 0 and finite, bool [n]."""
    return np.isfinite(weights) & (weights > 0)


def order_keys(identities: np.ndarray, seed: int, source: str, epoch: int) -> np.ndarray:
    """The order of the documents in the mixture, uint64 [n]."""
    return draws64(identities, seed, "order", source, epoch)


def _ordered(values: np.ndarray) -> np.ndarray:
    """Finite floats (float64 [n]) as uint64 in the same order: a negative one's bits are turned round."""
    bits = (values + 0.0).view(np.uint64)  # -0.0 becomes 0.0
    return np.where(bits >> np.uint64(63), ~bits, bits | np.uint64(1 << 63))
