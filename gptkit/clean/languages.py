"""What the rules know of each language; the values and what they mean stand in languages.txt."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("languages.txt")
NONE = "-"  # no data
# Sentences end in a space here (Thai, Lao), after a mark that ends phrases too (Tibetan, Dzongkha), or in a colon (Armenian)
NO_SENTENCE_ENDS = {"th", "lo", "bo", "dz", "hy"}


@dataclasses.dataclass(frozen=True)
class Language:
    """What is known of a language; a rule without data for it is left out."""

    code: str
    stop_words: tuple[str, ...] = ()  # empty: no data
    spaces: bool = True  # whether words are written with spaces between them
    word_length: tuple[float, float] | None = None  # limits of the mean, in characters
    letters: float | None = None  # least share of words with a letter


@functools.cache
def languages() -> dict[str, Language]:
    """All languages with data, by code, in the order of the file."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    known = [_read(line) for line in lines if not line.startswith("#")]
    return {language.code: language for language in known}


def _read(line: str) -> Language:
    code, spaces, length, letters, *stop_words = line.split()
    least, _, most = length.partition("–")
    return Language(
        code,
        tuple(stop_words),
        spaces == "yes",
        None if length == NONE else (float(least), float(most)),
        None if letters == NONE else float(letters),
    )


def language(code: str) -> Language:
    """A language by the code lid.176 gives it; one of which nothing is known has no data for any rule."""
    return languages().get(code) or Language(code)


def numbers(codes: Sequence[str | None]) -> np.ndarray:
    """The place of each code among `languages()`; int32 [codes], -1 where there is no data."""
    places = {code: place for place, code in enumerate(languages())}
    return np.array([places.get(code or "", -1) for code in codes], np.int32)


@functools.cache
def limits() -> np.ndarray:
    """Least and greatest mean word length and least share of words with a letter.

    float64 [languages + 1, 3]; NaN where there is no data. The last row is NaN, so that -1 of `numbers` finds it.
    """
    nan = float("nan")
    rows = [
        (*(known.word_length or (nan, nan)), nan if known.letters is None else known.letters)
        for known in languages().values()
    ]
    return np.array([*rows, (nan, nan, nan)])


def without_sentence_ends(codes: Sequence[str | None]) -> np.ndarray:
    """Which documents are in a language whose sentences end in no mark of their own; bool [codes]."""
    return np.array([code in NO_SENTENCE_ENDS for code in codes], bool)
