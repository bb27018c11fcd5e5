"""tiktoken's rank files: on each line a token in base64 and its rank, which is its id and its merge's order."""

import base64
import binascii

from gptkit.data.vocabulary import LARGEST
from gptkit.errors import GptkitError

LONGEST = 1_000  # bytes of a token; published ones have up to 256
WORK = 1_000_000_000  # squared bytes of all tokens, which finding their merges takes time for


def is_rank_file(content: bytes) -> bool:
    """Whether the first line looks like one of a rank file."""
    first = content[: 2 * LONGEST].split(b"\n", 1)[0].split()
    return len(first) == 2 and first[1].isdigit() and _token(first[0]) is not None


def read_ranks(content: bytes, name: str) -> dict[bytes, int]:
    """The rank of each token of a rank file, lowest first. Raises GptkitError where it is damaged."""
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        fields = line.split()
        token = _token(fields[0]) if len(fields) == 2 and fields[1].isdigit() and len(fields[1]) < 10 else None
        if not token or len(token) > LONGEST:
            raise GptkitError(f"{name}: line {number} is no token in base64 and its rank; the file is damaged")
        if token in ranks:
            raise GptkitError(f"{name}: line {number} has a token for the second time; the file is damaged")
        ranks[token] = int(fields[1])
    if len(set(ranks.values())) < len(ranks) or max(ranks.values(), default=0) >= LARGEST:
        raise GptkitError(f"{name}: has a rank twice, or one above {LARGEST:,}; the file is damaged")
    missing = next((byte for byte in range(256) if bytes([byte]) not in ranks), None)
    if missing is not None:
        raise GptkitError(f"{name}: has no token for the byte 0x{missing:02x}; the file is damaged or cut short")
    if sum(len(token) ** 2 for token in ranks) > WORK:
        raise GptkitError(f"{name}: its tokens are too long for a vocabulary")
    return dict(sorted(ranks.items(), key=lambda item: item[1]))


def merges_of(ranks: dict[bytes, int]) -> tuple[list[tuple[bytes, bytes]], bool]:
    """The merges that make the tokens, in order, and whether each token of more than one byte has its merge.

    BPE always merges the pair that makes the token of the lowest rank. So what a token is made of is what BPE
    with lower ranks alone makes of its bytes, and in no text it is made of anything else: merges that end at
    both its ends happen in the order in which they happen in the token by itself. A token that those leave in
    more than two parts is never made by merging; tiktoken gives it only to a piece that it is all of, which
    tokenizers does with `ignore_merges`.
    """
    merges: list[tuple[bytes, bytes]] = []
    complete = True
    for token, rank in ranks.items():
        if len(token) == 1:
            continue
        parts = _parts(ranks, token, rank)
        if len(parts) == 2:
            merges.append((parts[0], parts[1]))
        else:
            complete = False
    return merges, complete


def _parts(ranks: dict[bytes, int], token: bytes, top: int) -> list[bytes]:
    """What BPE makes of a token with the ranks below `top`."""
    parts = [token[place : place + 1] for place in range(len(token))]
    pairs = [ranks.get(token[place : place + 2], top) for place in range(len(token) - 1)]
    while pairs:
        lowest = min(pairs)
        if lowest >= top:
            break
        place = pairs.index(lowest)
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
        del pairs[place]
        for changed in (place - 1, place):
            if 0 <= changed < len(pairs):
                pairs[changed] = ranks.get(parts[changed] + parts[changed + 1], top)
    return parts


def _token(text: bytes) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
