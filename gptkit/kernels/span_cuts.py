"""From marked windows (see kernels/spans.py) to spans, who has them first, and texts without them."""

import numpy as np

from gptkit.kernels.characters import count_characters
from gptkit.kernels.jit import helper, kernel
from gptkit.kernels.lines import copy, skip_space, skip_space_back
from gptkit.kernels.minhash import fmix64
from gptkit.kernels.shingles import RADIX
from gptkit.kernels.windows import next_set, power, same_window, slot_of, unit_at, width_at

# Columns of a span: its document; where it begins and ends there, in bytes and in characters
DOCUMENT, BEGIN, END, FIRST, LAST = range(5)

LINE_FEED, SPACE = 0x0A, 0x20


@kernel
def merge_windows(text, starts, span, table, marks):
    """The spans that marked windows cover: int64 [spans, 5], of which the columns are named above, in order.

    Windows that overlap or touch are one span. text to table: see `find_candidates`; marks: see
    `mark_repeats`.
    """
    spans = np.empty((0, 5), np.int64)
    for second in range(2):
        found = 0
        for document in range(len(starts) - 1):
            start, end = starts[document], starts[document + 1]
            head = place = mark = next_set(marks, start, end)
            units = 0
            reach = np.int64(-1)  # where the unit after the last span begins
            while mark < end:
                _, width, own = unit_at(text, place, end, table)
                stop = place + own
                place += width
                units += 1
                if units < span:
                    continue
                if head == mark:
                    mark = next_set(marks, head + 1, end)
                    if head > reach:
                        if second:
                            spans[found, DOCUMENT], spans[found, BEGIN] = document, head - start
                        found += 1
                    if second:
                        spans[found - 1, END] = stop - start
                    reach = place
                if mark >= place:
                    head = place = mark
                    units = 0
                    continue
                head += width_at(text, head, end, table)
        if not second:
            spans = np.empty((found, 5), np.int64)
    for index in range(len(spans)):
        row = spans[index]
        start = starts[row[DOCUMENT]]
        follows = index > 0 and spans[index - 1, DOCUMENT] == row[DOCUMENT]
        before, characters = (spans[index - 1, END], spans[index - 1, LAST]) if follows else (np.int64(0), np.int64(0))
        row[FIRST] = characters + count_characters(text, start + before, start + row[BEGIN])
        row[LAST] = row[FIRST] + count_characters(text, start + row[BEGIN], start + row[END])
    return spans


@kernel
def first_documents(text, starts, span, table, candidates, spans):
    """For each span the first document that has the window it begins with; int64 [spans].

    text to candidates: see `find_candidates`; spans: of `merge_windows`.
    """
    leading = power(span - 1)
    table_size = 2 * len(spans) + 1
    slots = np.zeros(table_size, np.int64)  # span + 1
    same_as = np.empty(len(spans), np.int64)  # the first span that begins with the same window
    documents = np.full(len(spans), np.int64(-1))
    for index in range(len(spans)):
        begin = starts[spans[index, DOCUMENT]] + spans[index, BEGIN]
        end = starts[spans[index, DOCUMENT] + 1]
        place = stop = begin
        h = np.uint64(0)
        for _ in range(span):
            code, width, own = unit_at(text, place, end, table)
            h = h * RADIX + code
            stop = place + own
            place += width
        slot = slot_of(fmix64(h), table_size)
        same_as[index] = index
        while slots[slot]:
            other = slots[slot] - 1
            there = starts[spans[other, DOCUMENT]] + spans[other, BEGIN]
            if same_window(text, starts, begin, stop, there, span, table, np.int64(-1), np.int64(-1)):
                same_as[index] = other
                break
            slot = slot + 1 if slot + 1 < table_size else 0
        else:
            slots[slot] = index + 1
    for document in range(len(starts) - 1):
        end = starts[document + 1]
        head = place = candidate = next_set(candidates, starts[document], end)
        h = np.uint64(0)
        units = 0
        while candidate < end:
            code, width, own = unit_at(text, place, end, table)
            h = h * RADIX + code
            stop = place + own
            place += width
            units += 1
            if units < span:
                continue
            if head == candidate:
                candidate = next_set(candidates, head + 1, end)
                slot = slot_of(fmix64(h), table_size)
                while slots[slot]:
                    other = slots[slot] - 1
                    if documents[other] < 0:
                        there = starts[spans[other, DOCUMENT]] + spans[other, BEGIN]
                        if same_window(text, starts, head, stop, there, span, table, np.int64(-1), np.int64(-1)):
                            documents[other] = document
                            break
                    slot = slot + 1 if slot + 1 < table_size else 0
            if candidate >= place:
                head = place = candidate
                h = np.uint64(0)
                units = 0
                continue
            oldest, width, _ = unit_at(text, head, end, table)
            h -= oldest * leading
            head += width
    for index in range(len(spans)):
        documents[index] = documents[same_as[index]]
    return documents


@helper
def _line_feeds(text, begin, end):
    found = 0
    for place in range(begin, end):
        found += text[place] == LINE_FEED
    return found


@kernel
def cut_spans(text, starts, spans, flags):
    """The texts without their spans: UTF-8 (uint8), and where each begins (int64 [documents + 1]).

    spans: int64 [spans, 5], of these documents, in order; flags: `characters.character_flags`. At
    each end of what is cut there may be white space, inside and outside. Of the two ends' white space
    the one with more line feeds stays between what is left (of equal ones the first that is not empty),
    and a space where both have none, so that two halves of words are not joined to a new one. Where
    nothing is left before or behind, none stays. What is cut is never shorter than what stands for it.
    """
    documents = len(starts) - 1
    out = np.empty(starts[documents] - starts[0], np.uint8)
    out_starts = np.zeros(documents + 1, np.int64)
    to, index = 0, 0
    for document in range(documents):
        start, end = starts[document], starts[document + 1]
        origin, place = to, start
        while index < len(spans) and spans[index, DOCUMENT] == document:
            begin, stop = start + spans[index, BEGIN], start + spans[index, END]
            index += 1
            # white space alone between two spans goes with them
            while (
                index < len(spans)
                and spans[index, DOCUMENT] == document
                and skip_space(text, stop, start + spans[index, BEGIN], flags) == start + spans[index, BEGIN]
            ):
                stop = start + spans[index, END]
                index += 1
            left, left_end = skip_space_back(text, begin, place, flags), skip_space(text, begin, stop, flags)
            right, right_end = skip_space_back(text, stop, begin, flags), skip_space(text, stop, end, flags)
            to = copy(text, place, left, out, to)
            place = right_end
            if to == origin or place == end:
                continue
            if left == left_end and right == right_end:
                out[to] = SPACE
                to += 1
            elif left == left_end or _line_feeds(text, right, right_end) > _line_feeds(text, left, left_end):
                to = copy(text, right, right_end, out, to)
            else:
                to = copy(text, left, left_end, out, to)
        to = copy(text, place, end, out, to)
        out_starts[document + 1] = to
    return out[:to], out_starts
