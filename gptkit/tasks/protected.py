"""What of a task must not stand in training data: the texts of its items (decontamination)."""

import dataclasses
from collections.abc import Iterator

from gptkit.errors import GptkitError
from gptkit.tasks.items import Item, rows_and_items
from gptkit.tasks.prompts import requests
from gptkit.tasks.task import Task


@dataclasses.dataclass(frozen=True)
class Protected:
    """One item's texts."""

    index: int  # row in its split, as `Item.index`
    whole: tuple[str, ...]  # the prompt without demonstrations with each choice; the right one first
    query: str | None  # what the task's doc_to_decontamination_query says, where it has one


def read_protected(task: Task, split: str) -> Iterator[Protected]:
    """The texts of all items of a split, in order. Raises GptkitError naming file and field, as `read_items` does."""
    for row, item in rows_and_items(task, split):
        query = None if task.query is None else task.query.value(row)
        if query is not None and not isinstance(query, str):
            raise GptkitError(
                f"{task.path}: doc_to_decontamination_query: gives {str(query)[:80]!r}, which is no text "
                f"(item {item.index} of {split})"
            )
        yield Protected(item.index, _whole(task, item), query)


def _whole(task: Task, item: Item) -> tuple[str, ...]:
    bare = dataclasses.replace(item, description="")
    texts = [context + continuation for context, continuation in requests(task, bare, [])]
    return (texts[item.gold], *texts[: item.gold], *texts[item.gold + 1 :])
