"""Settings of `gptkit make-tasks`."""

import dataclasses
from typing import Annotated


@dataclasses.dataclass(frozen=True)
class MakeTasksSettings:
    """What tasks are made of held-out documents."""

    items: Annotated[int, "Test items of each task, at most.", "items"] = 1000
    demonstrations: Annotated[int, "Items of each task to draw demonstrations from, of other documents.", "items"] = 64
    shortest: Annotated[int, "Shortest passage.", "characters"] = 80
    longest: Annotated[int, "Longest passage.", "characters"] = 500
    longest_ending: Annotated[int, "Longest ending that can be chosen.", "characters"] = 160
    documents: Annotated[int, "Held-out documents to read, at most.", "documents"] = 20_000
    seed: Annotated[int, "Key of the draws.", "number"] = 0

    def __post_init__(self) -> None:
        for name in ("items", "demonstrations", "shortest", "longest_ending", "documents"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name.replace('_', '-')} must be at least 1")
        if self.longest <= self.shortest:
            raise ValueError("--longest must be more than --shortest")
