"""The texts of tokens, and a hash table that finds the token of a text (learning BPE)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gptkit.kernels.fnv import FNV_PRIME, FNV_START
from gptkit.kernels.jit import helper, kernel

EMPTY = -1
TOKENS, BYTES = 0, 1  # in `used`


class Texts(NamedTuple):
    """The bytes of each token, and a hash table of them."""

    content: np.ndarray  # uint8
    starts: np.ndarray  # int64 [tokens + 1]
    slots: np.ndarray  # int32 [a power of two, twice the tokens]: tokens; EMPTY where there is none
    used: np.ndarray  # int64 [2]: how many tokens there are, and how many bytes they have


@kernel
def _enter_texts(texts, tokens):
    for token in range(tokens):
        _token_of(texts, token)


@helper
def _token_of(texts, token):
    """The token whose text is that of `token`: an earlier one, or itself, which is entered then."""
    content, starts, slots = texts.content, texts.starts, texts.slots
    start, end = starts[token], starts[token + 1]
    h = FNV_START
    for at in range(start, end):
        h = (h ^ np.uint64(content[at])) * FNV_PRIME
    mask = len(slots) - 1
    slot = np.int64(h ^ (h >> np.uint64(32))) & mask
    while slots[slot] != EMPTY:
        other = slots[slot]
        at, same = starts[other], starts[other + 1] - starts[other] == end - start
        while same and at < starts[other + 1]:
            same = content[at] == content[start + at - starts[other]]
            at += 1
        if same:
            return np.int64(other)
        slot = (slot + 1) & mask
    slots[slot] = token
    return np.int64(token)


@helper
def length_of(texts, token):
    """Bytes of a token."""
    return texts.starts[token + 1] - texts.starts[token]


@helper
def join(texts, first, second):
    """The token for the text of two; a new one where there is none. There must be room."""
    content, starts, used = texts.content, texts.starts, texts.used
    token, end = used[TOKENS], used[BYTES]
    for part in (first, second):
        for at in range(starts[part], starts[part + 1]):
            content[end] = content[at]
            end += 1
    starts[token + 1] = end
    found = _token_of(texts, token)
    if found == token:
        used[TOKENS] += 1
        used[BYTES] = end
    return found


def start_texts(pieces: Sequence[bytes], tokens: int) -> Texts:
    """The pieces, all different, as the first of so many tokens."""
    content = np.frombuffer(b"".join(pieces) + bytes(1), np.uint8)
    starts = np.zeros(tokens + 1, np.int64)
    starts[1 : len(pieces) + 1] = np.cumsum([len(piece) for piece in pieces])
    slots = np.full(1 << (2 * tokens).bit_length(), EMPTY, np.int32)
    texts = Texts(content.copy(), starts, slots, np.array([len(pieces), starts[len(pieces)]]))
    _enter_texts(texts, len(pieces))
    return texts
