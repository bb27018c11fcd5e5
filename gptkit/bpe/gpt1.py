"""GPT-1's text: mended by ftfy, in lower case, split into words at white space and punctuation."""

import functools
import json
import re
from typing import Any

import numpy as np

from gptkit.bpe.patterns import parts
from gptkit.kernels.word_counts import WordCounts

LINE = re.compile(r"[^\n]*\n|[^\n]+")
PLAIN = re.compile(r"[\t\n\x20-\x25\x27-\x7e]*")  # ASCII without entities and control characters


def prepare(texts: list[str]) -> list[str]:
    """The texts as `ftfy.fix_text` gives them. The rest of what GPT-1 does to text is in its tokenizer.json.

    ftfy mends each line by itself, but for entities, which it decodes up to the first line with a `<`;
    it changes nothing of plain ASCII, so that it is not asked for that.
    """
    return [text if PLAIN.fullmatch(text) else _mended(text) for text in texts]


def _mended(text: str) -> str:
    import ftfy

    lines: list[str] = []
    entities: str | bool = "auto"
    for line in LINE.findall(text):
        lines.append(line if PLAIN.fullmatch(line) else ftfy.fix_text(line, unescape_html=entities))
        if "<" in line:
            entities = False
    return "".join(lines)


@functools.cache
def _splitter() -> Any:
    from tokenizers import Tokenizer

    empty = {"type": "BPE", "vocab": {}, "merges": []}
    return Tokenizer.from_str(json.dumps({"version": "1.0", "added_tokens": [], "model": empty, **parts("gpt1")}))


def word_counts(chunks: WordCounts) -> WordCounts:
    """The words of text whose chunks (what white space separates) are counted: normalised, cut at punctuation."""
    splitter = _splitter()
    words: dict[str, int] = {}
    text = chunks.content.tobytes()
    for number, times in enumerate(chunks.counts.tolist()):
        chunk = text[chunks.starts[number] : chunks.starts[number + 1]].decode()
        for word, _ in splitter.pre_tokenizer.pre_tokenize_str(splitter.normalizer.normalize_str(chunk)):
            words[word] = words.get(word, 0) + times
    encoded = [word.encode() for word in words]
    counted = WordCounts()
    starts = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    counted.add_words(
        np.frombuffer(bytearray(b"".join(encoded)), np.uint8), starts, np.array([*words.values()], np.int64)
    )
    return counted
