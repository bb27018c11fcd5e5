"""Finds task files by the names given on the command line."""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from gptkit.errors import UsageError

PACKAGE = Path(__file__).parents[1]
SHIPPED = (PACKAGE / "evals", PACKAGE.parent / "evals")  # in a wheel; in a checkout
SUFFIXES = (".yaml", ".yml")


def find_tasks(names: Sequence[str], tasks_dir: Path | None = None, option: str = "--tasks") -> list[Path]:
    """The task files that names stand for, in order and each once.

    A name is a path of a task file, a folder of them, or the name of a task in `tasks_dir` or
    among those that come with the program. Raises UsageError naming `option` where it is none.
    """
    if tasks_dir is not None and not tasks_dir.is_dir():
        raise UsageError(f"--tasks-dir {tasks_dir}: no such folder")
    folders = [*([tasks_dir] if tasks_dir else []), *(folder for folder in SHIPPED if folder.is_dir())]
    found: list[Path] = []
    for name in names:
        found += _find(name, folders, option)
    return list(dict.fromkeys(found))


def _find(name: str, folders: Sequence[Path], option: str) -> list[Path]:
    path = Path(name)
    if path.suffix in SUFFIXES:
        if path.is_file():
            return [path]
        raise UsageError(f"{option} {name}: no such file")
    known: dict[str, Path] = {}
    for folder in reversed(folders):  # the first folder wins
        known |= {_name_in(file) or file.stem: file for file in sorted(folder.rglob("*.yaml"))}
    if name in known:
        return [known[name]]
    if path.is_dir():
        inside = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
        if not inside:
            raise UsageError(f"{option} {name}: the folder holds no .yaml file")
        return inside
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known)) or 'none'}"
    raise UsageError(f"{option} {name}: no such task, file or folder; {hint}")


def _name_in(file: Path) -> str | None:
    """The field `task`, also of a file that is otherwise broken."""
    match = re.search(
        r"""^task:[ \t]*["']?([^"'#\n]+?)["']?[ \t]*(?:#.*)?$""", file.read_text("utf-8", "replace"), re.MULTILINE
    )
    return match[1] if match else None
