"""Whether ids spell their text, byte by byte.

Nearly all tokens have at most eight bytes, which are compared as one number, and the others nearly all at most
sixteen: these are compared as two, the first eight bytes and the last eight.
"""

import numpy as np

from gptkit.kernels.eight_bytes import eight_bytes
from gptkit.kernels.jit import kernel

ONE, TWO = 8, 16  # bytes of the longest tokens that are compared as one number and as two
OTHER = 255  # the length of those that are longer, or have no bytes


def token_table(pieces):
    """What `first_mismatch` knows of the tokens, each given as bytes.

    Returns firsts, uint64 [vocabulary]: the first eight bytes of each token, or the bytes of a shorter one behind
    zeros, the last one highest; lasts, uint64 [vocabulary]: the last eight of tokens over ONE bytes; lengths, uint8
    [vocabulary]: OTHER over TWO bytes and for none; begins, int64 [vocabulary + 1], and row, uint8: the bytes of all
    tokens, token behind token.
    """
    sizes = np.array([len(piece) for piece in pieces], np.int64)
    begins = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    firsts = np.frombuffer(b"".join(piece[:8].rjust(8, b"\0") for piece in pieces), "<u8").astype(np.uint64)
    lasts = np.frombuffer(b"".join(piece[-8:].rjust(8, b"\0") for piece in pieces), "<u8").astype(np.uint64)
    lengths = np.where((sizes > TWO) | (sizes == 0), OTHER, sizes).astype(np.uint8)
    return firsts, lasts, lengths, begins, np.frombuffer(b"".join(pieces), np.uint8)


@kernel
def first_mismatch(ids, starts, content, places, firsts, lasts, lengths, begins, row):
    """The first document whose ids do not spell its text, or -1.

    ids: uint32; starts: int64 [documents + 1], where each document's ids begin. content: uint8; places: int64
    [documents + 1], where each text begins. The others are those of `token_table`. An id that it has not, or that
    stands for no bytes, spells nothing.
    """
    size = np.uint64(len(lengths))
    last = np.int64(len(content)) - TWO  # where so many bytes can still be read
    for document in range(len(starts) - 1):
        place, end = places[document], places[document + 1]
        different = np.uint64(0)  # bits; looked at once a document
        for at in range(starts[document], starts[document + 1]):
            token = np.uint64(ids[at])
            if token >= size:
                return document
            length = np.int64(lengths[token])
            if length <= ONE and place <= last:
                different |= (eight_bytes(content, place) << np.uint64(8 * (ONE - length))) ^ firsts[token]
            elif length <= TWO and place <= last:
                different |= eight_bytes(content, place) ^ firsts[token]
                different |= eight_bytes(content, place + length - ONE) ^ lasts[token]
            else:
                begin = begins[token]
                length = begins[token + np.uint64(1)] - begin
                if length == 0 or length > end - place:
                    return document
                for byte in range(length):
                    if content[place + byte] != row[begin + byte]:
                        return document
            place += length
        if different != 0 or place != end:
            return document
    return -1
