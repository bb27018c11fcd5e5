"""Encodes batches of text. Text never makes a special token: they are taken out of the encoder."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from gptkit.data.files import read_json
from gptkit.data.vocabulary import END_OF_TEXT, token_bytes
from gptkit.errors import GptkitError

CHECKED = 16  # documents of each batch that are encoded twice, by two libraries


class Encoder:
    """A tokenizer.json as a function from texts to ids.

    gigatoken encodes; the first documents of each batch are compared with tokenizers, and a
    tokenizer that gigatoken cannot load is left to tokenizers alone. Raises GptkitError where the
    file is no byte-level BPE tokenizer, cannot spell every byte or has no end-of-text.
    """

    def __init__(self, path: Path) -> None:
        import gigatoken
        from tokenizers import Tokenizer

        self.path = path
        pieces = token_bytes(path)
        spelled = set(pieces)
        for byte in range(256):
            if bytes([byte]) not in spelled:  # the libraries leave out what they have no token for
                raise GptkitError(f"{path}: has no token for the byte 0x{byte:02x}, so that text would be lost")
        config = read_json(path)
        special = {token["content"]: token["id"] for token in config.get("added_tokens", []) if token.get("special")}
        if END_OF_TEXT not in special:
            raise GptkitError(f"{path}: has no special token {END_OF_TEXT}, which ends every document")
        self.end_of_text = int(special[END_OF_TEXT])
        self.vocab_size = len(pieces)
        plain = _without_special_tokens(config)
        try:
            self._reference = Tokenizer.from_str(plain)
        except Exception as error:  # the library raises plain Exception
            raise GptkitError(f"{path}: is no tokenizer ({error})") from None
        self._fast: Any = None
        try:
            self._fast = gigatoken.Tokenizer.from_json(plain.encode())
        except (ValueError, RuntimeError):  # a form of tokenizer it does not know
            self._fast = None

    def encode(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """All ids (uint32) one text after the other, and the int64 count of each text.

        Raises GptkitError where the two libraries disagree.
        """
        if self._fast is None:
            return _flat([encoding.ids for encoding in self._reference.encode_batch(texts, add_special_tokens=False)])
        import awkward

        rows = self._fast.encode_batch(texts, parallel=False)
        counts = awkward.to_numpy(awkward.num(rows)).astype(np.int64)
        ids = awkward.to_numpy(awkward.flatten(rows)).astype(np.uint32)
        sample = texts[:CHECKED]
        expected, lengths = _flat(
            [encoding.ids for encoding in self._reference.encode_batch(sample, add_special_tokens=False)]
        )
        if not (np.array_equal(counts[: len(sample)], lengths) and np.array_equal(ids[: len(expected)], expected)):
            raise GptkitError(
                f"{self.path}: gigatoken and tokenizers encode a document differently; nothing is written"
            )
        return ids, counts


def _flat(rows: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    counts = np.array([len(row) for row in rows], np.int64)
    return np.array([index for row in rows for index in row], np.uint32), counts


def _without_special_tokens(config: dict[str, Any]) -> str:
    plain = {
        **config,
        "added_tokens": [token for token in config.get("added_tokens", []) if not token.get("special")],
        "post_processor": None,
        "truncation": None,
        "padding": None,
    }
    return json.dumps(plain, ensure_ascii=False)
