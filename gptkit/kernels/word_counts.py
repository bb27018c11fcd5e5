"""Counts the different pieces of texts: a hash table of words that grows between calls of its kernels.

Open addressing with linear steps. A word has a number (by first appearance) and a key: that of up to 7
bytes is the word itself and its length, so that no bytes need comparing; that of a longer one is a hash
with the highest bit set. A slot is half a hash of the key and the number + 1; slots are small, because most
of the time is spent waiting for them.
"""

import numpy as np
import pyarrow as pa

from gptkit.kernels.columns import string_arrays
from gptkit.kernels.eight_bytes import eight_bytes
from gptkit.kernels.jit import helper, kernel
from gptkit.kernels.pretokens import piece_end

SMALLEST = 1 << 12  # slots
LOAD = 0.6  # words for each slot, at most
BATCH = 256  # pieces that are cut before they are looked up
SHORT = 7  # bytes that a key holds
MULTIPLIER = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, odd
LONG = 1 << 63
LOW = (1 << 32) - 1
WORDS, BYTES = 0, 1  # what `used` counts


@helper
def load(text, place, size):
    """Up to eight bytes as a number, the first one lowest."""
    if size >= 8:
        return eight_bytes(text, place)
    if place + 8 <= len(text):
        return eight_bytes(text, place) & ((np.uint64(1) << np.uint64(8 * size)) - np.uint64(1))
    value = np.uint64(0)
    for index in range(size):
        value |= np.uint64(text[place + index]) << np.uint64(8 * index)
    return value


@helper
def word_key(text, place, stop):
    """The key of text[place:stop], which is not empty."""
    size = stop - place
    if size <= SHORT:
        return load(text, place, size) | np.uint64(size) << np.uint64(56)
    value = np.uint64(size)
    while place + 8 < stop:
        value = (value ^ load(text, place, 8)) * np.uint64(MULTIPLIER)
        value ^= value >> np.uint64(32)
        place += 8
    value = (value ^ load(text, stop - 8, 8)) * np.uint64(MULTIPLIER)
    return (value ^ value >> np.uint64(32)) | np.uint64(LONG)


@helper
def key_hash(key):
    """The hash of a key: its lower half says where the search for it begins, the upper one stands in its slot."""
    value = key * np.uint64(MULTIPLIER)
    return value ^ value >> np.uint64(32)


@helper
def same(text, place, stop, content, begin):
    """Whether text[place:stop], of more than SHORT bytes, stands in `content` from `begin`."""
    last = stop - 8
    while place < last:
        if load(text, place, 8) != load(content, begin, 8):
            return False
        place += 8
        begin += 8
    return load(text, last, 8) == load(content, begin + last - place, 8)


@helper
def add(text, place, stop, key, count, slots, keys, counts, ends, content, used):
    """Counts text[place:stop]; False where there is no room for it, and nothing has changed."""
    mask = len(slots) - 1
    hashed = key_hash(key)
    slot = np.int64(hashed & np.uint64(mask))
    size = stop - place
    while slots[slot]:
        if (slots[slot] ^ hashed) <= np.uint64(LOW):
            number = np.int64(slots[slot] & np.uint64(LOW)) - 1
            if keys[number] == key:
                begin = ends[number]
                if size <= SHORT or (ends[number + 1] - begin == size and same(text, place, stop, content, begin)):
                    counts[number] += count
                    return True
        slot = (slot + 1) & mask
    number, begin = used[WORDS], used[BYTES]
    if number == len(counts) or begin + size > len(content):
        return False
    slots[slot] = (hashed & ~np.uint64(LOW)) | np.uint64(number + 1)
    keys[number] = key
    counts[number] = count
    for index in range(size):
        content[begin + index] = text[place + index]
    used[WORDS], used[BYTES] = number + 1, begin + size
    ends[number + 1] = begin + size
    return True


@kernel
def _count_pieces(text, starts, row, place, kinds, pattern, slots, keys, counts, ends, content, used):
    """Counts the pieces of texts from `place` in `row` on; the (row, place) where it
    stopped for want of room, or (rows, the end).

    Many pieces are cut before they are looked up, so that the processor looks up several at a time.
    """
    rows = len(starts) - 1
    stops = np.empty(BATCH, np.int64)
    cut = np.empty(BATCH, np.uint64)  # the keys of the pieces
    while row < rows:
        end = starts[row + 1]
        while place < end:
            pieces = 0
            stop = place
            while stop < end and pieces < BATCH:
                begin = stop
                stop = piece_end(text, begin, end, kinds, pattern)
                stops[pieces] = stop
                cut[pieces] = word_key(text, begin, stop)
                pieces += 1
            for piece in range(pieces):
                if not add(text, place, stops[piece], cut[piece], 1, slots, keys, counts, ends, content, used):
                    return row, place
                place = stops[piece]
        row += 1
    return rows, place


@kernel
def _count_words(words, word_starts, word_counts, row, slots, keys, counts, ends, content, used):
    """Adds counted words from `row` on; the first for which there was no room, else their number."""
    while row < len(word_counts):
        count = word_counts[row]
        begin, stop = word_starts[row], word_starts[row + 1]
        key = word_key(words, begin, stop)
        if not add(words, begin, stop, key, count, slots, keys, counts, ends, content, used):
            return row
        row += 1
    return row


@kernel
def _place(keys, words, slots):
    """Fills empty slots with the words that are there."""
    mask = len(slots) - 1
    for number in range(words):
        hashed = key_hash(keys[number])
        slot = np.int64(hashed & np.uint64(mask))
        while slots[slot]:
            slot = (slot + 1) & mask
        slots[slot] = (hashed & ~np.uint64(LOW)) | np.uint64(number + 1)


class WordCounts:
    """How often each word was seen. Words are any bytes but none; they are numbered by first appearance."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        words = int(LOAD * SMALLEST)
        self._slots = np.zeros(SMALLEST, np.uint64)
        self._keys = np.empty(words, np.uint64)
        self._counts = np.empty(words, np.int64)
        self._ends = np.zeros(words + 1, np.int64)
        self._content = np.empty(SMALLEST, np.uint8)
        self._used = np.zeros(2, np.int64)

    def __len__(self) -> int:
        return int(self._used[WORDS])

    @property
    def nbytes(self) -> int:
        """Memory in use."""
        return sum(array.nbytes for array in self._arrays())

    @property
    def counts(self) -> np.ndarray:
        """int64 [words]."""
        return self._counts[: len(self)]

    @property
    def starts(self) -> np.ndarray:
        """int64 [words + 1]: where each word begins in `content`."""
        return self._ends[: len(self) + 1]

    @property
    def content(self) -> np.ndarray:
        """The bytes of all words, uint8."""
        return self._content[: self._used[BYTES]]

    def add_texts(self, texts: pa.Array, kinds: np.ndarray, pattern: int) -> None:
        """Counts the pieces of a string column without nulls.

        kinds: uint8 [CODES], see `bpe.character_kinds`; pattern: one of `kernels.pretokens`.
        """
        text, starts = string_arrays(texts)
        row, place = 0, int(starts[0])
        while True:
            row, place = _count_pieces(text, starts, row, place, kinds, pattern, *self._arrays(), self._used)
            if row == len(starts) - 1:
                return
            self._grow(int(starts[row + 1]) - place)

    def add_words(self, content: np.ndarray, starts: np.ndarray, counts: np.ndarray) -> None:
        """Adds words that were counted elsewhere (uint8, int64 [words + 1], int64 [words], as given here)."""
        row = 0
        while True:
            row = _count_words(content, starts, counts, row, *self._arrays(), self._used)
            if row == len(counts):
                return
            self._grow(int(starts[row + 1] - starts[row]))

    def keep(self, kept: np.ndarray) -> None:
        """Forgets the words for which `kept` (bool [words]) is False, and gives back their memory."""
        lengths = np.diff(self.starts)
        content, counts = self.content[np.repeat(kept, lengths)], self.counts[kept]
        starts = np.concatenate([[0], np.cumsum(lengths[kept])])
        self._clear()
        self.add_words(content, starts, counts)

    def _arrays(self) -> tuple[np.ndarray, ...]:
        return self._slots, self._keys, self._counts, self._ends, self._content

    def _grow(self, size: int) -> None:
        """Makes room for a word of at most `size` bytes: that of which there is too little is doubled."""
        words, filled = (int(value) for value in self._used)
        if words == len(self._counts):
            self._slots = np.zeros(2 * len(self._slots), np.uint64)
            room = int(LOAD * len(self._slots))
            self._keys, self._counts = _longer(self._keys, room), _longer(self._counts, room)
            self._ends = _longer(self._ends, room + 1)
            _place(self._keys, words, self._slots)
        else:
            self._content = _longer(self._content, max(2 * len(self._content), filled + size))


def _longer(array: np.ndarray, size: int) -> np.ndarray:
    longer = np.empty(size, array.dtype)
    longer[: len(array)] = array
    return longer
