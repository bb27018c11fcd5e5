"""What is protected: tasks and data files, as items with texts."""

import dataclasses
import glob
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from gptkit.data import text
from gptkit.data.addresses import ADDRESS, is_dataset, shown
from gptkit.data.damage import Damage
from gptkit.data.inputs import InputFile, default_name, find_one, split_name
from gptkit.data.streams import open_plain
from gptkit.decontamination.settings import DecontaminateSettings
from gptkit.errors import GptkitError, UsageError
from gptkit.tasks.find import SUFFIXES, find_tasks
from gptkit.tasks.protected import read_protected
from gptkit.tasks.task import Task, read_task

TEXT = "text"
ROWS = 1_000  # of Parquet, read at a time


@dataclasses.dataclass(frozen=True)
class ReferenceItem:
    """An item of a task, or a record of a file."""

    split: str  # empty for a file
    index: int  # row in its split, or record in its files
    evaluated: bool  # the report has a line for it
    reported: tuple[str, ...]  # texts whose n-grams the report counts; the item is as long as the first one
    further: tuple[str, ...] = ()  # protected as well


@dataclasses.dataclass(frozen=True)
class TaskReference:
    """A task: all its splits are protected, the one that is evaluated is reported."""

    task: Task

    @property
    def name(self) -> str:
        return self.task.name

    @property
    def entry(self) -> dict[str, Any]:
        """The task as a plan names it."""
        return {"name": self.name, "digest": self.task.digest()}

    def items(self, settings: DecontaminateSettings) -> Iterator[ReferenceItem]:
        """Raises UsageError where the task has none of the splits asked for, and GptkitError for broken data."""
        splits = [split for split in self.task.files if split in settings.splits or not settings.splits]
        if not splits:
            raise UsageError(f"--splits: the task {self.name} has none of these; it has {', '.join(self.task.files)}")
        for split in splits:
            for item in read_protected(self.task, split):
                evaluated = split == self.task.split
                if item.query is None:
                    yield ReferenceItem(split, item.index, evaluated, item.whole)
                else:
                    yield ReferenceItem(split, item.index, evaluated, (item.query,), item.whole)


@dataclasses.dataclass(frozen=True)
class FileReference:
    """The records of data files, each with its strings joined by line ends."""

    name: str
    digest: str
    path: str
    files: tuple[InputFile, ...]

    @property
    def entry(self) -> dict[str, Any]:
        """The files as a plan names them."""
        return {"name": self.name, "digest": self.digest, "path": self.path}

    def items(self, settings: DecontaminateSettings) -> Iterator[ReferenceItem]:
        """Raises GptkitError naming file and line for what cannot be read or has no such field."""
        index = 0
        for file in self.files:
            for record in _records(file, settings.fields):
                yield ReferenceItem("", index, True, (record,))
                index += 1
        if index == 0:
            raise GptkitError(f"{self.path}: holds no record to protect")


Reference = TaskReference | FileReference


def find_references(settings: DecontaminateSettings) -> list[Reference]:
    """What `--against` names, sorted by name, so that its order changes nothing.

    Raises UsageError for what is neither a task nor a file, and where two have one name; GptkitError
    for a task file or a data file that cannot be read.
    """
    data_dir = Path(settings.data_dir) if settings.data_dir else None
    tasks: dict[Path, TaskReference] = {}
    files: list[Reference] = []
    for argument in settings.against:
        if (paths := _task_files(argument, settings)) is None:
            files.append(_files(argument))
        else:
            tasks |= {path: TaskReference(read_task(path, data_dir)) for path in paths}
    known = {split for reference in tasks.values() for split in reference.task.files}
    if tasks and (unknown := set(settings.splits) - known):
        raise UsageError(f"--splits: no task has the split '{min(unknown)}'; there are {', '.join(sorted(known))}")
    found = sorted([*tasks.values(), *files], key=lambda reference: reference.name)
    for one, other in itertools.pairwise(found):
        if one.name == other.name:
            raise UsageError(f"--against names two sets '{one.name}'; write NAME=PATH for data files")
    return found


def _task_files(argument: str, settings: DecontaminateSettings) -> list[Path] | None:
    """The task files that an argument stands for; None where it stands for data files."""
    name, path = split_name(argument)
    is_file = Path(path).is_file() and Path(path).suffix not in SUFFIXES
    if name or is_file or glob.has_magic(path) or ADDRESS.match(path) or is_dataset(path):
        return None
    try:
        return find_tasks([path], Path(settings.tasks_dir) if settings.tasks_dir else None, "--against")
    except UsageError:
        if Path(path).is_dir() and not any(file.suffix in SUFFIXES for file in Path(path).iterdir()):
            return None
        raise


def _files(argument: str) -> FileReference:
    name, path = split_name(argument)
    if ADDRESS.match(path):
        raise UsageError(f"--against {shown(path)}: is an address; fetch it first")
    found, digest = find_one(name, path)
    for file in found:
        if file.format not in ("jsonl", "parquet", "text"):
            raise UsageError(f"--against {shown(file.path)}: only JSONL, Parquet and text files can be protected")
    return FileReference(name or default_name(str(Path(path).resolve())), digest, path, tuple(found))


def _records(file: InputFile, fields: tuple[str, ...]) -> Iterator[str]:
    if file.format == "text":
        damage: list[Damage] = []
        for batch in text.read(file, damage):
            yield from batch.column(TEXT).to_pylist()
        if damage:
            raise GptkitError(f"{shown(file.path)}: {damage[0].reason}")
        return
    for number, row in _parquet_rows(file, fields) if file.format == "parquet" else _json_rows(file):
        where = f"{shown(file.path)}: {'row' if file.format == 'parquet' else 'line'} {number}"
        wanted = fields or ((TEXT,) if isinstance(row.get(TEXT), str) else tuple(row))
        if missing := [name for name in wanted if name not in row]:
            raise GptkitError(f"{where}: has no field '{missing[0]}'; it has {', '.join(map(str, row))[:200]}")
        yield "\n".join(string for name in wanted for string in _strings(row[name]))


def _json_rows(file: InputFile) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    try:
        with open_plain(file) as lines:
            for number, line in enumerate(lines, 1):
                line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if not line.strip():
                    continue
                row = orjson.loads(line)
                if not isinstance(row, dict):
                    raise GptkitError(f"{shown(file.path)}: line {number}: is no JSON object")
                yield number, row
    except orjson.JSONDecodeError as error:
        raise GptkitError(f"{shown(file.path)}: line {number}: is no JSON ({error.msg})") from None
    except OSError as error:
        raise GptkitError(f"{shown(file.path)}: cannot be read behind line {number} ({error})") from None


def _parquet_rows(file: InputFile, fields: tuple[str, ...]) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    try:
        with pq.ParquetFile(file.path) as opened:
            names = opened.schema_arrow.names
            wanted = [name for name in names if name in (fields or ((TEXT,) if TEXT in names else names))]
            for batch in opened.iter_batches(ROWS, columns=wanted):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise GptkitError(f"{shown(file.path)}: cannot be read as Parquet ({str(error).splitlines()[0]})") from None


def _strings(value: Any) -> Iterator[str]:
    """All strings of a JSON value, in order; not the names of fields."""
    rest = [value]
    while rest:
        part = rest.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict):
            rest += reversed(part.values())
        elif isinstance(part, list):
            rest += reversed(part)
