"""Encodes batches of text. Text never makes a special token: they are taken out of the encoder."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gptkit.data.files import read_json
from gptkit.data.vocabulary import END_OF_TEXT, token_bytes
from gptkit.errors import GptkitError
from gptkit.kernels.columns import string_arrays


class Encoder:
    """A tokenizer.json as a function from texts to ids.

    gigatoken encodes; a tokenizer that it cannot load is left to tokenizers. Raises GptkitError where
    the file is no byte-level BPE tokenizer, cannot spell every byte or has no end-of-text.
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

    def encode(self, texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """The ids (uint32) of all texts (a string column without nulls), one text after the other, without
        end-of-text, and the offsets (int64 [rows + 1]) of each text's."""
        if self._fast is None:
            return self._by_reference(texts.to_pylist())
        import awkward

        content, starts = string_arrays(texts)
        first = int(starts[0])
        layout = awkward.contents.ListOffsetArray(
            awkward.index.Index64(starts - first),
            awkward.contents.NumpyArray(content[first : int(starts[-1])], parameters={"__array__": "byte"}),
            parameters={"__array__": "bytestring"},
        )
        rows = self._fast.encode_batch(awkward.Array(layout), parallel=False).layout
        return rows.content.data, rows.offsets.data

    def check(self, texts: Sequence[str]) -> None:
        """Raises GptkitError where gigatoken and tokenizers encode one of the texts differently."""
        if self._fast is None or not texts:
            return
        ids, starts = self.encode(pa.array(texts, pa.string()))
        expected, places = self._by_reference(texts)
        if not (np.array_equal(starts, places) and np.array_equal(ids, expected)):
            raise GptkitError(
                f"{self.path}: gigatoken and tokenizers encode a document differently; nothing is written"
            )

    def _by_reference(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        rows = [encoding.ids for encoding in self._reference.encode_batch(list(texts), add_special_tokens=False)]
        starts = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        return np.array([index for row in rows for index in row], np.uint32), starts


def _without_special_tokens(config: dict[str, Any]) -> str:
    plain = {
        **config,
        "added_tokens": [token for token in config.get("added_tokens", []) if not token.get("special")],
        "post_processor": None,
        "truncation": None,
        "padding": None,
    }
    return json.dumps(plain, ensure_ascii=False)
