"""Which earlier places a query looks at: dense, and the patterns of Sparse Transformer and GPT-3.

A pattern is a name and its sizes in tokens, as `local:128`. All are causal: a query sees itself, and none behind it.
"""

import dataclasses
import functools
from typing import Any

SIZES = {
    "dense": (),
    "local": ("window",),
    "dilated": ("window", "stride"),
    "strided": ("stride",),
    "fixed": ("block", "summary"),
}
FORMS = ", ".join(":".join((name, *(size.upper() for size in sizes))) for name, sizes in SIZES.items())


@dataclasses.dataclass(frozen=True)
class Pattern:
    """One of (query i, key j, j ≤ i):

    dense      all j
    local:W    the last W places, itself included: i − j < W. GPT-3's band and a sliding window
    dilated:W:S  the last W places, and before them every S-th: i − j < W or (i − j) mod S = 0
    strided:S  Child et al. 2019, both heads as one: i − j < S or (i − j) mod S = 0
    fixed:B:C  Child et al. 2019: places of the same block of B, and the last C of each block before it
    """

    name: str
    sizes: tuple[int, ...]

    @property
    def window(self) -> int | None:
        """How many places are ever looked at, for a cache that forgets the others; None where all may be."""
        return self.sizes[0] if self.name == "local" else None

    def sees(self, query: Any, key: Any) -> Any:
        """Whether places `query` look at places `key`: integer tensors (or numbers) that broadcast, or one of each."""
        distance = query - key
        causal = distance >= 0
        if self.name == "local":
            return causal & (distance < self.sizes[0])
        if self.name == "dilated":
            return causal & ((distance < self.sizes[0]) | (distance % self.sizes[1] == 0))
        if self.name == "strided":
            return causal & ((distance < self.sizes[0]) | (distance % self.sizes[0] == 0))
        if self.name == "fixed":
            block, summary = self.sizes
            return causal & ((query // block == key // block) | (key % block >= block - summary))
        return causal

    def pairs(self, tokens: int) -> int:
        """How many (query, key) pairs attend in a sequence of so many tokens."""
        return _pairs(self, tokens)

    def __str__(self) -> str:
        return ":".join((self.name, *map(str, self.sizes)))


@functools.cache
def _pairs(pattern: Pattern, tokens: int) -> int:
    import numpy as np

    places = np.arange(tokens)
    if pattern.name == "dense":
        return tokens * (tokens + 1) // 2
    if pattern.name == "fixed":  # what query i sees: its own block up to it, and the summaries of the blocks before it
        block, summary = pattern.sizes
        return int((places % block + 1 + places // block * summary).sum())
    if pattern.name == "local":
        return int(np.minimum(places + 1, pattern.sizes[0]).sum())
    window, stride = pattern.sizes[0], pattern.sizes[-1]
    near = np.minimum(places + 1, window)
    # multiples of the stride among the distances from `window` to i
    far = np.maximum(places // stride - (window - 1) // stride, 0)
    return int((near + far).sum())


@functools.cache
def parse_pattern(text: str) -> Pattern:
    """Reads a pattern. Raises ValueError where it is none."""
    name, *sizes = text.split(":")
    if (
        name not in SIZES
        or len(sizes) != len(SIZES[name])
        or not all(size.isascii() and size.isdigit() for size in sizes)
    ):
        raise ValueError(f"{text!r} is no attention pattern; there are {FORMS}")
    numbers = tuple(map(int, sizes))
    if any(number < 1 for number in numbers) or (name == "fixed" and numbers[1] > numbers[0]):
        raise ValueError(f"{text!r}: sizes are at least 1, and a summary is no longer than its block")
    return Pattern(name, numbers)
