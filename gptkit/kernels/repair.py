"""Repairs text as far as single characters go, and marks the segments that need more (kernel of `clean.repair`).

A segment ends behind "\\n" or after SEGMENT characters, as in ftfy. It is left alone if no step of
ftfy could change it; if steps that replace single characters are all it needs, they are done here.
That is known from a second look at what they gave: nothing of it may be replaced, composed,
decoded or found bad. All other segments are marked, with what was found in them.
"""

import numpy as np

from gptkit.kernels.automaton import FOUND, MIDDLE, START
from gptkit.kernels.characters import decode
from gptkit.kernels.jit import helper, kernel

SEGMENT = 1_000_000  # characters
LONGEST_ENTITY = 24  # letters and digits between `&` or `&#` and `;`

# Kinds of characters, bits
REPLACED, UNNORMAL, FOREIGN, MARK, JOINING, SIGN = 1, 2, 4, 8, 16, 32

# What is in a segment, bits; the first three as above
ENTITY, LESS_THAN = 8, 16

LINE_FEED, CARRIAGE_RETURN, AMPERSAND, LESS, NUMBER_SIGN, SEMICOLON = 0x0A, 0x0D, 0x26, 0x3C, 0x23, 0x3B

# Columns of a mark
DOCUMENT, BEGIN, END, PLACE, DECODES, FOUND_IN_IT = 0, 1, 2, 3, 4, 5


@helper
def _is_entity(text, place, end):
    """Whether something like `&amp;` or `&#38;` begins at the ampersand at `place`."""
    place += 1
    if place < end and text[place] == NUMBER_SIGN:
        place += 1
    begin = place
    while place < end and place - begin <= LONGEST_ENTITY:
        byte = text[place]
        letter = byte | 0x20
        if not (0x30 <= byte <= 0x39 or 0x61 <= letter <= 0x7A):
            return byte == SEMICOLON and place > begin
        place += 1
    return False


@helper
def _joins(joins, key):
    """Whether `key` is among the sorted `joins`."""
    low, high = 0, len(joins)
    while low < high:
        middle = (low + high) // 2
        if joins[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low < len(joins) and joins[low] == key


@helper
def _look(text, place, end, whole, classes, transitions, kinds, memory, orders, joins):
    """Where the segment at `place` ends, and what is in it (bits).

    Reads up to `end` if `whole`, else to the end of the segment. Inside a run of plain ASCII only
    the first and last `memory` characters are looked at: nothing is wrong with ASCII alone.
    """
    found = 0
    state = np.int64(START)
    starter, order = np.int64(0), 0  # the last character with combining class 0; the class of the last one
    characters = 0
    plain = 0  # plain ASCII characters in a row
    while place < end:
        if plain == memory:
            run = place
            stop = min(end, place + SEGMENT - characters)
            while run < stop and text[run] < 0x80 and not kinds[classes[text[run]]]:
                run += 1
            if run - memory > place:
                characters += run - memory - place
                place = run - memory
                state = np.int64(MIDDLE) if state != FOUND else np.int64(FOUND)
        code, width = decode(text, place, end)
        group = np.int64(classes[code]) if code < len(classes) else np.int64(0)
        state = np.int64(transitions[state, group])
        kind = kinds[group]
        characters += 1
        plain = plain + 1 if code < 0x80 and not kind else 0
        if kind & MARK:
            own = orders[code]
            if own < order:
                found |= UNNORMAL
            order = own
        if kind & JOINING and _joins(joins, starter << 21 | code):
            found |= UNNORMAL
        if not kind & MARK:
            starter, order = code, 0
        found |= kind & (REPLACED | UNNORMAL | FOREIGN)
        if kind & SIGN:
            if code == AMPERSAND:
                if not found & ENTITY and _is_entity(text, place, end):
                    found |= ENTITY
            elif code == LESS:
                found |= LESS_THAN
            elif not whole:  # "\n"
                place += width
                break
        place += width
        if characters == SEGMENT and not whole:
            break
    if state == FOUND:
        found |= FOREIGN
    return min(place, end), found


@helper
def _replace(text, place, end, out, filled, classes, kinds, replacements, replacement_starts):
    """Writes text[place:end] to `out` from `filled` with single characters replaced; returns where it ends."""
    while place < end:
        code, width = decode(text, place, end)
        kind = kinds[classes[code]] if code < len(classes) else 0
        if not kind & REPLACED:
            for index in range(place, min(place + width, end)):
                out[filled] = text[index]
                filled += 1
        elif not (code == CARRIAGE_RETURN and place + 1 < end and text[place + 1] == LINE_FEED):
            for index in range(replacement_starts[code], replacement_starts[code + 1]):
                out[filled] = replacements[index]
                filled += 1
        place += width
    return filled


@helper
def _copy(text, place, end, out, filled):
    """Writes text[place:end] to `out` from `filled`; returns where it ends. (Slices take long to compile.)"""
    for index in range(end - place):
        out[filled + index] = text[place + index]
    return filled + end - place


@kernel
def repair_segments(text, starts, classes, transitions, kinds, memory, orders, joins, replacements, replacement_starts):
    """Repairs segments where that takes only replacing single characters, and marks those that need more.

    text: uint8, valid UTF-8 of all documents; starts: int64 [documents + 1]; classes, transitions,
    kinds: an automaton that finds what looks mis-decoded, and the kinds of its classes; orders:
    uint8 [0x110000], combining classes; joins: sorted int64, `starter << 21 | code` of the pairs
    that normalisation changes; replacements: uint8, and replacement_starts: int32 [codes + 1], for
    characters of kind REPLACED, each no longer than its character.
    Returns (changed, out, out_starts, marks). changed: False where all text stays as it is (the
    others are then empty). out: uint8, the repaired text without the marked segments; out_starts:
    int64 [documents + 1]; marks: int64 [marks, 6]: document, begin and end in `text`, place in
    `out`, whether entities are decoded in it (no `<` came before), and what was found in it.
    """
    documents = len(starts) - 1
    out = np.empty(starts[documents] - starts[0], np.uint8)
    out_starts = np.zeros(documents + 1, np.int64)
    marks = np.empty((16, 6), np.int64)
    marked = 0
    changed = False
    filled = np.int64(0)  # bytes of `out` that are in use
    waiting = starts[0]  # text from here on is not yet copied to `out`
    for document in range(documents):
        place, end = starts[document], starts[document + 1]
        decodes = True
        while place < end:
            stop, found = _look(text, place, end, False, classes, transitions, kinds, memory, orders, joins)
            if found & LESS_THAN:
                decodes = False
            more_needed = found & (FOREIGN | UNNORMAL) or (decodes and found & ENTITY)
            if more_needed or found & REPLACED:
                changed = True
                filled = _copy(text, waiting, place, out, filled)
                waiting = stop
                if not more_needed:
                    after = _replace(text, place, stop, out, filled, classes, kinds, replacements, replacement_starts)
                    _, left = _look(out, filled, after, True, classes, transitions, kinds, memory, orders, joins)
                    more_needed = left & (FOREIGN | UNNORMAL | REPLACED) or (decodes and left & ENTITY)
                    if not more_needed:
                        filled = after
                if more_needed:
                    if marked == len(marks):
                        marks = np.concatenate((marks, np.empty_like(marks)))
                    marks[marked, DOCUMENT] = document
                    marks[marked, BEGIN] = place
                    marks[marked, END] = stop
                    marks[marked, PLACE] = filled
                    marks[marked, DECODES] = decodes
                    marks[marked, FOUND_IN_IT] = found
                    marked += 1
            place = stop
        out_starts[document + 1] = filled + (end - waiting)
    if not changed:
        return False, out[:0], out_starts, marks[:0]
    filled = _copy(text, waiting, starts[documents], out, filled)
    return True, out[:filled], out_starts, marks[:marked]
