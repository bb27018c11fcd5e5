"""Replaces e-mail addresses and public IPv4 addresses, as datatrove's PIIFormatter does.

The same places are found (see `kernels.pii`). What stands there afterwards is the same everywhere,
so that no document depends on those before it: an address of a domain kept for examples (RFC 2606)
and one of a range kept for documentation (RFC 5737), where datatrove takes turns in two lists.
Addresses that are not globally reachable (10.0.0.1, 127.0.0.1, 192.0.2.1, …) and numbers with a
leading zero stay.
"""

import functools
import ipaddress

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gptkit.kernels import pii as kernels
from gptkit.kernels.columns import string_arrays

EMAIL = b"email@example.com"
ADDRESS = b"192.0.2.1"
CODES = 0x110000


@functools.cache
def _wordlike() -> np.ndarray:
    """The characters of a regex's \\w; bool [0x110000]."""
    return np.array([chr(code).isalnum() for code in range(CODES)])


_byte_kinds = functools.cache(kernels.byte_kinds)


def replace_pii(text: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Texts without e-mail and public IPv4 addresses, and how many of each were replaced in every text.

    text: strings without nulls. The counts are int64 [texts, 2]: e-mail addresses, IPv4 addresses.
    """
    content, starts = string_arrays(text)
    counts = np.zeros((len(text), 2), np.int64)
    found = kernels.find_addresses(content, starts, _byte_kinds(), _wordlike())
    parts: dict[int, list[bytes]] = {}
    copied: dict[int, int] = {}  # up to which byte a document is in its parts
    for document, kind, first, last in found.tolist():
        if kind == kernels.ADDRESS and not _public(content[first:last].tobytes()):
            continue
        pieces = parts.setdefault(document, [])
        pieces.append(content[copied.get(document, starts[document]) : first].tobytes())
        pieces.append(ADDRESS if kind == kernels.ADDRESS else EMAIL)
        copied[document] = last
        counts[document, kind] += 1
    if not parts:
        return text, counts
    for document, pieces in parts.items():
        pieces.append(content[copied[document] : starts[document + 1]].tobytes())
    changed = np.zeros(len(text), bool)
    changed[list(parts)] = True
    texts = pa.array([b"".join(pieces).decode() for pieces in parts.values()], text.type)
    return pc.replace_with_mask(text, pa.array(changed), texts), counts


@functools.lru_cache(10_000)
def _public(address: bytes) -> bool:
    try:
        return ipaddress.IPv4Address(address.decode()).is_global
    except ValueError:  # a leading zero
        return False
