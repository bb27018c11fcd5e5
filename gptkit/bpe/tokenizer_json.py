"""tokenizer.json in one form, so that one tokenizer has one content whichever form it came in."""

import re
from typing import Any

import orjson

from gptkit.bpe.patterns import WORD_END, parts
from gptkit.bpe.plain import halves
from gptkit.bpe.probe import steps
from gptkit.data.vocabulary import byte_characters, check_vocabulary, find_end_of_text, no_end_of_text
from gptkit.errors import GptkitError

MODEL = {
    "type": "BPE",
    "dropout": None,
    "unk_token": None,
    "continuing_subword_prefix": None,
    "end_of_word_suffix": None,
    "fuse_unk": False,
    "byte_fallback": False,
    "ignore_merges": False,
}
ADDED = {
    "id": 0,
    "content": "",
    "single_word": False,
    "lstrip": False,
    "rstrip": False,
    "normalized": True,
    "special": False,
}
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
CHARACTERS = {byte: character for character, byte in byte_characters().items()}
MARKED = re.compile(r"<.+>", re.DOTALL)  # what special tokens look like where nothing lists them


def compose(
    vocabulary: dict[str, int],
    merges: list[tuple[str, str]],
    pattern: str,
    special: dict[str, int],
    ignore_merges: bool = False,
) -> dict[str, Any]:
    """A tokenizer.json (parsed) of tokens and merges as a model writes them, split by a pattern of gptkit.bpe.patterns."""
    words = pattern == "gpt1"
    return {
        "added_tokens": [special_token(content, index) for content, index in special.items()],
        **parts(pattern),
        "model": {
            "type": "BPE",
            "unk_token": "<unk>" if words and "<unk>" in vocabulary else None,
            "end_of_word_suffix": WORD_END if words else None,
            "ignore_merges": ignore_merges,
            "vocab": vocabulary,
            "merges": merges,
        },
    }


def spelled(token: bytes) -> str:
    """A token's bytes as a byte-level vocabulary writes them."""
    return "".join(map(CHARACTERS.__getitem__, token))


def special_token(content: str, index: int) -> dict[str, Any]:
    """The entry of a special token in `added_tokens`."""
    return {**ADDED, "id": index, "content": content, "normalized": False, "special": True}


def canonical(config: Any, name: str, end_of_text: str | None) -> bytes:
    """The content of a tokenizer.json (parsed): fields that change no id are set alike, tokens are in order of their ids.

    Added tokens stand in the vocabulary too: tokenizers would else number them behind it, whatever the file
    says. `end_of_text` becomes a special token where it is none, behind the last id where it is no token.
    Raises GptkitError, by `name`, where the tokenizer is damaged or it is not clear what ends a document.
    """
    from tokenizers import Tokenizer

    check_vocabulary(config, name)
    model = config["model"]
    try:
        merges = [halves(merge) for merge in model["merges"]]
    except (KeyError, TypeError, ValueError):
        raise GptkitError(f"{name}: its merges are not pairs of tokens") from None
    vocabulary = dict(model["vocab"])
    added = [{key: token.get(key, value) for key, value in ADDED.items()} for token in config.get("added_tokens", [])]
    if end_of_text and find_end_of_text(config, end_of_text) is None:
        index = vocabulary.get(end_of_text, 1 + max([*vocabulary.values(), *(token["id"] for token in added)]))
        added = [token for token in added if token["content"] != end_of_text]
        added.append(special_token(end_of_text, index))
    if find_end_of_text({"added_tokens": added}, end_of_text) is None:
        raise no_end_of_text({"added_tokens": added}, name)
    for token in added:
        if vocabulary.setdefault(token["content"], token["id"]) != token["id"]:
            raise GptkitError(f"{name}: token {token['content']!r} has two ids")
    if len(set(vocabulary.values())) < len(vocabulary):
        raise GptkitError(f"{name}: two tokens have one id")
    whole = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": sorted(added, key=lambda token: token["id"]),
        "normalizer": config.get("normalizer") if steps(config.get("normalizer"), "normalizers") else None,
        "pre_tokenizer": _pre_tokenizer(config.get("pre_tokenizer")),
        "post_processor": _unless_byte_level(config.get("post_processor"), None),
        "decoder": _unless_byte_level(config.get("decoder"), BYTE_LEVEL),
        "model": {
            **MODEL,
            **{key: value for key, value in model.items() if key in MODEL},
            "vocab": dict(sorted(vocabulary.items(), key=lambda item: item[1])),
            "merges": merges,
        },
    }
    try:
        content = orjson.dumps(whole)
        loaded = Tokenizer.from_buffer(content)
    except Exception as error:  # the library raises plain Exception
        raise GptkitError(f"{name}: is no tokenizer ({error})") from None
    if any(loaded.token_to_id(token["content"]) != token["id"] for token in added):
        raise GptkitError(f"{name}: tokenizers gives its added tokens other ids than it says")
    return content + b"\n"


def _pre_tokenizer(part: dict[str, Any] | None) -> dict[str, Any] | None:
    """ByteLevel with all its fields: what a file leaves out has a value too."""
    if part and part["type"] == "Sequence":
        return {**part, "pretokenizers": [_pre_tokenizer(step) for step in part["pretokenizers"]]}
    if part and part["type"] == "ByteLevel":
        return BYTE_LEVEL | part | {"trim_offsets": True}
    return part


def _unless_byte_level(part: dict[str, Any] | None, instead: Any) -> Any:
    """A decoder or post-processor; ByteLevel's fields change nothing there."""
    return instead if part and part["type"] == "ByteLevel" else part
