"""What a tokenizer.json says of its tokens, without loading the tokenizer."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from gptkit.data.files import read_json
from gptkit.errors import GptkitError

END_OF_TEXT = "<|endoftext|>"
# names that published tokenizers have for the end of a document, the commonest first
ENDS_OF_TEXT = (END_OF_TEXT, "<|end_of_text|>", "</s>", "<eos>", "<|eos|>")
LARGEST = 1 << 24  # ids; so that a damaged file cannot ask for all memory
LISTED = 8  # special tokens that a message names
SPACE = "▁"  # what SentencePiece writes for a space
BYTE = re.compile("<0x([0-9A-Fa-f]{2})>")  # a byte where SentencePiece has no character


def byte_characters() -> dict[str, int]:
    """The byte that each character of a byte-level vocabulary stands for (GPT-2's table).

    Printable bytes stand for themselves; the others are moved behind U+0100 in order.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    moved = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): byte for byte in printable}
    return table | {chr(0x100 + place): byte for place, byte in enumerate(moved)}


def check_vocabulary(config: Any, name: str | Path) -> None:
    """Raises GptkitError where a tokenizer.json (parsed) is no BPE tokenizer, or its tokens or ids are damaged."""
    model = config.get("model") if isinstance(config, dict) else None
    vocabulary = model.get("vocab") if isinstance(model, dict) and model.get("type") == "BPE" else None
    if not isinstance(model, dict) or not isinstance(vocabulary, dict) or not vocabulary:
        raise GptkitError(f"{name}: only BPE tokenizers (tokenizer.json) are read here")
    if model.get("continuing_subword_prefix"):  # where a merge lacks it, tokenizers ends the process
        raise GptkitError(f"{name}: has a continuing_subword_prefix, and such tokenizers are not read here")
    added = config.get("added_tokens", [])
    if not isinstance(added, list) or not all(
        isinstance(token, dict) and isinstance(token.get("content"), str) for token in added
    ):
        raise GptkitError(f"{name}: its added_tokens are not a list of tokens")
    ids = [*vocabulary.values(), *(token.get("id") for token in added)]
    if not all(type(index) is int for index in ids):
        raise GptkitError(f"{name}: has a token whose id is no whole number")
    if not 0 <= min(ids) <= max(ids) < LARGEST:
        raise GptkitError(f"{name}: its ids reach from {min(ids)} to {max(ids)}, which no vocabulary does")


def token_bytes(tokenizer_json: Path) -> list[bytes]:
    """The bytes each id stands for; special tokens and unused ids stand for none.

    Raises GptkitError where the file is no BPE tokenizer, or is damaged.
    """
    config = read_json(tokenizer_json)
    check_vocabulary(config, tokenizer_json)
    return spell(config, tokenizer_json)


def spell(config: dict[str, Any], name: str | Path) -> list[bytes]:
    """The bytes each id of a checked tokenizer.json stands for, as `token_bytes` gives them.

    Byte-level tokens stand for their bytes; SentencePiece's (`byte_fallback`) for their characters, ▁ for
    a space and <0x0A> for a byte; GPT-1's (`end_of_word_suffix`) for their characters, the suffix for a space.
    """
    model, added = config["model"], config.get("added_tokens", [])
    vocabulary = {**model["vocab"]}
    for token in added:
        vocabulary.pop(token["content"], None)
    pieces = [b""] * (1 + max([*model["vocab"].values(), *(token["id"] for token in added)]))
    if model.get("byte_fallback"):
        for token, index in vocabulary.items():
            byte = BYTE.fullmatch(token)
            pieces[index] = bytes([int(byte[1], 16)]) if byte else token.replace(SPACE, " ").encode()
    elif suffix := model.get("end_of_word_suffix"):
        for token, index in vocabulary.items():
            whole = token.removesuffix(suffix)
            pieces[index] = (whole if whole == token else whole + " ").encode()
    else:
        known = byte_characters()
        # what stands for no byte becomes a character that Latin-1 has not
        table = dict.fromkeys(range(256), "\uffff") | {ord(character): chr(known[character]) for character in known}
        try:
            for token, index in vocabulary.items():
                pieces[index] = token.translate(table).encode("latin-1")
        except UnicodeEncodeError:
            raise GptkitError(f"{name}: token {token!r} is not of a byte-level vocabulary") from None
    for token in added:
        pieces[token["id"]] = b"" if token.get("special") else token["content"].encode()
    return pieces


def bytes_per_token(tokenizer_json: Path) -> np.ndarray:
    """The number of bytes each id stands for, int32 [vocabulary]; 0 for special tokens."""
    return np.array([len(piece) for piece in token_bytes(tokenizer_json)], np.int32)


def special_tokens(config: dict[str, Any]) -> dict[str, int]:
    """The id of each special token of a checked tokenizer.json."""
    return {token["content"]: token["id"] for token in config.get("added_tokens", []) if token.get("special")}


def find_end_of_text(config: dict[str, Any], wanted: str | None = None) -> int | None:
    """The id of the special token that ends a document: `wanted`, else the first there is of ENDS_OF_TEXT.

    None where there is none (`no_end_of_text` says so). Nothing is added here: a tokenizer that is taken with
    a `wanted` it does not have gets it behind its last id (gptkit.bpe.take), and only then.
    """
    special = special_tokens(config)
    return next((special[name] for name in ([wanted] if wanted else ENDS_OF_TEXT) if name in special), None)


def no_end_of_text(config: dict[str, Any], name: str | Path, wanted: str | None = None) -> GptkitError:
    """The error for a tokenizer without end-of-text: it names special tokens to choose from."""
    there = list(special_tokens(config))
    if wanted:
        return GptkitError(f"{name}: has no special token {wanted!r}")
    if not there:
        return GptkitError(
            f"{name}: has no special tokens; add one that ends a document: --end-of-text '{END_OF_TEXT}'"
        )
    shown = ", ".join(repr(token) for token in there[:LISTED]) + (", …" if len(there) > LISTED else "")
    return GptkitError(
        f"{name}: it is not clear which token ends a document; name one of its special tokens with --end-of-text ({shown})"
    )
