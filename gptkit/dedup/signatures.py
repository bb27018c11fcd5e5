"""The exact hash and the MinHash signature of every document of a batch."""

import itertools

import numpy as np
import pyarrow as pa
import xxhash

from gptkit.kernels import minhash
from gptkit.kernels.columns import string_arrays


def exact_hashes(text: pa.Array) -> np.ndarray:
    """xxh3-128 of each text, as uint64 [documents, 2]."""
    content, starts = string_arrays(text)
    data = content.data
    digests = b"".join(xxhash.xxh3_128_digest(data[start:end]) for start, end in itertools.pairwise(starts))
    return np.frombuffer(digests, ">u8").reshape(-1, 2).astype(np.uint64)


def sign(text: pa.Array, ngram: int, permutations: int, seed: int) -> np.ndarray:
    """MinHash signatures of the word n-grams of each text; uint32 [documents, permutations].

    A text of fewer words has one shingle of them all; one without words has the signature of the
    empty set.
    """
    content, starts = string_arrays(text)
    words = minhash.count_words(content, starts)
    hashes, shingle_starts = minhash.shingle_hashes(content, starts, words, ngram)
    return minhash.signatures(hashes, shingle_starts, *minhash.permutations(permutations, seed))


def warm_up() -> None:
    """Compiles the kernels."""
    sign(pa.array(["one two three"]), 2, 8, 1)
