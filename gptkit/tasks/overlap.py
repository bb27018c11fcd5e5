"""What `gptkit decontaminate` found of each evaluation item in the training data.

overlap.jsonl has one line an item: task, split, item (its row, as in items.jsonl of `gptkit eval`),
n (words of an n-gram), grams (its distinct n-grams), found and ignored (how many of them the training
data has, and has too often to count), overlap (found / grams) and dirty (whether any is found).
overlap.json beside it has the totals, and the digest of each task that was looked at.
"""

import dataclasses
import json
from pathlib import Path

from gptkit.data.files import read_json, sha256_json
from gptkit.errors import GptkitError
from gptkit.tasks.task import Task

ITEMS, TOTALS = "overlap.jsonl", "overlap.json"


@dataclasses.dataclass(frozen=True)
class Overlap:
    """A report that has been read."""

    path: Path
    dirty: dict[tuple[str, int], bool]  # see `read_overlap`
    digests: dict[str, str]  # see `read_digests`

    def digest(self) -> str:
        """Equal digests mean equal reports."""
        return sha256_json([sorted([*item, dirty] for item, dirty in self.dirty.items()), self.digests])

    def of(self, task: Task) -> dict[int, bool] | None:
        """Whether each item of the evaluated split is dirty; None where the report has none.

        Raises GptkitError where the task file or its data are others than those that were looked at.
        """
        if task.name not in self.digests:
            return None
        if self.digests[task.name] != task.digest():
            raise GptkitError(
                f"{self.path}: was made with another version of the task {task.name} or its data; "
                "run gptkit decontaminate again"
            )
        return {item: dirty for (name, item), dirty in self.dirty.items() if name == task.name} or None


def open_overlap(path: Path) -> Overlap:
    """Reads a report whole. Raises GptkitError as the two functions below."""
    return Overlap(path, read_overlap(path), read_digests(path))


def read_overlap(path: Path) -> dict[tuple[str, int], bool]:
    """Whether each item (task, row) is dirty: shares an n-gram with the training data.

    path: an output folder of `gptkit decontaminate`, or its overlap.jsonl. Raises GptkitError where
    it is neither.
    """
    file = _items(path)
    found: dict[tuple[str, int], bool] = {}
    try:
        with open(file, encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                task, item, dirty = row["task"], row["item"], row["dirty"]
                if not isinstance(task, str) or type(item) is not int or not isinstance(dirty, bool):
                    raise TypeError(row)
                if (task, item) in found:
                    raise ValueError(row)
                found[task, item] = dirty
    except FileNotFoundError:
        raise GptkitError(f"{file}: no such file; gptkit decontaminate writes it") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise GptkitError(f"{file}: line {len(found) + 1}: is no line of {ITEMS} of gptkit decontaminate") from None
    return found


def read_digests(path: Path) -> dict[str, str]:
    """The digest (`Task.digest`) of each task that was looked at, from overlap.json beside overlap.jsonl.

    Raises GptkitError where there is none.
    """
    file = _items(path).with_name(TOTALS)
    try:
        return {str(entry["name"]): str(entry["digest"]) for entry in read_json(file)["sets"]}
    except (KeyError, TypeError):
        raise GptkitError(f"{file}: is no {TOTALS} of gptkit decontaminate") from None


def _items(path: Path) -> Path:
    return path / ITEMS if path.is_dir() else path
