"""What a tokenizer.json says of its tokens, without loading the tokenizer."""

from pathlib import Path

import numpy as np

from gptkit.data.files import read_json
from gptkit.errors import GptkitError

END_OF_TEXT = "<|endoftext|>"
LARGEST = 1 << 24  # ids; so that a damaged file cannot ask for all memory


def byte_characters() -> dict[str, int]:
    """The byte that each character of a byte-level vocabulary stands for (GPT-2's table).

    Printable bytes stand for themselves; the others are moved behind U+0100 in order.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    moved = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): byte for byte in printable}
    return table | {chr(0x100 + place): byte for place, byte in enumerate(moved)}


def token_bytes(tokenizer_json: Path) -> list[bytes]:
    """The bytes each id stands for; special tokens and unused ids stand for none.

    Raises GptkitError where the tokenizer is not a byte-level BPE one, or is damaged.
    """
    config = read_json(tokenizer_json)
    model = config.get("model") if isinstance(config, dict) else None
    vocabulary = model.get("vocab") if isinstance(model, dict) and model.get("type") == "BPE" else None
    if not isinstance(vocabulary, dict) or not vocabulary:
        raise GptkitError(f"{tokenizer_json}: only byte-level BPE tokenizers are read here")
    added = config.get("added_tokens", [])
    if not isinstance(added, list) or not all(
        isinstance(token, dict) and isinstance(token.get("content"), str) for token in added
    ):
        raise GptkitError(f"{tokenizer_json}: its added_tokens are not a list of tokens")
    ids = [*vocabulary.values(), *(token.get("id") for token in added)]
    if not all(type(index) is int for index in ids):
        raise GptkitError(f"{tokenizer_json}: has a token whose id is no whole number")
    if not 0 <= min(ids) <= max(ids) < LARGEST:
        raise GptkitError(f"{tokenizer_json}: its ids reach from {min(ids)} to {max(ids)}, which no vocabulary does")
    table = byte_characters()
    pieces = [b""] * (1 + max(ids))
    try:
        for token, index in vocabulary.items():
            pieces[index] = bytes(table[character] for character in token)
    except KeyError:
        raise GptkitError(f"{tokenizer_json}: token {token!r} is not of a byte-level vocabulary") from None
    for token in added:
        pieces[token["id"]] = b"" if token.get("special") else token["content"].encode()
    return pieces


def bytes_per_token(tokenizer_json: Path) -> np.ndarray:
    """The number of bytes each id stands for, int32 [vocabulary]; 0 for special tokens."""
    return np.array([len(piece) for piece in token_bytes(tokenizer_json)], np.int32)
