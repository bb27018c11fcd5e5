"""llama2.c's tokenizer.bin, which is Llama's SentencePiece vocabulary, as a tokenizer.json.

An int32 (the longest piece), then for each id a float32 score, an int32 length and the piece's bytes, with a space for
SentencePiece's ▁. Id 0 is unknown, 1 and 2 begin and end a text, 3 to 258 are the bytes. Of two neighbouring pieces
those are joined first whose whole has the highest score.
"""

import struct
from pathlib import Path
from typing import Any

from gptkit.data.vocabulary import SPACE
from gptkit.errors import GptkitError

SPECIAL = ("<unk>", "<s>", "</s>")
BYTES = range(3, 259)


def read_llama2c_tokenizer(path: Path, vocab_size: int) -> dict[str, Any]:
    """The content of a tokenizer.json. Raises GptkitError where the file is none, or of another vocabulary."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise GptkitError(f"{path}: no such file") from None
    vocabulary: dict[str, int] = {}
    scores: list[float] = []
    try:
        place = 4
        for index in range(vocab_size):
            score, length = struct.unpack_from("<fi", data, place)
            place += 8
            piece = data[place : place + length]
            if length < 0 or len(piece) < length:
                raise ValueError(f"piece {index} is cut off")
            place += length
            vocabulary[_name(index, piece)] = index
            scores.append(score)
        if place != len(data):
            raise ValueError("something follows its last piece")
        if len(vocabulary) != vocab_size:
            raise ValueError("two of its pieces are equal")
    except (struct.error, ValueError) as error:
        raise GptkitError(f"{path}: is no tokenizer.bin of llama2.c with {vocab_size:,} pieces ({error})") from None
    return _tokenizer(vocabulary, _merges(vocabulary, scores))


def _name(index: int, piece: bytes) -> str:
    if index < len(SPECIAL):
        return SPECIAL[index]
    if index in BYTES:
        name = f"<0x{index - BYTES.start:02X}>"
        if piece not in (name.encode(), chr(index - BYTES.start).encode()):  # it was written either way
            raise ValueError(f"piece {index} is not byte {name}")
        return name
    return piece.decode().replace(" ", SPACE)


def _merges(vocabulary: dict[str, int], scores: list[float]) -> list[list[str]]:
    """Every way to make a piece of two others, the highest score first."""
    found = []
    for whole, index in vocabulary.items():
        if index > BYTES[-1]:
            for cut in range(1, len(whole)):
                left, right = whole[:cut], whole[cut:]
                if left in vocabulary and right in vocabulary:
                    found.append((-scores[index], vocabulary[left], vocabulary[right], [left, right]))
    return [pair for _, _, _, pair in sorted(found)]


def _tokenizer(vocabulary: dict[str, int], merges: list[list[str]]) -> dict[str, Any]:
    """As transformers writes Llama's: a space goes before the text, and unknown characters become bytes."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    begin = [{"SpecialToken": {"id": SPECIAL[1], "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": index, "content": token, **flags} for index, token in enumerate(SPECIAL)],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": SPACE},
                {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
            ],
        },
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": begin,
            "pair": [*begin, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {SPECIAL[1]: {"id": SPECIAL[1], "ids": [1], "tokens": [SPECIAL[1]]}},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": SPECIAL[0],
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": vocabulary,
            "merges": merges,
        },
    }
