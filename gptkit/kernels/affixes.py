"""What comes off the two ends of a chunk of text without white space, and what splits it inside.

Functions on text[core:end], a chunk or what is left of it; they are the rules of spaCy 3.8
(lang/punctuation.py, lang/tokenizer_exceptions.py) in what is frequent. All read a chunk once only:
none takes longer than in proportion to its length.
"""

import numpy as np

from gptkit.kernels.characters import (
    ALONE,
    CURRENCY,
    DIGIT,
    LETTER,
    MARK,
    PREFIX,
    QUOTE,
    SUFFIX,
    UPPER,
    character_before,
    decode,
    flags_at,
)
from gptkit.kernels.jit import helper, routine

DOT, DASH, PLUS, SLASH, COLON, AT, COMMA = 0x2E, 0x2D, 0x2B, 0x2F, 0x3A, 0x40, 0x2C
PERCENT, STAR, CARET, QUESTION, HASH, UNDERSCORE = 0x25, 0x2A, 0x5E, 0x3F, 0x23, 0x5F
APOSTROPHE, CURLY_APOSTROPHE, ELLIPSIS, EN_DASH, EM_DASH, TILDE = 0x27, 0x2019, 0x2026, 0x2013, 0x2014, 0x7E
D, E, L, M, N, R, S, CAPITAL_S, T, V = 0x64, 0x65, 0x6C, 0x6D, 0x6E, 0x72, 0x73, 0x53, 0x74, 0x76
WORDLIKE = LETTER | MARK


def _packed_words(words: str) -> np.ndarray:
    return np.array(sorted(int.from_bytes(word.encode(), "little") for word in words.split()), np.uint64)


# Words of up to 8 letters as 64-bit numbers, first letter lowest
UNITS = _packed_words(
    "km m dm cm mm ha nm yd in ft kg g mg t lb oz kmh mph hPa Pa mbar mb MB kb KB gb GB tb TB T G M K am pm"
)
ABBREVIATIONS = _packed_words(
    "Mr Mrs Ms Dr St Mt Jr Sr Co co Inc Ltd Corp Bros Prof Rev Gen Gov Sen Rep Adm Messrs vs Mo Md Mont Jan Feb Mar Apr "
    "Jun Jul Aug Sep Sept Oct Nov Dec Ak Ala Ariz Ark Calif Colo Conn Del Fla Ga Ia Id Ill Ind Kan Kans Ky La Mass Mich "
    "Minn Miss Neb Nebr Nev Okla Ore Pa Tenn Va Wash Wis"
)


@helper
def _listed(text, start, end, words):
    """Whether text[start:end] is one of `words` (packed, in order)."""
    if end - start > 8:
        return False
    packed = np.uint64(0)
    for index in range(end - start):
        packed |= np.uint64(text[start + index]) << np.uint64(8 * index)
    low, high = 0, len(words)
    while low < high:
        middle = (low + high) >> 1
        if words[middle] < packed:
            low = middle + 1
        else:
            high = middle
    return low < len(words) and words[low] == packed


@helper
def _is_apostrophe(code):
    return code == APOSTROPHE or code == CURLY_APOSTROPHE


@helper
def _digit(byte):
    return 0x30 <= byte <= 0x39


@helper
def small_letter(byte):
    """Whether the byte is one of a to z."""
    return 0x61 <= byte <= 0x7A


@helper
def latin(byte):
    """Whether the byte is one of a to z, A to Z."""
    return 0x61 <= byte | 0x20 <= 0x7A


@helper
def alphanumeric(byte):
    """Whether the byte is an ASCII letter or digit."""
    return _digit(byte) or latin(byte)


@helper
def _two_letters(first, last):
    """Whether they are those of 've, 're or 'll."""
    return (last == E and (first == V or first == R)) or (last == L and first == L)


@helper
def _dots(text, place, end):
    """The end of the run of dots at `place`."""
    while place < end and text[place] == DOT:
        place += 1
    return place


@helper
def prefix_end(text, place, end, flags):
    """The end of the word that comes off the front of a chunk at `place`; `place` itself where none does."""
    if text[place] == DOT:
        stop = _dots(text, place, end)
        return stop if stop - place >= 2 else place
    if text[place] == PLUS:
        return place if place + 1 < end and _digit(text[place + 1]) else place + 1
    found, width = flags_at(text, place, end, flags)
    return place + width if found & PREFIX else place


@routine
def _abbreviated(text, core, end, flags):
    """Whether a full stop belongs to text[core:end]: a lone letter (a.), letters with stops (e.g.) or Mr."""
    if _listed(text, core, end, ABBREVIATIONS):
        return True
    place = core
    while place < end:
        found, width = flags_at(text, place, end, flags)
        if not found & LETTER:
            return False
        place += width
        if place < end:
            if text[place] != DOT:
                return False
            place += 1
    return True


@routine
def _suffix_of_stop(text, core, end, flags):
    """The start of the full stops that end text[core:end]; `end` where they belong to the word."""
    place = end - 1
    while place > core and text[place - 1] == DOT:
        place -= 1
    if end - place >= 2:
        return place
    if place == core:
        return end
    before = character_before(text, place, core)
    found, _ = flags_at(text, before, place, flags)
    if found & UPPER:
        if before == core:
            return end
        found, _ = flags_at(text, character_before(text, before, core), before, flags)
        return place if found & UPPER else end
    if found & LETTER:
        return end if _abbreviated(text, core, place, flags) else place
    byte = text[before]
    if found & (MARK | DIGIT | SUFFIX | QUOTE) or byte == PERCENT or byte == PLUS or byte == DASH:
        return place
    return end


@routine
def _suffix_of_letters(text, core, end, flags):
    """The start of the contraction or unit that ends text[core:end] in small letters; `end` where there is none."""
    place = end
    while place > core and end - place < 4 and latin(text[place - 1]):
        place -= 1
    if place == end or place == core:
        return end
    if _digit(text[place - 1]):
        return place if _listed(text, place, end, UNITS) else end
    before = character_before(text, place, core)
    code, _ = decode(text, before, place)
    if not _is_apostrophe(code):
        return end
    length, last, first = end - place, text[end - 1], text[place]
    if length == 1 and (last == S or last == CAPITAL_S):  # 's 'S
        return before
    if length == 1 and last == T and before > core and text[before - 1] == N:  # n't
        before -= 1
    elif not ((length == 1 and (last == M or last == D)) or (length == 2 and _two_letters(first, last))):  # 'm 'd
        return end
    if before == core:
        return end
    letter, _ = flags_at(text, character_before(text, before, core), before, flags)
    return before if letter & WORDLIKE else end


@helper
def suffix_start(text, core, end, flags):
    """The start of the word that comes off the end of text[core:end]; `end` where none does."""
    byte = text[end - 1]
    if byte == DOT:
        return _suffix_of_stop(text, core, end, flags)
    if latin(byte):
        return _suffix_of_letters(text, core, end, flags)
    place = character_before(text, end, core)
    found, _ = flags_at(text, place, end, flags)
    if found & SUFFIX:
        return place
    if place > core and _digit(text[place - 1]) and (found & CURRENCY or byte == PLUS or byte == PERCENT):
        return place
    return end


@routine
def suffix_end(text, place, end):
    """The end of the suffix that begins at `place` in a row of suffixes."""
    if text[place] == DOT:
        return _dots(text, place, end)
    code, width = decode(text, place, end)
    stop = place + width
    if _is_apostrophe(code) and stop < end:
        first = text[stop]
        if first == S or first == CAPITAL_S or first == M or first == D:  # 's 'S 'm 'd
            return stop + 1
        if stop + 1 < end and _two_letters(first, text[stop + 1]):
            return stop + 2
        return stop
    if code == N and stop < end:  # n't
        following, width = decode(text, stop, end)
        if _is_apostrophe(following) and stop + width < end and text[stop + width] == T:
            return stop + width + 1
    while stop < end and latin(text[stop - 1]) and latin(text[stop]):
        stop += 1
    return stop


@routine
def is_address(text, start, end):
    """Whether text[start:end] is `[scheme://][user@]host.name[:port][/path]`, or four numbers with dots for the host."""
    place = start
    while place < end and (alphanumeric(text[place]) or text[place] == DOT or text[place] == DASH):
        place += 1
    if place + 3 < end and text[place] == COLON and text[place + 1] == SLASH and text[place + 2] == SLASH:
        start = place + 3
    place = start
    while (
        place < end and text[place] != AT and text[place] != SLASH and text[place] != QUESTION and text[place] != HASH
    ):
        place += 1
    if place < end and text[place] == AT:
        start = place + 1
    place = label = start
    labels = letters = digits = 0
    while place < end:
        byte = text[place]
        if byte == DOT:
            if place == label:
                return False
            labels += 1
            label = place + 1
            letters = 0
        elif small_letter(byte):
            letters += 1
        elif _digit(byte):
            digits += 1
        elif not (alphanumeric(byte) or byte >= 0x80 or byte == DASH or byte == UNDERSCORE):
            break
        place += 1
    name = labels >= 1 and letters >= 2 and letters == place - label
    number = labels == 3 and digits == place - start - 3 and place > label
    if place < end and text[place] == COLON:
        port = place + 1
        place = port
        while place < end and _digit(text[place]):
            place += 1
        if not 2 <= place - port <= 5:
            return False
    if place < end and text[place] != SLASH and text[place] != QUESTION and text[place] != HASH:
        return False
    return name or number


@routine
def infix_end(text, core, place, end, flags):
    """The end of the mark at `place` that joins two words within text[core:end]; `place` where there is none."""
    byte = text[place]
    if byte == DOT:
        stop = _dots(text, place, end)
        if stop - place >= 2:
            return stop
    code, width = decode(text, place, end)
    found = np.int64(flags[code]) if code < len(flags) else 0
    after = place + width
    if found & ALONE or code == ELLIPSIS:
        return after
    if place == core or after >= end:
        return place
    last, _ = flags_at(text, character_before(text, place, core), place, flags)
    following, _ = flags_at(text, after, end, flags)
    if code == DOT:
        small = last & QUOTE or (last & WORDLIKE and not last & UPPER)
        return after if small and following & (UPPER | QUOTE) else place
    if code == COMMA:
        return after if last & LETTER and following & LETTER else place
    calculation = byte == PLUS or byte == DASH or byte == STAR or byte == CARET
    if calculation and last & DIGIT and (following & DIGIT or text[after] == DASH):
        return after
    if not last & (WORDLIKE | DIGIT):
        return place
    if byte == COLON or byte == SLASH or 0x3C <= byte <= 0x3E:
        return after if following & WORDLIKE else place
    if byte == DASH:
        while after < end and text[after] == DASH and after - place < 3:
            after += 1
    elif code == EM_DASH:
        following_code, width = decode(text, after, end)
        if following_code == EM_DASH:
            after += width
    elif code != EN_DASH and code != TILDE:
        return place
    if after >= end:
        return place
    following, _ = flags_at(text, after, end, flags)
    return after if following & WORDLIKE else place
