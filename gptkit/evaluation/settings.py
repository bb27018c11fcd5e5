"""Settings of `gptkit eval`."""

import dataclasses
from typing import Annotated, ClassVar


@dataclasses.dataclass(frozen=True)
class EvalSettings:
    """What a model is asked, and how."""

    # tasks and overlap enter the digest by their content, as inputs of the stage; the others change rounding only
    OUTSIDE_DIGEST: ClassVar[frozenset[str]] = frozenset(
        {"tasks", "tasks_dir", "data_dir", "overlap", "batch_tokens", "device"}
    )

    tasks: Annotated[tuple[str, ...], "Task names, task files or folders of them, joined by commas."] = ()
    shots: Annotated[
        tuple[int, ...], "How many demonstrations to show; several numbers joined by commas.", "numbers"
    ] = (0,)
    tasks_dir: Annotated[str | None, "Folder to look for task names in, before those that come with gptkit."] = None
    data_dir: Annotated[str | None, "Folder of the tasks' data files that do not lie beside the task file."] = None
    overlap: Annotated[
        str | None, "Output of gptkit decontaminate: score clean and dirty items by themselves too.", "folder"
    ] = None
    seed: Annotated[int, "Key of the draw of demonstrations.", "number"] = 0
    batch_tokens: Annotated[int, "Tokens the model reads at a time; less needs less memory.", "tokens"] = 8192
    device: Annotated[str, "Where the model runs: cpu, cuda, cuda:1, mps; auto takes a GPU if there is one."] = "auto"

    def __post_init__(self) -> None:
        if not self.shots or min(self.shots) < 0:
            raise ValueError("--shots must be numbers from 0 up")
        if len(set(self.shots)) < len(self.shots):
            raise ValueError("--shots names a number twice")
        if self.batch_tokens < 1:
            raise ValueError("--batch-tokens must be at least 1")
