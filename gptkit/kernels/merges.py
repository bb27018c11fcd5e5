"""Learns BPE merges (Sennrich et al., arXiv 1508.07909) from counted words, as tokenizers' BpeTrainer does.

The most frequent pair is merged, of equally frequent ones that of the smallest ids, in all words that have
it; then the next. What is the trainer's own, and is reproduced because it can be seen in the merges:

- An entry of the queue is a pair with a count and with the words in which it came up; its count is
  brought up to date only when it is first in the queue, and it is merged in its own words only.
- The count of a pair that is merged stays as it is (but for "aaa", where a merge at the left destroys a
  pair at the right). This matters once the pair comes up again.
- A pair comes up again where two merges make the same text ("a" + "bc" and "ab" + "c"): they share one id.
  Such a pair has several entries, and may be merged several times; the last time gives its rank.
- The size of the vocabulary counts different texts, so there may be more merges than new tokens.

The last two need pieces that can spell one text in two ways, as GPT-1's "e</w>" beside "e", "<", "/", "w" and
">". Single bytes cannot: a token's inside was merged as the token's text alone would be, since no merge has
crossed its ends and merging from the left pairs a run of equal symbols from its start; so each text is made
by one pair. Then nothing depends on the order of the words: it decides neither counts nor the order of the
queue, and words are merged each for itself. Where a text is spelled in two ways the trainer leaves one thing
to chance (the seed of its hash map): which of two entries of one pair comes first when their counts are equal
as well. Here it is the older one, again for any order of the words. The trainer counts in 32 bits; here it is 64.

How it is done. Words lie one after the other in one array, each with its length and its count before it, and
shrink where they are. A record is the place of a word; an entry of the queue owns a run of records. While a
pair is merged, weights and records are collected by neighbour (left or right of the merged pair), and each
neighbour's two pairs (the old and the new one) are counted once, at the end.

Memory: 28 bytes a symbol and 12 a word at most, beside the arguments, and 100 to 200 bytes for each different
pair that came up. 100 MB of English (290,000 words of 2.5 million symbols) have 250,000 different pairs after
8,000 merges and 410,000 after 32,000: 150 MB in all.
"""

from collections.abc import Sequence

import numpy as np

from gptkit.kernels.jit import helper, kernel
from gptkit.kernels.pair_counts import COUNT, LOAD, PAIR, empty_table, larger_table, pair_of, slot_of
from gptkit.kernels.pair_neighbours import count_neighbours, deal_out, meet, no_neighbours, queue_neighbours
from gptkit.kernels.pair_queue import COLUMNS, push, replace_top
from gptkit.kernels.sorting import sort_records
from gptkit.kernels.token_texts import BYTES, TOKENS, join, length_of, start_texts

MOST = (1 << 32) - 1  # places that a record can name
HEADER = 3  # numbers before a word's symbols: how many there are; its count's lower and upper 32 bits
MORE, DONE = 0, 1  # what `_learn` answers: call me again (with more room, if it is short), or no more merges
TURN = 1_000  # merges in a call, so that a run can be interrupted
# what is in use, in `state`
QUEUED, PAIRS, RECORDS, MERGES, NEEDED, LENGTH = range(6)


@kernel
def _lay_out(symbols, starts, counts, words):
    """Writes the words with their headers; gives how many pairs of neighbours there are."""
    place = pairs = np.int64(0)
    for word in range(len(counts)):
        length = starts[word + 1] - starts[word]
        words[place] = length
        words[place + 1] = counts[word] & 0xFFFFFFFF
        words[place + 2] = counts[word] >> 32
        place += HEADER
        for at in range(starts[word], starts[word + 1]):
            words[place] = symbols[at]
            place += 1
        pairs += max(length - 1, 0)
    return pairs


@helper
def _weight(words, place):
    return np.int64(words[place + 1]) | (np.int64(words[place + 2]) << np.int64(32))


@kernel
def _list_pairs(words, keys, places):
    """Writes each pair of neighbours and the place of its word."""
    place = found = np.int64(0)
    while place < len(words):
        first, end = place + HEADER, place + HEADER + np.int64(words[place])
        for at in range(first, end - 1):
            keys[found] = pair_of(words[at], words[at + 1])
            places[found] = place
            found += 1
        place = end


@kernel
def _count_pairs(words, keys, records, table, queue):
    """Counts and queues each run of equal pairs; leaves one record of each word in it. Gives how many are left."""
    queued = at = kept = 0
    while at < len(keys):
        pair, first, count = np.int64(keys[at]), kept, np.int64(0)
        while at < len(keys) and np.int64(keys[at]) == pair:
            count += _weight(words, np.int64(records[at]))
            if kept == first or records[kept - 1] != records[at]:
                records[kept] = records[at]
                kept += 1
            at += 1
        slot = slot_of(table, pair)
        table[slot, PAIR] = pair
        table[slot, COUNT] = count
        push(queue, queued, count, pair, first, kept - first)
        queued += 1
    return kept


@helper
def _merge_words(words, of_entry, first, second, token, near):
    """Merges a pair in an entry's words; gives how many neighbours were met and how many records were made."""
    met = records = 0
    for record in of_entry:
        word = np.int64(record)
        start = word + HEADER
        end = start + np.int64(words[word])
        read = start
        while read + 1 < end and (words[read] != first or words[read + 1] != second):
            read += 1
        if read + 1 >= end:
            continue
        weight, write = _weight(words, word), read
        while read < end:
            if read + 1 < end and words[read] == first and words[read + 1] == second:
                if write > start:
                    met, records = meet(near, 2 * np.int64(words[write - 1]), weight, word, met, records)
                if read + 2 < end:
                    met, records = meet(near, 2 * np.int64(words[read + 2]) + 1, weight, word, met, records)
                words[write] = token
                read += 2
            else:
                words[write] = words[read]
                read += 1
            write += 1
        words[word] = write - start
    return met, records


@kernel
def _learn(words, records, table, queue, texts, near, pairs, made, state, limit, min_frequency):
    """Merges on until the vocabulary has `limit` tokens or no pair is left; returns for more room, or after TURN."""
    stop = min(state[MERGES] + TURN, len(made))
    while texts.used[TOKENS] < limit and state[QUEUED] > 0:
        count, pair, first_record, number = queue[0, 0], queue[0, 1], queue[0, 2], queue[0, 3]
        now = table[slot_of(table, pair), COUNT]
        if count != now:
            replace_top(queue, state[QUEUED], now, pair, first_record, number)
            continue
        if count < 1 or count < min_frequency:
            break
        first, second = pair >> 32, pair & 0xFFFFFFFF
        # what it may need: pairs, and bytes of text
        state[NEEDED] = 2 * min(count, texts.used[TOKENS] + 1)
        state[LENGTH] = length_of(texts, first) + length_of(texts, second)
        if (
            state[MERGES] == stop
            or state[QUEUED] + state[NEEDED] > len(queue)
            or LOAD * (state[PAIRS] + state[NEEDED]) > len(table)
            or texts.used[BYTES] + state[LENGTH] > len(texts.content)
        ):
            return MORE
        state[QUEUED] -= 1
        last = queue[state[QUEUED]]
        replace_top(queue, state[QUEUED], last[0], last[1], last[2], last[3])
        token = join(texts, first, second)
        pairs[state[MERGES], 0], pairs[state[MERGES], 1] = first, second
        made[state[MERGES]] = token
        state[MERGES] += 1
        of_entry = records[first_record : first_record + number]
        met, new = _merge_words(words, of_entry, first, second, token, near)
        state[RECORDS] = deal_out(near, met, new, token, records, state[RECORDS])
        state[PAIRS] = count_neighbours(near, met, first, second, token, table, state[PAIRS])
        state[QUEUED] = queue_neighbours(near, met, table, queue, state[QUEUED])
    return DONE


def learn_merges(
    symbols: np.ndarray,
    starts: np.ndarray,
    counts: np.ndarray,
    pieces: Sequence[bytes],
    merges: int,
    min_frequency: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The merges that tokenizers' BpeTrainer learns from counted words, in the order of their ranks.

    Args:
        symbols: integers [symbols]: the ids of all words' characters (or bytes), one word after the other.
        starts: int64 [words + 1]: where each word starts in them.
        counts: int64 [words]: how often each word was seen, at least once.
        pieces: the text that each id stands for, all different.
        merges: the vocabulary grows by so many different texts at most.
        min_frequency: the count of a pair that is merged, at least.

    Returns the pairs, int32 [merges, 2], and the id that each makes, int32 [merges]: of several pairs that make
    one id, at least one is of smaller ids. A pair that was merged several times is given once, at its last place,
    as the trainer keeps it; it may then come behind a merge of what it makes. Raises ValueError where the
    arguments are no words.
    """
    _check(symbols, starts, counts, pieces)
    words = np.empty(len(symbols) + HEADER * len(counts), np.uint32)
    total = _lay_out(symbols, starts, counts, words)
    keys, places = np.empty(total, np.uint64), np.empty(total, np.uint32)
    _list_pairs(words, keys, places)
    keys, places = sort_records(keys, places)
    different = int(np.count_nonzero(keys[1:] != keys[:-1])) + 1 if total else 0
    table, queue = empty_table(2 * different), np.empty((2 * different, COLUMNS), np.int64)
    recorded = _count_pairs(words, keys, places, table, queue)
    del keys
    records = np.empty(recorded + 2 * total, np.uint32)  # each merge of two symbols makes two at most
    records[:recorded] = places[:recorded]
    del places

    limit = len(pieces) + min(merges, len(records))  # a merge takes an entry, an entry has a record
    texts = start_texts(pieces, limit)
    near = no_neighbours(limit, total)
    pairs, made = np.empty((TURN, 2), np.int32), np.empty(TURN, np.int32)
    state = np.zeros(6, np.int64)
    state[[QUEUED, PAIRS, RECORDS]] = different, different, recorded
    while _learn(words, records, table, queue, texts, near, pairs, made, state, limit, min_frequency) == MORE:
        pairs, made = _roomier(pairs, state[MERGES] + 1), _roomier(made, state[MERGES] + 1)
        queue = _roomier(queue, state[QUEUED] + state[NEEDED])
        texts = texts._replace(content=_roomier(texts.content, texts.used[BYTES] + state[LENGTH]))
        if LOAD * (state[PAIRS] + state[NEEDED]) > len(table):
            table = larger_table(table, int(state[PAIRS] + state[NEEDED]))
    return _last_places(pairs[: state[MERGES]], made[: state[MERGES]])


def _check(symbols: np.ndarray, starts: np.ndarray, counts: np.ndarray, pieces: Sequence[bytes]) -> None:
    if len(starts) != len(counts) + 1 or starts[0] != 0 or starts[-1] != len(symbols) or (np.diff(starts) < 0).any():
        raise ValueError(f"{len(starts)} starts do not cut {len(symbols)} symbols into {len(counts)} words")
    if len(symbols) and not 0 <= symbols.min() <= symbols.max() < len(pieces):
        raise ValueError(f"symbols from {symbols.min()} to {symbols.max()} for {len(pieces)} pieces")
    if len(counts) and counts.min() < 1:
        raise ValueError(f"a word is counted {counts.min()} times")
    if len(set(pieces)) != len(pieces) or b"" in pieces:
        raise ValueError("pieces must be different, and none empty")
    if len(symbols) + HEADER * len(counts) > MOST:
        raise ValueError(f"{len(symbols):,} symbols in {len(counts):,} words: records reach {MOST:,} numbers")


def _roomier(array: np.ndarray, rows: int) -> np.ndarray:
    """The array where it has so many rows, else a copy with twice as many as that."""
    if rows <= len(array):
        return array
    larger = np.empty((2 * int(rows), *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger


def _last_places(pairs: np.ndarray, made: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leaves out the pairs that come again."""
    keys = pairs[:, 0].astype(np.int64) << 32 | pairs[:, 1]
    _, backwards = np.unique(keys[::-1], return_index=True)
    kept = np.sort(len(keys) - 1 - backwards)
    return pairs[kept], made[kept]
