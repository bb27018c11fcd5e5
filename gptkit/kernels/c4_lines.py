"""C4's rules on lines (arXiv 1910.10683, section 2.2), as datatrove's C4QualityFilter asks them."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from gptkit.kernels.characters import (
    DIGIT,
    LINE_END,
    SPACE,
    UNSPACED,
    character_flags,
    flags_at,
)
from gptkit.kernels.columns import string_arrays
from gptkit.kernels.jit import helper, kernel
from gptkit.kernels.line_ends import has_wide_end_mark
from gptkit.kernels.lines import (
    contains,
    copy,
    find_phrases,
    phrase_search,
    sentences_of_line,
    string_column,
    strip,
    words_of_line,
)
from gptkit.kernels.words import WALK

# Columns of the rows
SENTENCES, LINES, LONG_WORD, END_MARK, FEW_WORDS, JAVASCRIPT, POLICY, LOREM_IPSUM, CURLY_BRACKET = range(9)
COLUMNS = 9


class C4Limits(NamedTuple):
    """What is asked of lines; datatrove's defaults."""

    max_word_characters: int = 1000  # of a line's longest word; 0: not asked
    citations: bool = True  # take [1], [], [edit] and [citation needed] out
    end_mark: bool = True  # a line ends in . ? ! " ' and not in ...
    min_line_words: int = 3
    javascript: bool = True  # a line does not speak of it
    policy: bool = True  # nor of cookies, privacy and terms of use
    lorem_ipsum: bool = True  # a document is dropped where a line has these words
    curly_bracket: bool = True  # or a {
    sentences: int = 5  # count those of the kept lines until a document has so many; 0: not at all


# Bits of what is found in a line
_JAVASCRIPT, _POLICY, _LOREM_IPSUM, _CURLY_BRACKET = 1, 2, 4, 8
PHRASES = phrase_search(
    {
        "javascript": _JAVASCRIPT,
        "terms of use": _POLICY,
        "privacy policy": _POLICY,
        "cookie policy": _POLICY,
        "uses cookies": _POLICY,
        "use of cookies": _POLICY,
        "use cookies": _POLICY,
        "lorem ipsum": _LOREM_IPSUM,
        "{": _CURLY_BRACKET,
    }
)
EDIT, CITATION_NEEDED = np.frombuffer(b"edit]", np.uint8), np.frombuffer(b"citation needed]", np.uint8)


def edit_c4(text: pa.Array, wide: np.ndarray, limits: C4Limits) -> tuple[pa.Array, np.ndarray]:
    """The text that C4's rules leave of each document, and counts.

    text: a string column without nulls; wide (bool [documents]): the document is not English, so
    the marks that end a line are those of all scripts, also before closing quotes and brackets (of
    lines in Thai, Lao and Tibetan, which have none or omit them, nothing is asked), and the words
    of a line with letters of scripts that write no spaces are those of `kernels.words`. Where it is
    False, text and counts are datatrove 0.10's with its `split_paragraph`, but for its splitter
    into sentences.

    Gives a column of the same type, and int64 [documents, COLUMNS]: sentences of the kept lines
    (counted line by line until there are `limits.sentences`); lines that came in; lines dropped for
    a long word, no end mark, few words, JavaScript and policies (the first reason counts); 1 where
    a document falls for "lorem ipsum" or a curly bracket: its lines are read no further, and its
    text is empty.

    Raises ValueError where the column is not of strings or `wide` has another length.
    """
    content, starts = string_arrays(text)
    if len(wide) != len(text):
        raise ValueError(f"{len(wide)} flags for {len(text)} documents")
    integers = C4Limits._make(map(int, limits))  # so that the kernel is compiled but once
    out, out_starts, rows = c4_lines(
        content, starts, wide.astype(np.bool_), integers, character_flags(), PHRASES, (EDIT, CITATION_NEEDED)
    )
    return string_column(out, out_starts, text.type), rows


@kernel
def c4_lines(text, starts, wide, limits, flags, phrases, citations):
    """See `edit_c4`; gives the edited bytes (uint8), their starts (int64 [documents + 1]) and the rows."""
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
        kept = 0
        while place < end:
            begin, stop, place, words, longest, marks = _scan(text, place, end, flags)
            row[LINES] += 1
            if wide[document] and marks & UNSPACED:
                words, longest = words_of_line(text, begin, stop, flags, walk)
            if limits.max_word_characters > 0 and longest > limits.max_word_characters:
                row[LONG_WORD] += 1
                continue
            line = to
            if kept:
                out[line] = 0x0A
                line += 1
            if limits.citations and contains(text, begin, stop, 0x5B):
                stop = _copy_without_citations(text, begin, stop, out, line, flags, citations)
            else:
                stop = copy(text, begin, stop, out, line)
            if limits.end_mark and not _has_end_mark(out, line, stop, wide[document], flags):
                row[END_MARK] += 1
                continue
            if words < limits.min_line_words:
                row[FEW_WORDS] += 1
                continue
            found = find_phrases(out, line, stop, phrases)
            if limits.lorem_ipsum and found & _LOREM_IPSUM:
                row[LOREM_IPSUM] = 1
                break
            if limits.javascript and found & _JAVASCRIPT:
                row[JAVASCRIPT] += 1
                continue
            if limits.curly_bracket and found & _CURLY_BRACKET:
                row[CURLY_BRACKET] = 1
                break
            if limits.policy and found & _POLICY:
                row[POLICY] += 1
                continue
            if row[SENTENCES] < limits.sentences:
                row[SENTENCES] += sentences_of_line(out, line, stop, flags, walk)
            kept += 1
            to = stop
        if row[LOREM_IPSUM] or row[CURLY_BRACKET]:
            to = origin
        out_starts[document + 1] = strip(out, origin, to, flags)
    return out[: out_starts[documents]], out_starts, rows


@helper
def _scan(text, place, end, flags):
    """Reads the line at `place`, as str.splitlines ends it.

    Gives begin and end of it without white space around, where the next one begins, the number of
    words between white space, the characters of the longest and the flags of all together.
    """
    begin, stop = place, place
    words = longest = marks = 0
    while place < end:
        word, length = place, 0
        bits = width = 0
        while place < end:
            bits, width = flags_at(text, place, end, flags)
            if bits & SPACE:
                break
            marks |= bits
            length += 1
            place += width
        if length:
            begin = begin if words else word
            stop = place
            words += 1
            longest = max(longest, length)
        if place < end:
            if bits & LINE_END:
                if text[place] == 0x0D and place + 1 < end and text[place + 1] == 0x0A:
                    width = 2
                place += width
                break
            place += width
    return begin, stop, place, words, longest, marks


@kernel
def _copy_without_citations(text, place, end, out, to, flags, citations):
    """Copies text[place:end] to `to` without [edit], [citation needed] and digits in brackets; gives where it ends."""
    while place < end:
        if text[place] == 0x5B:
            after = _citation_end(text, place + 1, end, flags, citations)
            if after > 0:
                place = after
                continue
        out[to] = text[place]
        to += 1
        place += 1
    return to


@helper
def _citation_end(text, place, end, flags, citations):
    """Where the citation ends whose inside begins at `place`; 0: it is none."""
    for citation in citations:
        length = len(citation)
        if place + length <= end:
            same = 0
            while same < length and text[place + same] == citation[same]:
                same += 1
            if same == length:
                return place + length
    while place < end:
        if text[place] == 0x5D:
            return place + 1
        bits, width = flags_at(text, place, end, flags)
        if not bits & DIGIT:
            return 0
        place += width
    return 0


@helper
def _has_end_mark(line, begin, end, wide, flags):
    """Whether line[begin:end] ends as a sentence does."""
    if end == begin:
        return False
    if end - begin >= 3 and line[end - 1] == 0x2E and line[end - 2] == 0x2E and line[end - 3] == 0x2E:
        return False
    last = line[end - 1]
    if last == 0x2E or last == 0x3F or last == 0x21 or last == 0x22 or last == 0x27:
        return True
    return wide and has_wide_end_mark(line, begin, end, flags)
