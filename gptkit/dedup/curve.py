"""How LSH is set up: bands and rows from a threshold, and the S-curve that says what is found.

Two documents of Jaccard similarity J agree in one signature value with probability J, in all rows of
a band with J^rows, and become candidates with 1 − (1 − J^rows)^bands (Leskovec, Rajaraman, Ullman,
Mining of Massive Datasets, section 3.4).
"""

import dataclasses

from gptkit.dedup.settings import MOST_CHOSEN, DedupSettings

BANDS, ROWS, NGRAM = 14, 8, 5
GPT3_TABLES = 10  # arXiv 2005.14165, appendix A
GPT3_THRESHOLD = 0.7  # the paper states none
RECALL = 0.9  # at the threshold


@dataclasses.dataclass(frozen=True)
class Scheme:
    """What a signature is made of, and from which similarity a document is a duplicate."""

    bands: int
    rows: int
    ngram: int
    threshold: float

    @property
    def permutations(self) -> int:
        """Values of a signature."""
        return self.bands * self.rows

    def probability(self, similarity: float) -> float:
        """That two documents of a Jaccard similarity become candidates."""
        return 1 - (1 - similarity**self.rows) ** self.bands

    def curve(self) -> str:
        """The S-curve in one line."""
        points = [0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
        found = "  ".join(f"{point:g}: {self.probability(point):.3f}" for point in points)
        return (
            f"{self.bands} bands of {self.rows}, {self.ngram}-grams; found, by Jaccard similarity:  {found}"
            f"  (steepest at {(1 / self.bands) ** (1 / self.rows):.3f})"
        )


def scheme_of(settings: DedupSettings) -> Scheme:
    """The scheme that settings ask for."""
    ngram = settings.ngram
    bands, rows, threshold = settings.bands, settings.rows, settings.threshold
    if settings.preset == "gpt3":
        bands, rows, ngram = bands or GPT3_TABLES, rows or 1, ngram or 1
        threshold = threshold or GPT3_THRESHOLD
    elif threshold is None:
        bands, rows = bands or BANDS, rows or ROWS
        knee = (1 / bands) ** (1 / rows)
        threshold = round(knee, 3) or knee
    elif bands is None or rows is None:
        bands, rows = choose(threshold, bands, rows)
    return Scheme(bands, rows, ngram or NGRAM, threshold)


def choose(
    threshold: float, bands: int | None = None, rows: int | None = None, recall: float = RECALL
) -> tuple[int, int]:
    """The steepest curve of up to MOST_CHOSEN values that finds pairs at the threshold with `recall`.

    What is given of bands and rows stays. Where no such curve finds as many, it is one row.
    """
    for most in [rows] if rows else range(MOST_CHOSEN // (bands or 1), 0, -1):
        for count in [bands] if bands else range(1, MOST_CHOSEN // most + 1):
            if 1 - (1 - threshold**most) ** count >= recall:
                return count, most
    return bands or max(1, MOST_CHOSEN // (rows or 1)), rows or 1
