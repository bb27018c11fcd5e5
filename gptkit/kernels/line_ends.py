"""How lines end that end a sentence, in the scripts of all languages."""

import numpy as np

from gptkit.kernels.characters import SPACE, TERMINAL, character_before, decode, flags_at
from gptkit.kernels.jit import helper, kernel
from gptkit.kernels.lines import skip_space_back


@kernel
def has_wide_end_mark(line, begin, end, flags):
    """Whether line[begin:end] ends as a sentence does in any script: in a terminal mark, perhaps before what may
    follow it, or in a closing double quote."""
    for place in range(begin, end - 1):
        if line[place] == 0xE0 and line[place + 1] >= 0xB8:  # Thai, Lao, Tibetan: they have no such marks, or omit them
            return True
    while end > begin:
        before = character_before(line, end, begin)
        code, _ = decode(line, before, end)
        bits, _ = flags_at(line, before, end, flags)
        if code == 0x201D or code == 0x300D or code == 0x300F:  # ” 」 』
            return True
        if not (bits & SPACE or _closes(code)):
            return bits & TERMINAL != 0 or _stands_for_stop(line, begin, before, code, flags)
        end = before
    return False


@helper
def _closes(code):
    """Whether it may follow the end of a sentence: ) ] » ’ 》 and the like, upright quotes, marks without width."""
    return (
        code == 0x29
        or code == 0x5D
        or code == 0x22
        or code == 0x27
        or code == 0xBB
        or code == 0x2018  # this and the next closes in German
        or code == 0x201C
        or code == 0x2019
        or code == 0x203A
        or code == 0x3009
        or code == 0x300B
        or code == 0x3011
        or code == 0x3015
        or code == 0xFF09
        or 0x200B <= code <= 0x200F
    )


@helper
def _stands_for_stop(line, begin, place, code, flags):
    """Whether the character `code` at `place` is one that people type for a full stop they have no key for."""
    end = skip_space_back(line, place, begin, flags)
    last = np.int64(0)
    if end > begin:
        last, _ = decode(line, character_before(line, end, begin), end)
    if code == 0x3A:  # : for the Armenian full stop
        return 0x0531 <= last <= 0x058F
    if code == 0x7C:  # | for the danda
        return 0x0900 <= last <= 0x0DFF
    if code == 0x1361:  # two word spaces for the Ethiopic full stop
        return last == 0x1361
    return code == 0x09F7  # Bengali numerator four for the danda
