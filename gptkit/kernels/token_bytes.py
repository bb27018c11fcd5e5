"""Whether ids spell their text, byte by byte.

Nearly all tokens have at most eight bytes, which are compared as one number.
"""

import numpy as np

from gptkit.kernels.eight_bytes import eight_bytes
from gptkit.kernels.jit import kernel

SHORT = 8  # bytes
LONG = 255  # the length of tokens that are not short


def token_table(pieces):
    """What `first_mismatch` knows of the tokens, each given as bytes.

    Returns firsts, uint64 [vocabulary]: the first SHORT bytes of each token, the last one highest; lengths, uint8
    [vocabulary], LONG for all that are longer than SHORT; begins, int64 [vocabulary + 1], and row, uint8: the bytes
    of all tokens, token behind token.
    """
    sizes = np.array([len(piece) for piece in pieces], np.int64)
    begins = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    firsts = np.frombuffer(b"".join(piece[:SHORT].rjust(SHORT, b"\0") for piece in pieces), "<u8").astype(np.uint64)
    lengths = np.where(sizes > SHORT, LONG, sizes).astype(np.uint8)
    return firsts, lengths, begins, np.frombuffer(b"".join(pieces), np.uint8)


@kernel
def first_mismatch(ids, starts, content, places, firsts, lengths, begins, row):
    """The first document whose ids do not spell its text, or -1.

    ids: uint32; starts: int64 [documents + 1], where each document's ids begin. content: uint8; places: int64
    [documents + 1], where each text begins. The others are those of `token_table`. An id that it has not, or that
    stands for no bytes, spells nothing.
    """
    size = np.uint64(len(lengths))
    last = np.int64(len(content)) - SHORT  # where eight bytes can still be read
    for document in range(len(starts) - 1):
        place, end = places[document], places[document + 1]
        for at in range(starts[document], starts[document + 1]):
            token = np.uint64(ids[at])
            if token >= size:
                return document
            length = np.int64(lengths[token])
            if length <= SHORT and place <= last:
                if length == 0 or length > end - place:
                    return document
                if eight_bytes(content, place) << np.uint64(8 * (SHORT - length)) != firsts[token]:
                    return document
            else:
                begin = begins[token]
                length = begins[token + np.uint64(1)] - begin
                if length == 0 or length > end - place:
                    return document
                for byte in range(length):
                    if content[place + byte] != row[begin + byte]:
                        return document
            place += length
        if place != end:
            return document
    return -1
