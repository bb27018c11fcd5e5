"""What the attributes of a start tag say: its groups, its look, its link, whether it is seen."""

import numpy as np

from gptkit.kernels.html_names import ARIA_HIDDEN, ATTRIBUTE, BIT, HIDDEN
from gptkit.kernels.html_syntax import (
    FNV_PRIME,
    FNV_START,
    is_letter,
    is_space,
    look_up,
    lowered,
    name_end,
    next_attribute,
)
from gptkit.kernels.jit import helper

A_CLASS, A_ID, A_ROLE, A_ITEMPROP, A_HREF, A_HIDDEN, A_STYLE, A_ARIA, A_START = (
    ATTRIBUTE[name] for name in "class id role itemprop href hidden style aria-hidden start".split()
)
HIDDEN_BIT, ARIA_BIT = np.uint64(1 << BIT[HIDDEN]), np.uint64(1 << BIT[ARIA_HIDDEN])
DISPLAY, NONE, VISIBILITY, HIDES, TRUE = (
    tuple(word) for word in (b"display", b"none", b"visibility", b"hidden", b"true")
)


@helper
def _words(page, place, end, steps, begins, whole):
    """The groups that words in an attribute's value belong to."""
    found = np.uint64(0)
    state, small = 1, False  # state 0: the word is not known
    while place < end:
        byte = page[place]
        place += 1
        if not is_letter(byte):
            found |= whole[state]
            state, small = 1, False
            continue
        capital = byte < 97
        if capital and small:  # camelCase
            found |= whole[state]
            state = 1
        small = not capital
        if state:
            state = steps[state, np.int64(byte | 32) - 97]
            found |= begins[state]
    return found | whole[state]


@helper
def _matches(page, place, end, word):
    """Whether a word in small letters begins at `place`."""
    if place + len(word) > end:
        return False
    for index in range(len(word)):  # noqa: SIM110 (numba knows no all())
        if lowered(page[place + index]) != word[index]:
            return False
    return True


@helper
def _is_unseen(page, place, end):
    """Whether a style says `display: none` or `visibility: hidden`."""
    while place + len(DISPLAY) < end:
        display = _matches(page, place, end, DISPLAY)
        if display or _matches(page, place, end, VISIBILITY):
            place += len(DISPLAY) if display else len(VISIBILITY)
            while place < end and (is_space(page[place]) or page[place] == 58):
                place += 1
            if _matches(page, place, end, NONE) if display else _matches(page, place, end, HIDES):
                return True
        place += 1
    return False


@helper
def read_attributes(page, place, end, attribute_keys, attribute_values, steps, begins, whole):
    """Reads the attributes of a start tag.

    Gives the place behind the tag, whether it closes itself, its groups, a hash of its class without
    digits (those of a list's items differ in them), and the range of its href (0, 0: none).
    """
    mask, look, href_start, href_end = np.uint64(0), FNV_START, 0, 0
    while place < end:
        h, start, stop, place, closes = next_attribute(page, place, end)
        if h == np.uint64(0):
            return place, closes, mask, look, href_start, href_end
        name = look_up(attribute_keys, attribute_values, h)
        if name == 0:
            continue
        if name == A_CLASS or name == A_ID or name == A_ROLE or name == A_ITEMPROP:
            mask |= _words(page, start, stop, steps, begins, whole)
            if name == A_CLASS:
                for index in range(start, stop):
                    if not 48 <= page[index] <= 57:
                        look = (look ^ np.uint64(page[index])) * FNV_PRIME
        elif name == A_HREF and href_end == 0:
            href_start, href_end = start, stop
        elif name == A_HIDDEN or (name == A_STYLE and _is_unseen(page, start, stop)):
            mask |= HIDDEN_BIT
        elif name == A_ARIA and _matches(page, start, stop, TRUE):
            mask |= ARIA_BIT
    return place, False, mask, look, href_start, href_end


@helper
def stated_number(page, place, end, attribute_keys, attribute_values):
    """The number that an `<ol start>` (a tag from `place` to `end`) begins with; -1 for none up to nine digits."""
    place, h = name_end(page, place + 1, end)
    while place < end:
        h, start, stop, place, _ = next_attribute(page, place, end)
        if h == np.uint64(0):
            break
        if look_up(attribute_keys, attribute_values, h) == A_START and 0 < stop - start < 10:
            number = np.int64(0)
            for index in range(start, stop):
                if not 48 <= page[index] <= 57:
                    return -1
                number = 10 * number + np.int64(page[index]) - 48
            return number
    return -1
