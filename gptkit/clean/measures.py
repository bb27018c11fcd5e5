"""From statistics to verdicts: each rule's value for every document of a batch, and whether it is beyond its limit."""

import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa

from gptkit.clean import languages
from gptkit.kernels import statistics as counts
from gptkit.kernels.characters import character_flags
from gptkit.kernels.columns import string_arrays

NGRAM_CHARACTERS = 8  # in scripts without spaces words are characters: shorter n-grams repeat in any text

Rows = np.ndarray  # int64 [documents, columns]


@dataclasses.dataclass(frozen=True)
class Measure:
    """What a rule found: its value for each document, the limit, and who is beyond it."""

    rule: str
    value: np.ndarray  # float64 [documents]; NaN where the rule has no data for the document's language
    limit: np.ndarray  # float64 [documents]
    broken: np.ndarray  # bool [documents]
    detail: Sequence[str | None] | None = None  # what the value alone does not say


def measure(rule: str, value: np.ndarray, limit: float | np.ndarray) -> Measure:
    """Holds values against a limit; the rule's name says which side of it is allowed."""
    value = np.asarray(value, np.float64)
    limits = np.broadcast_to(np.asarray(limit, np.float64), value.shape)
    with np.errstate(invalid="ignore"):
        broken = value < limits if rule.startswith("min_") else value > limits  # never where one is NaN
    return Measure(rule, np.where(np.isnan(limits), np.nan, value), limits, broken)


def _ratio(part: int, whole: int) -> Callable[[Rows], np.ndarray]:
    """A ratio of two columns; of nothing to nothing it is 0."""
    return lambda rows: rows[:, part] / np.maximum(rows[:, whole], 1)


def _count(column: int) -> Callable[[Rows], np.ndarray]:
    return lambda rows: np.where(rows[:, column] < 0, np.nan, rows[:, column])


TEXT: dict[str, Callable[[Rows], np.ndarray]] = {
    "max_dup_paragraphs": _ratio(counts.DUPLICATE_PARAGRAPHS, counts.PARAGRAPHS),
    "max_dup_paragraph_characters": _ratio(counts.DUPLICATE_PARAGRAPH_CHARACTERS, counts.CHARACTERS),
    "max_dup_lines": _ratio(counts.DUPLICATE_ROWS, counts.ROWS),
    "max_dup_line_characters": _ratio(counts.DUPLICATE_ROW_CHARACTERS, counts.CHARACTERS),
    **{f"max_top_{n}_gram": _ratio(counts.TOP_GRAMS + n - 2, counts.CHARACTERS) for n in (2, 3, 4)},
    **{f"max_dup_{n}_gram": _ratio(counts.DUPLICATE_GRAMS + n - 5, counts.CHARACTERS) for n in range(5, 11)},
    "min_words": _count(counts.CONTENT_WORDS),
    "max_words": _count(counts.CONTENT_WORDS),
    "min_word_length": _ratio(counts.CONTENT_CHARACTERS, counts.CONTENT_WORDS),
    "max_word_length": _ratio(counts.CONTENT_CHARACTERS, counts.CONTENT_WORDS),
    "max_hashes": _ratio(counts.HASHES, counts.WORDS),
    "max_ellipses": _ratio(counts.ELLIPSES, counts.WORDS),
    "max_bullet_lines": _ratio(counts.BULLET_LINES, counts.LINES),
    "max_ellipsis_lines": _ratio(counts.ELLIPSIS_LINES, counts.LINES),
    "min_alpha_words": _ratio(counts.ALPHA_WORDS, counts.WORDS),
    "min_stop_words": _count(counts.STOP_WORDS),
}
LINES: dict[str, Callable[[Rows], np.ndarray]] = {
    "min_line_ends": _ratio(counts.TERMINATED_LINES, counts.TEXT_LINES),
    "max_short_lines": _ratio(counts.SHORT_LINES, counts.TEXT_LINES),
    "max_repeated_line_characters": _ratio(counts.DUPLICATE_LINE_CHARACTERS, counts.LINE_CHARACTERS),
    "max_newlines": _ratio(counts.NEWLINES, counts.FINEWEB_WORDS),
}
SHORT_LINE = 30  # characters
# Which column of `languages.limits` holds for a rule, unless it was given a limit of its own
BY_LANGUAGE = {"min_word_length": 0, "max_word_length": 1, "min_alpha_words": 2}
NGRAMS = {rule: int(rule.split("_")[2]) for rule in TEXT if rule.endswith("_gram")}


def measure_text(
    text: pa.Array, codes: Sequence[str | None], limits: Mapping[str, float], explicit: Collection[str]
) -> list[Measure]:
    """Gopher's rules over a batch; `codes` are the documents' languages.

    `limits` has the rules that are on; those in `explicit` hold for every language alike.
    """
    numbers = languages.numbers(codes)
    keys, key_starts, lists = _stop_words()
    content, starts = string_arrays(text)
    counts.check_sizes(starts)
    rows = counts.gopher_statistics(content, starts, character_flags(), keys, key_starts, lists[numbers])
    own, spaces = languages.limits()[numbers], _spaces()[numbers]
    found = []
    for rule in (rule for rule in limits if rule in TEXT):
        limit: float | np.ndarray = limits[rule]
        if rule in BY_LANGUAGE and rule not in explicit:
            limit = own[:, BY_LANGUAGE[rule]]
        elif NGRAMS.get(rule, NGRAM_CHARACTERS) < NGRAM_CHARACTERS and rule not in explicit:
            limit = np.where(spaces, limit, np.nan)
        found.append(measure(rule, TEXT[rule](rows), limit))
    return found


def measure_lines(text: pa.Array, wide: np.ndarray, limits: Mapping[str, float]) -> list[Measure]:
    """FineWeb's rules over a batch; `wide` (bool [documents]): not English, lines end as they do in other scripts."""
    rows = counts.fineweb_statistics(*string_arrays(text), character_flags(), SHORT_LINE, wide)
    return [measure(rule, LINES[rule](rows), limits[rule]) for rule in limits if rule in LINES]


# The last entry of both is for languages of which nothing is known: their number is -1
@functools.cache
def _stop_words() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The kernel's table, and for each language its place there; -1 where it has no stop words."""
    lists = [language.stop_words for language in languages.languages().values()]
    places = [place if words else -1 for place, words in enumerate(lists)]
    return *counts.stop_word_table(lists), np.array([*places, -1], np.int32)


@functools.cache
def _spaces() -> np.ndarray:
    return np.array([*(language.spaces for language in languages.languages().values()), True])
