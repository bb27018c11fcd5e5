"""GPT-3's quality filter (arXiv 2005.14165, appendix A): a score for each document, and the lot it decides.

The score is the probability, by logistic regression over the hashed bag of words, that a document
comes from good text rather than from a raw crawl. A document is kept iff a draw from a Pareto
distribution is greater than 1 − score: nearly always at 1, and now and then far below, so that
what is kept is not only what looks like the good text.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from gptkit.data.files import atomic_path, read_json, write_json
from gptkit.data.manifest import read_manifest, verify
from gptkit.errors import GptkitError
from gptkit.kernels import bag_of_words
from gptkit.kernels.columns import string_arrays
from gptkit.sampling.draws import uniform

STAGE = "quality"
WEIGHTS, CONFIG = "model.safetensors", "config.json"
MODEL_TYPE = "hashed-bag-of-words"


@dataclasses.dataclass(frozen=True)
class Quality:
    """A trained classifier."""

    weights: np.ndarray  # float32 [features]
    bias: float
    digest: str = ""  # of the manifest it was read with

    @staticmethod
    def load(path: str | Path) -> "Quality":
        """Reads the output folder of `gptkit quality train`.

        Raises GptkitError where it is something else, or a file is missing, damaged or changed.
        """
        folder = Path(path)
        manifest = read_manifest(folder)
        if manifest.plan.stage != STAGE:
            raise GptkitError(f"{folder}: holds the output of '{manifest.plan.stage}', not of 'quality train'")
        verify(folder, manifest.shards)
        config = read_json(folder / CONFIG)
        if not isinstance(config, dict) or config.get("model_type") != MODEL_TYPE:
            raise GptkitError(f"{folder / CONFIG}: does not describe a model of type {MODEL_TYPE}")
        try:
            tensors = load_file(folder / WEIGHTS)
            weights, bias = tensors["weights"], tensors["bias"]
        except (SafetensorError, KeyError) as error:
            raise GptkitError(f"{folder / WEIGHTS}: is damaged ({error})") from None
        shapes = [list(tensor.shape) for tensor in (weights, bias)]
        kinds = {tensor.dtype for tensor in (weights, bias)}
        if shapes != [[config.get("features")], [1]] or kinds != {np.dtype(np.float32)}:
            raise GptkitError(f"{folder / WEIGHTS}: does not hold the weights that {CONFIG} describes")
        return Quality(weights, float(bias[0]), manifest.digest)

    def save(self, folder: Path) -> list[str]:
        """Writes the model's two files and gives their names."""
        bias = np.array([self.bias], np.float32)
        with atomic_path(folder / WEIGHTS) as temporary:
            save_file({"weights": self.weights, "bias": bias}, temporary)
        write_json(folder / CONFIG, {"model_type": MODEL_TYPE, "features": len(self.weights)})
        return [WEIGHTS, CONFIG]

    def score(self, text: pa.Array) -> np.ndarray:
        """The probability of each document that it is good text; float32 [documents], 0 to 1."""
        return bag_of_words.scores(*string_arrays(text), self.weights, self.bias)


def bags(text: pa.Array, features: int) -> tuple[np.ndarray, np.ndarray]:
    """Row starts (int64 [documents + 1]) and features (int32) of each document's hashed words."""
    content, starts = string_arrays(text)
    return bag_of_words.bags(content, starts, int(bag_of_words.count_words(content, starts).sum()), features)


def warm_up() -> None:
    """Compiles the kernels."""
    text = pa.array(["the word"])
    bags(text, 2)
    Quality(np.zeros(2, np.float32), 0.0).score(text)


def keep_probability(scores: np.ndarray, alpha: float) -> np.ndarray:
    """How likely `pareto_keep` keeps documents of these scores: (2 − score)^−alpha."""
    return (2 - scores.astype(np.float64)) ** -alpha


def pareto_keep(
    scores: np.ndarray, alpha: float, seed: int, sources: Sequence[str], ids: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Which documents are kept (bool), and the draw of each (float64), both [documents].

    The paper's rule: `numpy.random.pareto(alpha) > 1 - score`, with alpha = 9. That is a Lomax
    distribution; here its draw is the inverse of its survival function at a uniform number that
    is keyed by (seed, source, id).
    """
    keyed = [uniform(seed, "pareto", source, identity) for source, identity in zip(sources, ids, strict=True)]
    draws = (1 - np.array(keyed, np.float64)) ** (-1 / alpha) - 1
    return draws > 1 - scores.astype(np.float64), draws
