"""What kernels know of each character: flags from Unicode's categories and from the rules' own lists."""

import functools
import unicodedata

import numpy as np

from gptkit.kernels.jit import helper

PLANES = 0x20000  # above it: ideographs (letters), and characters that appear in no text

# Flags of a character
SPACE = 1  # str.isspace
LETTER = 2  # str.isalpha
MARK = 4  # combining marks, which belong to the letter before them
DIGIT = 8  # decimal digits
UPPER = 16  # capital letters
UNSPACED = 32  # letters of scripts that put no spaces between words
SYMBOL = 64  # a word of nothing but these is a symbol word (datatrove's PUNCTUATION_SET)
TERMINAL = 128  # ends a sentence (datatrove's TERMINAL_PUNCTUATION)
LINE_END = 256  # str.splitlines ends a line here
PREFIX = 512  # a word of its own at the start of a chunk
SUFFIX = 1024  # a word of its own at the end of a chunk
ALONE = 2048  # a word of its own wherever it stands: pictures, ideographic punctuation
PUNCTUATION = 4096  # Unicode's punctuation: does not begin a sentence
QUOTE = 8192  # quotation marks, as far as full stops beside them are concerned
CURRENCY = 16384  # currency signs

ABOVE_PLANES = LETTER | UNSPACED

# Sentence-ending marks of all scripts, as inclusive ranges (datatrove 0.10, utils/text.py)
TERMINAL_RANGES = (
    "0021 002E 003F 0589 061D-061F 06D4 0700-0702 07F9 0837 0839 083D-083E 0964-0965 104A-104B 1362 1367-1368 "
    "166E 1735-1736 17D4-17D6 17D9-17DA 1803 1809 1944-1945 1AA8-1AAB 1B5A-1B5B 1B5E-1B5F 1B7D-1B7E 1C3B-1C3C "
    "1C7E-1C7F 203C-203D 2047-2049 2E2E 2E3C 2E53-2E54 3002 A4FF A60E-A60F A6F3 A6F7 A876-A877 A8CE-A8CF A92F "
    "A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE52 FE56-FE57 FF01 FF0E FF1F FF61 10A56-10A57 10F55-10F59 10F86-10F89 "
    "11047-11048 110BE-110C1 11141-11143 111C5-111C6 111CD 111DE-111DF 11238-11239 1123B-1123C 112A9 1144B-1144C "
    "115C2-115C3 115C9-115D7 11641-11642 1173C-1173E 11944 11946 11A42-11A43 11A9B-11A9C 11C41-11C42 11EF7-11EF8 "
    "11F43-11F44 16A6E-16A6F 16AF5 16B37-16B38 16B44 16E98 1BC9F 1DA88"
)
SYMBOLS = "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»"
SYMBOL_CONTROLS = ((0x00, 0x08), (0x0B, 0x1F), (0x7F, 0x9F))

# spaCy's lists of what it takes off the two ends of a chunk (lang/char_classes.py, lang/punctuation.py)
QUOTES = "'\"”“`‘´’‚,„»«「」『』（）〔〕【】《》〈〉〈〉⟦⟧"
EDGES = "…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪—–"
ONLY_PREFIXES = "§%="

UNSPACED_SCRIPTS = "CJK UNIFIED|CJK COMPATIBILITY IDEOGRAPH|HIRAGANA|KATAKANA|THAI|LAO|KHMER|MYANMAR|IDEOGRAPHIC"


def _ranges(text: str) -> list[tuple[int, int]]:
    pairs = [part.split("-") for part in text.split()]
    return [(int(pair[0], 16), int(pair[-1], 16)) for pair in pairs]


@functools.cache
def character_flags() -> np.ndarray:
    """uint16 [PLANES]: the flags of each character below PLANES."""
    characters = list(map(chr, range(PLANES)))
    categories = np.array(list(map(unicodedata.category, characters)))
    first = categories.astype("U1")
    flags = np.zeros(PLANES, np.uint16)
    flags[first == "M"] = MARK
    flags[first == "P"] = PUNCTUATION
    flags[first == "L"] = LETTER
    flags[(categories == "Lu") | (categories == "Lt")] |= UPPER
    flags[categories == "Nd"] = DIGIT
    flags[categories == "Sc"] = CURRENCY | PREFIX
    flags[categories == "So"] = ALONE | PREFIX | SUFFIX
    unspaced = tuple(UNSPACED_SCRIPTS.split("|"))
    for code in np.flatnonzero((categories == "Lo") | (categories == "Lm")).tolist():
        if unicodedata.name(characters[code], "").startswith(unspaced):
            flags[code] |= UNSPACED
    flags[list(map(str.isspace, characters))] = SPACE
    for line in "".join(characters).splitlines(keepends=True)[:-1]:
        flags[ord(line[-1])] |= LINE_END
    for character in QUOTES:
        flags[ord(character)] |= QUOTE | PREFIX | SUFFIX
    for character in EDGES:
        flags[ord(character)] |= PREFIX | SUFFIX
    for character in ONLY_PREFIXES:
        flags[ord(character)] |= PREFIX
    for character in SYMBOLS:
        flags[ord(character)] |= SYMBOL
    for low, high in SYMBOL_CONTROLS:
        flags[low : high + 1] |= SYMBOL
    for low, high in _ranges(TERMINAL_RANGES):
        flags[low : high + 1] |= TERMINAL | SYMBOL | (ALONE | PREFIX | SUFFIX if low >= 0x80 else 0)
    for low, high in ((0x3001, 0x303F), (0xFF00, 0xFF65)):  # punctuation as wide as an ideograph
        flags[low : high + 1][flags[low : high + 1] & PUNCTUATION > 0] |= ALONE | PREFIX | SUFFIX
    return flags


@helper
def decode(text, place, end):
    """The code point at `place` of valid UTF-8, and its length in bytes; it is cut off at `end`."""
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


@helper
def flags_at(text, place, end, flags):
    """The flags of the character at `place`, and its length in bytes."""
    first = text[place]
    if first < 0x80:
        return np.int64(flags[first]), 1
    code, width = decode(text, place, end)
    return np.int64(flags[code]) if code < PLANES else ABOVE_PLANES, width


@helper
def count_characters(text, start, end):
    """The number of characters of text[start:end]."""
    found = 0
    for place in range(start, end):
        found += text[place] & 0xC0 != 0x80
    return found


@helper
def character_before(text, place, start):
    """Where the character that ends at `place` begins (place > start)."""
    place -= 1
    while place > start and text[place] & 0xC0 == 0x80:
        place -= 1
    return place
