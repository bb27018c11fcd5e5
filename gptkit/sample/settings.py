"""What `gptkit sample` can be told."""

import dataclasses
from typing import Annotated, Literal

Source = Literal["stdlib", "packages", "prose"]


@dataclasses.dataclass(frozen=True)
class SampleSettings:
    """The settings of the stage "sample"."""

    target: Annotated[
        int,
        "Stop drawing packages when this much prose was seen for the first time; headings and code come on top.",
        "bytes",
    ] = 7_200_000
    sources: Annotated[
        tuple[Source, ...],
        "What to draw from: the standard library's docstrings, installed packages' docstrings, READMEs and licences.",
    ] = ("stdlib", "packages", "prose")
    shard_size: Annotated[int, "Close a shard when it reaches this size, compressed.", "bytes"] = 1_500_000
    seed: Annotated[int, "Another seed draws other modules first."] = 0

    def __post_init__(self) -> None:
        if self.target < 1 or self.shard_size < 1:
            raise ValueError("target and shard size must be at least 1 byte")
        if not self.sources:
            raise ValueError("name at least one source")
