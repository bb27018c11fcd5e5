"""Settings of `gptkit dedup`."""

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True)
class DedupSettings:
    """Exact duplicates first, then near ones by MinHash LSH; the first document of a cluster stays.

    Two documents become candidates with probability 1 − (1 − J^rows)^bands at Jaccard
    similarity J of their sets of word n-grams; candidates are joined (single link).
    """

    near: Annotated[bool, "Find near duplicates too, not only exact ones."] = True
    bands: Annotated[int, "Bands of the LSH table.", "bands"] = 14
    rows: Annotated[int, "Signature values in a band.", "values"] = 8
    ngram: Annotated[int, "Words of a shingle.", "words"] = 5
    seed: Annotated[int, "Seed of the permutations."] = 1

    def __post_init__(self) -> None:
        """Raises ValueError for sizes that make no table."""
        if min(self.bands, self.rows, self.ngram) < 1:
            raise ValueError("--bands, --rows and --ngram must be at least 1")
        if self.bands * self.rows > 10_000:
            raise ValueError(f"--bands {self.bands} times --rows {self.rows} is more than 10,000 permutations")
        if not 0 <= self.seed < 1 << 32:
            raise ValueError("--seed must be from 0 to 4294967295")
