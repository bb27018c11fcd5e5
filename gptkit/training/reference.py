"""What a model's bits per byte can be held against: a compressor, and counts of byte n-grams."""

import lzma

import numpy as np

ORDER = 5
SYMBOLS = 256


def xz_bits_per_byte(text: np.ndarray) -> float:
    """Bits that `xz -9` needs for each byte of `text`, uint8, knowing nothing else."""
    return 8 * len(lzma.compress(text.tobytes(), preset=9)) / len(text)


class ByteNgrams:
    """An interpolated byte n-gram model with Witten-Bell smoothing.

    P(w | h) = (c(h w) + t(h) · P(w | h')) / (c(h) + t(h)), where c counts in the training text, t(h)
    is the number of different bytes seen behind h, and h' is h without its first byte; behind no byte
    at all, P' is uniform (Chen and Goodman 1998, section 2.5). Fitting sorts the text's n-grams once,
    some seconds for 10 MB; memory is about 20 bytes for each byte of text.
    """

    def __init__(self, text: np.ndarray, order: int = ORDER) -> None:
        """Counts `text`, uint8 [bytes]; n-grams are numbers below 2^(8 · order), oldest byte highest."""
        if not 1 <= order <= 7:
            raise ValueError(f"order is {order} and must be between 1 and 7")
        self.order = order
        # by length: n-grams and their counts; and their histories with c(h) and t(h)
        self._grams: list[tuple[np.ndarray, np.ndarray]] = []
        self._histories: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        for length in range(1, order + 1):
            grams, counts = np.unique(_codes(text, length), return_counts=True)
            histories, first = np.unique(grams // SYMBOLS, return_index=True)  # grams are in order, so are these
            ends = np.append(first[1:], len(grams))
            totals = np.add.reduceat(counts, first) if len(first) else counts
            self._grams.append((grams, counts))
            self._histories.append((histories, totals, ends - first))

    def probabilities(self, text: np.ndarray) -> np.ndarray:
        """The probability of each byte of `text`, uint8, behind those before it, float64 [bytes]."""
        probability = np.full(len(text), 1 / SYMBOLS)
        for length in range(1, min(self.order, len(text)) + 1):
            codes = _codes(text, length)
            count = _look_up(codes, *self._grams[length - 1])
            histories, totals, kinds = self._histories[length - 1]
            total = _look_up(codes // SYMBOLS, histories, totals)
            kind = _look_up(codes // SYMBOLS, histories, kinds)
            shorter = probability[length - 1 :]
            mixed = (count + kind * shorter) / np.maximum(total + kind, 1)
            probability[length - 1 :] = np.where(total > 0, mixed, shorter)
        return probability

    def bits_per_byte(self, text: np.ndarray) -> float:
        """The mean −log₂ probability of the bytes of `text`, uint8."""
        return float(-np.log2(self.probabilities(text)).mean())


def _codes(text: np.ndarray, length: int) -> np.ndarray:
    """The n-grams that end at each byte from the `length`-th on, as int64."""
    codes = np.zeros(max(0, len(text) - length + 1), np.int64)
    for place in range(length):
        codes *= SYMBOLS
        codes += text[place : place + len(codes)]
    return codes


def _look_up(wanted: np.ndarray, keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The value of each wanted key; 0 for one that is not among the sorted keys."""
    if not len(keys):
        return np.zeros(len(wanted), np.int64)
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, values[places], 0)
