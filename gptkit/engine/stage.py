"""A stage: an output folder that is made in phases of tasks and closed by a manifest.

While a stage runs, everything it writes lies in `OUTPUT/.work`: the plan, what each finished task
returned, scratch files, and the finished shards. A run that was stopped goes on behind the last
finished task. Closing writes the manifest into `.work`, moves the shards to their place and the
manifest last; a close that was interrupted is completed by the next run.
"""

import contextlib
import dataclasses
import fcntl
import importlib.metadata
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from gptkit.data import manifest as manifests
from gptkit.data.files import TEMPORARY, read_json, sync_folder, write_json
from gptkit.data.manifest import Manifest, Plan, Shard
from gptkit.engine.phase import Feed, Phase
from gptkit.engine.pool import Function, Pool
from gptkit.engine.progress import Progress
from gptkit.engine.settings import digest_values
from gptkit.errors import GptkitError, InputError, UsageError

WORK = ".work"
MOVING = "moving.json"  # what a close is moving, or a removal removing: one that is interrupted is undone or completed
VERSIONS = ("gptkit", "numpy", "pyarrow", "numba", "torch", "tokenizers", "gigatoken", "resiliparse", "ftfy")


@dataclasses.dataclass(frozen=True)
class Runtime:
    """How a stage runs; nothing here changes what it writes, except `limit`."""

    pool: Pool
    progress: Progress
    limit: int | None = None  # documents
    dry_run: bool = False
    overwrite: bool = False


def make_plan(name: str, version: int, settings: Any, inputs: Sequence[dict[str, Any]], limit: int | None) -> Plan:
    """All that decides a stage's output; where an input lies does not."""
    known = [{key: value for key, value in entry.items() if key != "path"} for entry in inputs]
    return Plan(name, version, digest_values(settings), limit, known)


class Stage:
    """An output folder being made. Use as a context manager around the whole of the work.

    `finished` is the manifest where the folder already holds the result of the same plan.
    Tasks write finished shards below `out` and scratch files below `scratch`. Each input has what
    identifies it, and its `path`, which does not enter the plan. `way` names one of several ways to
    the same result: what a run of another way left half done is not gone on with.
    Raises GptkitError where the folder holds something else.
    """

    def __init__(
        self,
        name: str,
        version: int,
        settings: Any,
        inputs: Sequence[dict[str, Any]],
        output: Path,
        runtime: Runtime,
        way: str = "",
    ) -> None:
        self.plan = make_plan(name, version, settings, inputs, runtime.limit)
        check_apart(output, [Path(entry["path"]) for entry in inputs if "path" in entry])
        self.output = output
        self.runtime = runtime
        self.work = output / WORK
        self.out = self.work / "out"
        self.scratch = self.work / f"scratch{way}"
        self.done = self.work / f"done{way}"
        self.finished: Manifest | None = None
        self._lock: Any = None
        self._seconds: dict[str, float] = {}
        self._started = time.time()
        self._made: list[Path] = []  # folders above the output that were not there before
        self._stale = self._look()
        if self.finished is not None:
            runtime.progress.say(f"{name}: up to date ({output})")

    def _look(self) -> bool:
        """Finds out what the output folder holds; True where it is ours and must go first."""
        if not self.output.exists():
            return False
        if not self.output.is_dir():
            raise GptkitError(f"{self.output}: is a file; name a folder")
        there: Plan | None = None
        if (self.output / manifests.NAME).exists():
            found = manifests.parse_manifest(self.output / manifests.NAME)
            there = found.plan
            if there.digest() == self.plan.digest():
                with contextlib.suppress(GptkitError):  # a shard is missing: made again below
                    self.finished = manifests.read_manifest(self.output)
                    shutil.rmtree(self.work, ignore_errors=True)
                return self.finished is None
        elif (self.work / "plan.json").exists():
            there = _read_plan(self.work / "plan.json")
            if there.digest() == self.plan.digest():
                return False
        elif list(self.output.iterdir()) not in ([], [self.work]):
            raise GptkitError(f"{self.output}: already holds something else; name an empty or new folder")
        if there is None or self.runtime.overwrite or self.runtime.dry_run:
            return there is not None
        raise GptkitError(
            f"{self.output}: already holds another result ({self.plan.difference(there)}); "
            "name another folder or add --overwrite"
        )

    def __enter__(self) -> "Stage":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None
            self._remove_if_nothing_was_done(isinstance(error, InputError))

    def _remove_if_nothing_was_done(self, hopeless: bool) -> None:
        """Leaves no folder behind where a run failed before its first result, or can never have one."""
        leftovers = [path for path in self.work.rglob("*") if path.is_file() and path.name not in ("plan.json", "lock")]
        if self.work.exists() and (hopeless or not leftovers):
            shutil.rmtree(self.work)
            with contextlib.suppress(OSError):  # what else is there stays
                self.output.rmdir()
                for folder in self._made:
                    folder.rmdir()

    def begin(self, what: str) -> bool:
        """Says what will be done and takes the folder; False where it is only asked for (--dry-run)."""
        if self.runtime.dry_run:
            state = "make again" if self._stale else "go on with" if self.work.exists() else "make"
            self.runtime.progress.say(f"{self.plan.stage}: would {state} {self.output}: {what}")
            return False
        self.runtime.progress.say(f"{self.plan.stage}: {what} → {self.output}")
        self._made = [folder for folder in self.output.parents if not folder.exists()]
        self.work.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        if self._stale:
            self.runtime.progress.say(f"{self.plan.stage}: what {self.output} held before is made again")
            self._remove_old_result()
        self._undo_interrupted_close()
        self.scratch.mkdir(exist_ok=True)
        self.out.mkdir(exist_ok=True)
        for leftover in self.work.rglob(f"*{TEMPORARY}"):
            leftover.unlink()
        write_json(self.work / "plan.json", dataclasses.asdict(self.plan))
        return True

    def _take_lock(self) -> None:
        path = self.work / "lock"
        self._lock = open(path, "w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # the other one may have ended, and removed the file, since it was opened
            mine = os.path.samestat(os.fstat(self._lock.fileno()), os.stat(path))
        except OSError:
            mine = False
        if not mine:
            self._lock.close()
            self._lock = None
            raise GptkitError(f"{self.output}: another gptkit is writing there now")

    def _remove_old_result(self) -> None:
        """Removes the shards of another plan, so that a run killed here is recognised and completed."""
        path = self.output / manifests.NAME
        if path.exists():
            old = manifests.parse_manifest(path)
            self._clear_work()
            write_json(self.work / "plan.json", dataclasses.asdict(old.plan))
            write_json(self.work / MOVING, [shard.name for shard in old.shards] + old.run.get("beside", []))
            path.unlink()  # before the shards: a folder half removed is never taken for a result
        shutil.rmtree(self.done, ignore_errors=True)
        for name in self._moving():
            (self.output / name).unlink(missing_ok=True)
        for folder in sorted((p for p in self.output.rglob("*") if p.is_dir()), reverse=True):
            if self.work not in (folder, *folder.parents):
                with contextlib.suppress(OSError):
                    folder.rmdir()
        self._clear_work()

    def _undo_interrupted_close(self) -> None:
        """Moves shards back to where the room that describes them expects them."""
        for name in self._moving():
            source, target = self.output / name, self.out / name
            if source.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(source, target)
        (self.work / MOVING).unlink(missing_ok=True)

    def _moving(self) -> list[str]:
        names = read_json(self.work / MOVING) if (self.work / MOVING).exists() else []
        return [name for name in names if manifests.stays_inside(name)]

    def _clear_work(self) -> None:
        for path in self.work.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name not in ("lock", "plan.json"):
                path.unlink()

    def phase(self, name: str, function: Function, tasks: Sequence[Any], note: str = "tasks") -> list[dict[str, Any]]:
        """Runs tasks and gives what each returned, in the order of the tasks; of a `Feed`, what each chunk's did.

        Tasks that an earlier run of the same plan finished are not run again. A task's attribute
        `weight`, if it has one, is its share of the progress bar.
        """
        started = time.monotonic()
        phase = Phase(name, function, tasks, self.done / name, self.scratch)
        if phase.done:
            of = "" if any(isinstance(task, Feed) for task in tasks) else f"of {len(tasks)} "
            self.runtime.progress.say(f"{name}: going on; {phase.done} {of}{note} were done")
        phase.run(self.runtime.pool, self.runtime.progress, _kept)
        self._seconds[name] = round(time.monotonic() - started, 3)
        return phase.in_order()

    def close(
        self,
        shards: Sequence[Shard],
        counts: dict[str, Any],
        facts: dict[str, Any] | None = None,
        beside: Sequence[str] = (),
    ) -> Manifest:
        """Moves the shards from `out` to their place and writes the manifest as the last thing.

        `beside` names files below `out` that are kept but not part of the digest (logs).
        """
        run = {
            "seconds": round(time.time() - self._started, 3),
            "phase_seconds": self._seconds,
            "workers": self.runtime.pool.workers,
            "versions": _versions(),
            "output": str(self.output),
            "beside": list(beside),
        }
        manifest = Manifest(self.plan, list(shards), facts or {}, counts, run)
        names = [shard.name for shard in shards] + list(beside)
        write_json(self.work / MOVING, names)
        for name in names:
            target = self.output / name
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(self.out / name, target)
        for folder in {(self.output / name).parent for name in names}:
            sync_folder(folder)  # the shards are there for good before the manifest is
        manifest.write(self.work / manifests.NAME)
        os.replace(self.work / manifests.NAME, self.output / manifests.NAME)
        sync_folder(self.output)
        shutil.rmtree(self.work, ignore_errors=True)  # a run that found the manifest may be doing the same
        self.finished = manifest
        return manifest


def _kept(results: Sequence[dict[str, Any]]) -> str:
    """What stands beside the progress bar, where a phase counts documents."""
    done = [result for result in results if "documents_out" in result]
    kept, seen = (sum(result[name] for result in done) for name in ("documents_out", "documents_in"))
    return f"{kept:,} of {seen:,} documents kept" if done else ""


def check_apart(output: Path, inputs: Sequence[Path]) -> None:
    """Raises UsageError where the output folder is an input, or one lies in the other."""
    target = output.resolve()
    for path in inputs:
        place = path.resolve()
        if target == place or target in place.parents or place in target.parents:
            raise UsageError(f"{output}: the output must lie apart from the input {path}; name another folder")


def _read_plan(path: Path) -> Plan:
    try:
        plan = Plan(**read_json(path))
        plan.difference(plan)
        return plan
    except (TypeError, AttributeError):
        raise GptkitError(f"{path}: is no plan of this version of gptkit; remove {path.parent}") from None


def _versions() -> dict[str, str]:
    found = {}
    for name in VERSIONS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
