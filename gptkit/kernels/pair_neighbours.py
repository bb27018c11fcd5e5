"""What stands beside a pair while it is merged in many words, collected by neighbour (learning BPE)."""

from typing import NamedTuple

import numpy as np

from gptkit.kernels.jit import helper
from gptkit.kernels.pair_counts import COUNT, EMPTY, PAIR, pair_of, slot_of
from gptkit.kernels.pair_queue import push

NONE = -1


class Neighbours(NamedTuple):
    """What stands beside a merged pair: neighbour 2·id at its left, 2·id + 1 at its right. Zero between merges."""

    weights: np.ndarray  # int64 [2 · tokens]: how often
    numbers: np.ndarray  # int32 [2 · tokens]: words, as many as records
    ends: np.ndarray  # int64 [2 · tokens]: behind the last of its records
    met: np.ndarray  # int32 [2 · tokens]: the neighbours that were met
    slots: np.ndarray  # int64 [2 · tokens]: where the new pair of each of these is counted
    owners: np.ndarray  # int32 [symbols]: the neighbour of each record
    words: np.ndarray  # uint32 [symbols]: the word of each record


def no_neighbours(tokens: int, symbols: int) -> Neighbours:
    """Room for so many tokens, and for the records of one merge in words of so many symbols."""
    return Neighbours(
        weights=np.zeros(2 * tokens, np.int64),
        numbers=np.zeros(2 * tokens, np.int32),
        ends=np.empty(2 * tokens, np.int64),
        met=np.empty(2 * tokens, np.int32),
        slots=np.empty(2 * tokens, np.int64),
        owners=np.empty(symbols + 1, np.int32),
        words=np.empty(symbols + 1, np.uint32),
    )


@helper
def meet(near, neighbour, weight, word, met, records):
    """Notes a neighbour; gives how many different ones and how many records there are now.

    A word is noted once where it meets a neighbour several times in succession; more would do no harm.
    """
    if near.weights[neighbour] == 0:
        near.met[met] = neighbour
        near.ends[neighbour] = NONE  # until records are dealt out: the word that was noted last
        met += 1
    near.weights[neighbour] += weight
    if near.ends[neighbour] != word:
        near.ends[neighbour] = word
        near.numbers[neighbour] += 1
        near.owners[records] = neighbour
        near.words[records] = word
        records += 1
    return met, records


@helper
def deal_out(near, met, made, token, records, end):
    """Moves the records of each neighbour together, behind the `end` records that there are; gives their new end."""
    left, right = 2 * token, 2 * token + 1
    if near.numbers[left] and near.numbers[right]:  # both make the pair (token, token), which gets one entry
        near.numbers[left] += near.numbers[right]
        near.numbers[right] = 0
        for record in range(made):
            if near.owners[record] == right:
                near.owners[record] = left
    for at in range(met):
        neighbour = near.met[at]
        near.ends[neighbour] = end
        end += near.numbers[neighbour]
    for record in range(made):
        neighbour = near.owners[record]
        records[near.ends[neighbour]] = near.words[record]
        near.ends[neighbour] += 1
    return end


@helper
def _add(table, pairs, pair, weight):
    slot = slot_of(table, pair)
    if table[slot, PAIR] == EMPTY:
        table[slot, PAIR] = pair
        table[slot, COUNT] = 0
        pairs += 1
    table[slot, COUNT] += weight
    return pairs, slot


@helper
def count_neighbours(near, met, first, second, token, table, pairs):
    """Takes each neighbour's weight from the pair that it was in, and gives it to the pair that it is in now.

    Gives how many pairs the table has, where it had `pairs`.
    """
    for at in range(met):
        neighbour = np.int64(near.met[at])
        other, weight = neighbour >> 1, near.weights[neighbour]
        before, now = pair_of(other, first), pair_of(other, token)
        if neighbour & 1:
            before, now = pair_of(second, other), pair_of(token, other)
        pairs, _ = _add(table, pairs, before, -weight)
        pairs, near.slots[at] = _add(table, pairs, now, weight)
    return pairs


@helper
def queue_neighbours(near, met, table, queue, queued):
    """Queues the new pairs with their records, and clears the neighbours; gives how many entries there are now."""
    for at in range(met):
        neighbour, slot = near.met[at], near.slots[at]
        number = np.int64(near.numbers[neighbour])
        if number and table[slot, COUNT] > 0:
            push(queue, queued, table[slot, COUNT], table[slot, PAIR], near.ends[neighbour] - number, number)
            queued += 1
        near.weights[neighbour] = 0
        near.numbers[neighbour] = 0
    return queued
