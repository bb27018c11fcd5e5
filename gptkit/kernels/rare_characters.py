"""Which texts have a character of a given set, where hardly any has one."""

import numpy as np

from gptkit.kernels.eight_bytes import eight_bytes
from gptkit.kernels.jit import kernel

PAGE = 7  # bits of a code point within a page
LAST = 0x110000
HIGH = 0x8080808080808080  # the highest bit of eight bytes: all are ASCII where none is set


def pages_of(ranges):
    """A set of characters beyond ASCII, given as ranges of code points (first, last), as `rows_with` reads it.

    Returns numbers, uint8 [pages of all code points]: 0 for a page without any; and members, bool [pages with
    some + 1, 2^PAGE], by that number.
    """
    all_of_them = np.zeros(LAST, np.bool_)
    for first, last in ranges:
        all_of_them[first : last + 1] = True
    pages = all_of_them.reshape(-1, 1 << PAGE)
    some = pages.any(axis=1)
    numbers = np.where(some, np.cumsum(some), 0).astype(np.uint8)
    return numbers, np.concatenate([np.zeros((1, 1 << PAGE), np.bool_), pages[some]])


@kernel
def rows_with(content, starts, numbers, members):
    """bool [rows]: whether a text (UTF-8: uint8, and int64 [rows + 1]) has a character of the set (`pages_of`)."""
    found = np.zeros(len(starts) - 1, np.bool_)
    for row in range(len(found)):
        place, end = starts[row], starts[row + 1]
        while place < end:
            if place + 32 <= end:
                at = np.uint64(place)
                either = eight_bytes(content, at) | eight_bytes(content, at + np.uint64(8))
                either |= eight_bytes(content, at + np.uint64(16)) | eight_bytes(content, at + np.uint64(24))
                if either & np.uint64(HIGH) == np.uint64(0):
                    place += 32
                    continue
            # one block, or the end, by characters
            stop = min(end, place + 32)
            while place < stop:
                lead = np.int64(content[place])
                if lead < 0xC0:
                    place += 1
                    continue
                size = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
                if place + size > end:
                    break
                code = lead & (0xFF >> (size + 1))
                for index in range(1, size):
                    code = code << 6 | (np.int64(content[place + index]) & 0x3F)
                place += size
                number = numbers[code >> PAGE] if code < LAST else 0  # what is no UTF-8 may be beyond
                if number and members[number, code & ((1 << PAGE) - 1)]:
                    found[row] = True
                    break
            if found[row] or place < stop:
                break
    return found
