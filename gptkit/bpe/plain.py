"""The copy of a tokenizer that text is encoded with: no text makes one of its special tokens."""

import copy
from typing import Any

from gptkit.data.vocabulary import special_tokens


def without_special_tokens(config: dict[str, Any]) -> dict[str, Any]:
    """A checked tokenizer.json (parsed) whose special tokens no text can make; all other ids stay.

    They leave the added tokens, the vocabulary and the merges, but for GPT-1's token of unknown characters.
    Added tokens that are not special stand in the vocabulary, since the libraries would else number them
    behind it. What is put around texts, truncation and padding go.
    """
    model = copy.copy(config["model"])
    added = [token for token in config.get("added_tokens", []) if not token.get("special")]
    unknown = model.get("unk_token") if model.get("end_of_word_suffix") else None  # others have a token for each byte
    hidden = special_tokens(config).keys() - {unknown}
    vocabulary = {token: index for token, index in model["vocab"].items() if token not in hidden}
    vocabulary |= {token["content"]: token["id"] for token in added}
    model |= {"vocab": vocabulary, "unk_token": unknown, "dropout": None}  # dropout is for training, and at random
    if hidden & config["model"]["vocab"].keys():
        pairs = (halves(merge) if isinstance(merge, str) else merge for merge in model["merges"])
        model["merges"] = [pair for pair in pairs if hidden.isdisjoint((*pair, "".join(pair)))]
    return {
        **config,
        "added_tokens": added,
        "post_processor": None,
        "truncation": None,
        "padding": None,
        "model": model,
    }


def halves(merge: str | list[str]) -> tuple[str, str]:
    """The two tokens of a merge, which older files write as one string. Raises ValueError where there are not two."""
    first, second = merge.split(" ") if isinstance(merge, str) else merge
    return first, second
