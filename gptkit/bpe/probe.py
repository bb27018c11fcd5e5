"""Whether gigatoken encodes as tokenizers does, asked before a tokenizer is trusted to it.

gigatoken reads a tokenizer.json less strictly than its makers: without a word it takes a regular expression by
what it looks like, Split behaviours it does not know as Isolated, ByteLevel without its expression as with it,
no dropout, added tokens without their stripping; and its version of Unicode is newer than that of tokenizers.
So only features that were found to be right are given to it, and both libraries encode a probe first.
"""

import functools
import itertools
import random
import unicodedata
from typing import Any

from gptkit.bpe.patterns import EXPRESSIONS

ADDED_LEAST = 200  # added tokens that the probe has at least, where there are as many
STEP = 16  # of the code points without a category here: blocks of scripts are handed out in such units
LAST = 0x110000
KNOWN = set(EXPRESSIONS.values())  # in these every character was compared (see gptkit.bpe.newer_characters)
SURROGATES = range(0xD800, 0xE000)
MIXED = (
    *("'s", "'S", "'LL", "'ſ", "don't", "I'M", "we'Ll", " ", "  ", "     ", "\n", "\r", "\r\n", "\n\n", "\t", "\x0b"),
    *("1", "23", "4567", "a", "A", "Ab", "aB", "ABC", "abc", "é", "e\u0301", "\u0301", "\u093f", "\u0e33", "日本", "ｱ"),
    *("\u3000", "\u00a0", "\u2028", "\u0085", "\u200b", "\ufeff", "\u00ad", "\x00", "\x1f", "\ufffd", "\ue000"),
    *("!", "!!", "/", "//\n", "_", ".", "<", "|>", "▁", "Ġ", "ß", "İ", "ǅ", "Ⅷ", "½", "²", "ﬁ", "\U0001f600"),
    *("👨\u200d👩\u200d👧", "한국어", "العربية", "עברית", "ไทย", "हिन्दी", "Ελληνικά", "русский"),
    *("<|endoftext|>", "</s>", "\U0010ffff"),
)


def supported(config: dict[str, Any]) -> bool:
    """Whether a tokenizer.json has only features that gigatoken was found to treat as tokenizers does."""
    model = config["model"]
    if model.get("dropout") or model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"):
        return False
    if any(token.get(name) for token in config["added_tokens"] for name in ("lstrip", "rstrip", "single_word")):
        return False
    normalizers = steps(config.get("normalizer"), "normalizers")
    if any(part["type"] not in ("NFC", "Prepend", "Replace") for part in normalizers):
        return False
    if normalizers and any(token.get("normalized", True) for token in config["added_tokens"]):
        return False
    splits = steps(config.get("pre_tokenizer"), "pretokenizers")
    if model.get("byte_fallback"):
        return all(part["type"] in ("Metaspace", "Split") for part in splits)
    if not splits or splits[-1]["type"] != "ByteLevel":
        return False
    *before, last = splits
    if not before:
        return bool(last.get("use_regex", True))
    return not last.get("use_regex", True) and all(
        part["type"] == "Split"
        and (part.get("behavior"), part.get("invert")) in (("Isolated", False), ("Removed", True))
        for part in before
    )


def steps(part: dict[str, Any] | None, name: str) -> list[dict[str, Any]]:
    """The steps of a normalizer (`name` is "normalizers") or pre-tokenizer ("pretokenizers"), sequences opened."""
    if not part:
        return []
    if part["type"] == "Sequence":
        return [step for inner in part[name] for step in steps(inner, name)]
    return [part]


def probe_texts(config: dict[str, Any]) -> list[str]:
    """Texts on which libraries that differ anywhere are likely to differ: a few hundred kB."""
    draw = random.Random(1)
    added = [token["content"] for token in config["added_tokens"]]
    expressions = {
        step["pattern"].get("Regex")
        for step in steps(config.get("pre_tokenizer"), "pretokenizers")
        if step["type"] == "Split"
    }
    texts = [] if expressions <= KNOWN else _characters().copy()
    texts += ["", " ", "\n", "x" * 10_000, "ab" * 3_000, "日本語" * 1_000, " " * 3_000]
    for pieces, count in ((MIXED, 1_500), ((*MIXED, *added[:ADDED_LEAST] * 2), 500 if added else 0)):
        texts += ["".join(draw.choices(pieces, k=draw.randint(1, 30))) for _ in range(count)]
    return texts


@functools.cache
def _characters() -> list[str]:
    """One character of each run of equal category, and of each STEP unassigned ones, among letters, digits and space."""
    codes = (code for code in range(LAST) if code not in SURROGATES)
    runs = itertools.groupby(codes, lambda code: (unicodedata.category(chr(code)), code < 0x80 and code))
    chosen: list[int] = []
    for (category, _), run in runs:
        members = list(run)
        unknown = category == "Cn" and members[0] < 0x20000
        chosen += members[::STEP] if unknown else [members[0], members[-1]]
    return [f"a{c}b{c} {c}1{c}{c}\n{c}" for c in map(chr, chosen)]
