import math

import pytest

from gptkit.evaluation.metrics import Answer, majority_baseline, measure, random_baseline
from gptkit.tasks.items import Item


def choice(gold: int, *choices: str) -> Item:
    return Item(0, "", "text", choices, choices[gold], gold)


def word(text: str, target: str) -> Item:
    return Item(0, "", text, (), target, 0)


def test_the_four_ways_to_choose() -> None:
    item = choice(0, "aaaa", "b", "ééé")  # 4, 1, 3 characters; 4, 1, 6 bytes
    answer = Answer(item, (-4.0, -1.5, -2.7), (1, 3, 9), (False,) * 3)
    assert answer.chosen("acc") == 1  # -4, -1.5, -2.7
    assert answer.chosen("acc_norm") == 2  # -1, -1.5, -.9
    assert answer.chosen("acc_bytes") == 2  # -1, -1.5, -.45
    assert answer.chosen("acc_tokens") == 2  # -4, -.5, -.3
    assert Answer(item, (-2.0, -2.0, -2.0), (1, 1, 1), (False,) * 3).chosen("acc") == 0  # of equal ones the first


def test_accuracy_with_its_standard_error() -> None:
    answers = [Answer(choice(0, "x", "y"), (-1.0, -2.0 if n else -0.5), (1, 1), (False, False)) for n in (1, 1, 1, 0)]
    result = measure("acc", answers)
    assert result.value == 0.75
    assert result.stderr == pytest.approx(math.sqrt((3 * 0.25**2 + 0.75**2) / 3) / math.sqrt(4))
    assert measure("acc", answers[:1]).stderr == 0


def test_accuracy_of_targets_is_whether_they_are_greedy() -> None:
    answers = [Answer(word("a", " b"), (-1.0,), (1,), (greedy,)) for greedy in (True, False)]
    assert measure("acc", answers).value == 0.5


def test_perplexity_and_its_delta_method() -> None:
    answers = [Answer(word("a", " b"), (value,), (1,), (False,)) for value in (-1.0, -3.0)]
    result = measure("perplexity", answers)
    assert result.value == pytest.approx(math.exp(2))
    assert result.stderr == pytest.approx(math.exp(2) * math.sqrt(2) / math.sqrt(2))
    assert (result.random, result.majority) == (None, None)


def test_baselines_of_choices() -> None:
    items = [choice(1, "a", "b"), choice(1, "a", "b", "c", "d"), choice(0, "a", "b")]
    assert random_baseline(items) == pytest.approx((1 / 2 + 1 / 4 + 1 / 2) / 3)
    assert majority_baseline(items) == pytest.approx(2 / 3)


def test_baselines_of_last_words() -> None:
    items = [
        word("The lock holds the file, and the file waits for the", " lock"),  # lock, holds, file, waits
        word("There is nothing of this in that", " word"),  # no word to guess
        word("Lock and file", " lock"),  # as it is written: Lock is not lock
    ]
    assert random_baseline(items) == pytest.approx((1 / 4 + 0 + 0) / 3)
    assert majority_baseline(items) == pytest.approx(2 / 3)
