"""Settings of `gptkit extract train`."""

from dataclasses import dataclass
from typing import Annotated

DEEPEST = 64


@dataclass(frozen=True)
class TrainingSettings:
    """Boosted trees over the features of blocks, and how they are measured."""

    trees: Annotated[int, "Trees of the model, one a round of boosting.", "trees"] = 200
    leaves: Annotated[int, "Most leaves of a tree.", "leaves"] = 31
    depth: Annotated[int, "Most steps from a tree's root to a leaf; a page takes as many.", "steps"] = 8
    rate: Annotated[float, "Learning rate."] = 0.05
    columns: Annotated[float, "Share of the features that each tree sees.", "0 to 1"] = 0.5
    leaf_blocks: Annotated[int, "Fewest blocks in a leaf.", "blocks"] = 40
    penalty: Annotated[float, "Weight of the L2 penalty on leaves."] = 5.0
    bins: Annotated[int, "Most values of a feature that are told apart.", "bins"] = 63
    weak: Annotated[bool, "Let trafilatura label pages whose whole main text is not known."] = True
    folds: Annotated[int, "Parts for cross-validation; pages of one domain are in one.", "parts"] = 5
    seed: Annotated[int, "Which features a tree sees, and which domains are in which part."] = 0
    thresholds: Annotated[tuple[float, ...], "Probabilities that are tried as thresholds.", "list"] = (
        *(0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45),
        *(0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8),
    )

    def __post_init__(self) -> None:
        """Raises ValueError for values that no model can be trained with."""
        for name, least, most in (
            ("trees", 1, 10_000),
            ("leaves", 2, 1_000),
            ("depth", 1, DEEPEST),
            ("bins", 2, 255),
            ("folds", 2, 100),
        ):
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"--{name} must be from {least} to {most:,}")
        if self.leaf_blocks < 1:
            raise ValueError("--leaf-blocks must be at least 1")
        if not 0 < self.rate <= 1:
            raise ValueError("--rate must be above 0, and at most 1")
        if not 0 < self.columns <= 1:
            raise ValueError("--columns must be above 0, and at most 1")
        if self.penalty < 0:
            raise ValueError("--penalty must be at least 0")
        if not 0 <= self.seed < 1 << 31:
            raise ValueError(f"--seed must be from 0 to {(1 << 31) - 1}")
        rising = tuple(sorted({round(each, 2) for each in self.thresholds if 0 < each < 1}))
        if not rising or rising != self.thresholds:
            raise ValueError("--thresholds must be hundredths between 0 and 1, the lowest first")
