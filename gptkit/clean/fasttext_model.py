"""Reads fastText models for classification that were quantised, such as lid.176.ftz.

The format is that of fastText 0.9.2 (version 12, little-endian): parameters, the dictionary with the
buckets that pruning left, the input matrix as a product quantisation (arXiv 1612.03651), and the
output matrix with one row for each inner node of the Huffman tree of the labels.
"""

import dataclasses
import os
import struct
from typing import Any

import numpy as np

from gptkit.errors import GptkitError
from gptkit.kernels.fasttext import DIMENSIONS

MAGIC, VERSION = 793712314, 12
SUPERVISED, HIERARCHICAL_SOFTMAX = 3, 1
CENTROIDS = 256  # a code is one byte
END_OF_TEXT = b"</s>"
LABEL = b"__label__"  # what fastText has in front of a label's name
MOST_HASHES = 1 << 24  # the kernel has a table of them
NEVER = 10**15  # the count of a node that does not exist yet


@dataclasses.dataclass(frozen=True)
class FasttextModel:
    """A model in plain arrays; rows = words + buckets."""

    min_ngram: int  # characters
    max_ngram: int
    words: list[bytes]
    labels: list[str]
    hashes: int  # an n-gram's hash is taken modulo this
    buckets: np.ndarray  # int64 [buckets]: those that pruning left; buckets[i] has row words + i
    rows: np.ndarray  # float32 [rows, dimensions]: the input matrix
    nodes: np.ndarray  # float32 [labels - 1, dimensions]: the output matrix, inner nodes of the tree
    children: np.ndarray  # int32 [labels - 1, 2]: for each of them a label, or labels + an inner node


class _Reader:
    """Takes values from a file's bytes; nothing is read or made that the file is too short for."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0

    def values(self, form: str) -> tuple[Any, ...]:
        found = struct.unpack_from(f"<{form}", self.data, self.place)  # struct.error where it ends too early
        self.place += struct.calcsize(f"<{form}")
        return found

    def array(self, dtype: str, count: int) -> np.ndarray:
        left = len(self.data) - self.place
        _checked(0 <= count * np.dtype(dtype).itemsize <= left, "it is shorter than it says")
        found = np.frombuffer(self.data, dtype, count, self.place)
        self.place += found.nbytes
        return found

    def word(self) -> bytes:
        end = self.data.index(b"\0", self.place)
        word = self.data[self.place : end]
        self.place = end + 1
        return word


def _checked(fits: bool, wrong: str) -> None:
    if not fits:
        raise ValueError(wrong)


def read_model(path: str | os.PathLike[str]) -> FasttextModel:
    """The model in a file.

    Raises GptkitError where the file cannot be read, is damaged, or holds another kind of model than
    a quantised classifier with hierarchical softmax over words and their character n-grams.
    """
    try:
        with open(path, "rb") as file:
            reader = _Reader(file.read())
        model = _read(reader)
        _checked(reader.place == len(reader.data), "bytes are left at its end")
        return model
    except OSError as error:
        raise GptkitError(f"{path}: the fastText model cannot be read: {error.strerror}") from error
    except (ValueError, struct.error) as error:
        raise GptkitError(f"{path}: not a fastText model that can be used, or damaged: {error}") from error


def _read(reader: _Reader) -> FasttextModel:
    _checked(reader.values("2i") == (MAGIC, VERSION), f"it does not begin as version {VERSION} does")
    dimensions, _, _, _, _, word_ngrams, loss, kind, hashes, low, high, _, _ = reader.values("12id")
    _checked(kind == SUPERVISED, "it is no classifier")
    _checked(loss == HIERARCHICAL_SOFTMAX, "its output is not a hierarchical softmax")
    _checked(word_ngrams == 1 and 1 <= low <= high, "it does not have n-grams of characters alone")
    _checked(dimensions == DIMENSIONS and 0 < hashes <= MOST_HASHES, "its sizes are others than lid.176's")
    words, labels, counts, pruned = _read_dictionary(reader)
    buckets = reader.array("<i4", 2 * pruned).reshape(pruned, 2).astype(np.int64)
    buckets = buckets[np.argsort(buckets[:, 1], kind="stable")]
    _checked(np.array_equal(buckets[:, 1], np.arange(pruned)), "its buckets' rows are not a permutation")
    _checked(bool(np.all((buckets[:, 0] >= 0) & (buckets[:, 0] < hashes))), "a bucket is beyond the last")
    rows = _read_matrix(reader)
    _checked(rows.shape == (len(words) + pruned, dimensions), "its input matrix has another shape")
    nodes = _read_matrix(reader)
    # fastText stores a row for each label; hierarchical softmax uses all but the last
    _checked(nodes.shape == (len(labels), dimensions), "its output matrix has another shape")
    return FasttextModel(low, high, words, labels, hashes, buckets[:, 0], rows, nodes[:-1], _tree(counts))


def _read_dictionary(reader: _Reader) -> tuple[list[bytes], list[str], list[int], int]:
    """Words, labels, labels' counts, and the number of buckets that pruning left."""
    size, word_count, label_count, _, pruned = reader.values("3i2q")
    _checked(word_count > 0 and label_count > 1 and size == word_count + label_count, "its dictionary has a wrong size")
    _checked(pruned >= 0, "its buckets were not pruned")
    words, labels, counts = [], [], []
    for place in range(size):
        word = reader.word()
        count, is_label = reader.values("qb")
        _checked(is_label == (place >= word_count) == word.startswith(LABEL), "words and labels are mixed up")
        if is_label:
            labels.append(word.removeprefix(LABEL).decode())
            counts.append(count)
        else:
            words.append(word)
    _checked(END_OF_TEXT in words, "its dictionary does not have the mark of a text's end")
    _checked(counts == sorted(counts, reverse=True) and counts[-1] > 0, "its labels are not sorted by count")
    _checked(sum(counts) < NEVER, "a label's count is too great")
    return words, labels, counts, pruned


def _read_matrix(reader: _Reader) -> np.ndarray:
    (quantised,) = reader.values("?")
    if quantised:
        return _read_quantised(reader)
    row_count, dimensions = reader.values("2q")
    _checked(row_count > 0 and dimensions == DIMENSIONS, "a matrix has another shape")
    values = reader.array("<f4", row_count * dimensions)
    _checked(bool(np.isfinite(values).all()), "a matrix holds what is no number")
    return values.reshape(row_count, dimensions).copy()


def _read_quantised(reader: _Reader) -> np.ndarray:
    """A matrix from the codes of its rows' directions and, where they are apart, of their lengths."""
    has_norms, row_count, dimensions, code_bytes = reader.values("?2qi")
    codes = reader.array("u1", code_bytes)
    centroids = _read_centroids(reader, dimensions)
    _checked(code_bytes == row_count * len(centroids), "its codes do not fit its input matrix")
    codes = codes.reshape(row_count, len(centroids))
    rows = np.concatenate([part[codes[:, place]] for place, part in enumerate(centroids)], axis=1)
    if has_norms:
        lengths = reader.array("u1", row_count)
        rows *= _read_centroids(reader, 1)[0][lengths]
    return np.ascontiguousarray(rows, np.float32)


def _read_centroids(reader: _Reader, dimensions: int) -> list[np.ndarray]:
    """The centroids of each part of a vector: float32 [256, dimensions of the part]."""
    whole, parts, width, last = reader.values("4i")
    fits = whole == dimensions and parts > 0 and width >= last > 0 and (parts - 1) * width + last == whole
    _checked(fits, "its quantisation has another shape")
    values = reader.array("<f4", CENTROIDS * whole)
    _checked(bool(np.isfinite(values).all()), "a centroid is not a number")
    cuts = [CENTROIDS * width * part for part in range(1, parts)]
    return [part.reshape(CENTROIDS, -1) for part in np.split(values, cuts)]


def _tree(counts: list[int]) -> np.ndarray:
    """The Huffman tree of labels, which are sorted by falling counts, joined in fastText's order.

    int32 [labels - 1, 2]: the children of each inner node, the root last.
    """
    labels = len(counts)
    weight = counts + [NEVER] * labels  # one more than there are nodes: the last is looked at and never taken
    children = np.empty((labels - 1, 2), np.int32)
    leaf, inner = labels - 1, labels
    for node in range(labels - 1):
        for side in range(2):
            if leaf >= 0 and weight[leaf] < weight[inner]:
                children[node, side] = leaf
                leaf -= 1
            else:
                children[node, side] = inner
                inner += 1
        weight[labels + node] = sum(weight[child] for child in children[node])
    return children
