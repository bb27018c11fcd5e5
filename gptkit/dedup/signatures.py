"""The exact hash and the MinHash signature of every document of a batch."""

import itertools
from typing import Literal

import numpy as np
import pyarrow as pa
import xxhash

from gptkit.kernels import minhash
from gptkit.kernels.columns import string_arrays
from gptkit.kernels.sha1 import sha1_shingle_hashes
from gptkit.kernels.shingles import normalised, shingle_hashes, word_table

BaseHash = Literal["fast", "sha1"]


def exact_hashes(text: pa.Array, normalise: bool = False) -> np.ndarray:
    """xxh3-128 of each text, as uint64 [documents, 2].

    normalise: of its words in lower case with a space between two, so that case, white space and
    punctuation make no difference; all texts without words are equal then.
    """
    content, starts = string_arrays(text)
    if normalise:
        content, starts = normalised(content, starts, word_table())
    data = content.data
    digests = b"".join(xxhash.xxh3_128_digest(data[start:end]) for start, end in itertools.pairwise(starts))
    return np.frombuffer(digests, ">u8").reshape(-1, 2).astype(np.uint64)


def shingles(text: pa.Array, ngram: int, base_hash: BaseHash) -> tuple[np.ndarray, np.ndarray]:
    """The hashes (uint64) of the word n-grams of each text in their order, and their starts (int64 [documents + 1]).

    fast: this project's own hash; sha1: the first 8 bytes of SHA-1 of the words in lower case
    joined by a space. A text of fewer words has one n-gram of them all, one without words has none.
    """
    content, starts = string_arrays(text)
    if base_hash == "sha1":
        content, starts = normalised(content, starts, word_table())
        return sha1_shingle_hashes(content, starts, ngram)
    return shingle_hashes(content, starts, ngram, word_table())


def sign(text: pa.Array, ngram: int, permutations: int, seed: int, base_hash: BaseHash = "fast") -> np.ndarray:
    """MinHash signatures of the word n-grams of each text; uint32 [documents, permutations].

    A text without words has the signature of the empty set. With the base hash sha1 they equal
    those of `datasketch.MinHash(permutations, seed)` updated with the n-grams as UTF-8.
    """
    return minhash.signatures(*shingles(text, ngram, base_hash), *minhash.permutations(permutations, seed))


def warm_up() -> None:
    """Compiles the kernels."""
    text = pa.array(["one two three"])
    exact_hashes(text, normalise=True)
    sign(text, 2, 8, 1)
    sign(text, 2, 8, 1, "sha1")
