import pyarrow as pa
import pytest

from gptkit.clean.rules import judge
from gptkit.clean.settings import CleanSettings

GOOD = "the cat sat with the dog and they have been to the house that stands there. " * 8


@pytest.mark.parametrize(
    ("text", "rule", "value", "limit"),
    [
        (GOOD, None, 0, 0),
        ("the cat and the dog", "words", 5, 50),
        ("the of " + "x" * 60 + " and that " * 25, None, 0, 0),
        ("a " * 60, "mean_word_length", 1.0, 3.0),
        ("supercalifragilistic " * 60, "mean_word_length", 20.0, 10.0),
        (GOOD + "# " * 40, "hashes", 40 / 168, 0.1),
        (GOOD + "... " * 40, "ellipses", 40 / 168, 0.1),
        (("- " + GOOD + "\n") * 10, "bullet_lines", 1.0, 0.9),
        ((GOOD + "...\n") * 2, "ellipsis_lines", 1.0, 0.3),
        (GOOD + "1234 " * 100, "alpha_words", 128 / 228, 0.8),
        ("some words here without any function word " * 10, "stop_words", 0, 2),
    ],
)
def test_the_first_broken_rule_is_named_with_value_and_limit(text, rule, value, limit):
    verdict = judge(pa.array([text]), CleanSettings())
    assert verdict.rule == [rule]
    assert verdict.value[0] == pytest.approx(value)
    assert verdict.limit[0] == pytest.approx(limit)


def test_settings_refuse_what_nothing_can_meet():
    with pytest.raises(ValueError, match="--min-words 10"):
        CleanSettings(min_words=10, max_words=5)
