"""Encodes batches of text. Text never makes a special token: they are taken out of the encoder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from gptkit.bpe.gpt1 import prepare
from gptkit.bpe.newer_characters import NEWER
from gptkit.bpe.plain import without_special_tokens
from gptkit.bpe.probe import probe_texts, steps, supported
from gptkit.data.files import read_json
from gptkit.data.vocabulary import check_vocabulary, find_end_of_text, no_end_of_text, spell
from gptkit.errors import GptkitError
from gptkit.kernels.columns import string_arrays
from gptkit.kernels.rare_characters import pages_of, rows_with
from gptkit.kernels.token_bytes import first_mismatch, token_table

BATCH = 1 << 24  # characters that are handed to tokenizers at once, for its memory is many times that


class Encoder:
    """A tokenizer.json as a function from texts to ids.

    gigatoken encodes where it gives the ids of tokenizers on a probe (see gptkit.bpe.probe), else tokenizers, which
    also encodes the texts with characters that its Unicode does not have yet (see gptkit.bpe.newer_characters).
    `end_of_text` names the token that ends a document where it is not one of the usual. Raises GptkitError where
    the file is no BPE tokenizer, cannot spell every byte (GPT-1's excepted) or has no end-of-text.

    vocab_size: one more than the largest id. end_of_text: its id. spells_text: whether the bytes of the ids are
    those of the text (byte-level, nothing normalised), which `mismatch` then tells. fast: whether gigatoken encodes.
    """

    def __init__(self, path: Path, end_of_text: str | None = None) -> None:
        from tokenizers import Tokenizer

        self.path = path
        config = _parsed(path)
        check_vocabulary(config, path)
        pieces = spell(config, path)
        words = bool(config["model"].get("end_of_word_suffix"))  # as GPT-1's: characters it does not know are lost
        spelled = set(pieces)
        for byte in range(0 if words else 256):
            if bytes([byte]) not in spelled:  # the libraries leave out what they have no token for
                raise GptkitError(f"{path}: has no token for the byte 0x{byte:02x}, so that text would be lost")
        end = find_end_of_text(config, end_of_text)
        if end is None:
            raise no_end_of_text(config, path, end_of_text)
        self.end_of_text = end
        self.vocab_size = len(pieces)
        self._table = token_table(pieces)
        try:
            plain = without_special_tokens(config)
            content = orjson.dumps(plain)
            self._reference = Tokenizer.from_buffer(content)
        except Exception as error:  # the library raises plain Exception
            raise GptkitError(f"{path}: is no tokenizer ({error})") from None
        self.spells_text = not words and _keeps_bytes(config)
        self._mended = words and (plain.get("normalizer") or {}).get("type") == "BertNormalizer"
        self._newer = None if plain["model"].get("byte_fallback") else pages_of(NEWER)
        self._fast: Any = None
        self._fast = self._load_gigatoken(plain, content)

    @property
    def fast(self) -> bool:
        return self._fast is not None

    def encode(self, texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """The ids (uint32) of all texts (a string column without nulls), one text after the other, without
        end-of-text, and the offsets (int64 [rows + 1]) of each text's."""
        if self._fast is None:
            return self._by_reference(texts.to_pylist())
        ids, starts = _by_gigatoken(self._fast, texts)
        if self._newer is None:
            return ids, starts
        rows = np.flatnonzero(rows_with(*string_arrays(texts), *self._newer))
        return self._replace(ids, starts, rows, texts) if len(rows) else (ids, starts)

    def check(self, texts: Sequence[str], ids: Sequence[np.ndarray | None]) -> None:
        """Raises GptkitError where the ids (uint32) of a text are not those of tokenizers; where they are None,
        the text is encoded by both here."""
        if self._fast is None or not texts:
            return
        encoded, starts = self.encode(pa.array(texts, pa.large_string()))
        expected, places = self._by_reference(texts)
        for row, given in enumerate(ids):
            found = encoded[starts[row] : starts[row + 1]] if given is None else given
            if np.array_equal(found, expected[places[row] : places[row + 1]]):
                continue
            raise GptkitError(
                f"{self.path}: gigatoken and tokenizers encode a document differently; nothing is written"
            )

    def mismatch(self, ids: np.ndarray, starts: np.ndarray, texts: pa.Array) -> int | None:
        """The first text whose ids do not spell it byte by byte; None where all do.

        ids (uint32) and starts (int64 [rows + 1]) are those of `encode`. Raises ValueError where the tokenizer
        does not spell text (`spells_text`) or the rows are not as many as the texts.
        """
        if not self.spells_text:
            raise ValueError(f"{self.path}: the ids of this tokenizer do not spell the text byte by byte")
        if len(starts) != len(texts) + 1 or starts[0] < 0 or starts[-1] > len(ids) or (np.diff(starts) < 0).any():
            raise ValueError("the ids are not those of the texts")
        content, places = string_arrays(texts)
        found = int(first_mismatch(ids, starts, content, places, *self._table))
        return None if found < 0 else found

    def _by_reference(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        texts = prepare(list(texts)) if self._mended else texts
        rows: list[np.ndarray] = []
        begin = size = 0
        for end, text in enumerate(texts, 1):
            size += len(text)
            if size >= BATCH or end == len(texts):
                encoded = self._reference.encode_batch_fast(list(texts[begin:end]), add_special_tokens=False)
                rows += [np.array(encoding.ids, np.uint32) for encoding in encoded]
                begin, size = end, 0
        starts = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        return np.concatenate([np.empty(0, np.uint32), *rows]), starts

    def _replace(
        self, ids: np.ndarray, starts: np.ndarray, rows: np.ndarray, texts: pa.Array
    ) -> tuple[np.ndarray, np.ndarray]:
        """What `encode` gives, with the ids of some rows by tokenizers instead."""
        others, places = self._by_reference(texts.take(pa.array(rows)).to_pylist())
        lengths = np.diff(starts)
        lengths[rows] = np.diff(places)
        parts, begin = [], 0
        for number, row in enumerate(rows.tolist()):
            parts += [ids[starts[begin] : starts[row]], others[places[number] : places[number + 1]]]
            begin = row + 1
        return np.concatenate([*parts, ids[starts[begin] :]]), np.concatenate([[0], np.cumsum(lengths)]).astype(
            np.int64
        )

    def _load_gigatoken(self, plain: dict[str, Any], content: bytes) -> Any:
        """gigatoken's tokenizer; None where it does not know this form, or not as tokenizers does."""
        import gigatoken

        if not supported(plain):
            return None
        try:
            self._fast = gigatoken.Tokenizer.from_json(content)
        except (ValueError, RuntimeError):
            return None
        probe = probe_texts(plain)
        ids, starts = self.encode(pa.array(probe, pa.string()))
        expected, places = self._by_reference(probe)
        return self._fast if np.array_equal(starts, places) and np.array_equal(ids, expected) else None


def _parsed(path: Path) -> Any:
    """A tokenizer.json. Every worker reads it, and orjson takes a quarter of the time."""
    try:
        return orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return read_json(path)  # says what is wrong


def _by_gigatoken(fast: Any, texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    import awkward

    content, starts = string_arrays(texts)
    first = int(starts[0])
    layout = awkward.contents.ListOffsetArray(
        awkward.index.Index64(starts - first),  # it takes no other
        awkward.contents.NumpyArray(content[first : int(starts[-1])], parameters={"__array__": "byte"}),
        parameters={"__array__": "bytestring"},
    )
    rows = fast.encode_batch(awkward.Array(layout), parallel=False).layout
    return rows.content.data, rows.offsets.data


def _keeps_bytes(config: dict[str, Any]) -> bool:
    """Whether a tokenizer.json changes nothing of a text before it is cut into byte-level tokens."""
    splits = steps(config.get("pre_tokenizer"), "pretokenizers")
    return (
        not steps(config.get("normalizer"), "normalizers")
        and not config["model"].get("byte_fallback")
        and any(step["type"] == "ByteLevel" for step in splits)
        and all(
            (step["type"] == "ByteLevel" and step.get("add_prefix_space") is False)
            or (step["type"] == "Split" and step.get("behavior") != "Removed")
            or step["type"] == "Digits"
            for step in splits
        )
    )
