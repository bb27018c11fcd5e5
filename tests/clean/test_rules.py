import re

import pytest

from gptkit.clean.rules import BY_NAME, RULES, SETS, explicit, resolve, table
from gptkit.clean.settings import CleanSettings

# The limits as the papers and datatrove 0.10 have them
PUBLISHED = {
    "gopher-repetition": {
        "max_dup_paragraphs": 0.3,
        "max_dup_paragraph_characters": 0.2,
        "max_dup_lines": 0.3,
        "max_dup_line_characters": 0.2,
        "max_top_2_gram": 0.2,
        "max_top_3_gram": 0.18,
        "max_top_4_gram": 0.16,
        "max_dup_5_gram": 0.15,
        "max_dup_6_gram": 0.14,
        "max_dup_7_gram": 0.13,
        "max_dup_8_gram": 0.12,
        "max_dup_9_gram": 0.11,
        "max_dup_10_gram": 0.1,
    },
    "gopher-quality": {
        "min_words": 50,
        "max_words": 100_000,
        "min_word_length": 3,
        "max_word_length": 10,
        "max_hashes": 0.1,
        "max_ellipses": 0.1,
        "max_bullet_lines": 0.9,
        "max_ellipsis_lines": 0.3,
        "min_alpha_words": 0.8,
        "min_stop_words": 2,
    },
    "fineweb-quality": {
        "min_line_ends": 0.12,
        "max_short_lines": 0.67,
        "max_repeated_line_characters": 0.01,
        "max_newlines": 0.3,
    },
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_sets_have_the_published_limits(name):
    assert resolve([name]) == PUBLISHED[name]


def test_sets_are_made_of_sets():
    assert resolve(["gopher"]) == PUBLISHED["gopher-repetition"] | PUBLISHED["gopher-quality"]
    assert resolve(["fineweb"]) == {
        name: limit for name, limit in resolve(["gopher", "c4", "fineweb-quality"]).items() if name != "end_mark"
    }
    assert set(resolve(["dclm"])) - set(resolve(["gopher"])) == {
        "max_line_uppercase",
        "max_line_digits",
        "counter_lines",
        "min_line_words_dclm",
        "navigation_lines",
        "max_removed_words",
    }
    assert resolve(["none"]) == resolve(["gpt3"]) == resolve([]) == {}


def test_what_stands_later_changes_what_stands_before():
    assert resolve(["gopher-quality", "min_words=20"])["min_words"] == 20
    assert resolve(["min_words=20", "gopher-quality"])["min_words"] == 50
    assert "min_words" not in resolve(["gopher", "-min_words"])
    assert "min_words" not in resolve(["gopher", "min-words=off"])
    assert resolve(["none", "max_characters"]) == {"max_characters": 1_000_000}
    assert resolve(["fineweb", "c4"])["end_mark"] == 1
    assert resolve(["gopher", "-gopher-quality"]) == resolve(["gopher-repetition"])


def test_rules_are_asked_in_one_order():
    assert list(resolve(["max_newlines", "min_words", "max_top_2_gram"])) == [
        "max_top_2_gram",
        "min_words",
        "max_newlines",
    ]


def test_limits_of_ones_own_are_known():
    assert explicit(["gopher", "min-word-length=2", "-max_words", "min_words"]) == {"min_word_length"}
    assert explicit(["min_word_length=2", "gopher"]) == set()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("golpher", "did you mean 'gopher'?"),
        ("min_word", "did you mean 'min_words'?"),
        ("xyzzy", "--list-rules"),
        ("min_words=many", "'many' is no number"),
        ("min_words=-1", "'-1' is no number"),
        ("min_words=nan", "'nan' is no number"),
        ("-gofer", "is no rule"),
        ("-min_words=3", "is no rule"),
        ("", "is no rule"),
    ],
)
def test_what_is_unknown_is_named(entry, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        resolve([entry])


def test_names_say_which_side_is_allowed_and_are_unique():
    assert len(BY_NAME) == len(RULES)
    assert not set(BY_NAME) & set(SETS)
    for rule in RULES:
        assert rule.name.startswith(("min_", "max_")) == (rule.unit != "switch")
        assert rule.usual > 0
        assert rule.help.endswith(".")


def test_the_table_has_every_rule_and_its_sets():
    rows = {row["rule"]: row for row in table()}
    assert list(rows) == [rule.name for rule in RULES]
    assert rows["min_words"]["sets"] == ["gopher-quality", "gopher", "fineweb", "dclm"]
    assert rows["min_characters"]["sets"] == []
    assert rows["end_mark"]["sets"] == ["c4"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"rules": ("gopher", "min_words=10", "max_words=5")}, "min_words 10 is more than max_words 5"),
        ({"rules": ("gpt3",)}, "needs --quality-model"),
        ({"pareto": 9.0}, "--pareto needs --quality-model"),
        ({"extractor": "resiliparse", "favor": "recall"}, "--favor means nothing to resiliparse"),
        ({"quality_model": "m", "pareto": 0.0}, "--pareto must be over 0"),
        ({"language": ("english",)}, "--language"),
        ({"language": ("any", "en")}, "--language"),
        ({"language": ()}, "--language"),
        ({"language_characters": 0}, "--language-characters"),
    ],
)
def test_settings_refuse_what_makes_no_sense(values, words):
    with pytest.raises(ValueError, match=words):
        CleanSettings(**values)


def test_gpt3_means_its_alpha():
    assert CleanSettings(rules=("gpt3",), quality_model="m").alpha == 9
    assert CleanSettings(rules=("gpt3",), quality_model="m", pareto=3.0).alpha == 3
    assert CleanSettings(rules=("gpt3",), quality_model="m", min_quality=0.5).alpha is None
    assert CleanSettings(quality_model="m").alpha is None
