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

import itertools

import numpy as np
import pyarrow as pa

from gptkit.kernels.affixes import (
    DOT,
    WORDLIKE,
    alphanumeric,
    infix_end,
    is_address,
    latin,
    prefix_end,
    small_letter,
    suffix_end,
    suffix_start,
)
from gptkit.kernels.characters import (
    ALONE,
    DIGIT,
    MARK,
    PUNCTUATION,
    QUOTE,
    SPACE,
    SUFFIX,
    TERMINAL,
    UNSPACED,
    character_flags,
    flags_at,
)
from gptkit.kernels.columns import string_arrays
from gptkit.kernels.jit import helper, kernel, routine

# What `walk` holds of the chunk at hand: its parts' ends, and whether its core is one word
CORE, CORE_END, CHUNK_END, PLAIN = 0, 1, 2, 3
WALK = 4

HASH_MULTIPLIER = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, odd
HASH_BITS = 0xFFFFFFFFFFFFFFFF


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
        after = prefix_end(text, core, core_end, flags)
        if after == core:
            break
        core = after
    letters = kinds & (QUOTE | DIGIT) > 0  # contractions have an apostrophe, units a number before them
    while core < core_end and (letters or not latin(text[core_end - 1])):
        before = suffix_start(text, core, core_end, flags)
        if before == core_end:
            break
        core_end = before
    inside = core
    while inside < core_end and alphanumeric(text[inside]):
        inside += 1
    plain = inside == core_end or (not kinds & (UNSPACED | ALONE) and is_address(text, core, core_end))
    walk[CORE], walk[CORE_END], walk[CHUNK_END], walk[PLAIN] = core, core_end, stop, plain


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
        stop = infix_end(text, core, place, end, flags)
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
        while stop < end and latin(text[stop]):
            stop += 1
        if stop > place:
            after = stop
            if stop < end and text[stop] < 0x80:
                if text[stop] == DOT:  # that of an abbreviation is left to _open_chunk
                    after += small_letter(text[place]) and small_letter(text[stop - 1]) and stop - place >= 3
                elif flags[text[stop]] & SUFFIX:
                    after += 1
            if after == end or (text[after] < 0x80 and flags[text[after]] & SPACE):
                walk[CORE], walk[CORE_END], walk[CHUNK_END] = place, stop, after
                return place, stop
        _open_chunk(text, place, end, flags, walk)
    if place < walk[CORE]:
        return place, prefix_end(text, place, walk[CORE], flags)
    if place >= walk[CORE_END]:
        return place, suffix_end(text, place, walk[CHUNK_END])
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
            wide = sentences == 0 or place - last > 1 or (place - last == 1 and text[last] != 0x20)
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
    for start, end in itertools.pairwise(starts):
        bounds = _word_bounds(content, start, end, character_flags())
        rows.append([content[first:last].tobytes().decode() for first, last in bounds])
    return rows


def sentence_counts(texts: pa.Array) -> np.ndarray:
    """int64 [texts]: the sentences of each text."""
    content, starts = string_arrays(texts)
    return _sentence_counts(content, starts, character_flags())
