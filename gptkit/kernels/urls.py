"""Addresses of pages against block lists: hashes of domains, addresses, words and substrings.

A list is a table of 64-bit hashes (FNV-1a, then MurmurHash3's finaliser), 8 bytes and an empty
slot an entry; entries are told apart by their hashes alone. With ten million entries a look-up of
something else hits one by chance once in 10^12.
"""

import numpy as np

from gptkit.kernels.jit import helper, kernel

OFFSET, PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)  # FNV-1a, 64 bits
MIX, SHIFT = np.uint64(0xFF51AFD7ED558CCD), np.uint64(33)  # of MurmurHash3's finaliser

# What a page is blocked by
NOTHING, DOMAIN, URL, WORD, SOFT_WORDS, SUBSTRING = 0, 1, 2, 3, 4, 5
ANCHOR = 8  # bytes by which substrings are sought
FILTER_SHIFT = np.uint64(32)  # where the second bit of an anchor is read from its hash
SLASH, COLON, HASH, QUESTION, AT, DOT, PERCENT, BACKSLASH = 0x2F, 0x3A, 0x23, 0x3F, 0x40, 0x2E, 0x25, 0x5C


@helper
def _lower(byte):
    return byte + 0x20 if 0x41 <= byte <= 0x5A else byte


@helper
def _step(state, byte):
    return (state ^ np.uint64(byte)) * PRIME


@helper
def _finish(state):
    """The hash of what was stepped over; never 0, which marks an empty slot."""
    mixed = (state ^ (state >> SHIFT)) * MIX
    mixed ^= mixed >> SHIFT
    return mixed if mixed != np.uint64(0) else np.uint64(1)


@helper
def _holds(table, found):
    """Whether a table has a hash; an empty table has none."""
    if len(table) == 0:
        return False
    mask = np.uint64(len(table) - 1)
    slot = found & mask
    while table[slot] != np.uint64(0):
        if table[slot] == found:
            return True
        slot = (slot + np.uint64(1)) & mask
    return False


@helper
def _digit(byte):
    """The value of a hexadecimal digit; -1 for anything else."""
    byte = _lower(byte)
    if 0x30 <= byte <= 0x39:
        return byte - 0x30
    return byte - 0x57 if 0x61 <= byte <= 0x66 else np.int64(-1)


@helper
def _character(text, place, end):
    """The byte at `place` in lower case, a percent escape undone, and how long it is in the address."""
    byte = np.int64(text[place])
    if byte == PERCENT and place + 2 < end:
        high, low = _digit(np.int64(text[place + 1])), _digit(np.int64(text[place + 2]))
        if high >= 0 and low >= 0:
            return _lower(high * 16 + low), 3
    return _lower(byte), 1


@helper
def _in_word(byte):
    return 0x30 <= byte <= 0x39 or 0x61 <= byte <= 0x7A or byte >= 0x80


@helper
def _parts(text, start, end):
    """Where the host begins and ends, where what follows it begins (a port that says something, or the path), and where it ends.

    Scheme, user, default ports (80, 443), dots behind the host, the fragment and slashes at the end
    of a path without a query are left out.
    """
    while start < end and text[start] <= 0x20:
        start += 1
    while end > start and text[end - 1] <= 0x20:
        end -= 1
    host = start
    while host < end and text[host] not in (SLASH, COLON, QUESTION, HASH):
        host += 1
    if host > start and host + 2 < end and text[host] == COLON and text[host + 1] == SLASH and text[host + 2] == SLASH:
        host += 3
    elif start + 1 < end and text[start] == SLASH and text[start + 1] == SLASH:
        host = start + 2
    else:
        host = start
    path = host
    while path < end and text[path] not in (SLASH, QUESTION, HASH, BACKSLASH):
        path += 1
    for place in range(host, path):
        if text[place] == AT:
            host = place + 1
    host_end = rest = path
    port = path
    while port > host and 0x30 <= text[port - 1] <= 0x39:
        port -= 1
    if port > host and text[port - 1] == COLON:
        host_end = port - 1
        size = path - port
        is_80 = size == 2 and text[port] == 0x38 and text[port + 1] == 0x30
        is_443 = size == 3 and text[port] == 0x34 and text[port + 1] == 0x34 and text[port + 2] == 0x33
        if size and not is_80 and not is_443:
            rest = host_end
    while host_end > host and text[host_end - 1] == DOT:
        host_end -= 1
    has_query = False
    for place in range(path, end):
        has_query |= text[place] == QUESTION
        if text[place] == HASH:
            end = place
            break
    while not has_query and end > path and text[end - 1] == SLASH:
        end -= 1
    return host, host_end, rest, end


@helper
def _url_hash(text, host, host_end, rest, end):
    state = OFFSET
    for place in range(host, host_end):
        state = _step(state, _lower(np.int64(text[place])))
    for place in range(rest, end):
        state = _step(state, np.int64(text[place]))
    return _finish(state)


@kernel
def hash_urls(text, starts):
    """The hash of each address as lists of addresses have it; uint64 [rows]. text: uint8; starts: int64 [rows + 1]."""
    hashes = np.zeros(len(starts) - 1, np.uint64)
    for row in range(len(hashes)):
        host, host_end, rest, end = _parts(text, starts[row], starts[row + 1])
        hashes[row] = _url_hash(text, host, host_end, rest, end)
    return hashes


@kernel
def hash_domains(text, starts):
    """The hash of each domain, read from its end; uint64 [rows]."""
    hashes = np.zeros(len(starts) - 1, np.uint64)
    for row in range(len(hashes)):
        state = OFFSET
        for place in range(starts[row + 1] - 1, starts[row] - 1, -1):
            state = _step(state, _lower(np.int64(text[place])))
        hashes[row] = _finish(state)
    return hashes


@kernel
def hash_words(text, starts):
    """The hash of the letters and digits of each row; uint64 [rows]."""
    hashes = np.zeros(len(starts) - 1, np.uint64)
    for row in range(len(hashes)):
        state, place = OFFSET, starts[row]
        while place < starts[row + 1]:
            byte, width = _character(text, place, starts[row + 1])
            if _in_word(byte):
                state = _step(state, byte)
            place += width
        hashes[row] = _finish(state)
    return hashes


@kernel
def anchors(text, starts):
    """The first letters and digits of each row, up to ANCHOR, packed into uint64 [rows], the first one lowest."""
    packed = np.zeros(len(starts) - 1, np.uint64)
    for row in range(len(packed)):
        count, place = 0, starts[row]
        while place < starts[row + 1] and count < ANCHOR:
            byte, width = _character(text, place, starts[row + 1])
            if _in_word(byte):
                packed[row] |= np.uint64(byte) << np.uint64(8 * count)
                count += 1
            place += width
    return packed


@helper
def _marked(present, anchor):
    """Whether both bits of an anchor are set in a filter."""
    bits = np.uint64(8 * len(present) - 1)
    found = _finish(anchor)
    one, two = found & bits, (found >> FILTER_SHIFT) & bits
    first = present[one >> np.uint64(3)] >> np.uint8(one & np.uint64(7))
    second = present[two >> np.uint64(3)] >> np.uint8(two & np.uint64(7))
    return first & second & 1 != 0


@kernel
def make_filter(packed):
    """A Bloom filter of anchors: uint8, two bits set for each in a power of two of bits, at least 16 an anchor."""
    size = 1 << 16
    while size < 16 * len(packed):
        size *= 2
    present = np.zeros(size // 8, np.uint8)
    bits = np.uint64(size - 1)
    for anchor in packed:
        found = _finish(anchor)
        for bit in (found & bits, (found >> FILTER_SHIFT) & bits):
            present[bit >> np.uint64(3)] |= np.uint8(1) << np.uint8(bit & np.uint64(7))
    return present


@kernel
def make_table(hashes):
    """An open-addressing table of uint64 hashes, at most half full; its length is a power of two, or 0."""
    size = 0
    if len(hashes):
        size = 2
        while size < 2 * len(hashes):
            size *= 2
    table = np.zeros(size, np.uint64)
    mask = np.uint64(max(size, 1) - 1)
    for found in hashes:
        slot = found & mask
        while table[slot] != np.uint64(0) and table[slot] != found:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = found
    return table


@helper
def _find_substring(plain, count, present, masks, substrings, shortest, longest):
    """The first of plain[:count] at which an entry begins, and how long it is; -1 and 0 where none does."""
    window = np.uint64(0)
    for index in range(min(count, ANCHOR - 1)):
        window |= np.uint64(plain[index]) << np.uint64(8 * (index + 1))
    for begin in range(count):
        window >>= np.uint64(8)
        if begin + ANCHOR <= count:
            window |= np.uint64(plain[begin + ANCHOR - 1]) << np.uint64(56)
        likely = False
        for mask in masks:
            likely |= _marked(present, window & mask)
        if likely:
            state = OFFSET
            for at in range(begin, min(begin + longest, count)):
                state = _step(state, np.int64(plain[at]))
                if at - begin + 1 >= shortest and _holds(substrings, _finish(state)):
                    return begin, at - begin + 1
    return -1, 0


@kernel
def judge_urls(
    text, starts, domains, urls, words, soft_words, soft_least, substrings, present, masks, shortest, longest
):
    """What each address is blocked by, and where in it: int64 [rows, 3] of (NOTHING …, first byte, behind the last).

    text: uint8; starts: int64 [rows + 1]; domains, urls, words, soft_words, substrings: tables of
    `make_table`; soft_least: how many different soft words block; present: `make_filter` of the
    substrings' anchors; masks: uint64, the bytes of the anchors' lengths; shortest, longest: bytes of
    the substrings.
    Bytes are counted from the beginning of `text`.
    """
    rows = len(starts) - 1
    result = np.zeros((rows, 3), np.int64)
    soft_seen = np.zeros(soft_least, np.uint64)
    widest = 0
    for row in range(rows):
        widest = max(widest, starts[row + 1] - starts[row])
    plain = np.zeros(widest, np.uint8)  # letters and digits of an address
    behind = np.zeros(widest, np.int64)  # where each ends in the address
    for row in range(rows):
        start, stop = starts[row], starts[row + 1]
        host, host_end, rest, end = _parts(text, start, stop)
        kind, first, last = NOTHING, 0, 0
        if len(domains):
            state = OFFSET
            for place in range(host_end - 1, host - 1, -1):
                state = _step(state, _lower(np.int64(text[place])))
                whole = place == host or text[place - 1] == DOT
                if whole and _holds(domains, _finish(state)):
                    kind, first, last = DOMAIN, place, host_end
                    break
        listed = kind == NOTHING and host_end > host and len(urls) > 0
        if listed and _holds(urls, _url_hash(text, host, host_end, rest, end)):
            kind, first, last = URL, host, end
        if kind == NOTHING and len(words) + len(soft_words) + len(substrings):
            count = soft = 0
            soft_first = soft_last = 0
            state, word_start, open_word = OFFSET, start, False
            place = start
            while place <= stop:
                byte, width = np.int64(0), np.int64(1)
                if place < stop:
                    byte, width = _character(text, place, stop)
                if _in_word(byte):
                    if not open_word:
                        state, word_start, open_word = OFFSET, place, True
                    state = _step(state, byte)
                    plain[count], behind[count] = byte, place + width
                    count += 1
                elif open_word:
                    open_word = False
                    found = _finish(state)
                    if _holds(words, found):
                        kind, first, last = WORD, word_start, place
                        break
                    if soft < soft_least and _holds(soft_words, found):
                        known = False
                        for index in range(soft):
                            known |= soft_seen[index] == found
                        if not known:
                            if soft == 0:
                                soft_first = word_start
                            soft_seen[soft] = found
                            soft += 1
                            soft_last = place
                place += width
            if kind == NOTHING and soft >= soft_least:
                kind, first, last = SOFT_WORDS, soft_first, soft_last
            if kind == NOTHING and len(substrings):
                begin, length = _find_substring(plain, count, present, masks, substrings, shortest, longest)
                if begin >= 0:
                    kind, last = SUBSTRING, behind[begin + length - 1]
                    first = behind[begin - 1] if begin else start
                    while not _in_word(_character(text, first, stop)[0]):
                        first += 1
        result[row, 0], result[row, 1], result[row, 2] = kind, first, last
    return result
