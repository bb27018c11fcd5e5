"""Settings of `gptkit mix`."""

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True)
class MixSettings:
    """Weighted sampling without replacement until an epoch boundary, then a global shuffle.

    Weights are shares of the mixture's bytes of text and are normalised. A source that the budget
    asks more of than it has is read again, whole, before any document of it is read a third time.
    """

    bytes: Annotated[int | None, "Text to draw; by default as much as repeats no source.", "bytes"] = None
    seed: Annotated[int, "Seed of the draw and of the order."] = 0

    def __post_init__(self) -> None:
        """Raises ValueError for an empty budget."""
        if self.bytes is not None and self.bytes < 1:
            raise ValueError("--bytes must be at least 1")
