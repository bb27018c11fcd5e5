"""fastText's classification of texts (arXiv 1607.01759): the mean of the rows of their words and
character n-grams, then a hierarchical softmax.

It gives what fastText 0.9.2 gives for a text without line feeds, up to the rounding of the mean.
Words come again and again: the sum of a word's rows is kept, for as long as no other word takes its
slot, and most words cost one addition.
"""

import math

import numpy as np

from gptkit.kernels.jit import helper, kernel

DIMENSIONS = 16  # known when the kernel is compiled, so that a row is added in a few instructions
SLOTS = 1 << 12  # words whose sums are kept: 112 bytes each, to stay in the second-level cache
LONGEST_KEPT = 32  # bytes of such a word
BASIS, PRIME = np.uint32(2166136261), np.uint32(16777619)  # of 32-bit FNV-1a
BEGIN, END = ord("<"), ord(">")
MOSTLY_CAPITALS, PERHAPS_CAPITALS = 1, 2
END_OF_TEXT = np.frombuffer(b"</s>", np.uint8)
LABEL = np.frombuffer(b"__label__", np.uint8)


@helper
def _mix(h, byte):
    """FNV-1a over bytes that are extended with their sign, as fastText has it."""
    return np.uint32((h ^ np.uint32(np.int32(np.int8(byte)))) * PRIME)


@helper
def _is_space(byte):
    return byte == 0x20 or 0x09 <= byte <= 0x0D or byte == 0


@helper
def _is_inner(byte):
    """Whether it is a byte within a UTF-8 character, not its first."""
    return byte & 0xC0 == 0x80


@helper
def _same(a, a_start, b, b_start, length):
    k = 0
    while k < length and a[a_start + k] == b[b_start + k]:
        k += 1
    return k == length


@kernel
def character_ends(text, starts, characters):
    """Where the first so many characters of each document end; int64 [documents]."""
    ends = np.empty(len(starts) - 1, np.int64)
    for document in range(len(ends)):
        place, stop = starts[document], starts[document + 1]
        if stop - place > characters:
            left = characters
            while place < stop:
                if not _is_inner(text[place]):
                    if left == 0:
                        break
                    left -= 1
                place += 1
            stop = place
        ends[document] = stop
    return ends


@kernel
def mark_capitals(text, starts, ends):
    """Whether texts may be in capitals; uint8 [documents].

    MOSTLY_CAPITALS: more than 80 % of the letters of ASCII are. PERHAPS_CAPITALS: there are none, but
    characters that may be capitals. 0: neither.
    """
    marks = np.zeros(len(ends), np.uint8)
    for document in range(len(ends)):
        capitals, small, others = 0, 0, False
        for place in range(starts[document], ends[document]):
            byte = text[place]
            capitals += 0x41 <= byte <= 0x5A
            small += 0x61 <= byte <= 0x7A
            others |= byte >= 0x80
        if capitals > 0.8 * (capitals + small):
            marks[document] = MOSTLY_CAPITALS
        elif capitals + small == 0 and others:
            marks[document] = PERHAPS_CAPITALS
    return marks


@kernel
def hash_words(words, starts):
    """A table of words by open addressing; int32 [a power of two], -1 where it is free."""
    count = len(starts) - 1
    size = 1
    while size < 2 * count:
        size *= 2
    table = np.full(size, -1, np.int32)
    for word in range(count):
        h = BASIS
        for place in range(starts[word], starts[word + 1]):
            h = _mix(h, words[place])
        slot = np.int64(h) & (size - 1)
        while table[slot] >= 0:
            slot = (slot + 1) & (size - 1)
        table[slot] = word
    return table


@helper
def _find(text, start, length, h, words, word_starts, table):
    """The index of a word, -1 where the dictionary does not have it."""
    slot = np.int64(h) & (len(table) - 1)
    while table[slot] >= 0:
        word = table[slot]
        at = word_starts[word]
        if word_starts[word + 1] - at == length and _same(words, at, text, start, length):
            return word
        slot = (slot + 1) & (len(table) - 1)
    return -1


@helper
def _add_ngrams(marked, length, low, high, has_row, row_of, rows, total):
    """Adds the rows of the n-grams of a word between its marks to `total`; returns how many there are."""
    added = 0
    for first in range(length - 1):
        if _is_inner(marked[first]):
            continue
        h = BASIS
        place = first
        for size in range(1, high + 1):
            if place == length:
                break
            h = _mix(h, marked[place])
            place += 1
            while place < length and _is_inner(marked[place]):
                h = _mix(h, marked[place])
                place += 1
            if size >= low and not (size == 1 and first == 0):
                bucket = h % np.uint32(len(row_of))
                # half of the n-grams have no row: the bits, which stay in the cache, tell so
                if has_row[bucket >> np.uint32(3)] >> (bucket & np.uint32(7)) & 1:
                    row = row_of[bucket]
                    for k in range(DIMENSIONS):
                        total[k] += rows[row, k]
                    added += 1
    return added


@helper
def _likeliest(hidden, nodes, children, stack, scores):
    """The label with the greatest probability and its logarithm, as fastText rounds and clips it."""
    labels = len(nodes) + 1
    best, best_score = -1, np.float32(0)
    stack[0], scores[0], depth = 2 * labels - 2, np.float32(0), 1
    while depth:
        depth -= 1
        node, score = stack[depth], scores[depth]
        if best >= 0 and score < best_score:
            continue
        if node < labels:
            best, best_score = node, score
            continue
        product = np.float32(0)
        for k in range(DIMENSIONS):
            product += hidden[k] * nodes[node - labels, k]
        right = np.float32(1 / (1 + math.exp(-product)))
        stack[depth], scores[depth] = (
            children[node - labels, 1],
            np.float32(score + np.float32(math.log(np.float64(right) + 1e-5))),
        )
        stack[depth + 1], scores[depth + 1] = (
            children[node - labels, 0],
            np.float32(score + np.float32(math.log(np.float64(np.float32(1.0 - right)) + 1e-5))),
        )
        depth += 2
    return best, best_score


@kernel
def classify(text, starts, ends, words, word_starts, table, end_row, low, high, has_row, row_of, rows, nodes, children):
    """The likeliest label (int32) and its probability (float32) of text[starts:ends] of each document.

    starts may have one value more than ends, as in a string column. words, word_starts: the dictionary as bytes and offsets; table: see `hash_words`. The row of a word
    is its index, end_row that of the end of a text. low, high: characters of an n-gram. has_row: the bits
    (uint8, lowest first) of the hashes whose n-grams have a row, row_of: int32 [hashes], that row.
    rows: float32 [rows, 16]. nodes: float32 [labels - 1, 16], children: int32 [labels - 1, 2], a tree
    of which the last node is the root.
    """
    documents = len(ends)
    found, probability = np.empty(documents, np.int32), np.empty(documents, np.float32)
    longest = 0
    for document in range(documents):
        longest = max(longest, ends[document] - starts[document])
    marked = np.empty(longest + 2, np.uint8)
    # one slot more than are kept: long words pass through it
    kept_word, kept_length = np.zeros((SLOTS + 1, LONGEST_KEPT), np.uint8), np.zeros(SLOTS + 1, np.int64)
    kept_rows, kept_sum = np.zeros(SLOTS + 1, np.int64), np.zeros((SLOTS + 1, DIMENSIONS), np.float32)
    hidden = np.empty(DIMENSIONS, np.float32)
    stack, scores = np.empty(2 * len(nodes) + 2, np.int64), np.empty(2 * len(nodes) + 2, np.float32)
    for document in range(documents):
        hidden[:] = 0
        added = 1  # the end of the text
        place, stop = starts[document], ends[document]
        while place < stop:
            if _is_space(text[place]):
                place += 1
                continue
            h, first = BASIS, place
            while place < stop and not _is_space(text[place]):
                h = _mix(h, text[place])
                place += 1
            length = place - first
            if text[first] == END_OF_TEXT[0] and length == len(END_OF_TEXT) and _same(text, first, END_OF_TEXT, 0, 4):
                break  # a word like the mark of the end ends the text
            if text[first] == LABEL[0] and length >= len(LABEL) and _same(text, first, LABEL, 0, len(LABEL)):
                continue  # labels are passed over
            slot = np.int64(SLOTS)
            if length <= LONGEST_KEPT:
                slot = np.int64((h ^ (h >> np.uint32(16))) & np.uint32(SLOTS - 1))
            total = kept_sum[slot]
            if kept_length[slot] != length or not _same(kept_word[slot], 0, text, first, length):
                if length <= LONGEST_KEPT:
                    kept_length[slot] = length
                    kept_word[slot, :length] = text[first:place]
                marked[0], marked[length + 1] = BEGIN, END
                marked[1 : length + 1] = text[first:place]
                total[:] = 0
                kept_rows[slot] = _add_ngrams(marked, length + 2, low, high, has_row, row_of, rows, total)
                word = _find(text, first, length, h, words, word_starts, table)
                if word >= 0:
                    for k in range(DIMENSIONS):
                        total[k] += rows[word, k]
                    kept_rows[slot] += 1
            for k in range(DIMENSIONS):
                hidden[k] += total[k]
            added += kept_rows[slot]
        scale = np.float32(1.0 / added)
        for k in range(DIMENSIONS):
            hidden[k] = (hidden[k] + rows[end_row, k]) * scale
        label, score = _likeliest(hidden, nodes, children, stack, scores)
        found[document], probability[document] = label, min(np.float32(math.exp(score)), np.float32(1))
    return found, probability
