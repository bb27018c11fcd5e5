"""Gopher's quality rules (arXiv 2112.11446, table A1): for each document the first rule it breaks."""

import dataclasses

import numpy as np
import pyarrow as pa

from gptkit.clean.settings import CleanSettings
from gptkit.kernels import gopher
from gptkit.kernels.characters import character_classes
from gptkit.kernels.columns import string_arrays


@dataclasses.dataclass(frozen=True)
class Rule:
    """A statistic of each document and the range it must lie in."""

    name: str
    value: np.ndarray  # float64 [documents]
    least: float = -np.inf
    most: float = np.inf


@dataclasses.dataclass(frozen=True)
class Verdicts:
    """The first broken rule of each document, with the value it measured and the limit."""

    rule: list[str | None]  # None: kept
    value: np.ndarray  # float64 [documents]
    limit: np.ndarray  # float64 [documents]


def statistics(text: pa.Array) -> np.ndarray:
    """Counts of each document (see `kernels.gopher`); int64 [documents, gopher.COLUMNS]."""
    return gopher.gopher_statistics(*string_arrays(text), character_classes(), gopher.STOP_WORD_KEYS)


def warm_up() -> None:
    """Compiles the kernel."""
    statistics(pa.array(["the word"]))


def judge(text: pa.Array, settings: CleanSettings) -> Verdicts:
    """Applies all rules to a batch. Rules are asked in the order in which `rules` lists them."""
    measured = rules(statistics(text), settings)
    first: list[str | None] = [None] * len(text)
    value, limit = np.zeros(len(text)), np.zeros(len(text))
    for rule in reversed(measured):
        low, high = rule.value < rule.least, rule.value > rule.most
        for place in np.flatnonzero(low | high):
            first[place] = rule.name
        value = np.where(low | high, rule.value, value)
        limit = np.where(low, rule.least, np.where(high, rule.most, limit))
    return Verdicts(first, value, limit)


def rules(counts: np.ndarray, settings: CleanSettings) -> list[Rule]:
    """The rules with their values; a ratio of nothing to nothing is 0."""
    words = counts[:, gopher.WORDS]
    plain = words - counts[:, gopher.SYMBOL_WORDS]
    lines = counts[:, gopher.LINES]
    return [
        Rule("words", plain.astype(float), settings.min_words, settings.max_words),
        Rule(
            "mean_word_length",
            _ratio(counts[:, gopher.WORD_CHARACTERS], plain),
            settings.min_word_length,
            settings.max_word_length,
        ),
        Rule("hashes", _ratio(counts[:, gopher.HASHES], words), most=settings.max_hashes),
        Rule("ellipses", _ratio(counts[:, gopher.ELLIPSES], words), most=settings.max_ellipses),
        Rule("bullet_lines", _ratio(counts[:, gopher.BULLET_LINES], lines), most=settings.max_bullet_lines),
        Rule("ellipsis_lines", _ratio(counts[:, gopher.ELLIPSIS_LINES], lines), most=settings.max_ellipsis_lines),
        Rule("alpha_words", _ratio(counts[:, gopher.ALPHA_WORDS], words), least=settings.min_alpha_words),
        Rule("stop_words", counts[:, gopher.STOP_WORDS].astype(float), least=settings.min_stop_words),
    ]


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return part / np.maximum(whole, 1)
