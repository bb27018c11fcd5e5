"""Settings of `gptkit quality train`."""

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True)
class QualitySettings:
    """A classifier that tells good text from a raw crawl, as GPT-3's (arXiv 2005.14165, appendix A)."""

    features: Annotated[int, "Buckets that words are hashed into, a power of two.", "features"] = 1 << 18
    penalty: Annotated[float, "Weight of the L2 penalty (1 / C of scikit-learn)."] = 0.1
    iterations: Annotated[int, "Most steps of L-BFGS.", "steps"] = 300
    balanced: Annotated[bool, "Weigh both sides equally, however many documents each has."] = True
    held_out: Annotated[float, "Share of documents that is not trained on but measured on.", "0 to 1"] = 0.1
    seed: Annotated[int, "Which documents are held out."] = 0

    def __post_init__(self) -> None:
        """Raises ValueError for values that no model can be trained with."""
        if self.features & (self.features - 1) or not 2 <= self.features <= 1 << 26:
            raise ValueError(f"--features {self.features} is no power of two from 2 to {1 << 26}")
        if not self.penalty > 0:
            raise ValueError("--penalty must be greater than 0")
        if self.iterations < 1:
            raise ValueError("--iterations must be at least 1")
        if not 0 < self.held_out < 1:
            raise ValueError("--held-out must be between 0 and 1")
