"""Spans of text that an earlier document has too, found without a suffix array (Lee et al., arXiv 2107.06499).

A window is `span` units (characters or words, see kernels/windows.py) in a row of one document,
counted from every unit. What is sought is every position in a stretch of at least `span` units that
also stands in an earlier document. These are the positions of the windows that also stand in an
earlier document. For such a window is itself a stretch of `span` units; and every position of a
longer stretch lies in a window inside it, which stands at the same place inside the stretch's copy.
So windows of one length are all that needs to be compared.

1. `find_candidates` puts most windows aside. Of all half windows (grams) in a window the one of the
   least hash is its anchor (winnowing: Schleimer, Wilkerson and Aiken 2003, doi
   10.1145/872757.872770). Equal windows have equal anchors, and one gram in span / 4 is one, so a
   small table tells which anchors several documents have: only windows of these are candidates.
2. `mark_repeats` goes through the candidates with a table of the first place of each window. The hash
   says where to look; equal are windows whose text is. It marks those whose first place is in an
   earlier document.
3. kernels/span_cuts.py makes spans of them, and cuts these.

Each goes through the text a fixed number of times, and compares each character once while windows
follow one another in both places; where they do not, up to `span` for each window.
"""

import numpy as np

from gptkit.kernels.jit import helper, kernel
from gptkit.kernels.minhash import fmix64
from gptkit.kernels.shingles import RADIX
from gptkit.kernels.windows import (
    first_unit,
    next_set,
    power,
    same_window,
    scaled,
    set_bit,
    slot_of,
    unit_at,
    width_at,
)

MANY = np.uint32(0xFFFFFFFF)  # documents have an anchor
PLACE_BITS = 40  # of a slot: a place in the text, and above it a part of the window's hash: enough for a terabyte


@helper
def _note(owners, anchor, document):
    """Notes that a document has this anchor."""
    key = fmix64(anchor)
    for _ in range(2):
        slot = slot_of(key, len(owners))
        if owners[slot] == 0:
            owners[slot] = np.uint32(document + 1)
        elif owners[slot] != np.uint32(document + 1):
            owners[slot] = MANY
        key = fmix64(key)


@helper
def _has_many(owners, anchor):
    """Whether several documents have this anchor, or share both of its slots with others by chance."""
    key = fmix64(anchor)
    return owners[slot_of(key, len(owners))] == MANY and owners[slot_of(fmix64(key), len(owners))] == MANY


@kernel
def find_candidates(text, starts, span, table, owners, candidates):
    """Sets the bits of windows that may be in several documents; gives how many there are.

    text: uint8, valid UTF-8 of all documents; starts: int64 [documents + 1]; span: units of a window;
    table: CHARACTERS, or `shingles.word_table`; owners: uint32, zeros, of any length below 2³² (the
    longer, the fewer windows are candidates by chance); candidates: uint8, zeros, a bit a byte of text.
    """
    gram = (span + 1) // 2
    grams = span - gram + 1  # in a window
    leading = power(gram - 1)
    ring = np.empty(grams, np.uint64)  # hashes of the last grams
    found = 0
    for second in range(2):
        for document in range(len(starts) - 1):
            end = starts[document + 1]
            head = tail = place = first_unit(text, starts[document], end, table)  # of the gram; of the window; read
            h, least = np.uint64(0), np.uint64(0xFFFFFFFFFFFFFFFF)
            units = newest = 0
            least_at = anchor_at = -1
            many = False
            while place < end:
                code, width, _ = unit_at(text, place, end, table)
                h = h * RADIX + code
                place += width
                units += 1
                number = units - gram  # of the gram that ends here
                if number < 0:
                    continue
                ring[newest] = h
                if h <= least:  # of equal ones the last: a text of one letter has the next gram's anchor at once
                    least, least_at = h, number
                elif least_at <= number - grams:
                    least = h
                    for at in range(grams):
                        least = min(least, ring[at])
                    least_at, at = number, newest
                    while ring[at] != least:
                        least_at, at = least_at - 1, at - 1 if at else grams - 1
                newest = newest + 1 if newest + 1 < grams else 0
                oldest, width, _ = unit_at(text, head, end, table)
                h -= oldest * leading
                head += width
                if number < grams - 1:
                    continue
                if least_at != anchor_at:
                    anchor_at = least_at
                    if second:
                        many = _has_many(owners, least)
                    else:
                        _note(owners, least, document)
                if second:
                    if many:
                        set_bit(candidates, tail)
                        found += 1
                    tail += width_at(text, tail, end, table)
    return found


@kernel
def mark_repeats(text, starts, span, table, candidates, forward, part, parts, places, marks):
    """Sets the bits of the windows whose first copy is in another document.

    The first in the order of documents; with `forward` False in the opposite order. text to
    candidates: see `find_candidates`. Of the windows only those whose hash falls into `part` of
    `parts`. places: uint64, zeros, with room for all of them; marks: uint8, a bit a byte of text.
    """
    leading = power(span - 1)
    place_mask = (np.uint64(1) << np.uint64(PLACE_BITS)) - np.uint64(1)
    documents = len(starts) - 1
    for step in range(documents):
        document = step if forward else documents - 1 - step
        shift = known = np.int64(-1)
        start, end = starts[document], starts[document + 1]
        head = place = candidate = next_set(candidates, start, end)
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
                key = fmix64(h)
                if scaled(key << np.uint64(32), parts) == part:
                    tag = key & ~place_mask
                    slot = slot_of(key, len(places))
                    while places[slot]:
                        other = np.int64(places[slot] & place_mask) - 1
                        if places[slot] & ~place_mask == tag and same_window(
                            text, starts, head, stop, other, span, table, shift, known
                        ):
                            shift, known = head - other, stop
                            if other < start or other >= end:
                                set_bit(marks, head)
                            break
                        slot = slot + 1 if slot + 1 < len(places) else 0
                    else:
                        places[slot] = tag | np.uint64(head + 1)
            if candidate >= place:  # beyond what was read: begin again there
                head = place = candidate
                h = np.uint64(0)
                units = 0
                continue
            oldest, width, _ = unit_at(text, head, end, table)
            h -= oldest * leading
            head += width
