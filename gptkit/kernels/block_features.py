"""What a block of a page looks like, in numbers from 0 to 255: its text, its ancestors, its neighbours, its page.

Every number is made so that a byte holds it (lengths as logarithms, shares in 255ths), for trees
whose thresholds are bytes too (`trees`). The ideas are known ones: text and link density (Kohlschütter
et al. 2010, "Boilerplate detection using shallow text features"), names of classes and scores of
containers (Readability), stop words (jusText), the text ratio of containers (CETD, Sun et al. 2011).
"""

import math

import numpy as np

from gptkit.kernels.block_columns import (
    CHARACTERS,
    COMMAS,
    CONTAINER,
    CONTAINERS_AT,
    ENDS,
    FARTHEST,
    FEW,
    GROUP_COUNT,
    GROUPS_AT,
    LEVELS,
    LINK_CHARACTERS,
    LONG,
    LONG_BLOCKS,
    LONG_CHARACTERS,
    NEIGHBOUR,
    NEIGHBOURS,
    NEIGHBOURS_AT,
    O_BLOCKS_BEFORE,
    O_BLOCKS_BEHIND,
    O_BLOCKS_OF_PARENT,
    O_BLOCKS_SINCE_H1,
    O_BOLD_SHARE,
    O_CHARACTERS,
    O_COMMAS,
    O_DEPTH,
    O_INNER_TAG,
    O_LINE_BREAK_AFTER,
    O_LINE_BREAK_BEFORE,
    O_LINK_SHARE,
    O_LINKS,
    O_PARENT_TAG,
    O_PLACE_AMONG_SIBLINGS,
    O_PLACE_IN_PAGE,
    O_REPEATS,
    O_SENTENCE_ENDS,
    O_STOP_WORD_SHARE,
    O_STOP_WORDS,
    O_TAG,
    O_WORDS,
    O_WORDS_OF_TITLE,
    PAGE_AT,
    PROBES,
    REPEATED,
    REPEATED_AT,
    STOPS,
    SUMS,
    WORDS,
    log,
    near,
    share,
)
from gptkit.kernels.block_text import count_text, count_title_words, hash_title
from gptkit.kernels.html_blocks import (
    BEHIND,
    DEPTH,
    ELEMENT,
    END,
    FIRST,
    GAP,
    LINK_BYTES,
    LINKS,
    NAME,
    ORDER,
    PARENT,
    START,
    STRONG_BYTES,
)
from gptkit.kernels.html_names import BIT, BLOCK, TAG
from gptkit.kernels.html_syntax import FNV_PRIME
from gptkit.kernels.jit import helper, kernel, routine

H1 = TAG["h1"]
ARTICLE_BIT = np.uint64(1 << BIT["<article>"])
COMMENT = BIT["word:comment"]
COMMENT_BIT = np.uint64(1 << COMMENT)
DE_BRUIJN = 0x03F79D71B4CB0A89  # isolates the number of the lowest bit (Leiserson, Prokop, Randall 1998)
BIT_NUMBERS = tuple(sorted(range(64), key=lambda bit: (DE_BRUIJN << bit & 0xFFFFFFFFFFFFFFFF) >> 58))
# What is known of the elements beside an element that look as it does
ITEM_FIRST, ITEM_COUNT, ITEM_CHARACTERS, ITEM_LINKED, ITEM_LONG, ITEM_NUMBER = range(6)
ITEM_FIELDS = 6


class Scratch:
    """Working memory for pages of up to so many blocks and elements."""

    def __init__(self, blocks: int, elements: int) -> None:
        self.counted = np.empty((blocks, SUMS), np.int64)
        self.sums = np.empty((blocks + 1, SUMS), np.int64)
        self.hashes = np.empty(blocks, np.uint64)
        self.table = np.empty(1 << (2 * max(blocks, elements)).bit_length(), np.int64)
        self.items = np.empty((elements, ITEM_FIELDS), np.int64)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All of them, in the order in which kernels take them."""
        return self.counted, self.sums, self.hashes, self.table, self.items


@helper
def _place_of(hashes, block, table, mask):
    """Where a block's text is in the table, or the free place for it; -1 where PROBES places are taken by others."""
    h = hashes[block]
    place = (h ^ (h >> np.uint64(29))) & mask
    for probe in range(PROBES):
        if table[place] < 0 or hashes[table[place]] == h:
            return np.int64(place)
        place = (place + np.uint64(probe + 1)) & mask
    return np.int64(-1)


@helper
def _count_repeats(hashes, blocks, table, out):
    """How often each block's text stands in the page, by an open-addressed table of block numbers."""
    size = 16
    while size < 2 * blocks:
        size *= 2
    table[:size] = -1
    mask = np.uint64(size - 1)
    for block in range(blocks):
        out[block, O_REPEATS] = 0
        place = _place_of(hashes, block, table, mask)
        if place < 0:
            continue
        if table[place] < 0:
            table[place] = block
        elif out[table[place], O_REPEATS] < 255:
            out[table[place], O_REPEATS] += 1
    for block in range(blocks):
        place = _place_of(hashes, block, table, mask)
        if place >= 0:
            out[block, O_REPEATS] = out[table[place], O_REPEATS]


@routine
def _find_items(elements, number, looks, sums, table, items):
    """Counts, for each element, its siblings that look the same and hold text, and sums up what they hold.

    The first of them has the sums (`ITEM_FIRST` of the others says which it is).
    """
    size = 16
    while size < 2 * number:
        size *= 2
    table[:size] = -1
    mask = np.uint64(size - 1)
    for element in range(1, number):
        first, behind = elements[element, FIRST], elements[element, BEHIND]
        items[element, ITEM_FIRST], items[element, ITEM_COUNT] = element, 0
        if behind <= first:
            continue
        parent = elements[element, PARENT]
        h = (looks[element] ^ np.uint64(parent)) * FNV_PRIME
        place = (h ^ (h >> np.uint64(29))) & mask
        leader = element  # also where no place is found for it
        for probe in range(PROBES):
            other = table[place]
            if other < 0:
                table[place] = element
                break
            if looks[other] == looks[element] and elements[other, PARENT] == parent:
                leader = other
                break
            place = (place + np.uint64(probe + 1)) & mask
        if leader == element:
            items[element, ITEM_CHARACTERS] = items[element, ITEM_LINKED] = items[element, ITEM_LONG] = 0
        items[element, ITEM_FIRST] = leader
        items[element, ITEM_NUMBER] = items[leader, ITEM_COUNT]
        items[leader, ITEM_COUNT] += 1
        items[leader, ITEM_CHARACTERS] += _total(sums, first, behind, CHARACTERS)
        items[leader, ITEM_LINKED] += _total(sums, first, behind, LINK_CHARACTERS)
        items[leader, ITEM_LONG] += _total(sums, first, behind, LONG_CHARACTERS)


@helper
def _total(sums, first, behind, column):
    return sums[behind, column] - sums[first, column]


@helper
def _step_to(elements, element, target_first, target_behind):
    """How many ancestors up an element's blocks include all of a range; at most FARTHEST."""
    steps = 0
    while steps < FARTHEST and element > 0:
        if elements[element, FIRST] <= target_first and elements[element, BEHIND] >= target_behind:
            break
        element = elements[element, PARENT]
        steps += 1
    return steps


@kernel
def features(
    page,
    title_start,
    title_end,
    elements,
    number,
    masks,
    looks,
    blocks,
    rows,
    text,
    tag_flags,
    stop_keys,
    stop_values,
    stop_characters,
    logs,
    classes,
    character_flags,
    counted,
    sums,
    hashes,
    table,
    items,
    out,
):
    """Fills `out` (uint8 [rows, WIDTH]) with the features of a page's blocks, as `html_blocks.read_page` left them.

    number, rows: how many elements and blocks there are; tables as `tables()` and
    `characters.character_flags()` give them; the rest as in `Scratch`.
    """
    # what each block's text is made of
    sums[0, :] = 0
    first_h1 = -1
    for row in range(rows):
        start, end = blocks[row, START], blocks[row, END]
        hashes[row] = count_text(
            text, start, end, stop_keys, stop_values, stop_characters, character_flags, counted, row, out[row]
        )
        size, length = end - start, counted[row, CHARACTERS]
        linked = length * blocks[row, LINK_BYTES] // size
        counted[row, LINK_CHARACTERS] = linked
        is_long = length >= LONG and 3 * linked < length
        counted[row, LONG_CHARACTERS] = length if is_long else 0
        counted[row, LONG_BLOCKS] = 1 if is_long else 0
        for column in range(SUMS):
            sums[row + 1, column] = sums[row, column] + counted[row, column]
        out[row, O_CHARACTERS], out[row, O_WORDS] = log(length, logs), log(counted[row, WORDS], logs)
        out[row, O_LINK_SHARE], out[row, O_LINKS] = share(blocks[row, LINK_BYTES], size), min(blocks[row, LINKS], 255)
        out[row, O_STOP_WORDS] = log(counted[row, STOPS], logs)
        out[row, O_COMMAS], out[row, O_SENTENCE_ENDS] = min(counted[row, COMMAS], 255), min(counted[row, ENDS], 255)
        out[row, O_BOLD_SHARE] = share(blocks[row, STRONG_BYTES], size)
        out[row, O_LINE_BREAK_BEFORE] = blocks[row, GAP]
        out[row, O_LINE_BREAK_AFTER] = blocks[row + 1, GAP] if row + 1 < rows else 2
        if first_h1 < 0:
            element = blocks[row, ELEMENT]
            for _ in range(3):
                if element > 0:
                    if elements[element, NAME] == H1:
                        first_h1 = row
                    element = elements[element, PARENT]
    _count_repeats(hashes, rows, table, out)
    total, long_total = sums[rows, CHARACTERS], sums[rows, LONG_CHARACTERS]
    # the page: the deepest element with most of its long text, and the one that scores best
    main, best, best_score, articles = 0, 0, 0.0, 0
    for element in range(1, number):
        if masks[element] & ARTICLE_BIT:
            articles += 1
        first, behind = elements[element, FIRST], elements[element, BEHIND]
        if behind <= first or not tag_flags[elements[element, NAME]] & BLOCK:
            continue
        long = _total(sums, first, behind, LONG_CHARACTERS)
        if 5 * long >= 3 * long_total and long > 0:
            main = element
        parent = elements[element, PARENT]
        if long > 0 and (elements[parent, FIRST] != first or elements[parent, BEHIND] != behind):
            characters = _total(sums, first, behind, CHARACTERS)
            linked = _total(sums, first, behind, LINK_CHARACTERS)
            # text that is long and not linked, in a container with little else
            score = (
                long
                * (1.0 - linked / max(characters, 1))
                * math.sqrt(long / max(characters, 1))
                / math.sqrt(10.0 + behind - first)
            )
            if score > best_score:
                best, best_score = element, score
    main_first, main_behind = elements[main, FIRST], elements[main, BEHIND]
    best_first, best_behind = elements[best, FIRST], elements[best, BEHIND]
    _find_items(elements, number, looks, sums, table, items)
    commented = 0  # long text among comments
    for row in range(rows):
        if counted[row, LONG_CHARACTERS]:
            ancestor, distance = blocks[row, ELEMENT], 0
            while ancestor > 0 and distance < FARTHEST:
                if masks[ancestor] & COMMENT_BIT:
                    commented += counted[row, LONG_CHARACTERS]
                    break
                ancestor = elements[ancestor, PARENT]
                distance += 1
    title_hashes = np.empty(32, np.uint64)
    title_words = hash_title(page, title_start, title_end, title_hashes)
    page_numbers = (
        log(total, logs),
        log(rows, logs),
        share(sums[rows, LINK_CHARACTERS], total),
        share(long_total, total),
        min(sums[rows, LONG_BLOCKS], 255),
    )
    last_long = -1
    for row in range(rows):
        mine = out[row]
        element = blocks[row, ELEMENT]
        mine[O_INNER_TAG] = classes[elements[element, NAME]]
        inner = element
        while inner > 0 and not tag_flags[elements[inner, NAME]] & BLOCK:
            inner = elements[inner, PARENT]
        mine[O_TAG] = classes[elements[inner, NAME]]
        parent = elements[inner, PARENT] if inner > 0 else 0
        mine[O_PARENT_TAG] = classes[elements[parent, NAME]]
        mine[O_DEPTH] = min(elements[inner, DEPTH], 255)
        mine[O_BLOCKS_BEFORE], mine[O_BLOCKS_BEHIND] = log(row, logs), log(rows - 1 - row, logs)
        mine[O_PLACE_IN_PAGE] = share(sums[row, CHARACTERS], total)
        mine[O_BLOCKS_SINCE_H1] = 255 if first_h1 < 0 else near(row - first_h1)
        size = blocks[row, END] - blocks[row, START]
        mine[O_WORDS_OF_TITLE] = 0
        if title_words and size < 300:
            found, words = count_title_words(text, blocks[row, START], blocks[row, END], title_hashes, title_words)
            mine[O_WORDS_OF_TITLE] = share(2 * found, words + title_words)
        mine[O_PLACE_AMONG_SIBLINGS] = min(elements[inner, ORDER], 255)
        mine[O_BLOCKS_OF_PARENT] = min(elements[parent, BEHIND] - elements[parent, FIRST], 255)
        # how far the nearest ancestor of each group is
        for group in range(GROUP_COUNT):
            mine[GROUPS_AT + group] = FARTHEST
        seen, distance, ancestor = np.uint64(0), 0, element
        while ancestor > 0 and distance < FARTHEST:
            fresh = masks[ancestor] & ~seen
            seen |= fresh
            while fresh:
                lowest = fresh & (~fresh + np.uint64(1))
                bit = BIT_NUMBERS[np.int64((lowest * np.uint64(DE_BRUIJN)) >> np.uint64(58))]
                mine[GROUPS_AT + bit] = distance
                fresh ^= lowest
            ancestor = elements[ancestor, PARENT]
            distance += 1
        # ancestors that hold more and more
        column, level, ancestor, had = CONTAINERS_AT, 0, inner, 1
        while level < LEVELS:
            while ancestor > 0 and elements[ancestor, BEHIND] - elements[ancestor, FIRST] <= had:
                ancestor = elements[ancestor, PARENT]
            first, behind = elements[ancestor, FIRST], elements[ancestor, BEHIND]
            characters = _total(sums, first, behind, CHARACTERS)
            words = _total(sums, first, behind, WORDS)
            mine[column] = log(characters, logs)
            mine[column + 1] = share(characters, total)
            mine[column + 2] = log(behind - first, logs)
            mine[column + 3] = share(_total(sums, first, behind, LINK_CHARACTERS), characters)
            mine[column + 4] = share(_total(sums, first, behind, LONG_CHARACTERS), characters)
            mine[column + 5] = log(characters // max(behind - first, 1), logs)
            mine[column + 6] = share(_total(sums, first, behind, STOPS), words)
            mine[column + 7] = share(10 * _total(sums, first, behind, ENDS), words)
            mine[column + 8] = share(row - first, max(behind - first - 1, 1))
            mine[column + 9] = classes[elements[ancestor, NAME]]
            mine[column + 10] = share(10 * _total(sums, first, behind, COMMAS), words)
            column += len(CONTAINER)
            level += 1
            had = behind - first
        # the page
        column = PAGE_AT
        for index in range(5):
            mine[column + index] = page_numbers[index]
        mine[column + 5] = _step_to(elements, inner, main_first, main_behind)
        mine[column + 6] = near(row - main_first)
        mine[column + 7] = near(main_behind - 1 - row)
        mine[column + 8] = share(_total(sums, main_first, main_behind, CHARACTERS), total)
        mine[column + 9] = _step_to(elements, inner, best_first, best_behind)
        mine[column + 10] = near(row - best_first)
        mine[column + 11] = near(best_behind - 1 - row)
        mine[column + 12] = share(_total(sums, best_first, best_behind, CHARACTERS), total)
        mine[column + 13] = 255 if last_long < 0 else min(row - last_long, 254)
        if counted[row, LONG_BLOCKS]:
            last_long = row
        low, high = max(0, row - 3), min(rows, row + 4)
        characters = _total(sums, low, high, CHARACTERS)
        mine[column + 15] = log(characters, logs)
        mine[column + 16] = share(_total(sums, low, high, LINK_CHARACTERS), characters)
        mine[column + 17] = share(_total(sums, low, high, STOPS), _total(sums, low, high, WORDS))
        mine[column + 18] = min(articles, 255)
        mine[column + 19] = share(commented, long_total)
        mine[column + 20] = log(sums[row, LONG_CHARACTERS], logs)
        # items of a list, of which it is one
        column = REPEATED_AT
        for index in range(len(REPEATED)):
            mine[column + index] = 0
        mine[column] = FARTHEST
        ancestor, distance, levels = element, 0, 0
        while ancestor > 0 and distance < FARTHEST and levels < 2:
            leader = items[ancestor, ITEM_FIRST]
            if items[leader, ITEM_COUNT] >= FEW:
                characters = _total(sums, elements[ancestor, FIRST], elements[ancestor, BEHIND], CHARACTERS)
                if levels == 0:
                    mine[column], mine[column + 1] = distance, log(items[leader, ITEM_COUNT], logs)
                    mine[column + 2] = log(characters, logs)
                    mine[column + 3] = share(items[leader, ITEM_CHARACTERS], total)
                    mine[column + 4] = share(items[leader, ITEM_LINKED], items[leader, ITEM_CHARACTERS])
                    mine[column + 5] = share(items[leader, ITEM_LONG], items[leader, ITEM_CHARACTERS])
                    mine[column + 6] = min(items[ancestor, ITEM_NUMBER], 255)
                    mine[column + 7] = log(items[leader, ITEM_CHARACTERS] // items[leader, ITEM_COUNT], logs)
                elif elements[ancestor, BEHIND] - elements[ancestor, FIRST] > 1:
                    mine[column + 8] = log(items[leader, ITEM_COUNT], logs)
                    mine[column + 9] = log(characters, logs)
                levels += 1
            ancestor = elements[ancestor, PARENT]
            distance += 1
        mine[PAGE_AT + 21] = (
            255
            if mine[GROUPS_AT + COMMENT] < FARTHEST and 2 * commented > long_total
            else (128 if mine[GROUPS_AT + COMMENT] < FARTHEST else 0)
        )
        # blocks before and behind
        column = NEIGHBOURS_AT
        for way in range(2):
            for step in range(1, NEIGHBOURS + 1):
                other = row + step if way else row - step
                if 0 <= other < rows:
                    mine[column], mine[column + 1] = out[other, O_CHARACTERS], out[other, O_LINK_SHARE]
                    name_at = blocks[other, ELEMENT]
                    while name_at > 0 and not tag_flags[elements[name_at, NAME]] & BLOCK:
                        name_at = elements[name_at, PARENT]
                    mine[column + 2], mine[column + 3] = classes[elements[name_at, NAME]], out[other, O_STOP_WORD_SHARE]
                    mine[column + 4] = _step_to(elements, inner, other, other + 1)
                else:
                    mine[column], mine[column + 1], mine[column + 2], mine[column + 3] = 0, 0, 255, 0
                    mine[column + 4] = FARTHEST
                column += len(NEIGHBOUR)
    next_long = -1
    for back in range(rows):
        row = rows - 1 - back
        out[row, PAGE_AT + 14] = 255 if next_long < 0 else min(next_long - row, 254)
        if counted[row, LONG_BLOCKS]:
            next_long = row
