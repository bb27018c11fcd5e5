"""The rules of `gptkit clean`: what each measures, its limit in each named set, and how they are chosen.

Sources: Gopher (arXiv 2112.11446, table A1), C4 (arXiv 1910.10683, section 2.2, and its code in
TensorFlow Datasets), FineWeb (arXiv 2406.17557, section 3.6), DCLM (arXiv 2406.11794, its
reproduction of RefinedWeb). What a statistic means exactly is what datatrove 0.10 computes, over
the words of `kernels.words`.
"""

import dataclasses
import difflib
from collections.abc import Iterable

LENGTH, REPETITION, QUALITY, DCLM, C4, FINEWEB = "length", "repetition", "quality", "dclm", "c4", "fineweb"


@dataclasses.dataclass(frozen=True)
class Rule:
    """A statistic and its limit. A document, or a line in it, that is beyond the limit goes."""

    name: str
    step: str
    usual: float  # the limit where no other is given; 1 for what is only switched on
    help: str
    unit: str = "0 to 1"
    lines: bool = False  # takes lines away rather than documents


def _grams(kind: str, limits: dict[int, float]) -> list[Rule]:
    what = {"top": "the most frequent", "dup": "repeated"}[kind]
    return [
        Rule(f"max_{kind}_{n}_gram", REPETITION, limit, f"Share of characters in {what} {n}-grams of words.")
        for n, limit in limits.items()
    ]


# In the order in which they are asked; within a step the first broken rule is the reason.
RULES = (
    Rule("min_characters", LENGTH, 200, "Fewest characters of a document.", "characters"),
    Rule("max_characters", LENGTH, 1_000_000, "Most characters of a document.", "characters"),
    Rule("max_dup_paragraphs", REPETITION, 0.3, "Share of paragraphs that came before."),
    Rule("max_dup_paragraph_characters", REPETITION, 0.2, "Share of characters in paragraphs that came before."),
    Rule("max_dup_lines", REPETITION, 0.3, "Share of lines that came before."),
    Rule("max_dup_line_characters", REPETITION, 0.2, "Share of characters in lines that came before."),
    *_grams("top", {2: 0.2, 3: 0.18, 4: 0.16}),
    *_grams("dup", {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}),
    Rule("min_words", QUALITY, 50, "Fewest words that are no symbols.", "words"),
    Rule("max_words", QUALITY, 100_000, "Most words that are no symbols.", "words"),
    Rule("min_word_length", QUALITY, 3, "Least mean length of these words.", "characters"),
    Rule("max_word_length", QUALITY, 10, "Greatest mean length of these words.", "characters"),
    Rule("max_hashes", QUALITY, 0.1, "'#' for each word.", "ratio"),
    Rule("max_ellipses", QUALITY, 0.1, "Ellipses for each word.", "ratio"),
    Rule("max_bullet_lines", QUALITY, 0.9, "Share of lines that begin with a bullet."),
    Rule("max_ellipsis_lines", QUALITY, 0.3, "Share of lines that end in an ellipsis."),
    Rule("min_alpha_words", QUALITY, 0.8, "Share of words with a letter."),
    Rule("min_stop_words", QUALITY, 2, "Distinct words of the language's most frequent ones.", "words"),
    Rule("max_line_uppercase", DCLM, 0.5, "Share of upper-case letters in a line.", lines=True),
    Rule("max_line_digits", DCLM, 0.999999, "Share of digits in a line.", lines=True),
    Rule("counter_lines", DCLM, 1, "Lines like '3 likes' go.", "switch", lines=True),
    Rule("min_line_words_dclm", DCLM, 2, "Fewest words of a line.", "words", lines=True),
    Rule(
        "navigation_lines", DCLM, 1, "'Items in cart', 'read more...', 'sign-in' go from short lines.", "switch", True
    ),
    Rule(
        "max_removed_words", DCLM, 0.05, "Share of words that DCLM's rules on lines may take before the document goes."
    ),
    Rule("max_word_characters", C4, 1_000, "Longest word of a line.", "characters", lines=True),
    Rule("citations", C4, 1, "[1], [edit] and [citation needed] go from lines.", "switch", lines=True),
    Rule("end_mark", C4, 1, "Lines must end in . ? ! or a quotation mark, and not in '...'.", "switch", lines=True),
    Rule("min_line_words", C4, 3, "Fewest words of a line.", "words", lines=True),
    Rule("lorem_ipsum", C4, 1, "Documents with 'lorem ipsum' go.", "switch"),
    Rule("javascript", C4, 1, "Lines with 'javascript' go.", "switch", lines=True),
    Rule("curly_bracket", C4, 1, "Documents with '{' go.", "switch"),
    Rule("policy", C4, 1, "Lines on cookies, terms of use and privacy policies go.", "switch", lines=True),
    Rule("min_sentences", C4, 5, "Fewest sentences in the lines that stay.", "sentences"),
    Rule("min_line_ends", FINEWEB, 0.12, "Share of lines that end in a sentence's mark."),
    Rule("max_short_lines", FINEWEB, 0.67, "Share of lines of at most 30 characters."),
    Rule("max_repeated_line_characters", FINEWEB, 0.01, "Share of characters in repeated lines."),
    Rule("max_newlines", FINEWEB, 0.3, "Line breaks for each word.", "ratio"),
)
BY_NAME = {rule.name: rule for rule in RULES}


def _of(*steps: str) -> tuple[str, ...]:
    return tuple(rule.name for rule in RULES if rule.step in steps)


SETS: dict[str, tuple[str, ...]] = {
    "gopher-repetition": _of(REPETITION),
    "gopher-quality": _of(QUALITY),
    "gopher": _of(REPETITION, QUALITY),
    "c4": _of(C4),
    "fineweb-quality": _of(FINEWEB),
    # FineWeb's chain: without C4's rule on how lines end
    "fineweb": tuple(name for name in _of(REPETITION, QUALITY, C4, FINEWEB) if name != "end_mark"),
    "dclm": _of(REPETITION, QUALITY, DCLM),
    "gpt3": (),  # GPT-3 had no rules but its quality filter, a trained model
    "none": (),
}
OFF = "off"


def resolve(chosen: Iterable[str]) -> dict[str, float]:
    """The rules that are on and their limits, from sets and single rules: NAME, NAME=LIMIT, -NAME, NAME=off, -SET.

    Sets add up; what stands later changes what stands before. Raises ValueError naming what is
    unknown and the nearest known name.
    """
    return {name: limit for name, (limit, _) in _choose(chosen).items()}


def explicit(chosen: Iterable[str]) -> frozenset[str]:
    """The rules whose limit was given with them; it holds for every language."""
    return frozenset(name for name, (_, own) in _choose(chosen).items() if own)


def _choose(chosen: Iterable[str]) -> dict[str, tuple[float, bool]]:
    """The limit of each rule that is on, and whether it was given."""
    limits: dict[str, tuple[float, bool]] = {}
    for entry in chosen:
        if entry in SETS:
            limits |= {name: (BY_NAME[name].usual, False) for name in SETS[entry]}
            continue
        if entry.startswith("-") and entry[1:] in SETS:
            for name in SETS[entry[1:]]:
                limits.pop(name, None)
            continue
        name, equals, value = entry.lstrip("-").partition("=")
        name = name.strip().replace("-", "_")
        if name not in BY_NAME or (equals and entry.startswith("-")):
            raise ValueError(f"--rules: {entry!r} is no rule and no set; {_near(name)}")
        if entry.startswith("-") or value.strip() == OFF:
            limits.pop(name, None)
        else:
            limits[name] = (_limit(BY_NAME[name], value), True) if equals else (BY_NAME[name].usual, False)
    return {rule.name: limits[rule.name] for rule in RULES if rule.name in limits}


def _limit(rule: Rule, text: str) -> float:
    try:
        value = float(text)
        if not value >= 0:  # nan is neither
            raise ValueError
    except ValueError:
        raise ValueError(f"--rules: {rule.name}={text}: {text!r} is no number from 0 on, and not 'off'") from None
    return value


def _near(name: str) -> str:
    near = difflib.get_close_matches(name, [*SETS, *BY_NAME], 1)
    return f"did you mean {near[0]!r}?" if near else f"sets: {', '.join(SETS)}; rules: gptkit clean --list-rules"


def table() -> list[dict[str, object]]:
    """Every rule with its step, usual limit, unit, meaning, and the sets that have it; in the order of asking."""
    return [
        {
            "rule": rule.name,
            "step": rule.step,
            "limit": rule.usual,
            "unit": rule.unit,
            "takes": "lines" if rule.lines else "documents",
            "meaning": rule.help,
            "sets": [name for name, rules in SETS.items() if rule.name in rules],
        }
        for rule in RULES
    ]
