"""Which split each document belongs to: a draw keyed by its id, so that the same documents are held out everywhere."""

import numpy as np

from gptkit.sampling.array_draws import draws64, uniforms
from gptkit.tokenization.settings import TokenizeSettings

SPLITS = ("train", "validation")
LEFT_OUT = -1


def assign(identities: np.ndarray, epochs: np.ndarray, settings: TokenizeSettings) -> np.ndarray:
    """The place in SPLITS of each document, int8 [n]; LEFT_OUT for further copies of a held-out document.

    identities: uint64 [n], the hashes of the ids. epochs: integers [n], how often a mixture had drawn
    the document before: a held-out one is taken once.
    """
    held_out = uniforms(draws64(identities, settings.seed, "validation")) < settings.validation
    return np.where(held_out, np.where(epochs > 0, LEFT_OUT, 1), 0).astype(np.int8)
