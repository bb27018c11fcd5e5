"""Splits text before BPE as GPT-2, GPT-4 (and Llama 3) and GPT-4o do: their regular expressions by hand.

Each pattern is a helper that gives where the piece at `place` ends. `kinds` has the kind of every
character as the expressions' own engine sees it (see `bpe.character_kinds`); each character has one of the
bits below. The expressions stand in `bpe.patterns`; in them a letter is \\p{L}, a number \\p{N}, and white
space \\s.
"""

from gptkit.kernels.characters import decode
from gptkit.kernels.jit import helper

CODES = 0x110000

# Kinds of characters, bits
SPACE = 1
BREAK = 2  # "\r" and "\n", which are SPACE as well
UPPER = 4  # capitals and titles
LOWER = 8
UNCASED = 16  # other letters
MARK = 32
NUMBER = 64
OTHER = 128

LETTER = UPPER | LOWER | UNCASED
SYMBOL = MARK | OTHER  # no white space, letter or number
CAPITALS = UPPER | UNCASED | MARK  # GPT-4o's two classes, which share uncased letters and marks
SMALL = LOWER | UNCASED | MARK

# Patterns; CHUNKS are what white space of ASCII separates
GPT2, CL100K, O200K, CHUNKS = 0, 1, 2, 3

BLANK, TAB, LINE_FEED, CARRIAGE_RETURN, APOSTROPHE, SLASH = 0x20, 0x09, 0x0A, 0x0D, 0x27, 0x2F
D, E, L, M, R, S, T, V = 0x64, 0x65, 0x6C, 0x6D, 0x72, 0x73, 0x74, 0x76
LONG_S = (0xC5, 0xBF)  # ſ, which is an s where case does not matter


@helper
def kind_at(text, place, end, kinds):
    """The kind of the character at `place`, and its length in bytes."""
    byte = text[place]
    if byte < 0x80:
        return kinds[byte], 1
    code, width = decode(text, place, end)
    return kinds[code], width


@helper
def run_end(text, place, end, kinds, wanted):
    """Where the run of characters of the kinds `wanted` that begins at `place` ends."""
    while place < end:
        kind, width = kind_at(text, place, end, kinds)
        if not kind & wanted:
            break
        place += width
    return place


@helper
def contraction_end(text, place, end, lower):
    """Where 's 't 'm 'd 're 've or 'll ends behind the apostrophe at `place`; `place` where there is none.

    lower: 0x20 for either case, 0 for small letters alone.
    """
    if place + 1 >= end:
        return place
    first = text[place + 1] | lower
    if first == S or first == T or first == M or first == D:
        return place + 2
    if place + 2 >= end:
        return place
    second = text[place + 2] | lower
    if (second == E and (first == R or first == V)) or (first == L and second == L):
        return place + 3
    if lower and text[place + 1] == LONG_S[0] and text[place + 2] == LONG_S[1]:
        return place + 3
    return place


@helper
def space_end(text, place, end, kinds, to_break):
    """Where the piece of white space at `place` ends.

    It leaves its last character to what follows, if it has another. With `to_break` it ends behind
    its last line break, if it has one.
    """
    begin = last = after_break = place
    while place < end:
        kind, width = kind_at(text, place, end, kinds)
        if not kind & SPACE:
            break
        last = place
        place += width
        if kind & BREAK:
            after_break = place
    if to_break and after_break > begin:
        return after_break
    return place if place == end or last == begin else last


@helper
def gpt2_end(text, place, end, kinds):
    """Where GPT-2's piece at `place` ends."""
    byte = text[place]
    if byte == APOSTROPHE:
        stop = contraction_end(text, place, end, 0)
        if stop > place:
            return stop
    kind, width = kind_at(text, place, end, kinds)
    stop = place + width
    if byte == BLANK and stop < end:
        kind, width = kind_at(text, stop, end, kinds)
        stop += width
    if kind & LETTER:
        return run_end(text, stop, end, kinds, LETTER)
    if kind & SYMBOL:
        return run_end(text, stop, end, kinds, SYMBOL)
    if kind & NUMBER:
        return run_end(text, stop, end, kinds, NUMBER)
    return space_end(text, place, end, kinds, False)


@helper
def number_end(text, place, end, kinds):
    """Where up to three digits end."""
    for _ in range(3):
        if place == end:
            break
        kind, width = kind_at(text, place, end, kinds)
        if not kind & NUMBER:
            break
        place += width
    return place


@helper
def symbols_end(text, place, end, kinds, slashes):
    """Where a run of symbols ends, with the line breaks (and `slashes`) behind it."""
    stop = run_end(text, place, end, kinds, SYMBOL)
    while stop < end:
        byte = text[stop]
        if byte != LINE_FEED and byte != CARRIAGE_RETURN and not (slashes and byte == SLASH):
            break
        stop += 1
    return stop


@helper
def cl100k_end(text, place, end, kinds):
    """Where GPT-4's and Llama 3's piece at `place` ends."""
    byte = text[place]
    if byte == APOSTROPHE:
        stop = contraction_end(text, place, end, 0x20)
        if stop > place:
            return stop
    kind, width = kind_at(text, place, end, kinds)
    stop = place + width
    if kind & LETTER:
        return run_end(text, stop, end, kinds, LETTER)
    if kind & NUMBER:
        return number_end(text, place, end, kinds)
    if stop < end and not kind & BREAK:
        following, width = kind_at(text, stop, end, kinds)
        if following & LETTER:
            return run_end(text, stop + width, end, kinds, LETTER)
        if byte == BLANK and following & SYMBOL:
            return symbols_end(text, stop, end, kinds, False)
    if kind & SYMBOL:
        return symbols_end(text, place, end, kinds, False)
    return space_end(text, place, end, kinds, True)


@helper
def cased_ends(text, place, end, kinds):
    """Where a word of GPT-4o ends that begins at `place`, as its two expressions have it.

    Returns (end with a small letter last, end of the leading capitals); either is `place` where there
    is none. What is both (uncased letters, marks) is the last small letter if no other follows.
    """
    small = place
    while place < end:
        kind, width = kind_at(text, place, end, kinds)
        if not kind & CAPITALS:
            if kind & LOWER:
                small = run_end(text, place + width, end, kinds, SMALL)
            break
        place += width
        if not kind & UPPER:
            small = place
    return small, place


@helper
def o200k_end(text, place, end, kinds):
    """Where GPT-4o's piece at `place` ends."""
    kind, width = kind_at(text, place, end, kinds)
    if kind & NUMBER:
        return number_end(text, place, end, kinds)
    stop = place + width
    if not kind & BREAK:
        begin = place if kind & LETTER else stop  # any one character may stand before a word's letters
        small, capitals = cased_ends(text, begin, end, kinds)
        if small == begin:
            small = begin if kind & MARK else capitals  # a mark that no small letter follows is a word by itself
        if small > begin or kind & MARK:
            if small < end and text[small] == APOSTROPHE:
                return contraction_end(text, small, end, 0x20)
            return small
        if text[place] == BLANK and stop < end:
            following, _ = kind_at(text, stop, end, kinds)
            if following & SYMBOL:
                return symbols_end(text, stop, end, kinds, True)
    if kind & SYMBOL:
        return symbols_end(text, place, end, kinds, True)
    return space_end(text, place, end, kinds, True)


@helper
def chunk_end(text, place, end):
    """Where a run of blanks, tabs and line ends, or of anything else, ends."""
    blank = is_blank(text[place])
    while place < end and is_blank(text[place]) == blank:
        place += 1
    return place


@helper
def is_blank(byte):
    """Whether a byte is a blank, a tab or ends a line."""
    return byte == BLANK or byte == LINE_FEED or byte == CARRIAGE_RETURN or byte == TAB


@helper
def piece_end(text, place, end, kinds, pattern):
    """Where the piece at `place` (< end) ends by one of the patterns above."""
    if pattern == GPT2:
        return gpt2_end(text, place, end, kinds)
    if pattern == CL100K:
        return cl100k_end(text, place, end, kinds)
    if pattern == O200K:
        return o200k_end(text, place, end, kinds)
    return chunk_end(text, place, end)
