"""A regular expression as a table that kernels walk: one look-up a character tells whether it is found.

For expressions that are alternatives of character sets in a row, some of them optional, `^` in
front or not. Such a search needs no backtracking: the state is the set of what is left of the
alternatives begun (their Brzozowski derivatives, doi 10.1145/321239.321249), built once.
"""

import importlib
import itertools
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

CODES = 0x110000  # code points of Unicode
START, FOUND, MIDDLE = 0, 1, 2  # states: before the first character, a match was seen, nothing is begun

Toggles = tuple[int, ...]  # a set of characters: the code points at which membership changes
Row = tuple[Toggles, ...]  # sets that characters in a row must be in

parser = importlib.import_module("re._parser")
CATEGORIES = {"CATEGORY_SPACE": r"\s", "CATEGORY_WORD": r"\w", "CATEGORY_DIGIT": r"\d"}


class Automaton(NamedTuple):
    """Where `transitions[state, classes[code]]` leads: it ends in FOUND if the expression is found in the text.

    classes: uint8 [0x110000]; transitions: int16 [states, classes]; kinds: uint8, by class; memory:
    the state tells nothing of what stands more than so many characters back.
    """

    classes: np.ndarray
    transitions: np.ndarray
    kinds: np.ndarray
    memory: int


def search_automaton(pattern: re.Pattern[str], kinds: np.ndarray) -> Automaton:
    """The automaton that searches for `pattern`; a class has characters of one kind only (uint8 [0x110000]).

    Raises NotImplementedError where the expression has something else than sets in a row.
    """
    if pattern.flags & ~(re.VERBOSE | re.UNICODE):
        raise NotImplementedError(f"flags {pattern.flags} in a regular expression")
    alternatives = list(_rows(parser.parse(pattern.pattern, pattern.flags)))
    anchored = frozenset(row for at_start, row in alternatives if at_start)
    free = frozenset(row for at_start, row in alternatives if not at_start)
    sets = sorted({chars for _, row in alternatives for chars in row})

    changes = np.flatnonzero(np.diff(kinds)) + 1
    edges = np.unique(np.concatenate([[0], changes, *[np.array(chars) for chars in sets]]))
    edges = edges[edges < CODES]
    inside = np.stack([np.searchsorted(chars, edges, "right") % 2 for chars in sets], axis=1)
    signatures, numbers = np.unique(np.column_stack([kinds[edges], inside]), axis=0, return_inverse=True)
    if len(signatures) > 256:
        raise NotImplementedError(f"{len(signatures)} classes of characters")
    classes = np.repeat(numbers.ravel().astype(np.uint8), np.diff(np.append(edges, CODES)))
    members = [{chars for chars, is_in in zip(sets, row, strict=True) if is_in} for row in signatures[:, 1:]]
    transitions = _transitions(anchored, free, members)
    memory = max(len(row) for _, row in alternatives) - 1
    return Automaton(classes, transitions, signatures[:, 0].astype(np.uint8), memory)


def _transitions(anchored: frozenset[Row], free: frozenset[Row], members: list[set[Toggles]]) -> np.ndarray:
    """int16 [states, classes]; a state stands for the rest of each alternative that is begun."""
    begun = [frozenset(row[1:] for row in free if row[0] in sets) for sets in members]
    found = frozenset({()})
    numbers: dict[frozenset[Row], int] = {anchored: START, found: FOUND}
    numbers.setdefault(frozenset(), MIDDLE)
    table: list[list[int]] = []
    waiting = list(numbers)
    for state in waiting:
        row = []
        for sets, new in zip(members, begun, strict=True):
            reached = new | {rest[1:] for rest in state if rest and rest[0] in sets}
            if state == found or () in reached:
                reached = found
            if reached not in numbers:
                numbers[reached] = len(numbers)
                waiting.append(reached)
            row.append(numbers[reached])
        table.append(row)
    return np.array(table, np.int16)


def _rows(expression: Any) -> Iterator[tuple[bool, Row]]:
    """Every row of sets the parsed expression stands for, and whether it holds at the start only."""
    parts: list[list[tuple[bool, Row]]] = []
    for operation, argument in expression:
        match str(operation):
            case "AT" if str(argument) == "AT_BEGINNING":
                parts.append([(True, ())])
            case "BRANCH":
                parts.append([row for branch in argument[1] for row in _rows(branch)])
            case "SUBPATTERN" if not argument[1] and not argument[2]:
                parts.append(list(_rows(argument[3])))
            case "MAX_REPEAT" if tuple(argument[:2]) == (0, 1):
                parts.append([(False, ()), *_rows(argument[2])])
            case _:
                parts.append([(False, (_toggles(str(operation), argument),))])
    for choice in itertools.product(*parts):
        if any(at_start for at_start, _ in choice[1:]):
            raise NotImplementedError("^ inside a regular expression")
        yield bool(choice) and choice[0][0], tuple(itertools.chain.from_iterable(row for _, row in choice))


def _toggles(operation: str, argument: Any) -> Toggles:
    """The set of characters that one part of a parsed expression stands for."""
    chosen = np.zeros(CODES, bool)
    items = argument if operation == "IN" else [(operation, argument)]
    negated = False
    for item, value in items:
        match str(item):
            case "LITERAL":
                chosen[value] = True
            case "NOT_LITERAL":
                chosen[value] = negated = True
            case "RANGE":
                chosen[value[0] : value[1] + 1] = True
            case "ANY":
                chosen[ord("\n")] = negated = True
            case "CATEGORY" if str(value) in CATEGORIES:
                every = np.arange(CODES, dtype="<u4").tobytes().decode("utf-32-le", "surrogatepass")
                for run in re.finditer(CATEGORIES[str(value)] + "+", every):
                    chosen[run.start() : run.end()] = True
            case "NEGATE":
                negated = True
            case other:
                raise NotImplementedError(f"{other} in a regular expression")
    return tuple(int(code) for code in np.flatnonzero(np.diff(chosen ^ negated, prepend=False)))
