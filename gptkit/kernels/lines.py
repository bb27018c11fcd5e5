"""What the kernels that edit text by lines share: copying, stripping, phrases without regard to case."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from gptkit.kernels.characters import SPACE, character_before, flags_at
from gptkit.kernels.jit import helper, kernel
from gptkit.kernels.words import count_sentences, count_words

KELVIN = "\u212a".encode()  # the only character beyond ASCII that str.lower makes one of ASCII


class PhraseSearch(NamedTuple):
    """An automaton that finds phrases in one look-up a byte (Aho and Corasick, doi 10.1145/360825.360855)."""

    steps: np.ndarray  # uint8 [states, 256]: the next state; the first one is that of nothing begun
    found: np.ndarray  # int64 [states]: the bits of the phrases that end here


def phrase_search(phrases: dict[str, int]) -> PhraseSearch:
    """The automaton of phrases, given in lower case, and their bits; `find_phrases` walks it.

    Raises ValueError where one is empty, or where they have more than 255 letters.
    """
    children: list[dict[int, int]] = [{}]
    found = [0]
    for phrase, bits in phrases.items():
        for spelling in {phrase.encode(), phrase.encode().replace(b"k", KELVIN)}:
            state = 0
            for byte in spelling:
                if byte not in children[state]:
                    children[state][byte] = len(children)
                    children.append({})
                    found.append(0)
                state = children[state][byte]
            found[state] |= bits
    if "" in phrases or len(children) > 256:
        raise ValueError("a phrase is empty, or they are too long")
    steps = np.zeros((len(children), 256), np.uint8)
    fallback = [0] * len(children)  # the state of the longest end of what was read that also begins a phrase
    queue = [0]
    for state in queue:  # grows: by length of what was read
        steps[state] = steps[fallback[state]]
        found[state] |= found[fallback[state]]
        for byte, child in children[state].items():
            fallback[child] = int(steps[state, byte]) if state else 0
            steps[state, byte] = child
            queue.append(child)
    steps[:, 0x41:0x5B] = steps[:, 0x61:0x7B]
    return PhraseSearch(steps, np.array(found, np.int64))


def pack_phrases(phrases: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Phrases in lower case as arrays for `phrase_at`: their bytes (uint8) and starts (int64 [phrases + 1])."""
    encoded = [phrase.encode() for phrase in phrases]
    return np.frombuffer(b"".join(encoded), np.uint8), np.cumsum([0, *map(len, encoded)], dtype=np.int64)


def string_column(content: np.ndarray, starts: np.ndarray, kind: pa.DataType) -> pa.Array:
    """A string column of type `kind` over valid UTF-8 `content` (uint8) and `starts` (int64 [rows + 1]), not copied."""
    offsets = starts.astype(np.int64 if pa.types.is_large_string(kind) else np.int32)
    return pa.Array.from_buffers(kind, len(starts) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(content)])


@helper
def copy(source, begin, end, out, to):
    """Copies source[begin:end] to `to`, which may lie before `begin` in the same array; gives where it ends."""
    for k in range(end - begin):
        out[to + k] = source[begin + k]
    return to + end - begin


@helper
def contains(text, begin, end, byte):
    """Whether `byte` is in text[begin:end]."""
    found = False
    for k in range(begin, end):
        found |= text[k] == byte
    return found


@helper
def find_phrases(text, begin, end, search):
    """The bits of all phrases in text[begin:end], in any case; search: see `phrase_search`."""
    state, found = np.uint8(0), np.int64(0)
    for k in range(begin, end):
        state = search.steps[state, text[k]]
        found |= search.found[state]
    return found


@helper
def skip_space(text, place, end, flags):
    """Where the white space at `place` ends."""
    while place < end:
        bits, width = flags_at(text, place, end, flags)
        if not bits & SPACE:
            break
        place += width
    return place


@helper
def skip_space_back(text, place, start, flags):
    """Where the white space that ends at `place` begins, `start` at the earliest."""
    while place > start:
        before = character_before(text, place, start)
        bits, _ = flags_at(text, before, place, flags)
        if not bits & SPACE:
            break
        place = before
    return place


@kernel
def strip(text, start, end, flags):
    """Takes the white space around text[start:end] out, in place; gives the new end."""
    end = skip_space_back(text, end, start, flags)
    begin = skip_space(text, start, end, flags)
    return copy(text, begin, end, text, start) if begin > start else end


@helper
def lower(text, place, end):
    """The byte at `place` in lower case, and how many bytes it stood in: letters of ASCII, as str.lower has them."""
    byte = text[place]
    if 0x41 <= byte <= 0x5A:
        return byte | np.uint8(0x20), 1
    if byte == KELVIN[0] and place + 2 < end and text[place + 1] == KELVIN[1] and text[place + 2] == KELVIN[2]:
        return np.uint8(0x6B), 3
    return byte, 1


@helper
def phrase_at(text, place, end, phrases):
    """Where the first of `phrases` (see `pack_phrases`) ends that stands at `place` in any case; -1: none does."""
    letters, starts = phrases
    for index in range(len(starts) - 1):
        stop, letter = place, starts[index]
        while letter < starts[index + 1] and stop < end:
            byte, width = lower(text, stop, end)
            if byte != letters[letter]:
                break
            stop += width
            letter += 1
        if letter == starts[index + 1]:
            return stop
    return -1


# The walk over words is long code: called, not inlined, it leaves the kernels around it small and fast


@kernel
def words_of_line(text, begin, end, flags, walk):
    """The words of text[begin:end], and the length in characters of the longest."""
    return count_words(text, begin, end, flags, walk)


@kernel
def sentences_of_line(text, begin, end, flags, walk):
    """The sentences of text[begin:end]."""
    return count_sentences(text, begin, end, flags, walk)
