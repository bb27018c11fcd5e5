"""Prompts: a description, demonstrations and an item, put together as lm-eval does it.

prompt = description + Σ (text + target delimiter + answer + few-shot delimiter) + text
"""

import random
from collections.abc import Iterable, Iterator, Sequence

from gptkit.errors import GptkitError
from gptkit.tasks.items import Item
from gptkit.tasks.task import Task


def demonstration(task: Task, item: Item) -> str:
    """An answered item, with the delimiter behind it. An item with an empty answer is its text alone."""
    text = item.choices[item.gold] if item.several_inputs else item.text
    return text + task.target_delimiter + item.target + task.fewshot_delimiter if item.target else text


def draw_demonstrations(task: Task, item: Item, pool: Sequence[Item], count: int, seed: int) -> list[Item]:
    """The demonstrations of one item, keyed by (seed, task, item): nothing else changes them.

    The first n of a larger draw are the draw of n. An item is never its own demonstration, nor is
    one that reads the same. Raises GptkitError where the pool is too small.
    """
    own = demonstration(task, item)
    order: Iterable[int] = range(len(pool))
    if task.sampler == "default":
        order = _shuffled(f"{seed}:{task.name}:{item.index}", len(pool))
    chosen: list[Item] = []
    for place in order:
        if len(chosen) == count:
            break
        if demonstration(task, pool[place]) != own:
            chosen.append(pool[place])
    if len(chosen) < count:
        raise GptkitError(
            f"{task.path}: {count} demonstrations were asked for, and {len(chosen)} can be drawn for item {item.index}; "
            "ask for fewer with --shots"
        )
    return chosen


def _shuffled(key: str, size: int) -> Iterator[int]:
    """The numbers below `size` in a keyed random order (Fisher-Yates), made only as far as they are asked for."""
    # of Python's random numbers only seeding by text and random() are promised never to change
    draw = random.Random(key).random
    moved: dict[int, int] = {}
    for place in range(size):
        other = place + int(draw() * (size - place))
        yield moved.get(other, other)
        moved[other] = moved.get(place, place)


def requests(task: Task, item: Item, demonstrations: Sequence[Item]) -> list[tuple[str, str]]:
    """What is to be scored for an item: (context, continuation) of each choice, or of the only target."""
    context = item.description + "".join(demonstration(task, shown) for shown in demonstrations) + item.text
    if item.several_inputs:
        return [(context + choice, task.target_delimiter + item.target) for choice in item.choices]
    if item.choices:
        return [(context, task.target_delimiter + choice) for choice in item.choices]
    return [(context, item.target)]
