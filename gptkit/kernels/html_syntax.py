"""HTML's tokens over bytes: tags, attributes, comments, raw text and character references.

As in the HTML standard's tokenizer (https://html.spec.whatwg.org/multipage/parsing.html#tokenization).
Every helper reads `page` (uint8, valid UTF-8) from a place to `end`, never behind it, and moves forward.
"""

import html.entities
from functools import cache

import numpy as np

from gptkit.kernels.fnv import FNV_PRIME, FNV_START, fnv
from gptkit.kernels.jit import helper

WIDTH = np.uint64(16)
LONGEST_REFERENCE = 32  # letters of the longest name of a character: CounterClockwiseContourIntegral
LONGEST_LEGACY = 6  # of those that need no semicolon: Aacute
LT, GT, SLASH, BANG, QUESTION, DASH, EQUALS, AMPERSAND, SEMICOLON, HASH = (np.uint8(ord(c)) for c in "<>/!?-=&;#")
DOUBLE, SINGLE = np.uint8(ord('"')), np.uint8(ord("'"))
REPLACEMENT = 0xFFFD
CDATA, BRACKET = tuple(b"<![CDATA["), np.uint8(ord("]"))
SCRIPT_TAG = len("<script>")
# What numbers from 128 to 159 mean in a character reference: windows-1252 (the standard's table)
WINDOWS_1252 = tuple(ord(bytes([code]).decode("cp1252", "ignore") or chr(code)) for code in range(0x80, 0xA0))


def hash_table(names: dict[bytes, int]) -> tuple[np.ndarray, np.ndarray]:
    """An open-addressed table for `look_up`: keys (uint64, 0 where free) and values (int64), a power of two, half full.

    Raises ValueError where two names have one hash.
    """
    size = 1 << max(4, (2 * len(names)).bit_length())
    keys, values = np.zeros(size, np.uint64), np.zeros(size, np.int64)
    for name, value in names.items():
        h = np.uint64(fnv(name))
        place = int(h) & (size - 1)
        while keys[place]:
            if keys[place] == h:
                raise ValueError(f"two names have the hash of {name!r}")
            place = (place + 1) & (size - 1)
        keys[place], values[place] = h, value
    return keys, values


@cache
def references() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The standard's named characters: keys and values for `look_up`, and code points (uint32 [names, 2]; 0 for none)."""
    names = sorted(html.entities.html5)
    points = np.zeros((len(names) + 1, 2), np.uint32)
    for row, name in enumerate(names, 1):
        characters = html.entities.html5[name]
        points[row, : len(characters)] = [ord(character) for character in characters]
    keys, values = hash_table({name.encode(): row for row, name in enumerate(names, 1)})
    return keys, values, points


@helper
def look_up(keys, values, h):
    """The value of a hash in a table of `hash_table`, or 0."""
    mask = np.uint64(len(keys) - 1)
    place = h & mask
    while keys[place] != np.uint64(0):
        if keys[place] == h:
            return values[place]
        place = (place + np.uint64(1)) & mask
    return np.int64(0)


@helper
def is_space(byte):
    """Whether a byte is white space in HTML: space, tab, line feed, form feed, carriage return."""
    return byte == 32 or byte == 10 or byte == 9 or byte == 13 or byte == 12


@helper
def is_letter(byte):
    """Whether a byte is an ASCII letter."""
    return 97 <= (byte | 32) <= 122


@helper
def lowered(byte):
    """A byte, as a small letter where it is a capital."""
    return np.uint8(byte | 32) if 65 <= byte <= 90 else np.uint8(byte)


@helper
def find_byte(page, place, end, byte):
    """Where a byte stands next, or `end`."""
    at, stop = np.uint64(place), np.uint64(end)  # unsigned: no check for negative indices
    while at + WIDTH <= stop:  # in steps that LLVM makes one comparison of
        found = np.uint8(0)
        for index in range(WIDTH):
            found |= np.uint8(page[at + index] == byte)
        if found:
            break
        at += WIDTH
    while at < stop and page[at] != byte:
        at += np.uint64(1)
    return np.int64(at)


@helper
def name_end(page, place, end):
    """The end of the tag name that begins at `place`, and its hash in small letters."""
    h = FNV_START
    while place < end:
        byte = page[place]
        if byte == GT or byte == SLASH or is_space(byte):
            break
        h = (h ^ np.uint64(lowered(byte))) * FNV_PRIME
        place += 1
    return place, h


@helper
def next_attribute(page, place, end):
    """The next attribute of a tag, from behind the tag's name or the attribute before.

    Gives (hash of the name or 0 where the tag ends here, value start, value end, where to go on,
    whether the tag closes itself). Behind the tag's last attribute, "where to go on" is the place
    behind its `>`, or `end` where the page ends inside the tag.
    """
    closes = False
    while place < end and (is_space(page[place]) or page[place] == SLASH):
        closes = page[place] == SLASH
        place += 1
    if place >= end:
        return np.uint64(0), place, place, place, False
    if page[place] == GT:
        return np.uint64(0), place, place, place + 1, closes
    h = (FNV_START ^ np.uint64(lowered(page[place]))) * FNV_PRIME  # an equals sign may begin a name
    place += 1
    while place < end:
        byte = page[place]
        if byte == EQUALS or byte == GT or byte == SLASH or is_space(byte):
            break
        h = (h ^ np.uint64(lowered(byte))) * FNV_PRIME
        place += 1
    after = place
    while after < end and is_space(page[after]):
        after += 1
    if after >= end or page[after] != EQUALS:
        return h, place, place, place, False
    after += 1
    while after < end and is_space(page[after]):
        after += 1
    if after >= end:
        return h, after, after, after, False
    quote = page[after]
    if quote == DOUBLE or quote == SINGLE:
        start = after + 1
        stop = find_byte(page, start, end, quote)
        return h, start, stop, min(stop + 1, end), False
    stop = after
    while stop < end and page[stop] != GT and not is_space(page[stop]):
        stop += 1
    return h, after, stop, stop, False


@helper
def tag_end(page, place, end):
    """The place behind the `>` of a tag, from behind its name, and whether it closes itself."""
    closes = False
    h = np.uint64(1)
    while h != np.uint64(0) and place < end:
        h, _, _, place, closes = next_attribute(page, place, end)
    return place, closes


@helper
def markup_end(page, place, end):
    """The place behind a comment, declaration or processing instruction (`<!…`, `<?…`, `</` and no letter).

    `place` is that of the `<`. An unterminated one ends with the page.
    """
    if place + 3 < end and page[place + 1] == BANG and page[place + 2] == DASH and page[place + 3] == DASH:
        place += 4
        if place < end and page[place] == GT:  # <!-->
            return place + 1
        if place + 1 < end and page[place] == DASH and page[place + 1] == GT:  # <!--->
            return place + 2
        while place < end:
            place = find_byte(page, place, end, DASH)
            if place + 2 < end and page[place + 1] == DASH:
                if page[place + 2] == GT:
                    return place + 3
                if page[place + 2] == BANG and place + 3 < end and page[place + 3] == GT:
                    return place + 4
            place += 1
        return end
    return min(find_byte(page, place, end, GT) + 1, end)


@helper
def is_end_tag(page, place, end, h):
    """Whether the end tag of a name stands at `place`: `</`, the name, and what may follow it."""
    if place + 2 >= end or page[place + 1] != SLASH or not is_letter(page[place + 2]):
        return False
    stop, found = name_end(page, place + 2, end)
    return found == h and stop < end


@helper
def find_end_tag(page, place, end, h):
    """Where the next end tag of a name begins, or `end`."""
    while place < end:
        place = find_byte(page, place, end, LT)
        if is_end_tag(page, place, end, h):
            return place
        place += 1
    return end


@helper
def cdata_end(page, place, end):
    """The place behind a CDATA section, which SVG and MathML know, or `place` where none begins."""
    if place + len(CDATA) > end:
        return place
    for index in range(len(CDATA)):
        if page[place + index] != CDATA[index]:
            return place
    place += len(CDATA)
    while place < end:
        place = find_byte(page, place, end, GT)
        if page[place - 1] == BRACKET and page[place - 2] == BRACKET:
            return min(place + 1, end)
        place += 1
    return end


@helper
def script_end(page, place, end, script):
    """Where the end tag of a script begins, and whether all of the page was read to find it.

    `script` is the hash of its name. Inside `<!-- … -->` a `<script` hides the next end tag (the
    standard's double escaped state). Where that hides all, the first end tag counts.
    """
    first, escaped, hidden = end, False, False
    while place < end:
        if not escaped:
            place = find_byte(page, place, end, LT)
            if place >= end:
                break
        byte = page[place]
        if byte == LT:
            if is_end_tag(page, place, end, script):
                if not hidden:
                    return place, False
                first = min(first, place)
                hidden = False
            elif place + 3 < end and page[place + 1] == BANG and page[place + 2] == DASH and page[place + 3] == DASH:
                escaped = True
                place += 2  # <!--> is a whole one
                continue
            elif escaped and place + 1 < end and is_letter(page[place + 1]):
                limit = min(end, place + SCRIPT_TAG)  # else names without an end are read again and again
                stop, h = name_end(page, place + 1, limit)
                hidden = hidden or (h == script and stop < limit)
        elif byte == GT and escaped and page[place - 1] == DASH and page[place - 2] == DASH:
            escaped, hidden = False, False
        place += 1
    return first, True


@helper
def reference(page, place, end, keys, values, points):
    """The characters that a reference at `place` (of its `&`) stands for, and the place behind it.

    keys, values, points: `references()`. Two code points, 0 for none; both 0 where it is no reference.
    """
    place += 1
    if place < end and page[place] == HASH:
        return _numeric(page, place + 1, end)
    h, stop, legacy, behind = FNV_START, place, np.int64(0), place
    while stop < end and stop - place < LONGEST_REFERENCE:
        byte = page[stop]
        if not (is_letter(byte) or 48 <= byte <= 57):
            break
        h = (h ^ np.uint64(byte)) * FNV_PRIME
        stop += 1
        if stop - place <= LONGEST_LEGACY:
            row = look_up(keys, values, h)
            if row:
                legacy, behind = row, stop
    if stop < end and page[stop] == SEMICOLON:
        row = look_up(keys, values, (h ^ np.uint64(SEMICOLON)) * FNV_PRIME)
        if row:
            legacy, behind = row, stop + 1
    return np.int64(points[legacy, 0]), np.int64(points[legacy, 1]), behind


@helper
def _numeric(page, place, end):
    hexadecimal = place < end and page[place] | 32 == 120
    if hexadecimal:
        place += 1
    code, start = np.int64(0), place
    while place < end:
        byte = np.int64(page[place])
        if 48 <= byte <= 57:
            digit = byte - 48
        elif hexadecimal and 97 <= (byte | 32) <= 102:
            digit = (byte | 32) - 87
        else:
            break
        code = min(code * (16 if hexadecimal else 10) + digit, np.int64(0x110000))
        place += 1
    if place == start:
        return np.int64(0), np.int64(0), start
    if place < end and page[place] == SEMICOLON:
        place += 1
    if code == 0 or code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        code = np.int64(REPLACEMENT)
    elif 0x80 <= code <= 0x9F:
        code = np.int64(WINDOWS_1252[code - 0x80])
    return code, np.int64(0), place
