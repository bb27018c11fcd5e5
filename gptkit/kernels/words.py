"""Words and sentences of a byte range, split much as spaCy's English tokenizer does.

White space separates chunks. Punctuation comes off both ends of a chunk, a character a word (two
dots or more are one word), and so do what contractions and units of measure end with: do|n't,
John|'s, 5|km. What is left is split at the marks that join words (well|-|known, and|/|or, word|,|word,
end|.|Begin) unless it is a host name or an address. Scripts that write no spaces have a word for
each letter with its marks. The rules follow spaCy 3.8 (lang/punctuation.py and
lang/en/tokenizer_exceptions.py) in what is frequent, and leave out its long lists of exceptions.

The kernels' helpers keep their place in `walk`, int64 [WALK], which a caller makes once with
`np.empty(WALK, np.int64)` and sets up for each range with `begin`:

    begin(walk, start)
    word, stop = next_word(text, start, end, flags, walk)
    while word < stop:
        ...
        word, stop = next_word(text, stop, end, flags, walk)
"""

import numpy as np
import pyarrow as pa

from gptkit.kernels.characters import (
    ALONE,
    CURRENCY,
    DIGIT,
    LETTER,
    MARK,
    PREFIX,
    PUNCTUATION,
    QUOTE,
    SPACE,
    SUFFIX,
    TERMINAL,
    UNSPACED,
    UPPER,
    character_before,
    character_flags,
    decode,
    flags_at,
)
from gptkit.kernels.columns import string_arrays
from gptkit.kernels.jit import helper, kernel, routine

# What `walk` holds of the chunk at hand: its parts' ends, and whether the core may have words inside
CORE, CORE_END, CHUNK_END, PLAIN = 0, 1, 2, 3
WALK = 4

DOT, DASH, PLUS, SLASH, COLON, AT = 0x2E, 0x2D, 0x2B, 0x2F, 0x3A, 0x40
APOSTROPHE, CURLY_APOSTROPHE, ELLIPSIS, EN_DASH, EM_DASH, TILDE = 0x27, 0x2019, 0x2026, 0x2013, 0x2014, 0x7E
WORDLIKE = LETTER | MARK

HASH_MULTIPLIER = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, odd
HASH_BITS = 0xFFFFFFFFFFFFFFFF


def _packed_words(words: str) -> np.ndarray:
    return np.array(sorted(int.from_bytes(word.encode(), "little") for word in words.split()), np.uint64)


# Words of up to 8 letters as 64-bit numbers, first letter lowest
UNITS = _packed_words("km m dm cm mm ha nm yd in ft kg g mg t lb oz kmh mph hPa Pa mbar mb MB kb KB gb GB tb TB T G M K am pm")
ABBREVIATIONS = _packed_words(
    "Mr Mrs Ms Dr St Mt Jr Sr Co co Inc Ltd Corp Bros Prof Rev Gen Gov Sen Rep Adm Messrs vs Mo Md Mont Jan Feb Mar Apr "
    "Jun Jul Aug Sep Sept Oct Nov Dec Ak Ala Ariz Ark Calif Colo Conn Del Fla Ga Ia Id Ill Ind Kan Kans Ky La Mass Mich "
    "Minn Miss Neb Nebr Nev Okla Ore Pa Tenn Va Wash Wis"
)


@helper
def hash_bytes(text, start, end):
    """A 64-bit hash of text[start:end], eight bytes a step."""
    value = np.uint64(end - start)
    multiplier = np.uint64(HASH_MULTIPLIER)
    while start < end:
        block = np.uint64(0)
        if end - start >= 8:
            for index in range(8):
                block |= np.uint64(text[start + index]) << np.uint64(8 * index)
        else:
            for index in range(end - start):
                block |= np.uint64(text[start + index]) << np.uint64(8 * index)
        value = (value ^ block) * multiplier
        value ^= value >> np.uint64(29)
        start += 8
    return value


def word_key(word: str) -> int:
    """What `hash_bytes` gives for a word: 64 bits, for tables of words that kernels look up."""
    data = word.encode()
    value = len(data)
    for start in range(0, len(data), 8):
        value = (value ^ int.from_bytes(data[start : start + 8], "little")) * HASH_MULTIPLIER & HASH_BITS
        value ^= value >> 29
    return value


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
def _small_letter(byte):
    return 0x61 <= byte <= 0x7A


@helper
def _latin(byte):
    return 0x61 <= byte | 0x20 <= 0x7A


@helper
def _alphanumeric(byte):
    return _digit(byte) or _latin(byte)


@helper
def _two_letters(first, last):
    """Whether they are those of 've, 're or 'll."""
    return last == 0x65 and (first == 0x76 or first == 0x72) or last == 0x6C and first == 0x6C


@helper
def _dots(text, place, end):
    """The end of the run of dots at `place`."""
    while place < end and text[place] == DOT:
        place += 1
    return place


@helper
def _prefix(text, place, end, flags):
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
    if found & (MARK | DIGIT | SUFFIX | QUOTE) or byte == 0x25 or byte == PLUS or byte == DASH:
        return place
    return end


@routine
def _suffix_of_letters(text, core, end, flags):
    """The start of the contraction or unit that ends text[core:end] in small letters; `end` where there is none."""
    place = end
    while place > core and end - place < 4 and _latin(text[place - 1]):
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
    if length == 1 and (last == 0x73 or last == 0x53):  # 's 'S
        return before
    if length == 1 and last == 0x74 and before > core and text[before - 1] == 0x6E:  # n't
        before -= 1
    elif not (length == 1 and (last == 0x6D or last == 0x64) or length == 2 and _two_letters(first, last)):  # 'm 'd
        return end
    if before == core:
        return end
    letter, _ = flags_at(text, character_before(text, before, core), before, flags)
    return before if letter & WORDLIKE else end


@helper
def _suffix(text, core, end, flags):
    """The start of the word that comes off the end of text[core:end]; `end` where none does."""
    byte = text[end - 1]
    if byte == DOT:
        return _suffix_of_stop(text, core, end, flags)
    if _latin(byte):
        return _suffix_of_letters(text, core, end, flags)
    place = character_before(text, end, core)
    found, _ = flags_at(text, place, end, flags)
    if found & SUFFIX:
        return place
    if place > core and _digit(text[place - 1]) and (found & CURRENCY or byte == PLUS or byte == 0x25):
        return place
    return end


@routine
def _suffix_end(text, place, end):
    """The end of the suffix that begins at `place` in a row of suffixes."""
    if text[place] == DOT:
        return _dots(text, place, end)
    code, width = decode(text, place, end)
    stop = place + width
    if _is_apostrophe(code) and stop < end:
        first = text[stop]
        if first == 0x73 or first == 0x53 or first == 0x6D or first == 0x64:  # 's 'S 'm 'd
            return stop + 1
        if stop + 1 < end and _two_letters(first, text[stop + 1]):
            return stop + 2
        return stop
    if code == 0x6E and stop < end:  # n't
        following, width = decode(text, stop, end)
        if _is_apostrophe(following) and stop + width < end and text[stop + width] == 0x74:
            return stop + width + 1
    while stop < end and _latin(text[stop - 1]) and _latin(text[stop]):
        stop += 1
    return stop


@routine
def _is_address(text, start, end):
    """Whether text[start:end] is `[scheme://][user@]host.name[:port][/path]`, or four numbers with dots for the host."""
    place = start
    while place < end and (_alphanumeric(text[place]) or text[place] == DOT or text[place] == DASH):
        place += 1
    if place + 3 < end and text[place] == COLON and text[place + 1] == SLASH and text[place + 2] == SLASH:
        start = place + 3
    place = start
    while place < end and text[place] != AT and text[place] != SLASH and text[place] != 0x3F and text[place] != 0x23:
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
        elif _small_letter(byte):
            letters += 1
        elif _digit(byte):
            digits += 1
        elif not (_alphanumeric(byte) or byte >= 0x80 or byte == DASH or byte == 0x5F):
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
    if place < end and text[place] != SLASH and text[place] != 0x3F and text[place] != 0x23:
        return False
    return name or number


@routine
def _open_chunk(text, place, end, flags, walk):
    """Finds the chunk at `place` (no white space) and its core."""
    stop, kinds = place, np.int64(0)
    while stop < end:
        found, width = flags_at(text, stop, end, flags)
        if found & SPACE:
            break
        kinds |= found
        stop += width
    core, core_end = place, stop
    while core < core_end:
        after = _prefix(text, core, core_end, flags)
        if after == core:
            break
        core = after
    letters = kinds & (QUOTE | DIGIT) > 0  # contractions have an apostrophe, units a number before them
    while core < core_end and (letters or not _latin(text[core_end - 1])):
        before = _suffix(text, core, core_end, flags)
        if before == core_end:
            break
        core_end = before
    inside = core
    while inside < core_end and _alphanumeric(text[inside]):
        inside += 1
    plain = inside == core_end or not kinds & (UNSPACED | ALONE) and _is_address(text, core, core_end)
    walk[CORE], walk[CORE_END], walk[CHUNK_END], walk[PLAIN] = core, core_end, stop, plain


@routine
def _infix(text, core, place, end, flags):
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
        small = last & QUOTE or last & WORDLIKE and not last & UPPER
        return after if small and following & (UPPER | QUOTE) else place
    if code == 0x2C:
        return after if last & LETTER and following & LETTER else place
    if last & DIGIT and (byte == PLUS or byte == DASH or byte == 0x2A or byte == 0x5E):
        if following & DIGIT or text[after] == DASH:
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


@helper
def _core_word(text, core, place, end, flags):
    """The end of the word at `place` within the core of a chunk."""
    start = place
    while place < end:
        found, width = flags_at(text, place, end, flags)
        if found & UNSPACED:
            if place > start:
                return place
            place += width
            while place < end:
                found, width = flags_at(text, place, end, flags)
                if not found & MARK:
                    break
                place += width
            return place
        if found & (WORDLIKE | DIGIT):
            place += width
            continue
        stop = _infix(text, core, place, end, flags)
        if stop > place:
            return stop if place == start else place
        place += width
    return place


@helper
def begin(walk, start):
    """Sets `walk` up for a range that begins at `start`."""
    walk[CHUNK_END] = start


@helper
def next_word(text, place, end, flags, walk):
    """The first and last-but-one byte of the word at or after `place`: (start, stop); (end, end) where none is left.

    `place` is the range's start or the last word's stop; walk: see `begin`.
    """
    if place >= walk[CHUNK_END]:
        while place < end:
            found, width = flags_at(text, place, end, flags)
            if not found & SPACE:
                break
            place += width
        if place >= end:
            return end, end
        # Most chunks are ASCII letters, perhaps with one mark after them: no need to look further
        stop = place
        while stop < end and text[stop] < 0x80 and flags[text[stop]] & LETTER:
            stop += 1
        if stop > place:
            after = stop
            if stop < end and text[stop] < 0x80:
                if text[stop] == DOT:  # that of an abbreviation is left to _open_chunk
                    after += _small_letter(text[place]) and _small_letter(text[stop - 1]) and stop - place >= 3
                elif flags[text[stop]] & SUFFIX:
                    after += 1
            if after == end or text[after] < 0x80 and flags[text[after]] & SPACE:
                walk[CORE], walk[CORE_END], walk[CHUNK_END] = place, stop, after
                return place, stop
        _open_chunk(text, place, end, flags, walk)
    if place < walk[CORE]:
        return place, _prefix(text, place, walk[CORE], flags)
    if place >= walk[CORE_END]:
        return place, _suffix_end(text, place, walk[CHUNK_END])
    if walk[PLAIN]:
        return place, walk[CORE_END]
    return place, _core_word(text, walk[CORE], place, walk[CORE_END], flags)


@helper
def count_words(text, start, end, flags, walk):
    """The words of text[start:end], and the length in characters of the longest."""
    words = longest = 0
    begin(walk, start)
    place, stop = next_word(text, start, end, flags, walk)
    while place < stop:
        words += 1
        length = 0
        for index in range(place, stop):
            length += text[index] & 0xC0 != 0x80
        longest = max(longest, length)
        place, stop = next_word(text, stop, end, flags, walk)
    return words, longest


@helper
def count_sentences(text, start, end, flags, walk):
    """The sentences of text[start:end], as spaCy's Sentencizer counts them.

    After a word that is one terminal mark, a sentence begins at the next word that is no
    punctuation, or that more than a single space stands before.
    """
    sentences = 0
    ended = True
    begin(walk, start)
    last = start
    place, stop = next_word(text, start, end, flags, walk)
    while place < stop:
        found, width = flags_at(text, place, end, flags)
        terminal = found & TERMINAL and width == stop - place
        if ended:
            wide = sentences == 0 or place - last > 1 or place - last == 1 and text[last] != 0x20
            inside = place
            while inside < stop and not wide and not terminal:
                found, width = flags_at(text, inside, stop, flags)
                wide = not found & PUNCTUATION
                inside += width
            if wide:
                sentences += 1
                ended = False
        if terminal:
            ended = True
        last = stop
        place, stop = next_word(text, stop, end, flags, walk)
    return sentences


@kernel
def _word_bounds(text, start, end, flags):
    walk = np.empty(WALK, np.int64)
    bounds = np.empty((end - start, 2), np.int64)
    count = 0
    begin(walk, start)
    place, stop = next_word(text, start, end, flags, walk)
    while place < stop:
        bounds[count, 0], bounds[count, 1] = place, stop
        count += 1
        place, stop = next_word(text, stop, end, flags, walk)
    return bounds[:count]


@kernel
def _sentence_counts(text, starts, flags):
    walk = np.empty(WALK, np.int64)
    counts = np.empty(len(starts) - 1, np.int64)
    for row in range(len(counts)):
        counts[row] = count_sentences(text, starts[row], starts[row + 1], flags, walk)
    return counts


def split_words(texts: pa.Array) -> list[list[str]]:
    """The words of each text, in order; for explanations and tests."""
    content, starts = string_arrays(texts)
    rows = []
    for start, end in zip(starts[:-1], starts[1:], strict=True):
        bounds = _word_bounds(content, start, end, character_flags())
        rows.append([content[first:last].tobytes().decode() for first, last in bounds])
    return rows


def sentence_counts(texts: pa.Array) -> np.ndarray:
    """int64 [texts]: the sentences of each text."""
    content, starts = string_arrays(texts)
    return _sentence_counts(content, starts, character_flags())
