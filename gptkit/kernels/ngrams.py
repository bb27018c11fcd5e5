"""Repetition within one document: most frequent and repeated word n-grams, and repeated lines. All exact.

Words come as one row of bytes without anything between them (`content`), cut by `offsets` (word i is
content[offsets[i]:offsets[i + 1]]) and with `lengths[i]` characters before word i. Tables are open
addressing over arrays the caller allocates once a batch for its largest document; of each table only
as much is used, and cleared, as the document at hand needs. Two entries are the same when their
bytes are: a hash only says where to look.
"""

import numpy as np

from gptkit.kernels.eight_bytes import eight_bytes
from gptkit.kernels.jit import helper, routine
from gptkit.kernels.words import HASH_MULTIPLIER, hash_bytes

PADDING = 8  # bytes that `content` must have after its words, of any value
WINDOW = 16  # bytes: longer n-grams are looked up only where their first WINDOW bytes occur twice


@helper
def table_size(entries):
    """The slots a table of so many entries uses: a power of two, at most half full."""
    size = 16
    while size < 2 * entries:
        size *= 2
    return size


@helper
def _same_bytes(text, first, second, length):
    while length >= 8:
        if eight_bytes(text, first) != eight_bytes(text, second):
            return False
        first, second, length = first + 8, second + 8, length - 8
    while length > 0 and text[first] == text[second]:
        first, second, length = first + 1, second + 1, length - 1
    return length == 0


@helper
def _hash(content, start, end):
    """What `hash_bytes` gives for content[start:end]; it may read the PADDING bytes after that."""
    value = np.uint64(end - start)
    while start < end:
        block = eight_bytes(content, start)
        if end - start < 8:
            block &= (np.uint64(1) << np.uint64(8 * (end - start))) - np.uint64(1)
        value = (value ^ block) * np.uint64(HASH_MULTIPLIER)
        value ^= value >> np.uint64(29)
        start += 8
    return value


@helper
def _window_key(content, place):
    high = eight_bytes(content, place + 8)
    return eight_bytes(content, place) * np.uint64(HASH_MULTIPLIER) ^ (high ^ high >> np.uint64(31))


@helper
def _slot(key, mask):
    return np.int64((key * np.uint64(HASH_MULTIPLIER)) >> np.uint64(32)) & mask


@helper
def seen_before(text, start, end, table, mask, spans, count):
    """Whether text[start:end] is among the first `count` spans; where it is not, it becomes the next one.

    table: int32, of which mask + 1 slots are in use (0 empty, else span + 1); spans: int32 [:, 2].
    """
    slot = _slot(hash_bytes(text, start, end), mask)
    while table[slot]:
        span = table[slot] - 1
        first = np.int64(spans[span, 0])
        if spans[span, 1] - first == end - start and _same_bytes(text, first, start, end - start):
            return True
        slot = (slot + 1) & mask
    table[slot] = count + 1
    spans[count, 0], spans[count, 1] = start, end
    return False


@routine
def name_words(content, offsets, words, table, spans, ids, counts, keys):
    """Numbers the distinct words in the order they are met; returns how many there are.

    Fills ids int32 [words], and by id: spans int32 [:, 2] (where in `content` the first such word
    is), counts int32 and keys uint64 (`hash_bytes`).
    """
    mask = table_size(words) - 1
    table[: mask + 1] = 0
    distinct = 0
    for word in range(words):
        start, end = np.int64(offsets[word]), np.int64(offsets[word + 1])
        key = _hash(content, start, end)
        slot = _slot(key, mask)
        while table[slot]:
            name = np.int64(table[slot] - 1)
            if keys[name] == key:
                first, length = np.int64(spans[name, 0]), end - start
                same = spans[name, 1] - first == length
                # Eight bytes or fewer are turned into the key in steps that can be undone
                if same and (length <= 8 or _same_bytes(content, first, start, length)):
                    break
            slot = (slot + 1) & mask
        if not table[slot]:
            keys[distinct] = key
            spans[distinct, 0], spans[distinct, 1] = start, end
            counts[distinct] = 0
            distinct += 1
            table[slot] = distinct
        name = np.int64(table[slot] - 1)
        ids[word] = name
        counts[name] += 1
    return distinct


@routine
def repeated_words(ids, words, counts, names):
    """Fills names int32 [words]: the numbers of the words that occur more than once, -1 for others."""
    for word in range(words):
        names[word] = ids[word] if counts[ids[word]] > 1 else -1


@routine
def top_gram(names, ids, lengths, words, n, table, counts, keys, places):
    """The characters that the most frequent n-gram covers; and the names of all n-grams from those of n - 1.

    names: int32, in: the numbers of the repeated (n - 1)-grams at each word, -1 where it occurs once;
    out: the same of the n-grams (n-grams are named by pairs, as Karp, Miller and Rosenberg do).
    Of equally frequent ones the first counts; its length is that of its words with single spaces.
    table, counts, keys and places are scratch.
    """
    grams = words - n + 1
    if grams < 1:
        return 0
    found = 0  # n-grams both of whose (n - 1)-grams are repeated; without branches, which would often go wrong
    for word in range(grams):
        candidate = (names[word] >= 0) & (names[word + 1] >= 0)
        places[found] = word
        found += candidate
        names[word] = names[word] if candidate else -1
    mask = table_size(found) - 1
    table[: mask + 1] = 0
    distinct = 0
    for index in range(found):
        place = np.int64(places[index])
        key = np.uint64(names[place]) << np.uint64(32) | np.uint64(ids[place + n - 1])
        slot = _slot(key ^ key >> np.uint64(29), mask)
        while table[slot] and keys[table[slot] - 1] != key:
            slot = (slot + 1) & mask
        if not table[slot]:
            keys[distinct] = key
            counts[distinct] = 0
            distinct += 1
            table[slot] = distinct
        name = table[slot] - 1
        counts[name] += 1
        names[place] = name
    best, best_place = np.int64(1), np.int64(0)
    for index in range(found):
        place = np.int64(places[index])
        count = np.int64(counts[names[place]])
        if count > best:
            best, best_place = count, place
        names[place] = names[place] if count > 1 else -1
    return best * (np.int64(lengths[best_place + n]) - np.int64(lengths[best_place]) + n - 1)


@routine
def repeat_candidates(content, offsets, words, least, seen, candidates):
    """The words where a repeated n-gram of at least `least` words may begin; returns how many there are.

    An n-gram of WINDOW bytes or more is repeated only if its first WINDOW bytes are found at two
    words; at other words only shorter n-grams need be looked at, and those are given as ~word.
    Chance may make a word a candidate too many, never one too few. seen: uint8, four times as many
    as table_size(words); candidates: int32 [words], filled in order.
    """
    mask = 4 * table_size(words) - 1
    seen[: mask + 1] = 0
    total = np.int64(offsets[words])
    for word in range(words):
        if offsets[word] + WINDOW <= total:
            slot = _slot(_window_key(content, np.int64(offsets[word])), mask)
            seen[slot] = min(seen[slot] + 1, 2)
    found = 0
    for word in range(words - least + 1):
        short = offsets[word + least] - offsets[word] < WINDOW
        if offsets[word] + WINDOW <= total and seen[_slot(_window_key(content, np.int64(offsets[word])), mask)] > 1:
            candidates[found] = word
            found += 1
        elif short:
            candidates[found] = ~word
            found += 1
    return found


@routine
def duplicate_grams(content, offsets, lengths, words, n, table, candidates, found):
    """The characters in repeated n-grams, counted as datatrove does: after a repeated one its n words are skipped.

    N-grams are the same when their words without anything between them are. candidates: the
    `found` words of `repeat_candidates`.
    """
    mask = table_size(found) - 1
    table[: mask + 1] = 0
    characters = following = np.int64(0)
    for index in range(found):
        candidate = np.int64(candidates[index])
        place = max(candidate, ~candidate)
        if place < following or place + n > words:
            continue
        start, end = np.int64(offsets[place]), np.int64(offsets[place + n])
        if candidate < 0 and end - start >= WINDOW:
            continue
        slot = _slot(_hash(content, start, end), mask)
        while table[slot]:
            first = np.int64(table[slot] - 1)
            same = offsets[first + n] - offsets[first] == end - start
            if same and _same_bytes(content, np.int64(offsets[first]), start, end - start):
                characters += np.int64(lengths[place + n]) - np.int64(lengths[place])
                following = place + n
                break
            slot = (slot + 1) & mask
        if following <= place:
            table[slot] = place + 1
    return characters
