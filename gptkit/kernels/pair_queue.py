"""The queue of pairs to merge (learning BPE): a binary heap in one array.

An entry is a row of int64: count, pair, first record, number of records. The largest count comes first,
then the smallest pair, then the entry that was made earlier (whose records lie earlier).
"""

from gptkit.kernels.jit import helper

COUNT, PAIR, FIRST, NUMBER = range(4)
COLUMNS = 4


@helper
def _ahead(count, pair, first, other_count, other_pair, other_first):
    if count != other_count:
        return count > other_count
    if pair != other_pair:
        return pair < other_pair
    return first < other_first


@helper
def _put(queue, row, count, pair, first, number):
    queue[row, COUNT] = count
    queue[row, PAIR] = pair
    queue[row, FIRST] = first
    queue[row, NUMBER] = number


@helper
def push(queue, size, count, pair, first, number):
    """Adds an entry to a queue of `size` entries, for which there must be room."""
    row = size
    while row > 0:
        parent = (row - 1) >> 1
        at = queue[parent]
        if not _ahead(count, pair, first, at[COUNT], at[PAIR], at[FIRST]):
            break
        _put(queue, row, at[COUNT], at[PAIR], at[FIRST], at[NUMBER])
        row = parent
    _put(queue, row, count, pair, first, number)


@helper
def replace_top(queue, size, count, pair, first, number):
    """Puts an entry in the place of the first one of a queue of `size` entries; nothing where size is 0."""
    row = 0
    while 2 * row + 1 < size:
        child = 2 * row + 1
        at = queue[child]
        if child + 1 < size:
            right = queue[child + 1]
            if _ahead(right[COUNT], right[PAIR], right[FIRST], at[COUNT], at[PAIR], at[FIRST]):
                child += 1
                at = right
        if not _ahead(at[COUNT], at[PAIR], at[FIRST], count, pair, first):
            break
        _put(queue, row, at[COUNT], at[PAIR], at[FIRST], at[NUMBER])
        row = child
    if size > 0:
        _put(queue, row, count, pair, first, number)
