"""What ftfy and Unicode normalisation do to single characters, as tables for the kernel that repairs text.

All of it is read from ftfy's own expressions and functions and from `unicodedata`, nothing is listed by hand.
"""

import functools
import unicodedata
from typing import NamedTuple

import numpy as np
from ftfy.badness import BADNESS_RE

from gptkit.clean.mend import NORMALISED, STEPS
from gptkit.kernels.automaton import CODES, search_automaton
from gptkit.kernels.repair import FOREIGN, JOINING, MARK, REPLACED, SIGN, UNNORMAL

REPLACEABLE = 0x10000  # ftfy replaces no single character from here on
SURROGATES = range(0xD800, 0xE000)
ESCAPE = 0x1B  # ftfy removes whole sequences that begin with it
JAMO = (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))  # vowels and finals: they compose by rule, not by table


class Tables(NamedTuple):
    """The arguments of `kernels.repair.repair_segments` after the text, in order."""

    classes: np.ndarray
    transitions: np.ndarray
    kinds: np.ndarray
    memory: int
    orders: np.ndarray
    joins: np.ndarray
    replacements: np.ndarray
    replacement_starts: np.ndarray


@functools.cache
def tables() -> Tables:
    """Computed once in a process, in about half a second; nothing writes to it."""
    kinds = np.zeros(CODES, np.uint8)
    kinds[[ord(sign) for sign in "&<\n"]] = SIGN
    kinds[ESCAPE] |= FOREIGN
    replacements, starts = _replacements(kinds)
    orders, joins = _compositions(kinds)
    return Tables(*search_automaton(BADNESS_RE, kinds), orders, joins, replacements, starts)


def _replacements(kinds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """UTF-8 (uint8) that stands for each replaced character, and where it begins (int32 [codes + 1])."""
    codes = [code for code in range(REPLACEABLE) if code not in SURROGATES]
    separator = chr(REPLACEABLE)
    text = separator.join(map(chr, codes))
    for step in STEPS:
        text = step(text)
    replacements = b""
    lengths = np.zeros(REPLACEABLE, np.int64)
    for code, new in zip(codes, text.split(separator), strict=True):
        if new != chr(code):
            fits = len(new.encode()) <= len(chr(code).encode())
            kinds[code] |= REPLACED if fits else FOREIGN
            replacements += new.encode()
            lengths[code] = len(new.encode())
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return np.frombuffer(replacements, np.uint8), starts


def _compositions(kinds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Combining classes (uint8 [0x110000]), and the pairs of characters that normalisation changes.

    Text of characters that are stable alone, with marks in canonical order, is normalised if no mark
    changes together with the last character of combining class 0 before it: whatever other marks stand
    between, those of that character's own decomposition come back to it, and each mark meets the same
    partial compositions as it does alone.
    """
    orders = np.zeros(CODES, np.uint8)
    seconds: set[str] = set()
    starters: set[str] = set()
    for code in range(NORMALISED):
        character = chr(code)
        orders[code] = unicodedata.combining(character)
        if not unicodedata.is_normalized("NFC", character):
            kinds[code] |= UNNORMAL
        parts = unicodedata.decomposition(character)
        if parts and not parts.startswith("<"):
            first, *second = [chr(int(part, 16)) for part in parts.split()]
            starters.update((first, character))
            seconds.update(second)
    starters = {c for c in starters if not orders[ord(c)] and not kinds[ord(c)] & UNNORMAL}
    seconds = {c for c in seconds if not kinds[ord(c)] & UNNORMAL}
    kinds[orders > 0] |= MARK
    kinds[list(JAMO)] |= UNNORMAL
    kinds[[ord(second) for second in seconds]] |= JOINING
    joins = [
        ord(starter) << 21 | ord(second)
        for starter in starters
        for second in seconds
        if unicodedata.normalize("NFC", starter + second) != starter + second
    ]
    return orders, np.array(sorted(joins), np.int64)
