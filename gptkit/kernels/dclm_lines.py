"""RefinedWeb's corrections of lines (arXiv 2306.01116, section G.2), with the numbers of DCLM (arXiv 2406.11794).

Every line is judged for itself, so what it loses does not depend on its neighbours. DCLM runs one
modifier after the other over the document and strips it each time, and reads phrases as regular
expressions, so its `read more...` takes any three characters for the dots. Here phrases mean what
they say, and are also found where white space stands around them at the start or end of a line.
Capital letters are those of the categories Lu and Lt, digits those of Nd.
"""

import functools
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from gptkit.kernels.characters import DIGIT, LETTER, SPACE, SYMBOL, UNSPACED, UPPER, character_flags, flags_at
from gptkit.kernels.columns import string_arrays
from gptkit.kernels.jit import helper, kernel
from gptkit.kernels.lines import (
    PhraseSearch,
    copy,
    find_phrases,
    pack_phrases,
    phrase_at,
    phrase_search,
    skip_space,
    skip_space_back,
    string_column,
    strip,
    words_of_line,
)
from gptkit.kernels.words import WALK, begin, next_word

# Columns of the rows
WORDS_BEFORE, WORDS_AFTER, LINES, UPPER_CASE, DIGITS, COUNTER, FEW_WORDS, EMPTIED, SHORTENED = range(9)
COLUMNS = 9

COUNTED = pack_phrases(
    tuple("likes shares comments retweets reposts quotes bookmarks upvotes downvotes downloads views followers".split())
)
UNDERSCORE, LINE_FEED, COMMA, DOT = 0x5F, 0x0A, 0x2C, 0x2E
THOUSANDS = pack_phrases(("k", "m", "b"))


class DclmLimits(NamedTuple):
    """What is asked of lines; DCLM-Baseline's numbers."""

    max_upper_case: float = 0.5  # capital letters / characters; 1: not asked
    max_digits: float = 0.999999  # decimal digits / characters; 1: not asked
    counters: bool = True  # drop "3 likes", "1.2k views"
    min_line_words: int = 2  # of lines that are not empty
    max_phrase_words: int = 10  # phrases are taken out of lines of so many words at most
    phrases_anywhere: tuple[str, ...] = ("items in cart",)
    phrases_at_end: tuple[str, ...] = ("read more...",)
    phrases_at_start: tuple[str, ...] = ("sign-in",)


class _Numbers(NamedTuple):
    max_upper_case: float
    max_digits: float
    counters: int
    min_line_words: int
    max_phrase_words: int


class _Phrases(NamedTuple):
    search: PhraseSearch  # for all of them
    anywhere: tuple[np.ndarray, np.ndarray]  # see `lines.pack_phrases`
    at_end: tuple[np.ndarray, np.ndarray]
    at_start: tuple[np.ndarray, np.ndarray]


@functools.cache
def _phrases(*lists: tuple[str, ...]) -> _Phrases:
    lowered = [tuple(phrase.strip().lower() for phrase in phrases) for phrases in lists]
    if any(not c.isascii() and c.upper() != c.lower() for phrases in lowered for phrase in phrases for c in phrase):
        raise ValueError("phrases: of letters beyond ASCII only those without capitals can be sought")
    search = phrase_search({phrase: 1 for phrases in lowered for phrase in phrases})
    return _Phrases(search, *map(pack_phrases, lowered))


def edit_dclm(
    text: pa.Array, wide: np.ndarray, limits: DclmLimits, words: np.ndarray | None = None
) -> tuple[pa.Array, np.ndarray]:
    """The text that the rules leave of each document, and counts.

    text: a string column without nulls; wide (bool [documents]): the words of a line with letters
    of scripts that write no spaces are those of `kernels.words`; else words stand between white
    space. Lines end at line feeds. Phrases are found in any case (of ASCII's letters), and take
    one white space character beside them along. White space around the document goes. words
    (int64 [documents]): the words that are not only symbols, where they are known already.

    Gives a column of the same type, and int64 [documents, COLUMNS]: words that are not only
    symbols, before and after (where they are not known and no line changed, both are 0); lines that
    came in; lines dropped as upper case, digits, a counter, of few words, or emptied by a phrase
    (the first reason counts); lines that a phrase made shorter.

    Raises ValueError where the column is not of strings, `wide` or `words` has another length, or a
    phrase is empty or all have more than 255 letters together.
    """
    content, starts = string_arrays(text)
    known = np.full(len(text), -1) if words is None else words.astype(np.int64)
    if len(wide) != len(text) or len(known) != len(text):
        raise ValueError(f"{len(wide)} flags and {len(known)} numbers of words for {len(text)} documents")
    phrases = _phrases(limits.phrases_anywhere, limits.phrases_at_end, limits.phrases_at_start)
    # of one type each, so that the kernel is compiled but once
    numbers = _Numbers._make([*map(float, limits[:2]), *map(int, limits[2:5])])
    out, out_starts, rows = dclm_lines(
        content, starts, wide.astype(np.bool_), known, numbers, character_flags(), phrases, (COUNTED, THOUSANDS)
    )
    return string_column(out, out_starts, text.type), rows


@kernel
def dclm_lines(text, starts, wide, known, limits, flags, phrases, counters):
    """See `edit_dclm`; gives the edited bytes (uint8), their starts (int64 [documents + 1]) and the rows."""
    documents = len(starts) - 1
    out = np.empty(starts[documents] - starts[0], np.uint8)
    out_starts = np.zeros(documents + 1, np.int64)
    rows = np.zeros((documents, COLUMNS), np.int64)
    walk = np.empty(WALK, np.int64)
    for document in range(documents):
        row = rows[document]
        place, end = starts[document], starts[document + 1]
        origin = out_starts[document]
        to = origin  # where the kept lines end in `out`
        removed = 0  # words
        waiting = place  # where the kept lines begin that are not in `out` yet: they are copied together
        while place < end:
            stop, characters, capitals, digits, words, marks = _measure(text, place, end, flags)
            after = min(stop + 1, end)
            row[LINES] += 1
            if wide[document] and marks & UNSPACED:
                words, _ = words_of_line(text, place, stop, flags, walk)
            reason = 0
            if characters:
                if capitals / characters > limits.max_upper_case:
                    reason = UPPER_CASE
                elif digits / characters > limits.max_digits:
                    reason = DIGITS
                elif limits.counters and digits and _is_counter(text, place, stop, flags, counters):
                    reason = COUNTER
                elif words < limits.min_line_words:
                    reason = FEW_WORDS
            if reason:
                row[reason] += 1
                removed += _plain_words(text, place, stop, flags, walk)
                to = copy(text, waiting, place, out, to)
                waiting = after
            elif words <= limits.max_phrase_words and find_phrases(text, place, stop, phrases.search):
                line = copy(text, waiting, place, out, to)
                waiting = after
                whole = copy(text, place, stop, out, line)
                to = _take_phrases_out(out, line, whole, phrases, flags)
                if to < whole:
                    removed += _plain_words(text, place, stop, flags, walk) - _plain_words(out, line, to, flags, walk)
                if to < whole and skip_space(out, line, to, flags) == to:
                    row[EMPTIED] += 1
                    to = line
                else:
                    row[SHORTENED] += to < whole
                    to = copy(text, stop, after, out, to)
            place = after
        to = copy(text, waiting, end, out, to)
        out_starts[document + 1] = strip(out, origin, to, flags)
        if known[document] >= 0:
            row[WORDS_BEFORE] = known[document]
        elif row[UPPER_CASE : SHORTENED + 1].any():
            row[WORDS_BEFORE] = _plain_words(text, starts[document], end, flags, walk)
        row[WORDS_AFTER] = row[WORDS_BEFORE] - removed
    return out[: out_starts[documents]], out_starts, rows


@helper
def _measure(text, place, end, flags):
    """End, characters, capital letters, digits and words of the line at `place`, and the flags of all characters."""
    characters = capitals = digits = words = 0
    marks = np.int64(0)
    last = np.int64(SPACE)
    while place < end and text[place] != LINE_FEED:
        bits, width = flags_at(text, place, end, flags)
        characters += 1
        capitals += (bits & UPPER) != 0
        digits += (bits & DIGIT) != 0
        words += (last & SPACE) > (bits & SPACE)
        marks |= bits
        last = bits
        place += width
    return place, characters, capitals, digits, words, marks


@helper
def _skip_symbols(text, place, end, flags):
    """Where the characters at `place` end that are no letters, digits or underscores."""
    while place < end and text[place] != UNDERSCORE:
        bits, width = flags_at(text, place, end, flags)
        if bits & (LETTER | DIGIT):
            break
        place += width
    return place


@kernel
def _is_counter(text, place, end, flags, counters):
    """Whether the line is a number, perhaps with k, m or b, and a word of COUNTED, with symbols around."""
    counted, thousands = counters
    place = _skip_symbols(text, place, end, flags)
    number = place
    while place < end:
        bits, width = flags_at(text, place, end, flags)
        if not bits & DIGIT and (place == number or (text[place] != COMMA and text[place] != DOT)):
            break
        place += width
    if place == number:
        return False
    place = max(place, phrase_at(text, place, end, thousands))
    space = place
    place = skip_space(text, place, end, flags)
    word_end = phrase_at(text, place, end, counted)
    return place > space and word_end > 0 and _skip_symbols(text, word_end, end, flags) == end


@helper
def _skip_one_space(text, place, end, flags):
    """The place after the character at `place` if that is white space."""
    if place < end:
        bits, width = flags_at(text, place, end, flags)
        if bits & SPACE:
            return place + width
    return place


@kernel
def _take_phrases_out(line, begin, end, phrases, flags):
    """Takes the phrases out of line[begin:end], in place; gives the new end."""
    to = place = begin
    while place < end:
        _, width = flags_at(line, place, end, flags)
        stop = phrase_at(line, _skip_one_space(line, place, end, flags), end, phrases.anywhere)
        if stop > 0:
            place = stop
        else:
            to = copy(line, place, place + width, line, to)
            place += width
    end = to

    stop = skip_space_back(line, end, begin, flags)
    place = begin
    while place < stop:
        if phrase_at(line, _skip_one_space(line, place, stop, flags), stop, phrases.at_end) == stop:
            end = place
            break
        _, width = flags_at(line, place, stop, flags)
        place += width

    place = phrase_at(line, skip_space(line, begin, end, flags), end, phrases.at_start)
    if place > 0:
        place = _skip_one_space(line, place, end, flags)
        end = copy(line, place, end, line, begin)
    return end


@kernel
def _plain_words(text, start, end, flags, walk):
    """The words of text[start:end] that have a character that is no symbol."""
    words = 0
    begin(walk, start)
    place, stop = next_word(text, start, end, flags, walk)
    while place < stop:
        inside, plain = place, False
        while inside < stop and not plain:
            bits, width = flags_at(text, inside, stop, flags)
            plain = not bits & SYMBOL
            inside += width
        words += plain
        place, stop = next_word(text, stop, end, flags, walk)
    return words
