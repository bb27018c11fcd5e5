"""Repetition within one document: most frequent and repeated word n-grams, and repeated lines. All exact.

Words come as one row of bytes without anything between them (`content`), cut by `offsets` (word i is
content[offsets[i]:offsets[i + 1]]) and with `lengths[i]` characters before word i. Tables are open
addressing over arrays the caller allocates once a batch for its largest document; of each table only
as much is used, and cleared, as the document at hand needs. Two entries are the same when their
bytes are: a hash only says where to look.
"""

import numpy as np

from gptkit.kernels.jit import helper, routine
from gptkit.kernels.words import HASH_MULTIPLIER, hash_bytes

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
    for index in range(length):
        if text[first + index] != text[second + index]:
            return False
    return True


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
def name_words(content, offsets, words, table, ids, counts, keys):
    """Numbers the distinct words in the order they are met; returns how many there are.

    Fills ids int32 [words], and by id: counts int32 and keys uint64 (`hash_bytes`). `firsts` are not
    needed: a word's bytes are found through the table, which holds the word (+ 1) that was met first.
    """
    mask = table_size(words) - 1
    table[: mask + 1] = 0
    distinct = 0
    for word in range(words):
        start, end = np.int64(offsets[word]), np.int64(offsets[word + 1])
        key = hash_bytes(content, start, end)
        slot = _slot(key, mask)
        found = -1
        while table[slot]:
            first = table[slot] - 1
            place = np.int64(offsets[first])
            if keys[ids[first]] == key and offsets[first + 1] - place == end - start:
                if _same_bytes(content, place, start, end - start):
                    found = ids[first]
                    break
            slot = (slot + 1) & mask
        if found < 0:
            found = distinct
            distinct += 1
            table[slot] = word + 1
            keys[found] = key
            counts[found] = 0
        ids[word] = found
        counts[found] += 1
    return distinct


@helper
def forget_unique(names, length, counts):
    """Sets names that occur once to -1: no longer n-gram that begins with one of them can be repeated."""
    for place in range(length):
        if names[place] >= 0 and counts[names[place]] < 2:
            names[place] = -1


@routine
def top_gram(names, ids, lengths, words, n, table, counts, keys):
    """The characters that the most frequent n-gram covers, and the names of all n-grams from those of n - 1.

    names: int32, in: the numbers of the repeated (n - 1)-grams at each word, -1 where it occurs once;
    out: the same of the n-grams (n-grams are named by pairs, as Karp, Miller and Rosenberg do).
    Of equally frequent ones the first counts; its length is that of its words with single spaces.
    """
    grams = words - n + 1
    if grams < 1:
        return 0
    candidates = 0
    for place in range(grams):
        candidates += names[place] >= 0 and names[place + 1] >= 0
    mask = table_size(candidates) - 1
    table[: mask + 1] = 0
    distinct = 0
    best, best_place = 1, 0
    for place in range(grams):
        if names[place] < 0 or names[place + 1] < 0:
            names[place] = -1
            continue
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
        best = max(best, counts[name])
    if best > 1:
        while names[best_place] < 0 or counts[names[best_place]] < best:
            best_place += 1
    forget_unique(names, grams, counts)
    return best * (np.int64(lengths[best_place + n]) - np.int64(lengths[best_place]) + n - 1)


@helper
def _window_key(content, place):
    low = high = np.uint64(0)
    for index in range(8):
        low |= np.uint64(content[place + index]) << np.uint64(8 * index)
        high |= np.uint64(content[place + 8 + index]) << np.uint64(8 * index)
    return low * np.uint64(HASH_MULTIPLIER) ^ (high ^ high >> np.uint64(31))


@routine
def repeat_candidates(content, offsets, words, least, seen, candidates):
    """The words where a repeated n-gram of at least `least` words may begin; returns how many there are.

    An n-gram of WINDOW bytes or more is repeated only if its first WINDOW bytes are found at two
    words; shorter ones are candidates anyway, and chance may add some. seen: uint8, four times as
    many as table_size(words); candidates: int32 [words], filled in order.
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
        candidates[found] = word
        if offsets[word + least] - offsets[word] < WINDOW:
            found += 1
        else:
            found += seen[_slot(_window_key(content, np.int64(offsets[word])), mask)] > 1
    return found


@routine
def duplicate_grams(content, offsets, lengths, words, n, table, candidates, found):
    """The characters in repeated n-grams, counted as datatrove does: after a repeated one its n words are skipped.

    N-grams are the same when their words without anything between them are. candidates: the
    `found` words of `repeat_candidates`.
    """
    mask = table_size(found) - 1
    table[: mask + 1] = 0
    characters = following = 0
    for index in range(found):
        place = np.int64(candidates[index])
        if place < following or place + n > words:
            continue
        start, end = np.int64(offsets[place]), np.int64(offsets[place + n])
        slot = _slot(hash_bytes(content, start, end), mask)
        while table[slot]:
            first = np.int64(table[slot] - 1)
            if offsets[first + n] - offsets[first] == end - start:
                if _same_bytes(content, np.int64(offsets[first]), start, end - start):
                    characters += np.int64(lengths[place + n]) - np.int64(lengths[place])
                    following = place + n
                    break
            slot = (slot + 1) & mask
        if following <= place:
            table[slot] = place + 1
    return characters
