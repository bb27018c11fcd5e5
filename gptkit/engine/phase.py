"""A phase of a stage: its tasks, and a marker on disk for each that is done, so that a later run goes on.

A task may be a `Feed`: a reader of what cannot be cut (a packed file, an address). It commits one
chunk after the other, and each chunk becomes a task of the phase, done while the reader reads on.
"""

import dataclasses
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gptkit.data.files import read_json, write_json
from gptkit.engine.pool import Function, Pool, Work
from gptkit.engine.progress import Progress

Key = tuple[int, int | None]  # the task's number, and the chunk's where the task is a feed


@dataclasses.dataclass(frozen=True)
class Feed:
    """A reader and what becomes of its parts.

    `read` is a generator function of `task`, whose field `parts` has what it yielded before; each
    part names its file below the stage's scratch folder as "chunk".
    """

    read: Function
    task: Any
    part_task: Callable[[int, dict[str, Any]], Any]

    @property
    def weight(self) -> int:
        """The reader's share of the progress bar."""
        return int(getattr(self.task, "weight", 1))


class Phase:
    """Runs tasks that are not yet done. Markers: N.json, and N.M.json and N.M.part.json for chunk M of a feed."""

    def __init__(self, name: str, function: Function, tasks: Sequence[Any], folder: Path, scratch: Path) -> None:
        self.name = name
        self.function = function
        self.tasks = tasks
        self.folder = folder
        self.scratch = scratch
        self.results: dict[Key, dict[str, Any]] = {}
        self.parts: dict[int, list[dict[str, Any]]] = {}  # of each feed
        folder.mkdir(parents=True, exist_ok=True)
        for index, task in enumerate(tasks):
            if isinstance(task, Feed):
                self._find_parts(index)
            self._find_result((index, None))

    def _find_parts(self, index: int) -> None:
        self.parts[index] = []
        while (path := self._path((index, len(self.parts[index])), ".part.json")).exists():
            self._find_result((index, len(self.parts[index])))
            self.parts[index].append(read_json(path))

    def _find_result(self, key: Key) -> None:
        if self._path(key, ".json").exists():
            self.results[key] = read_json(self._path(key, ".json"))

    def _path(self, key: Key, ending: str) -> Path:
        index, part = key
        return self.folder / (f"{index:06d}{ending}" if part is None else f"{index:06d}.{part:06d}{ending}")

    @property
    def done(self) -> int:
        """How many tasks and chunks an earlier run has finished."""
        return len(self.results)

    def run(self, pool: Pool, progress: Progress, note: Callable[[Sequence[dict[str, Any]]], str]) -> None:
        """Does what is left."""
        waiting: deque[Work] = deque()
        urgent: deque[Work] = deque()
        weights = [max(1, getattr(task, "weight", 1)) for task in self.tasks]
        for index, task in enumerate(self.tasks):
            for number, part in enumerate(self.parts.get(index, [])):
                if (index, number) in self.results:
                    (self.scratch / part["chunk"]).unlink(missing_ok=True)
                else:
                    urgent.append(self._part_work(index, number, part))
            if (index, None) not in self.results:
                waiting.append(self._work((index, None), task))
        with progress.bar(self.name, sum(weights)) as advance:
            advance(sum(weights[index] for index, part in self.results if part is None), "")
            for work, kind, value in pool.run(waiting, urgent):
                index, number = work.key
                if kind == "part":
                    number = len(self.parts[index])
                    write_json(self._path((index, number), ".part.json"), value)
                    self.parts[index].append(value)
                    urgent.append(self._part_work(index, number, value))
                elif kind == "quarantined":
                    progress.say(f"{self.name}: {work.task.label}: document {value['document']}: {value['reason']}")
                    write_json(self._path(work.key, ".quarantine.json"), work.task.quarantine)
                else:
                    write_json(self._path(work.key, ".json"), value)
                    self.results[work.key] = read_json(self._path(work.key, ".json"))  # as a later run will find it
                    if number is not None:
                        (self.scratch / self.parts[index][number]["chunk"]).unlink(missing_ok=True)
                    advance(0 if number is not None else weights[index], note(list(self.results.values())))

    def _work(self, key: Key, task: Any) -> Work:
        if isinstance(task, Feed):
            return Work(key, task.read, dataclasses.replace(task.task, parts=tuple(self.parts[key[0]])))
        path = self._path(key, ".quarantine.json")
        if path.exists():
            task = dataclasses.replace(task, quarantine=tuple((place, reason) for place, reason in read_json(path)))
        return Work(key, self.function, task)

    def _part_work(self, index: int, number: int, part: dict[str, Any]) -> Work:
        return self._work((index, number), self.tasks[index].part_task(number, part))

    def in_order(self) -> list[dict[str, Any]]:
        """What each task returned, in the order of the tasks; of a feed, what became of each chunk."""
        keys = [
            key
            for index in range(len(self.tasks))
            for key in (
                [(index, number) for number in range(len(self.parts[index]))]
                if index in self.parts
                else [(index, None)]
            )
        ]
        return [self.results[key] for key in keys]
