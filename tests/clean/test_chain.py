import itertools
import re

import numpy as np
import pyarrow as pa
import pytest

from gptkit.clean.chain import RULE_ORDER, STEPS, Chain
from gptkit.clean.rules import RULES, resolve
from gptkit.clean.settings import CleanSettings

GOOD = "the cat sat with the dog and they have been to the house that stands there. "
# Prose in which hardly anything comes twice, so that each rule is met alone
SENTENCES = """
The miller kept his flour in a stone barn that had been built by monks.
Every spring some water came through its floor, and they would carry sacks upstairs with much complaint.
His daughter Karin learned to count on those sacks before she could read.
When she was nine years old a painter arrived from Bergen, looking for a quiet room.
He stayed until October, paid in silver, and left behind two brushes of badger hair.
Nobody knew what became of him, though letters for that odd guest were delivered until 1911.
Karin painted the barn four times with his brushes; one picture hangs in Oslo today.
Visitors often ask whether those dark shapes near a window are cats or shadows.
"""
VARIED = SENTENCES.strip().replace("\n", " ")
GERMAN = "Der Fluss ist mit Vorsicht zu überqueren, und von allen, die es versucht haben, kamen wenige zurück. "
CHINESE = "这条河必须小心渡过，在所有尝试过的人中，很少有人回来讲述他们的故事。"


def documents(texts):
    numbers = [str(n) for n in range(len(texts))]
    urls = [f"https://host{n}.example/page" for n in numbers]
    return pa.record_batch({"id": numbers, "source": ["s"] * len(texts), "url": urls, "text": texts})


def verdicts(texts, *rules, **settings):
    """For each text the rule it went by (None: it stayed), and what was measured."""
    outcome = Chain(CleanSettings(**{"rules": rules, "language": ("any",)} | settings)).run(documents(texts))
    found = {int(row["id"]): (None, None, None) for row in outcome.kept.to_pylist()}
    for batch in outcome.rejected:
        found |= {int(row["id"]): (row["rule"], row["value"], row["limit"]) for row in batch.to_pylist()}
    assert sorted(found) == list(range(len(texts)))
    return [found[n] for n in range(len(texts))]


@pytest.mark.parametrize(
    ("text", "rule", "value", "limit"),
    [
        (VARIED, None, None, None),
        ("the cat and the dog", "min_words", 5, 50),
        ("a " * 60, "min_word_length", 1.0, 3),
        ("supercalifragilisticos " * 60, "max_word_length", 22.0, 10),
        (VARIED + " #" * 60, "max_hashes", None, 0.1),
        (VARIED + " ..." * 60, "max_ellipses", None, 0.1),
        ("\n".join("- " + line for line in SENTENCES.split("\n")[1:-1]), "max_bullet_lines", 1.0, 0.9),
        ("\n".join(line[:-1] + "..." for line in SENTENCES.split("\n")[1:-1]), "max_ellipsis_lines", 1.0, 0.3),
        (VARIED + " 12345" * 120, "min_alpha_words", None, 0.8),
        ("some words here without any function word " * 10, "min_stop_words", 0, 2),
    ],
)
def test_gophers_rules_on_quality(text, rule, value, limit):
    (found,) = verdicts([text], "gopher-quality", "max_words=1000", "max_word_length=10")
    assert found[0] == rule
    assert found[2] == limit
    if value is not None:
        assert found[1] == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (VARIED, None),
        (GOOD * 10, "max_top_4_gram"),
        ((VARIED[:300] + "\n\n") * 3 + VARIED, "max_dup_paragraphs"),
        (VARIED + "\n" + "\n".join([VARIED[:300]] * 12), "max_dup_lines"),
        ("\n".join(["x"] * 7 + SENTENCES.split("\n")[1:-1]), "max_dup_lines"),
    ],
)
def test_gophers_rules_on_repetition(text, rule):
    assert verdicts([text], "gopher-repetition")[0][0] == rule


def test_c4_takes_lines_and_documents():
    lines = SENTENCES.split("\n")[1:7]
    text = "\n".join(
        [*lines, "No end mark here", "Turn on JavaScript to read on.", "Two words.", "We use cookies on it."]
    )
    batch = documents(
        [text, text + "\nA line { of code.", "Lorem ipsum dolor sit amet.\n" + text, "\n".join(lines[:4])]
    )
    outcome = Chain(CleanSettings(rules=("c4",), language=("any",))).run(batch)
    assert outcome.kept.column("text").to_pylist() == ["\n".join(lines)]
    rules = {row["id"]: row["rule"] for part in outcome.rejected for row in part.to_pylist()}
    assert rules == {"1": "curly_bracket", "2": "lorem_ipsum", "3": "min_sentences"}
    assert outcome.funnel.edits["end_mark"][0] >= 1
    assert outcome.funnel.edits["javascript"][0] >= 1


def test_dclm_takes_lines_and_documents_that_lose_too_much():
    noise = "3 likes\n2024\nSHOUTED\n"
    lines = [rule for rule in resolve(["dclm"]) if rule not in resolve(["gopher"])]
    kept, lost, unchanged = verdicts([SENTENCES + noise, SENTENCES + noise * 4, SENTENCES], "none", *lines)
    assert kept[0] is unchanged[0] is None
    assert lost[0] == "max_removed_words"
    outcome = Chain(CleanSettings(rules=("none", *lines), language=("any",))).run(documents([SENTENCES + noise]))
    assert outcome.kept.column("text").to_pylist() == [SENTENCES.strip()]
    assert outcome.funnel.edits["counter_lines"] == [1]


def test_finewebs_rules_look_at_the_text_that_c4_left():
    lines = SENTENCES.split("\n")[1:-1]
    noise = ["Menu entry"] * 30
    text = "\n".join(lines + noise)
    assert verdicts([text], "fineweb-quality")[0][0] in ("max_short_lines", "max_repeated_line_characters")
    assert verdicts([text], "c4", "fineweb-quality")[0][0] is None  # the noise has gone before


@pytest.mark.parametrize("language", [("any",), ("en",), ("de", "zh")])
def test_languages(language):
    found = verdicts([VARIED, GERMAN * 6, CHINESE * 8, ""], "none", language=language)
    assert found[3][0] == "empty"
    kept = {"en": 0, "de": 1, "zh": 2}
    for code, place in kept.items():
        wanted = language == ("any",) or code in language
        assert found[place][0] == (None if wanted else "language")


def test_rules_without_data_for_a_language_are_skipped_and_counted():
    outcome = Chain(CleanSettings(rules=("gopher-repetition", "max_top_2_gram=0"), language=("any",))).run(
        documents([CHINESE * 8, GERMAN * 6])
    )
    assert outcome.funnel.skipped["max_top_3_gram"] == [1]  # three characters are no phrase
    assert "max_top_2_gram" not in outcome.funnel.skipped  # it was given a limit of its own
    assert outcome.funnel.languages == {"zh": [1], "de": [1]}


def test_a_limit_of_ones_own_holds_for_every_language():
    finnish = "Tietokoneohjelmistosuunnittelija työskentelee kehitysosastolla " * 20
    usual, own = (verdicts([finnish], "none", *rules)[0][0] for rules in (["max_word_length"], ["max_word_length=4"]))
    assert usual == "max_word_length"  # Finnish words are long, but not as long as this one
    assert own == "max_word_length"


def test_length_limits():
    found = verdicts(["x" * 10, "x" * 500, "x" * 3000], "min_characters", "max_characters=2000")
    assert found == [("min_characters", 10, 200), (None, None, None), ("max_characters", 3000, 2000)]


def test_addresses_on_lists_are_not_even_read(tmp_path):
    (tmp_path / "domains").write_text("host1.example\n")
    chain = Chain(CleanSettings(rules=("none",), language=("any",), block_domains=(str(tmp_path / "domains"),)))
    outcome = chain.run(documents([VARIED, VARIED]))
    assert outcome.kept.column("id").to_pylist() == ["0"]
    (row,) = outcome.rejected[0].to_pylist()
    assert (row["rule"], row["detail"]) == ("url_domain", "host1.example")
    assert "language" not in row


def test_people_and_machines_are_hidden():
    (text,) = (
        Chain(CleanSettings(rules=("none",), language=("any",), pii=True))
        .run(documents(["Write to jane.doe@corp.example or 8.8.8.8 from 10.0.0.1."]))
        .kept.column("text")
        .to_pylist()
    )
    assert text == "Write to email@example.com or 192.0.2.1 from 10.0.0.1."


def pages(htmls):
    numbers = [str(n) for n in range(len(htmls))]
    return pa.record_batch(
        {
            "id": numbers,
            "source": ["s"] * len(htmls),
            "url": numbers,
            "html": pa.array(htmls, pa.binary()),
            "charset": pa.array([None] * len(htmls), pa.string()),
        }
    )


def test_pages_in_quarantine_are_not_touched():
    page = f"<html><body><article><p>{VARIED}</p></article></body></html>".encode()
    chain = Chain(CleanSettings(rules=("none",), language=("any",)))
    outcome = chain.run(pages([page] * 4), 100, {102: "took over 60 s"})
    assert outcome.kept.column("id").to_pylist() == ["0", "1", "3"]
    (row,) = outcome.rejected[0].to_pylist()
    assert (row["id"], row["rule"], row["detail"]) == ("2", "quarantine", "took over 60 s")


def test_the_funnel_adds_up():
    texts = [VARIED, "short", "", GERMAN * 6, GOOD * 10, VARIED + " {"]
    outcome = Chain(CleanSettings(rules=("gopher", "c4", "fineweb-quality"))).run(documents(texts))
    table = outcome.funnel.counts(STEPS, RULE_ORDER)
    steps = table["steps"]
    assert [step["step"] for step in steps] == ["repair", "length", "language", "gopher", "c4", "fineweb"]
    for before, after in itertools.pairwise(steps):
        assert (before["documents_out"], before["bytes_out"]) == (after["documents_in"], after["bytes_in"])
    assert steps[0]["documents_in"] == len(texts)
    assert steps[-1]["documents_out"] == len(outcome.kept)
    left = sum(rule["documents"] for rule in table["rules"].values())
    assert left == len(texts) - len(outcome.kept) == sum(map(len, outcome.rejected))


def test_explaining_gives_every_rule_and_changes_no_verdict():
    chain = Chain(CleanSettings(rules=("gopher", "dclm", "c4", "fineweb-quality", "min_characters"), language=("en",)))
    for text in (VARIED, "short", GERMAN * 6, GOOD * 10):
        rows, _ = chain.explain(documents([text]))
        measured = [row["rule"] for row in rows]
        expected = {rule.name for rule in RULES if not rule.lines and rule.name in chain.limits}
        assert expected <= set(measured)
        outcome = chain.run(documents([text]))
        first = next((row["rule"] for row in rows if row["broken"]), None)
        assert first == (outcome.rejected[0].column("rule")[0].as_py() if outcome.rejected else None)


def test_batches_do_not_matter():
    texts = [VARIED, "short", GERMAN * 6, GOOD * 10, CHINESE * 8, VARIED + " {"] * 3
    chain = Chain(CleanSettings(rules=("gopher", "c4"), language=("any",)))
    whole = chain.run(documents(texts))
    kept, rejected = [], []
    for part in np.array_split(np.arange(len(texts)), 5):
        outcome = chain.run(documents(texts).take(pa.array(part)))
        kept += outcome.kept.to_pylist()
        rejected += [(row["id"], row["rule"]) for batch in outcome.rejected for row in batch.to_pylist()]
    assert kept == whole.kept.to_pylist()
    assert sorted(rejected) == sorted((row["id"], row["rule"]) for batch in whole.rejected for row in batch.to_pylist())


def test_every_rule_has_a_place_in_the_order():
    assert {rule.name for rule in RULES} < set(RULE_ORDER)
    assert all(re.fullmatch("[a-z0-9_]+", name) for name in RULE_ORDER)
