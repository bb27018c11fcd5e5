"""Lines and paragraphs of a batch of texts: their hashes, and the texts without some of them.

A line ends at a line feed. A paragraph is a run of lines that are not empty; a line of white space
alone is empty. White space at the ends of a line or paragraph is no part of the unit.
"""

import functools
import unicodedata

import numpy as np

from gptkit.kernels.characters import PLANES, count_characters, decode
from gptkit.kernels.fnv import FNV_PRIME, FNV_START
from gptkit.kernels.jit import helper, kernel, routine
from gptkit.kernels.lines import copy, skip_space, skip_space_back
from gptkit.kernels.minhash import fmix64
from gptkit.kernels.words import hash_bytes

LINE_FEED = 0x0A
AS_IT_IS = np.empty(0, np.uint32)  # instead of a table: units are compared as they are

# Entries of the table that are no character
NOTHING, GAP = 0xFFFFFFFF, 0x20

# Columns of what became of a document: its units, those taken out and their bytes in the text, characters that went
UNITS, REMOVED, BEGIN, END, CHARACTERS = range(5)

ACCENTS = ((0x300, 0x36F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F))


@functools.cache
def normalised_characters() -> np.ndarray:
    """uint32 [PLANES]: what stands for each character where units are compared normalised, as in CCNet (arXiv 1911.00359).

    Lower case without accents (Unicode's combining diacritical marks; vowel signs and the like are
    letters), 0 for a decimal digit, GAP for white space, NOTHING for punctuation and control characters.
    """
    table = np.arange(PLANES, dtype=np.uint32)
    for code in range(PLANES):
        character = chr(code)
        category = unicodedata.category(character)
        if character.isspace():
            table[code] = GAP
        elif category == "Nd":
            table[code] = ord("0")
        elif category[0] == "P" or category in ("Cc", "Cf") or _is_accent(code):
            table[code] = NOTHING
        elif category[0] == "L":
            plain = [c for c in unicodedata.normalize("NFD", character.lower()) if not _is_accent(ord(c))]
            if len(plain) == 1:
                table[code] = ord(plain[0])
    return table


def _is_accent(code: int) -> bool:
    return any(low <= code <= high for low, high in ACCENTS)


@helper
def _line_end(text, place, end):
    while place < end and text[place] != LINE_FEED:
        place += 1
    return place


@routine
def _next_unit(text, place, end, paragraphs, flags):
    """The first line, or paragraph, that is not empty, from the beginning of a line at `place` on.

    Gives where its first line begins; where it begins and ends without the white space around it,
    which is the same where there is none; and where the line after it begins.
    """
    while place < end:
        line = place
        stop = _line_end(text, place, end)
        begin = skip_space(text, place, stop, flags)
        place = min(stop + 1, end)
        if begin == stop:
            continue
        while paragraphs and place < end:
            line_end = _line_end(text, place, end)
            if skip_space(text, place, line_end, flags) == line_end:
                break
            stop = line_end
            place = min(stop + 1, end)
        return line, begin, skip_space_back(text, stop, begin, flags), place
    return end, end, end, end


@routine
def _hash(text, begin, end, table):
    """A hash of text[begin:end]; with a table of what it says of its characters, where it leaves any."""
    h = FNV_START
    some = gap = False
    place = begin
    while len(table) and place < end:
        code, width = decode(text, place, end)
        place += width
        code = np.int64(table[code]) if code < PLANES else code
        if code == GAP:
            gap = some
        elif code != NOTHING:
            if gap:
                h = (h ^ np.uint64(GAP)) * FNV_PRIME
                h ^= h >> np.uint64(32)
            h = (h ^ np.uint64(code)) * FNV_PRIME
            h ^= h >> np.uint64(32)
            some, gap = True, False
    return fmix64(h if some else hash_bytes(text, begin, end))


@kernel
def hash_units(text, starts, paragraphs, min_length, table, flags):
    """Hashes (uint64) and numbers (uint32) of the units of at least `min_length` characters, and how many units there are.

    text: uint8, valid UTF-8 of all documents; starts: int64 [documents + 1]; paragraphs: whether
    these are the units, or else lines; table: AS_IT_IS or `normalised_characters`; flags:
    `characters.character_flags`. All units are numbered in order. With a table a run of white space
    is one gap, and none at the ends.
    """
    most = len(starts)
    for place in range(starts[0], starts[len(starts) - 1]):
        most += text[place] == LINE_FEED
    hashes, numbers = np.empty(most, np.uint64), np.empty(most, np.uint32)
    found = units = 0
    for document in range(len(starts) - 1):
        place, end = starts[document], starts[document + 1]
        while place < end:
            _, begin, stop, place = _next_unit(text, place, end, paragraphs, flags)
            if begin == stop:
                break
            # no more characters than bytes: most short lines need no count
            if stop - begin >= min_length and count_characters(text, begin, stop) >= min_length:
                hashes[found] = _hash(text, begin, stop, table)
                numbers[found] = units
                found += 1
            units += 1
    return hashes[:found], numbers[:found], units


@kernel
def remove_units(text, starts, paragraphs, goes, flags):
    """The texts without the units that go: UTF-8 (uint8), where each begins, and int64 [documents, 5] of counts.

    text to paragraphs, flags: see `hash_units`; goes: bool, one for each unit. A line goes with its
    line end, a paragraph with what parts it from the next one, so that what stays is parted as it
    was. Where the last one goes, what stays ends as the text did. A document of which only white
    space would stay becomes empty. Columns: UNITS, REMOVED, BEGIN, END, CHARACTERS; BEGIN and END
    are of the first unit that went, in the text.
    """
    documents = len(starts) - 1
    out = np.empty(starts[documents] - starts[0], np.uint8)
    out_starts = np.zeros(documents + 1, np.int64)
    rows = np.zeros((documents, 5), np.int64)
    to = unit = 0
    for document in range(documents):
        row = rows[document]
        place = waiting = starts[document]  # waiting: not yet copied
        end = last_end = starts[document + 1]
        origin = to
        went = False  # the last unit
        while place < end:
            line, begin, stop, place = _next_unit(text, place, end, paragraphs, flags)
            if begin == stop:
                break
            if went and paragraphs:
                waiting = line
            went = goes[unit]
            unit += 1
            row[UNITS] += 1
            if went:
                if row[REMOVED] == 0:
                    row[BEGIN], row[END] = begin, stop
                row[REMOVED] += 1
                to = copy(text, waiting, line, out, to)
                waiting, last_end = place, stop
        if row[REMOVED] == row[UNITS] and row[UNITS]:
            to = origin
        elif went:
            to = copy(text, last_end, end, out, skip_space_back(out, to, origin, flags))
        else:
            to = copy(text, waiting, end, out, to)
        if row[REMOVED]:
            row[CHARACTERS] = count_characters(text, starts[document], end) - count_characters(out, origin, to)
        out_starts[document + 1] = to
    return out[:to], out_starts, rows


@kernel
def places(text, starts, paragraphs, numbers, flags):
    """Where the units of these numbers (int64, ascending) begin and end; int64 [numbers, 2].

    text to paragraphs, flags: see `hash_units`.
    """
    found = np.zeros((len(numbers), 2), np.int64)
    unit = wanted = 0
    for document in range(len(starts) - 1):
        place, end = starts[document], starts[document + 1]
        while place < end and wanted < len(numbers):
            _, begin, stop, place = _next_unit(text, place, end, paragraphs, flags)
            if begin == stop:
                break
            if unit == numbers[wanted]:
                found[wanted, 0], found[wanted, 1] = begin, stop
                wanted += 1
            unit += 1
    return found
