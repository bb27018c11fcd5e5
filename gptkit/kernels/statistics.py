"""The counts that the Gopher and FineWeb rules look at, a row of integers a document.

They are what datatrove 0.10's GopherQualityFilter, GopherRepetitionFilter and FineWebQualityFilter
count (arXiv 2112.11446, table A1; arXiv 2406.17557), with the words of kernels/words.py. Ratios are
left to the caller, who also sees to documents without words or lines.
"""

from collections.abc import Iterable

import numpy as np

from gptkit.kernels.characters import LETTER, LINE_END, SPACE, SYMBOL, TERMINAL, character_before, decode, flags_at
from gptkit.kernels.jit import helper, kernel, routine
from gptkit.kernels.line_ends import has_wide_end_mark
from gptkit.kernels.lines import skip_space, skip_space_back
from gptkit.kernels.ngrams import (
    PADDING,
    duplicate_grams,
    name_words,
    repeat_candidates,
    repeated_words,
    seen_before,
    table_size,
    top_gram,
)
from gptkit.kernels.words import WALK, begin, next_word, word_key

# Columns of `gopher_statistics`. Lengths are in characters.
CHARACTERS = 0
WORDS, CONTENT_WORDS, CONTENT_CHARACTERS, ALPHA_WORDS, STOP_WORDS = 1, 2, 3, 4, 5
HASHES, ELLIPSES = 6, 7
LINES, BULLET_LINES, ELLIPSIS_LINES = 8, 9, 10  # as str.splitlines has them
PARAGRAPHS, DUPLICATE_PARAGRAPHS, DUPLICATE_PARAGRAPH_CHARACTERS = 11, 12, 13
ROWS, DUPLICATE_ROWS, DUPLICATE_ROW_CHARACTERS = 14, 15, 16  # what stands between runs of "\n"
TOP_GRAMS = 17  # + n - 2 for n-grams of 2, 3, 4 words: characters the most frequent one covers
DUPLICATE_GRAMS = 20  # + n - 5 for n-grams of 5 to 10 words: characters in repeated ones
GOPHER_COLUMNS = 26

# Columns of `fineweb_statistics`
TEXT_LINES, TERMINATED_LINES, SHORT_LINES, DUPLICATE_LINE_CHARACTERS = 0, 1, 2, 3
NEWLINES, LINE_CHARACTERS, FINEWEB_WORDS = 4, 5, 6
FINEWEB_COLUMNS = 7

LARGEST = 2**31 - 1  # bytes of a document: places within it are 32-bit
HASH, BULLET, DASH, DOT, ELLIPSIS = 0x23, 0x2022, 0x2D, 0x2E, 0x2026
NEWLINE, RETURN = 0x0A, 0x0D


def stop_word_table(languages: Iterable[Iterable[str]]) -> tuple[np.ndarray, np.ndarray]:
    """The stop words of several languages for `gopher_statistics`: keys uint64, in order within each
    language, and starts int64 [languages + 1]."""
    rows = [sorted({word_key(word) for word in words}) for words in languages]
    keys = np.array([key for row in rows for key in row], np.uint64)
    return keys, np.cumsum([0] + [len(row) for row in rows]).astype(np.int64)


def check_sizes(starts: np.ndarray) -> None:
    """Raises ValueError where a document is too long for the kernels of this file (2 GiB)."""
    if len(starts) > 1 and int(np.diff(starts).max()) > LARGEST:
        raise ValueError("a document of 2 GiB or more")


@helper
def _characters(text, start, end):
    characters = 0
    for place in range(start, end):
        characters += text[place] & 0xC0 != 0x80
    return characters


@helper
def _stripped(text, start, end, flags):
    """text[start:end] without white space at its ends: its start and end."""
    start = skip_space(text, start, end, flags)
    return start, skip_space_back(text, end, start, flags)


@helper
def _close_line(text, start, end, flags, row):
    """Counts text[start:end] as a line."""
    row[LINES] += 1
    start, end = _stripped(text, start, end, flags)
    if start == end:
        return
    code, _ = decode(text, start, end)
    row[BULLET_LINES] += code == BULLET or code == DASH
    code, _ = decode(text, character_before(text, end, start), end)
    dots = end - start >= 3 and text[end - 1] == DOT and text[end - 2] == DOT and text[end - 3] == DOT
    row[ELLIPSIS_LINES] += dots or code == ELLIPSIS


@routine
def _scan(text, flags, row, newlines):
    """Fills the columns that go by characters and lines; returns how many places of "\n" it put into `newlines`."""
    end = len(text)
    row[CHARACTERS] = _characters(text, 0, end)
    for place in range(end):
        row[HASHES] += text[place] == HASH
    breaks = line = place = 0
    while place < end:
        byte = text[place]
        if byte == DOT:
            dots = place
            while place < end and text[place] == DOT:
                place += 1
            row[ELLIPSES] += (place - dots) // 3
        elif byte < 0x20 or byte >= 0x80:
            code, width = decode(text, place, end)
            found = np.int64(flags[code]) if code < len(flags) else 0
            row[ELLIPSES] += code == ELLIPSIS
            if found & LINE_END:
                _close_line(text, line, place, flags, row)
                if code == RETURN and place + 1 < end and text[place + 1] == NEWLINE:
                    place += 1
                    code = np.int64(NEWLINE)
                line = place + width
                newlines[breaks] = place
                breaks += code == NEWLINE
            place += width
        else:
            place += 1
    if line < end:
        _close_line(text, line, end, flags, row)
    return breaks


@routine
def _duplicate_parts(text, start, end, newlines, breaks, least, table, spans):
    """The parts of text[start:end] between `least` or more "\\n" in a row: how many there are, how many of them
    repeat an earlier one, and the characters of those. newlines: all places of "\\n" within it."""
    mask = table_size(breaks + 1) - 1
    table[: mask + 1] = 0
    parts = duplicates = characters = 0
    part = start
    index = 0
    while index <= breaks:
        after = index + 1
        part_end = following = end
        if index < breaks:
            while after < breaks and newlines[after] == newlines[after - 1] + 1:
                after += 1
            part_end, following = np.int64(newlines[index]), np.int64(newlines[after - 1]) + 1
            if after - index < least:
                index = after
                continue
        if seen_before(text, part, part_end, table, mask, spans, parts - duplicates):
            duplicates += 1
            characters += _characters(text, part, part_end)
        parts += 1
        part = following
        index = after
    return parts, duplicates, characters


@routine
def _repeated_parts(text, flags, row, newlines, breaks, table, spans):
    """Fills the columns of paragraphs and rows; text is the document's alone."""
    start, end = _stripped(text, 0, len(text), flags)
    low, high = 0, breaks
    while low < high and newlines[low] < start:
        low += 1
    while low < high and newlines[high - 1] >= end:
        high -= 1
    parts, duplicates, characters = _duplicate_parts(text, start, end, newlines[low:], high - low, 2, table, spans)
    row[PARAGRAPHS], row[DUPLICATE_PARAGRAPHS], row[DUPLICATE_PARAGRAPH_CHARACTERS] = parts, duplicates, characters
    parts, duplicates, characters = _duplicate_parts(text, 0, len(text), newlines, breaks, 1, table, spans)
    row[ROWS], row[DUPLICATE_ROWS], row[DUPLICATE_ROW_CHARACTERS] = parts, duplicates, characters


@routine
def _gather_words(text, flags, row, walk, content, offsets, lengths):
    """Fills the columns of words, and the arrays of kernels/ngrams.py; returns how many words there are."""
    end = len(text)
    words = size = total = 0
    begin(walk, 0)
    place, stop = next_word(text, 0, end, flags, walk)
    while place < stop:
        kinds, common = np.int64(0), np.int64(SYMBOL)
        offsets[words], lengths[words] = size, total
        inside = place
        while inside < stop:
            byte = text[inside]
            if byte < 0x80:
                found, width = np.int64(flags[byte]), 1
            else:
                found, width = flags_at(text, inside, stop, flags)
            kinds |= found
            common &= found
            total += 1
            for _ in range(width):
                content[size] = text[inside]
                size += 1
                inside += 1
        row[ALPHA_WORDS] += kinds & LETTER > 0
        if not common:
            row[CONTENT_WORDS] += 1
            row[CONTENT_CHARACTERS] += total - lengths[words]
        words += 1
        place, stop = next_word(text, stop, end, flags, walk)
    offsets[words], lengths[words] = size, total
    row[WORDS] = words
    return words


@helper
def _among(key, keys, low, high):
    while low < high:
        middle = (low + high) >> 1
        if keys[middle] < key:
            low = middle + 1
        elif keys[middle] > key:
            high = middle
        else:
            return True
    return False


@kernel
def gopher_statistics(texts, starts, flags, stop_words, stop_starts, languages):
    """int64 [documents, GOPHER_COLUMNS]: one row of counts a document (the columns' names are above).

    texts: uint8, valid UTF-8 of all documents; starts: int64 [documents + 1]; flags: see
    `characters.character_flags`; stop_words, stop_starts: see `stop_word_table`; languages: int32
    [documents], which of them a document is in, or -1: its STOP_WORDS is -1 too. STOP_WORDS counts
    the distinct ones, in exactly the letters they are listed in.
    Of a document of N bytes with W words and L lines it needs N + about 60 W + 16 L bytes for a while.
    """
    documents = len(starts) - 1
    rows = np.zeros((documents, GOPHER_COLUMNS), np.int64)
    largest = 0
    for document in range(documents):
        largest = max(largest, starts[document + 1] - starts[document])
    slots = table_size(largest + 1)
    # Sized for the worst; memory that is not written to costs nothing
    walk = np.empty(WALK, np.int64)
    content, seen = np.empty(largest + PADDING, np.uint8), np.empty(4 * slots, np.uint8)
    offsets, lengths = np.empty(largest + 1, np.int32), np.empty(largest + 1, np.int32)
    ids, names, counts = np.empty(largest, np.int32), np.empty(largest, np.int32), np.empty(largest, np.int32)
    keys, table = np.empty(largest, np.uint64), np.empty(slots, np.int32)
    newlines, places = np.empty(largest, np.int32), np.empty(largest, np.int32)
    spans = np.empty((largest + 1, 2), np.int32)
    for document in range(documents):
        row = rows[document]
        text = texts[starts[document] : starts[document + 1]]
        breaks = _scan(text, flags, row, newlines)
        _repeated_parts(text, flags, row, newlines, breaks, table, spans)

        words = _gather_words(text, flags, row, walk, content, offsets, lengths)
        distinct = name_words(content, offsets, words, table, spans, ids, counts, keys)
        language = languages[document]
        if language < 0:
            row[STOP_WORDS] = -1
        else:
            for word in range(distinct):
                row[STOP_WORDS] += _among(keys[word], stop_words, stop_starts[language], stop_starts[language + 1])

        repeated_words(ids, words, counts, names)
        for n in range(2, 5):
            row[TOP_GRAMS + n - 2] = top_gram(names, ids, lengths, words, n, table, counts, keys, places)
        found = repeat_candidates(content, offsets, words, 5, seen, names)
        for n in range(5, 11):
            row[DUPLICATE_GRAMS + n - 5] = duplicate_grams(content, offsets, lengths, words, n, table, names, found)
    return rows


@kernel
def fineweb_statistics(texts, starts, flags, short, wide):
    """int64 [documents, FINEWEB_COLUMNS]: one row of counts a document (the columns' names are above).

    A line ends at "\\n"; lines of white space alone do not count. A short line has at most `short`
    characters. A line is terminated where its last character is a terminal mark, and in documents
    that are `wide` (bool [documents]: not English) also where `has_wide_end_mark`.
    texts, starts, flags: as for `gopher_statistics`.
    """
    documents = len(starts) - 1
    rows = np.zeros((documents, FINEWEB_COLUMNS), np.int64)
    largest = 0
    for document in range(documents):
        largest = max(largest, starts[document + 1] - starts[document])
    walk = np.empty(WALK, np.int64)
    table, spans = np.empty(table_size(largest + 1), np.int32), np.empty((largest + 1, 2), np.int32)
    for document in range(documents):
        row = rows[document]
        text = texts[starts[document] : starts[document + 1]]
        end = len(text)
        for place in range(end):
            row[NEWLINES] += text[place] == NEWLINE
        mask = table_size(row[NEWLINES] + 1) - 1
        table[: mask + 1] = 0
        distinct = line = 0
        while line <= end:
            blank = True
            characters = last = np.int64(0)
            place = line
            while place < end and text[place] != NEWLINE:
                last, width = flags_at(text, place, end, flags)
                blank &= last & SPACE > 0
                characters += 1
                place += width
            row[LINE_CHARACTERS] += characters
            if not blank:
                row[TEXT_LINES] += 1
                ended = last & TERMINAL > 0
                if not ended and wide[document]:
                    ended = has_wide_end_mark(text, line, place, flags)
                row[TERMINATED_LINES] += ended
                row[SHORT_LINES] += characters <= short
                if seen_before(text, line, place, table, mask, spans, distinct):
                    row[DUPLICATE_LINE_CHARACTERS] += characters
                else:
                    distinct += 1
            line = place + 1
        begin(walk, 0)
        place, stop = next_word(text, 0, end, flags, walk)
        while place < stop:
            row[FINEWEB_WORDS] += 1
            place, stop = next_word(text, stop, end, flags, walk)
    return rows
