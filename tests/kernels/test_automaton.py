import itertools
import random
import re

import numpy as np
import pytest
from ftfy.badness import BADNESS_RE

from gptkit.kernels.automaton import CODES, FOUND, MIDDLE, START, Automaton, search_automaton


def build(pattern: str) -> Automaton:
    return search_automaton(re.compile(pattern), np.zeros(CODES, np.uint8))


def found(automaton: Automaton, text: str) -> bool:
    state = START
    for character in text:
        state = automaton.transitions[state, automaton.classes[ord(character)]]
    return state == FOUND


def representatives(automaton: Automaton) -> list[str]:
    return [chr(np.flatnonzero(automaton.classes == number)[0]) for number in range(len(automaton.kinds))]


@pytest.mark.parametrize("pattern", ["ab?c", "[a-c]d|^x[^y]", r"\s\w.", "(?:ab|cd)?e", "aab", r"^\d|b[^\w]?c"])
def test_finds_what_re_finds(pattern):
    automaton = build(pattern)
    for length in range(5):
        for text in map("".join, itertools.product("abcdexy1 \n", repeat=length)):
            assert found(automaton, text) == bool(re.search(pattern, text)), text


def test_finds_what_looks_mis_decoded():
    automaton = search_automaton(BADNESS_RE, np.zeros(CODES, np.uint8))
    every = representatives(automaton)
    for pair in map("".join, itertools.product(every, repeat=2)):
        assert found(automaton, pair) == bool(BADNESS_RE.search(pair)), pair
    drawn = random.Random(7)
    for _ in range(40_000):
        text = "".join(drawn.choices(every, k=drawn.randint(3, 6)))
        assert found(automaton, text) == bool(BADNESS_RE.search(text)), text


def test_state_forgets_what_lies_far_back():
    automaton = search_automaton(BADNESS_RE, np.zeros(CODES, np.uint8))
    drawn = random.Random(8)
    every = representatives(automaton)
    for _ in range(5_000):
        recent = drawn.choices(every, k=automaton.memory)
        ends = set()
        for state in (MIDDLE, drawn.randrange(MIDDLE, len(automaton.transitions))):
            for character in recent:
                state = automaton.transitions[state, automaton.classes[ord(character)]]
            ends.add(int(state))
        assert len(ends - {FOUND}) <= 1


def test_kinds_keep_classes_apart():
    kinds = np.zeros(CODES, np.uint8)
    kinds[ord("a")] = 3
    automaton = search_automaton(re.compile("[ab]c"), kinds)
    assert automaton.kinds[automaton.classes[ord("a")]] == 3
    assert automaton.kinds[automaton.classes[ord("b")]] == 0
    assert found(automaton, "ac")
    assert found(automaton, "bc")


@pytest.mark.parametrize("pattern", ["a*", "a$", "(?=a)b", "(?i)a", r"\Wa", r"(a)\1", "x^a"])
def test_what_is_not_sets_in_a_row_is_refused(pattern):
    with pytest.raises(NotImplementedError, match="regular expression"):
        build(pattern)
