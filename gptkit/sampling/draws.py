"""Random draws keyed by what they are for, never taken from a stream.

So nothing depends on the order of tasks, the number of workers or the machine.
"""

import hashlib


def draw64(*key: object) -> int:
    """A uniform 64-bit number that depends on nothing but `key` (its parts' text)."""
    text = "\x1f".join(map(str, key)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def uniform(*key: object) -> float:
    """A uniform number in [0, 1) that depends on nothing but `key`."""
    return (draw64(*key) >> 11) * 2.0**-53
