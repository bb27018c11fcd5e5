"""The statistics of Gopher's quality rules in one pass over a batch (arXiv 2112.11446, table A1)."""

import numpy as np

from gptkit.kernels.jit import helper, kernel

# Columns of the result
WORDS, SYMBOL_WORDS, WORD_CHARACTERS, ALPHA_WORDS, STOP_WORDS = 0, 1, 2, 3, 4
HASHES, ELLIPSES, LINES, BULLET_LINES, ELLIPSIS_LINES = 5, 6, 7, 8, 9
COLUMNS = 10

BULLET, DASH = 0x2022, 0x2D  # what a bullet line begins with
ELLIPSIS = 0x2026

# The stop words packed into 64 bits each: lower-case bytes, first letter lowest
STOP_WORD_LIST = ("the", "be", "to", "of", "and", "that", "have", "with")
STOP_WORD_KEYS = np.array([int.from_bytes(word.encode(), "little") for word in STOP_WORD_LIST], np.uint64)


@helper
def _decode(text, place, end):
    """The code point at `place` of valid UTF-8, and its length in bytes."""
    first = np.int64(text[place])
    if first < 0x80:
        return first, 1
    if first < 0xE0 and place + 1 < end:
        return (first & 0x1F) << 6 | np.int64(text[place + 1]) & 0x3F, 2
    if first < 0xF0 and place + 2 < end:
        return (first & 0x0F) << 12 | (np.int64(text[place + 1]) & 0x3F) << 6 | np.int64(text[place + 2]) & 0x3F, 3
    if place + 3 < end:
        high = (first & 0x07) << 18 | (np.int64(text[place + 1]) & 0x3F) << 12
        return high | (np.int64(text[place + 2]) & 0x3F) << 6 | np.int64(text[place + 3]) & 0x3F, 4
    return np.int64(0), 1


@kernel
def gopher_statistics(text, starts, classes, stop_words):
    """One row of counts a document; int64 [documents, COLUMNS].

    text: uint8, valid UTF-8 of all documents; starts: int64 [documents + 1]; classes: see
    `characters.character_classes`; stop_words: uint64 keys (STOP_WORD_KEYS).
    A word is a run between white space; a symbol word has neither letter nor digit; its length
    (WORD_CHARACTERS, of the other words) is in characters. STOP_WORDS counts distinct ones, read
    in lower case without the symbols around them. An ellipsis is `...` or U+2026.
    """
    documents = len(starts) - 1
    rows = np.zeros((documents, COLUMNS), np.int64)
    for document in range(documents):
        place, end = starts[document], starts[document + 1]
        row = rows[document]
        found = 0  # bits of the stop words seen
        length = letters = alnum = 0  # of the word at hand
        key, key_length, key_open = np.uint64(0), 0, True
        line_begun = False  # a character that is no white space was seen in this line
        line_characters = 0
        dots = 0  # dots in a row
        ends_in_ellipsis = False
        while place <= end:
            if place < end:
                code, width = _decode(text, place, end)
                kind = np.int64(classes[code]) if code < len(classes) else 2
            else:
                code, width, kind = np.int64(0x0A), 1, 1  # ends the last word and line
                if line_characters == 0:
                    code = np.int64(0x20)
            place += width
            if kind == 1:
                if length:
                    row[0] += 1
                    if alnum:
                        row[2] += length
                        row[3] += letters > 0
                    else:
                        row[1] += 1
                    for index in range(len(stop_words)):
                        if key_length <= 8 and stop_words[index] == key:
                            found |= 1 << index
                    length = letters = alnum = 0
                    key, key_length, key_open = np.uint64(0), 0, True
                dots = 0
                if code == 0x0A:
                    row[7] += 1
                    row[9] += ends_in_ellipsis
                    line_begun = ends_in_ellipsis = False
                    line_characters = 0
                else:
                    line_characters += 1
                continue
            line_characters += 1
            length += 1
            if not line_begun:
                line_begun = True
                row[8] += code == BULLET or code == DASH
            ends_in_ellipsis = False
            if code == 0x2E:
                dots += 1
                if dots % 3 == 0:
                    row[6] += 1
                ends_in_ellipsis = dots >= 3
            else:
                dots = 0
                if code == ELLIPSIS:
                    row[6] += 1
                    ends_in_ellipsis = True
                elif code == 0x23:
                    row[5] += 1
            if kind >= 2:
                alnum += 1
                letters += kind == 2
                if 0x41 <= code <= 0x5A:
                    code += 0x20
                if not key_open or code >= 0x80:
                    key_length = 99  # a symbol inside, or a letter no stop word has
                elif key_length < 8:
                    key |= np.uint64(code) << np.uint64(8 * key_length)
                    key_length += 1
                else:
                    key_length = 99
            elif key_length:
                key_open = False
        for index in range(len(stop_words)):
            row[4] += (found >> index) & 1
    return rows
