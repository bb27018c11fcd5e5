"""Reads a recipe: the stages of a run in order, each with its inputs and settings.

    output: quickstart          # folder below the current one; each stage writes a folder in it
    stages:
      crawl: {run: sample}
      clean: {run: clean, inputs: crawl, language: en}
      mix:   {run: mix, inputs: ["docs=3:clean#docs", "forum=1:clean#forum"]}

An input that has the name of an earlier stage is that stage's output; anything else is a path or
an address as on the command line. A mixture with `join: true` is encoded by the tokenize stage that
follows without its text being written (see joined.py).
"""

import dataclasses
import re
from pathlib import Path
from typing import Any

from gptkit.data.files import safe_name
from gptkit.errors import GptkitError, UsageError
from gptkit.recipes.stages import KINDS, Kind

REFERENCE = re.compile(
    r"(?P<before>(?:[A-Za-z0-9_.-]+=)?(?:[0-9.eE+,x-]+:)?)(?P<path>[^#]+)(?P<after>(?:#.*)?)", re.DOTALL
)


@dataclasses.dataclass(frozen=True)
class Step:
    """One stage of a recipe."""

    name: str
    kind: Kind
    inputs: list[str]  # as on the command line
    output: Path
    settings: Any
    limit: int | None
    needs: frozenset[str]  # the names of earlier steps
    joined: bool = False  # with the one that reads it


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A recipe, checked: every stage, input name and setting is known."""

    name: str
    steps: list[Step]


def find_recipe(name: str) -> Path:
    """A recipe's file: the path itself, or the one of that name that comes with gptkit."""
    if Path(name).is_file():
        return Path(name)
    package = Path(__file__).parents[1]
    for folder in (package / "pipelines", package.parent / "pipelines"):
        if (folder / f"{name}.yaml").is_file():
            return folder / f"{name}.yaml"
    raise GptkitError(f"{name}: no such recipe (a YAML file, or one of quickstart, commoncrawl, gpt3-mixture)")


def read_recipe(name: str) -> Recipe:
    """Reads and checks a recipe. Raises GptkitError or UsageError naming the file, the stage and the key."""
    import yaml

    path = find_recipe(name)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise GptkitError(f"{path}: is not YAML ({reason})") from None
    if not isinstance(content, dict) or not isinstance(content.get("stages"), dict) or not content["stages"]:
        raise UsageError(f"{path}: a recipe has 'output' (a folder) and 'stages' (a name and settings for each)")
    unknown = set(content) - {"output", "stages"}
    if unknown:
        raise UsageError(f"{path}: unknown key {sorted(map(str, unknown))[0]!r}; a recipe has 'output' and 'stages'")
    output = content.get("output", path.stem)
    if (
        not isinstance(output, str)
        or Path(output).is_absolute()
        or ".." in Path(output).parts
        or not output.isprintable()
    ):
        raise UsageError(f"{path}: 'output' is a folder below the current one, without '..'")
    names = [str(step_name) for step_name in content["stages"]]
    steps = [
        _read_step(f"{path}: stage '{name}'", name, values, Path(output), names[:place], names[place:])
        for place, (name, values) in enumerate(zip(names, content["stages"].values(), strict=True))
    ]
    _check_joined(path, steps)
    return Recipe(path.stem, steps)


def _read_step(where: str, name: str, values: Any, folder: Path, earlier: list[str], later: list[str]) -> Step:
    if name != safe_name(name):
        raise UsageError(f"{where}: a name is made of letters, digits, '.', '_' and '-'")
    if not isinstance(values, dict) or not isinstance(values.get("run"), str) or values["run"] not in KINDS:
        raise UsageError(f"{where}: 'run' must be one of {', '.join(KINDS)}")
    kind = KINDS[values["run"]]
    inputs = values.get("inputs", [])
    inputs = [inputs] if isinstance(inputs, str) else inputs
    if not isinstance(inputs, list) or not all(isinstance(entry, str) for entry in inputs):
        raise UsageError(f"{where}: 'inputs' is a name or path, or a list of them")
    if len(inputs) < kind.least or (kind.most is not None and len(inputs) > kind.most):
        wanted = str(kind.least) if kind.least == kind.most else f"{kind.least} or more"
        raise UsageError(f"{where}: has {len(inputs)} inputs and needs {wanted}")
    limit = values.get("limit")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise UsageError(f"{where}: 'limit' is a number of documents")
    joined = values.get("join", False)
    if joined not in (True, False) or ("join" in values and values["run"] != "mix"):
        raise UsageError(f"{where}: 'join' is true or false, and for mixtures only")
    needs: set[str] = set()

    def fill(argument: str) -> str:
        match = REFERENCE.fullmatch(argument)
        if match is not None and match["path"] in later and not Path(match["path"]).exists():
            raise UsageError(f"{where}: its input '{match['path']}' is a stage that does not come before it")
        if match is None or match["path"] not in earlier:
            return argument
        needs.add(match["path"])
        return f"{match['before']}{folder / match['path']}{match['after']}"

    def fill_all(value: Any) -> Any:
        if isinstance(value, list):
            return [fill_all(part) for part in value]
        return fill(value) if isinstance(value, str) else value

    filled = [fill(entry) for entry in inputs]
    rest = {
        key: fill_all(value) if key in kind.paths else value
        for key, value in values.items()
        if key not in ("run", "inputs", "limit", "join")
    }
    return Step(name, kind, filled, folder / name, kind.settings(rest, where), limit, frozenset(needs), joined)


def _check_joined(path: Path, steps: list[Step]) -> None:
    """Raises UsageError where a joined mixture has not one reader, a tokenize stage that reads all of it and nothing else."""
    for step in steps:
        readers = [other for other in steps if step.name in other.needs]
        if step.joined and not (
            len(readers) == 1
            and readers[0].kind is KINDS["tokenize"]
            and readers[0].inputs == [str(step.output)]
            and readers[0].limit is None
        ):
            raise UsageError(
                f"{path}: stage '{step.name}': with 'join' it is read by one tokenize stage, whole and alone; "
                "else its text must be written: leave 'join' out"
            )
