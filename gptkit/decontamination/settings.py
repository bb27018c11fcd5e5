"""Settings of `gptkit decontaminate`."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

LEAST_N, MOST_N = 8, 13  # words of an n-gram in the report of overlap (GPT-3, appendix C)
MOST = 1_000_000_000
LONGEST_N = 63  # words; what the kernel remembers


@dataclass(frozen=True)
class DecontaminateSettings:
    """What is protected, and what is cut out of training documents around it (GPT-3, appendix C)."""

    against: Annotated[
        tuple[str, ...],
        "What to protect, joined by commas: tasks (names, task files, folders of them) and data files or "
        "folders (JSONL, Parquet, text).",
    ] = ()
    tasks_dir: Annotated[str | None, "Folder to look for task names in, before those that come with gptkit."] = None
    data_dir: Annotated[str | None, "Folder of the tasks' data files that do not lie beside the task file."] = None
    splits: Annotated[
        tuple[str, ...], "Splits of the tasks to protect, joined by commas; without it all that a task names.", "names"
    ] = ()
    fields: Annotated[
        tuple[str, ...],
        "Fields of data files to protect, joined by commas; without it text, and every string of a record without one.",
        "names",
    ] = ()
    ngram: Annotated[int, "Words that must be equal, in a row.", "words"] = 13
    task_ngram: Annotated[
        bool,
        "Cut by the number of words that the report of overlap goes by, for each task: that of its 5 % shortest "
        f"items, {LEAST_N} to {MOST_N}.",
    ] = False
    window: Annotated[int, "Removed on each side of a match.", "characters"] = 200
    min_piece: Annotated[int, "Shortest piece of a cut document that is kept.", "characters"] = 200
    max_pieces: Annotated[int, "A document that is cut into more pieces goes as a whole.", "pieces"] = 10
    max_documents: Annotated[int, "What more training documents have is common, and ignored.", "documents"] = 10

    # what is protected counts by its content, as inputs of the stage
    OUTSIDE_DIGEST: ClassVar[frozenset[str]] = frozenset({"against", "tasks_dir", "data_dir"})

    def __post_init__(self) -> None:
        """Raises ValueError for what makes no sense."""
        if not self.against:
            raise ValueError("--against names what to protect: tasks or data files")
        if not 1 <= self.ngram <= LONGEST_N:
            raise ValueError(f"--ngram must be from 1 to {LONGEST_N}")
        for name in ("window", "min_piece", "max_pieces", "max_documents"):
            if not 0 <= getattr(self, name) <= MOST:
                raise ValueError(f"--{name.replace('_', '-')} must be from 0 to {MOST:,}")
        if "" in self.against:
            raise ValueError("--against names what to protect, and one of the names is empty")
