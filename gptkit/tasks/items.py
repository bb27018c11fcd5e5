"""A task's items: rows of JSONL, and what a row looks like once the task's templates are filled in."""

import dataclasses
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gptkit.errors import GptkitError
from gptkit.tasks.task import Task
from gptkit.tasks.templates import Template


@dataclasses.dataclass(frozen=True)
class Item:
    """One row of a task, rendered.

    In a task of several inputs (winogrande) the choices are contexts and `target` follows each of
    them; in any other the choices follow `text`.
    """

    index: int  # row in its split
    description: str
    text: str
    choices: tuple[str, ...]  # none in a loglikelihood task
    target: str  # the answer's text
    gold: int  # which choice is right; 0 in a loglikelihood task
    several_inputs: bool = False


def read_items(task: Task, split: str, limit: int | None = None) -> list[Item]:
    """The items of a split in the order of its files, at most `limit`. Raises GptkitError naming file and field."""
    return [item for _, item in itertools.islice(rows_and_items(task, split), limit)]


def rows_and_items(task: Task, split: str) -> Iterator[tuple[dict[str, Any], Item]]:
    """The rows of a split and the item that each makes, in the order of its files. Raises as `read_items` does."""
    index = 0
    for path in task.files[split]:
        for number, row in _rows(path):
            yield row, _render(task, row, index, f"{path.name} line {number}")
            index += 1
    if not index:
        raise GptkitError(f"{task.path}: dataset_kwargs.data_files: the split {split!r} holds no items")


def read_demonstrations(task: Task) -> list[Item]:
    """All that demonstrations of a task can be drawn from."""
    if task.samples is None:
        return read_items(task, task.fewshot_split)
    return [_render(task, row, index, f"sample {index + 1}") for index, row in enumerate(task.samples)]


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) of each line of a JSONL file."""
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise GptkitError(f"{path}: line {number}: is no JSON object")
                yield number, row
    except UnicodeDecodeError:
        raise GptkitError(f"{path}: is not UTF-8 text; one JSON object a line is needed") from None
    except (ValueError, RecursionError) as error:
        raise GptkitError(f"{path}: line {number}: is no JSON ({error})") from None


def _render(task: Task, row: Mapping[str, Any], index: int, where: str) -> Item:
    try:
        return _fill_in(task, row, index)
    except GptkitError as error:
        raise GptkitError(f"{error} ({where})") from None


def _fill_in(task: Task, row: Mapping[str, Any], index: int) -> Item:
    text, target = _value(task.doc_to_text, row, task), _value(task.doc_to_target, row, task)
    description = str(task.description.value(row))
    choices: tuple[str, ...] = ()
    if isinstance(task.doc_to_choice, Template):
        choices = tuple(task.doc_to_choice.list_of_text(row))
    elif task.doc_to_choice is not None:
        choices = task.doc_to_choice
    if task.output_type == "loglikelihood":
        if choices and isinstance(target, int):
            target = choices[_place(task, "doc_to_target", target, choices)]
        text, target = _text(task, "doc_to_text", text), _text(task, "doc_to_target", target)
        if not target:
            raise GptkitError(f"{task.path}: doc_to_target: is empty")
        return Item(index, description, text, (), target, 0)
    if len(choices) < 2:
        raise GptkitError(f"{task.path}: doc_to_choice: gives {len(choices)} choices, and at least two are needed")
    if not task.target_delimiter and not all(choices):
        raise GptkitError(f"{task.path}: doc_to_choice: gives an empty choice")
    if isinstance(text, int):
        gold = _place(task, "doc_to_text", text, choices)
        return Item(index, description, "", choices, _text(task, "doc_to_target", target), gold, True)
    gold = _place(task, "doc_to_target", target, choices)
    return Item(index, description, _text(task, "doc_to_text", text), choices, choices[gold], gold)


def _value(field: Template | int, row: Mapping[str, Any], task: Task) -> Any:
    """A field's value; rendered digits are a choice's place in tasks with choices."""
    if isinstance(field, int):
        return field
    value = field.value(row)
    rendered = field.source not in row
    if rendered and value.isdecimal() and task.doc_to_choice is not None:
        return int(value)
    return value


def _place(task: Task, field: str, value: Any, choices: tuple[str, ...]) -> int:
    if isinstance(value, str) and value in choices:
        return choices.index(value)
    if isinstance(value, int) and 0 <= value < len(choices):
        return int(value)
    raise GptkitError(f"{task.path}: {field}: gives {str(value)[:80]!r}, which is none of the {len(choices)} choices")


def _text(task: Task, field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise GptkitError(f"{task.path}: {field}: gives {str(value)[:80]!r}, which is no text")
    return value
