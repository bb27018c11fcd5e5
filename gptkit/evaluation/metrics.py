"""Metrics with their standard errors, and the baselines that stand beside them."""

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence

from gptkit.tasks.items import Item
from gptkit.tasks.words import content_words


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a model made of one item."""

    item: Item
    logprobs: tuple[float, ...]  # nats, one a choice, or the target's
    tokens: tuple[int, ...]  # of each continuation
    greedy: tuple[bool, ...]  # whether each continuation is what the model would have said

    def chosen(self, metric: str) -> int:
        """The choice with the largest log-probability, per unit where the metric says so; of equal ones the first."""
        values = [value / length for value, length in zip(self.logprobs, self._lengths(metric), strict=True)]
        return values.index(max(values))

    def _lengths(self, metric: str) -> Sequence[int]:
        if metric == "acc_norm":  # lm-eval: characters of the choice, without the delimiter
            return [max(1, len(choice)) for choice in self.item.choices]
        if metric == "acc_bytes":
            return [max(1, len(choice.encode())) for choice in self.item.choices]
        if metric == "acc_tokens":  # GPT-3
            return self.tokens
        return [1] * len(self.logprobs)

    def right(self, metric: str) -> bool:
        """Whether the item is answered rightly by an accuracy."""
        return self.chosen(metric) == self.item.gold if self.item.choices else self.greedy[0]


@dataclasses.dataclass(frozen=True)
class Metric:
    """A value over all items of a task."""

    value: float
    stderr: float
    random: float | None  # what guessing gives
    majority: float | None  # what the most frequent answer, always given, gives


def measure(metric: str, answers: Sequence[Answer]) -> Metric:
    """A metric over answers.

    Accuracies are means with sd/√n; `perplexity` is exp(−mean log p) over the targets, whole, with
    the standard error of the mean carried through exp (delta method).
    """
    if metric == "perplexity":
        mean, stderr = _mean([-answer.logprobs[0] for answer in answers])
        value = math.exp(min(mean, 700.0))  # larger ones are no numbers
        return Metric(value, value * stderr, None, None)
    mean, stderr = _mean([float(answer.right(metric)) for answer in answers])
    items = [answer.item for answer in answers]
    return Metric(mean, stderr, random_baseline(items), majority_baseline(items))


def _mean(values: Sequence[float]) -> tuple[float, float]:
    """Mean and its standard error, with the sample's deviation (n − 1); 0 for a single value."""
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return mean, 0.0
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, math.sqrt(variance / len(values))


def random_baseline(items: Sequence[Item]) -> float:
    """The accuracy expected of guessing.

    Of n choices one is right. Without choices, the guess is one of the distinct words of the text
    that have four letters or more and are no stop words, each as likely, as it is written there.
    """
    return math.fsum(_chance(item) for item in items) / len(items)


def _chance(item: Item) -> float:
    if item.choices:
        return 1 / len(item.choices)
    words = content_words(item.text)
    return (item.target.strip() in words) / len(words) if words else 0.0


def majority_baseline(items: Sequence[Item]) -> float:
    """The accuracy of always giving the answer that is right most often: a place among choices, or a target's text."""
    answers = Counter(item.gold if item.choices else item.target for item in items)
    return max(answers.values()) / len(items)
