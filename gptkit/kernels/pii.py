"""Where e-mail addresses and IPv4 addresses stand in text, in one pass and in time linear in its length.

An e-mail address: atoms (ASCII letters, digits and !#$%&'*+/=?^_`{|}~-) joined by single dots, from
the first place that is a word boundary, `@`, and two or more labels of letters, digits and inner
hyphens joined by dots, or an IPv4 address in brackets. An IPv4 address: four numbers up to 255 joined
by dots, also where more digits stand before or behind it. These are the matches of the two
expressions in datatrove's PIIFormatter (0.10), leftmost and without overlap, e-mail addresses first.
"""

import numpy as np

from gptkit.kernels.jit import helper, kernel

EMAIL, ADDRESS = 0, 1
AT, DOT, COLON, HYPHEN, OPEN, CLOSE = 0x40, 0x2E, 0x3A, 0x2D, 0x5B, 0x5D
# What a byte can be part of
ATOM, ALNUM, WORD, DIGIT = 1, 2, 4, 8


def byte_kinds() -> np.ndarray:
    """uint8 [256]: flags ATOM (of an e-mail address), ALNUM (ASCII), WORD (ASCII of a regex's \\w), DIGIT."""
    kinds = np.zeros(256, np.uint8)
    for code in range(128):
        character = chr(code)
        if character.isalnum():
            kinds[code] |= ATOM | ALNUM | WORD
        if character in "!#$%&'*+/=?^_`{|}~-":
            kinds[code] |= ATOM
        if character == "_":
            kinds[code] |= WORD
        if character.isdigit():
            kinds[code] |= DIGIT
    return kinds


@helper
def _wordlike_before(text, place, start, kinds, wordlike):
    """Whether the character that ends before `place` is one of a regex's \\w."""
    if place == start:
        return False
    code = np.int64(text[place - 1])
    if code < 0x80:
        return kinds[code] & WORD != 0
    code &= 0x3F
    shift = 6
    place -= 2
    while text[place] & 0xC0 == 0x80:
        code |= (np.int64(text[place]) & 0x3F) << shift
        shift += 6
        place -= 1
    code |= (np.int64(text[place]) & (0x3F >> (shift // 6))) << shift
    return wordlike[code]


@helper
def _octet_digits(text, place, end, kinds):
    """How many digits from `place` are a whole number up to 255; 0 where they are none."""
    count = 0
    while count < 4 and place + count < end and kinds[text[place + count]] & DIGIT:
        count += 1
    return 0 if count == 4 or (count == 3 and not _fits(text, place)) else count


@helper
def _fits(text, place):
    """Whether three digits are at most 255."""
    value = 100 * (np.int64(text[place]) - 0x30) + 10 * (np.int64(text[place + 1]) - 0x30) + np.int64(text[place + 2])
    return value - 0x30 <= 255


@helper
def _domain_end(text, place, end, kinds):
    """Where the domain that begins at `place` ends; 0 where there is none."""
    found, labels = 0, 0
    while place < end and kinds[text[place]] & ALNUM:
        last = place
        while place < end and (kinds[text[place]] & ALNUM or text[place] == HYPHEN):
            if text[place] != HYPHEN:
                last = place + 1
            place += 1
        labels += 1
        if labels >= 2:
            found = last
        if last != place or place == end or text[place] != DOT:
            break
        place += 1
    return found


@helper
def _literal_end(text, place, end, kinds):
    """Where the address in brackets that begins at `place` ends; 0 where there is none."""
    if place == end or text[place] != OPEN:
        return 0
    place += 1
    for _ in range(3):
        count = _octet_digits(text, place, end, kinds)
        place += count
        if count == 0 or place == end or text[place] != DOT:
            return 0
        place += 1
    count = _octet_digits(text, place, end, kinds)
    if count and place + count < end and text[place + count] == CLOSE:
        return place + count + 1
    first = place
    while place < end and (kinds[text[place]] & ALNUM or text[place] == HYPHEN):
        place += 1
    tagged = place > first and text[place - 1] != HYPHEN
    if tagged and place + 1 < end and text[place] == COLON and text[place + 1] == CLOSE:
        return place + 2
    return 0


@helper
def _local_start(text, place, floor, start, kinds, wordlike):
    """Where the part before the `@` at `place` begins, not before `floor`; -1 where there is none."""
    first = place
    while first > floor:
        before = text[first - 1]
        joins = before == DOT and first < place and first - 1 > floor and kinds[text[first - 2]] & ATOM
        if not kinds[before] & ATOM and not joins:
            break
        first -= 1
    while first < place:
        if text[first] != DOT:
            own = kinds[text[first]] & WORD != 0
            if own != _wordlike_before(text, first, start, kinds, wordlike):
                return first
        first += 1
    return np.int64(-1)


@helper
def _add_addresses(text, start, end, kinds, document, spans, count):
    """Adds the IPv4 addresses between `start` and `end` to `spans`; the new count."""
    place = floor = start
    while place < end:
        if text[place] != DOT or place == floor or not kinds[text[place - 1]] & DIGIT:
            place += 1
            continue
        first = place - 1
        while first > floor and place - first < 3 and kinds[text[first - 1]] & DIGIT:
            first -= 1
        if place - first == 3 and not _fits(text, first):
            first += 1
        last = place + 1
        for _ in range(2):
            digits = _octet_digits(text, last, end, kinds)
            if digits == 0 or last + digits == end or text[last + digits] != DOT:
                last = 0
                break
            last += digits + 1
        digits = 0
        if last:
            while digits < 3 and last + digits < end and kinds[text[last + digits]] & DIGIT:
                digits += 1
            if digits == 3 and not _fits(text, last):
                digits = 2
        if digits:
            spans[count, 0], spans[count, 1], spans[count, 2], spans[count, 3] = document, ADDRESS, first, last + digits
            count += 1
            place = floor = last + digits
        else:
            place += 1
    return count


@kernel
def find_addresses(text, starts, kinds, wordlike):
    """All e-mail and IPv4 addresses in order: int64 [found, 4] of (document, EMAIL or ADDRESS, first byte, behind the last).

    text: uint8, valid UTF-8; starts: int64 [documents + 1]; kinds: see `byte_kinds`; wordlike: bool
    [0x110000], the characters of a regex's \\w. Bytes are counted from the beginning of `text`.
    """
    ats = dots = 0
    for place in range(starts[0], starts[-1]):
        ats += text[place] == AT
        dots += text[place] == DOT and place > starts[0] and kinds[text[place - 1]] & DIGIT != 0
    spans = np.empty((ats + dots // 3, 4), np.int64)  # an IPv4 address has three dots, each behind a digit
    count = 0
    for document in range(len(starts) - 1):
        start, end = starts[document], starts[document + 1]
        floor = start  # where the last e-mail address ended
        place = start
        while place < end:
            if text[place] != AT:
                place += 1
                continue
            last = _domain_end(text, place + 1, end, kinds)
            if last == 0:
                last = _literal_end(text, place + 1, end, kinds)
            first = _local_start(text, place, floor, start, kinds, wordlike) if last else np.int64(-1)
            if first < 0:
                place += 1
                continue
            count = _add_addresses(text, floor, first, kinds, document, spans, count)
            spans[count, 0], spans[count, 1], spans[count, 2], spans[count, 3] = document, EMAIL, first, last
            count += 1
            place = floor = last
        count = _add_addresses(text, floor, end, kinds, document, spans, count)
    return spans[:count]
