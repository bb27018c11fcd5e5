"""Hashed bags of words over a batch of texts, and a linear model's score straight from the bytes.

Words are lower-cased runs of letters, digits and bytes beyond ASCII (`lower`). A word's
feature is the low bits of its 64-bit hash (FNV-1a, mixed by MurmurHash3's finaliser). A bag is the
set of a document's features, each of the value 1 / √(size of the set), so that its length is 1.
"""

import numpy as np

from gptkit.kernels.fnv import FNV_PRIME, FNV_START
from gptkit.kernels.jit import helper, kernel
from gptkit.kernels.minhash import fmix64

NONE = np.int64(-1)  # no word ended


@helper
def lower(byte):
    """The byte of a word in lower case; 0 where it belongs to no word.

    Letters, digits, and every byte of a character beyond ASCII belong to words.
    """
    if 0x61 <= byte <= 0x7A or 0x30 <= byte <= 0x39 or byte >= 0x80:
        return byte
    if 0x41 <= byte <= 0x5A:
        return byte + 0x20
    return np.uint8(0)


@kernel
def count_words(text, starts):
    """The number of words of each document; int64 [documents]."""
    counts = np.zeros(len(starts) - 1, np.int64)
    for document in range(len(counts)):
        inside = False
        for place in range(starts[document], starts[document + 1]):
            word = lower(text[place]) != 0
            counts[document] += word and not inside
            inside = word
    return counts


@helper
def _step(text, place, end, h, features):
    """Reads one byte: the hash of the word at hand, and the feature of the word that ended here, or NONE.

    `place` may be `end`, which ends the last word. A word whose hash is FNV's start (one in 2⁶⁴) is
    taken for none.
    """
    byte = lower(text[place]) if place < end else np.uint8(0)
    if byte:
        return (h ^ np.uint64(byte)) * FNV_PRIME, NONE
    if h == FNV_START:
        return h, NONE
    return FNV_START, np.int64(fmix64(h) & np.uint64(features - 1))


@kernel
def bags(text, starts, words, features):
    """The set of features of each document, as a CSR matrix has its columns.

    text: uint8, all documents; starts: int64 [documents + 1]; words: how many words there are in
    all documents, or more (see `count_words`); features: a power of two, up to 2³¹.
    Gives row starts (int64 [documents + 1]) and features (int32), each where it is first met.
    """
    documents = len(starts) - 1
    rows = np.zeros(documents + 1, np.int64)
    found = np.empty(words, np.int32)
    last = np.full(features, -1, np.int32)  # the last document that had a feature
    out = 0
    for document in range(documents):
        end, h = starts[document + 1], FNV_START
        for place in range(starts[document], end + 1):
            h, feature = _step(text, place, end, h, features)
            if feature != NONE and last[feature] != document:
                last[feature] = document
                found[out] = feature
                out += 1
        rows[document + 1] = out
    return rows, found[:out].copy()


@kernel
def scores(text, starts, weights, bias):
    """The probability that a logistic model gives to each document; float32 [documents].

    text, starts: see `bags`; weights: float32, one a feature, a power of two up to 2³¹. A document
    without words has the probability of the bias alone.
    """
    documents, features = len(starts) - 1, len(weights)
    result = np.empty(documents, np.float32)
    last = np.full(features, -1, np.int32)
    for document in range(documents):
        end, h = starts[document + 1], FNV_START
        size, total = 0, 0.0
        for place in range(starts[document], end + 1):
            h, feature = _step(text, place, end, h, features)
            if feature != NONE and last[feature] != document:
                last[feature] = document
                size += 1
                total += np.float64(weights[feature])
        result[document] = 1 / (1 + np.exp(-(total / np.sqrt(max(size, 1)) + bias)))
    return result
