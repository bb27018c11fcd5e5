"""The stage "eval": scores of a model on tasks, with several numbers of shots in one run.

It is a stage of one process, since the model is in memory once; what is done of it is kept after
each task and number of shots, so that a stopped run goes on there.
"""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from gptkit.data.files import atomic_path, read_json, sha256_file, sha256_json, write_json
from gptkit.data.manifest import Manifest, Shard
from gptkit.engine.stage import Runtime, Stage
from gptkit.errors import GptkitError, UsageError
from gptkit.evaluation.requests import Encoder
from gptkit.evaluation.runner import Runner
from gptkit.evaluation.scorer import Scorer
from gptkit.evaluation.settings import EvalSettings
from gptkit.model.folder import LoadedModel, load_model
from gptkit.model.text import Codec
from gptkit.tasks.find import find_tasks
from gptkit.tasks.overlap import Overlap, open_overlap
from gptkit.tasks.task import Task, read_task

VERSION = 1
RESULTS, ITEMS = "results.json", "items.jsonl"


@dataclasses.dataclass(frozen=True)
class Report:
    """What an evaluation found. `failures` has one line for each task that could not be evaluated."""

    results: list[dict[str, Any]]  # one for each task and number of shots
    failures: list[str]
    manifest: Manifest | None  # where an output folder was written


def run(model: Path, output: Path | None, settings: EvalSettings, runtime: Runtime) -> Report:
    """Evaluates a model folder on tasks; with `output`, as a stage that writes results.json and items.jsonl.

    A task that fails does not stop the others. Raises UsageError where a task cannot be found and
    GptkitError where the model cannot be read.
    """
    if not settings.tasks:
        raise UsageError("no task is named; add --tasks, such as --tasks last_word,ending")
    tasks_dir = Path(settings.tasks_dir) if settings.tasks_dir else None
    data_dir = Path(settings.data_dir) if settings.data_dir else None
    tasks = _read_tasks(find_tasks(settings.tasks, tasks_dir), data_dir)
    overlap = open_overlap(Path(settings.overlap)) if settings.overlap else None
    what = f"{len(tasks)} tasks × {len(settings.shots)} numbers of shots"
    if output is None and runtime.dry_run:
        runtime.progress.say(f"eval: would score {model} on {what}")
        return Report([], [], None)
    loaded = load_model(model, _device(settings.device))
    evaluation = _Evaluation(loaded, settings, runtime, overlap)
    if output is None:
        for path, task in tasks.items():
            evaluation.add(path, task)
        return Report(evaluation.results, evaluation.failures, None)
    inputs = [
        {"name": "model", "digest": _fingerprint(loaded), "path": str(model)},
        *(_identity(path, task) for path, task in tasks.items()),
    ]
    if overlap:
        inputs.append({"name": "overlap", "digest": overlap.digest()})
    with Stage("eval", VERSION, settings, inputs, output, runtime) as stage:
        if stage.finished:
            return _read_report(output, stage.finished)
        if not stage.begin(what):
            return Report([], [], None)
        for number, (path, task) in enumerate(tasks.items()):
            evaluation.add(path, task, stage.work / "done" / f"{number:04d}")
        if not evaluation.results:
            return Report([], evaluation.failures, None)
        manifest = stage.close(_write(stage.out, loaded, settings, evaluation), {"results": evaluation.results})
        return Report(evaluation.results, evaluation.failures, manifest)


class _Evaluation:
    """One run: the model and what has been found so far."""

    def __init__(self, loaded: LoadedModel, settings: EvalSettings, runtime: Runtime, overlap: Overlap | None) -> None:
        self.settings = settings
        self.runtime = runtime
        self.overlap = overlap
        self.encoder = Encoder(Codec(loaded.tokenizer_path), loaded.config.context)
        self.scorer = Scorer(loaded.model, settings.batch_tokens, _device(settings.device))
        self.results: list[dict[str, Any]] = []
        self.logs: list[dict[str, Any]] = []  # one for each item of each result
        self.failures: list[str] = []
        self.failed: list[str] = []  # names of the tasks

    def add(self, path: Path, task: Task | GptkitError, done: Path | None = None) -> None:
        """Evaluates a task with every number of shots; what an earlier run kept in `done` is not done again."""
        if isinstance(task, GptkitError):
            self._fail(path.stem, task)
            return
        try:
            dirty = self.overlap.of(task) if self.overlap else None
        except GptkitError as error:
            self._fail(task.name, error)
            return
        if self.overlap and dirty is None:
            self.runtime.progress.say(f"eval: {self.overlap.path} has no items of {task.name}")
        runner = Runner(task, self.encoder, self.scorer, self.settings.seed, self.runtime.limit, dirty)
        recalled: list[tuple[int, list[dict[str, Any]]]] = []
        for shots in self.settings.shots:
            kept = done / f"{shots}.json" if done else None
            try:
                if kept is not None and kept.exists():
                    found = read_json(kept)
                    recalled.append((shots, found["logs"]))
                    self.runtime.progress.say(f"eval: {task.name}, {shots} shots: was done")
                else:
                    while recalled:
                        runner.recall(*recalled.pop(0))
                    result, logs = runner.run(shots, self.runtime.progress)
                    found = {"result": result, "logs": logs}
                    if kept is not None:
                        write_json(kept, found)
            except GptkitError as error:
                self._fail(task.name, error)
                continue
            self.results.append(found["result"])
            self.logs += found["logs"]
        self.scorer.forget()

    def _fail(self, name: str, error: GptkitError) -> None:
        if str(error) not in self.failures:  # the same for every number of shots
            self.failures.append(str(error))
            self.failed.append(name)


def _read_tasks(paths: list[Path], data_dir: Path | None) -> dict[Path, Task | GptkitError]:
    """The tasks, or what is wrong with each that cannot be read."""
    tasks: dict[Path, Task | GptkitError] = {}
    for path in paths:
        try:
            tasks[path] = read_task(path, data_dir)
        except GptkitError as error:
            tasks[path] = error
    return tasks


def _identity(path: Path, task: Task | GptkitError) -> dict[str, str]:
    if isinstance(task, GptkitError):
        # not the digest of a sound task, so that it is evaluated once it is mended
        return {"name": path.stem, "digest": f"unreadable {sha256_file(path)}"}
    return {"name": task.name, "digest": task.digest()}


def _fingerprint(loaded: LoadedModel) -> str:
    return sha256_json([loaded.fingerprint, sha256_file(loaded.tokenizer_path)])


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError):  # torch raises either for what is not there
        raise GptkitError(f"--device {name}: this machine or this torch has no such device") from None
    return name


def _write(folder: Path, loaded: LoadedModel, settings: EvalSettings, evaluation: _Evaluation) -> list[Shard]:
    report = {
        "model": loaded.fingerprint,
        "tokenizer": sha256_file(loaded.tokenizer_path),
        "context": loaded.config.context,
        "seed": settings.seed,
        "results": evaluation.results,
        "failed": evaluation.failed,
    }
    write_json(folder / RESULTS, report)
    with atomic_path(folder / ITEMS) as path, open(path, "w", encoding="utf-8") as file:
        file.writelines(_lines(evaluation.logs))
    return [
        Shard.describe(folder, folder / RESULTS, kind="results"),
        Shard.describe(folder, folder / ITEMS, len(evaluation.logs), kind="items"),
    ]


def _lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        yield json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n"


def _read_report(output: Path, manifest: Manifest) -> Report:
    report = read_json(output / RESULTS)
    failures = [f"{output}: the task {name} failed when these results were made" for name in report["failed"]]
    return Report(report["results"], failures, manifest)
