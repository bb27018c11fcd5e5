"""The stage "sample": a small real crawl from what this Python has, without any network."""

import array
import dataclasses
import platform
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gptkit.data.files import atomic_path, beside, sha256_json
from gptkit.data.manifest import Manifest, Shard
from gptkit.engine.stage import Runtime, Stage
from gptkit.sample import crawl
from gptkit.sample.distributions import Distribution, installed, standard_library
from gptkit.sample.draw import TASK, DrawTask, Group, cut, draw, module_groups, package_groups, text_groups
from gptkit.sample.settings import SampleSettings

VERSION = 1
PHASE = 16_000_000  # bytes of packages' source parsed before it is asked whether that is enough


@dataclasses.dataclass(frozen=True)
class WriteTask:
    """One shard: the spans of drawn records that make it."""

    path: Path
    spans: tuple[tuple[Path, int, int], ...]  # file, offset, bytes
    pages: int

    @property
    def label(self) -> str:
        """The shard's name."""
        return self.path.name


@dataclasses.dataclass
class _Drawn:
    """What was drawn so far. Groups are added in their fixed order, never in the order they end."""

    target: int
    pages: dict[str, list[tuple[Path, int, int]]]
    skipped: Counter[str]
    seen: set[int] = dataclasses.field(default_factory=set)
    prose: int = 0

    def add(self, task: DrawTask, result: dict[str, Any], until_enough: bool) -> None:
        """Takes a task's groups; with `until_enough` those behind the one that reaches the target are left."""
        marks = array.array("Q", beside(task.stem, ".marks").read_bytes())
        offset = first = 0
        for group, drawn in zip(task.groups, result["groups"], strict=True):
            if until_enough and self.prose >= self.target:
                return
            for size in drawn["pages"]:
                self.pages[group.source].append((beside(task.stem, ".gz"), offset, size))
                offset += size
            last = first + 2 * drawn["marks"]
            for key, length in zip(marks[first:last:2], marks[first + 1 : last : 2], strict=True):
                if key not in self.seen:
                    self.seen.add(key)
                    self.prose += length
            first = last
            self.skipped.update(drawn["skipped"])


def run(output: Path, settings: SampleSettings, runtime: Runtime) -> Manifest | None:
    """Writes OUTPUT/{stdlib,packages,prose}-NNNNN.warc.gz and the manifest.

    Equal for the same Python and the same installed packages, whatever the machine and the number
    of workers. The limit is a number of pages of each source. Raises GptkitError as every stage.
    """
    packages, left_out = installed()
    versions = [[package.name, package.version] for package in packages]
    identity = sha256_json({"python": platform.python_version(), "packages": versions})
    with Stage("sample", VERSION, settings, [{"name": "python", "digest": identity}], output, runtime) as stage:
        whole, drawable = _groups(packages, settings)
        megabytes = sum(group.size for group in [*whole, *drawable]) / 1e6
        if stage.finished or not stage.begin(
            f"documentation of Python {platform.python_version()} and {len(packages)} packages ({megabytes:,.0f} MB of source), "
            f"until {settings.target / 1e6:,.1f} MB of prose are found"
        ):
            return stage.finished
        drawn = _draw(stage, whole, drawable, settings.target, list(settings.sources))
        shards = _write(stage, drawn, settings.shard_size, runtime.limit)
        if drawn.prose < settings.target and "packages" in settings.sources:
            runtime.progress.say(
                f"sample: everything was taken, and it holds {drawn.prose / 1e6:,.1f} MB of prose, less than "
                f"the {settings.target / 1e6:,.1f} MB asked for; install more packages or lower --target"
            )
        counts = {
            "packages": len(packages),
            "packages_left_out": dict(sorted(left_out.items())),
            "modules_skipped": dict(sorted((+drawn.skipped).items())),
            "prose_bytes": drawn.prose,
            "pages": {source: sum(shard.rows for shard in shards if shard.source == source) for source in drawn.pages},
        }
        return stage.close(shards, counts)


def _groups(packages: Sequence[Distribution], settings: SampleSettings) -> tuple[list[Group], list[Group]]:
    """What is taken whole, and what is drawn from until there is enough."""
    whole: list[Group] = []
    if "stdlib" in settings.sources:
        whole += module_groups("stdlib", standard_library())
    if "prose" in settings.sources:
        whole += text_groups(packages)
    return whole, package_groups(packages, settings.seed) if "packages" in settings.sources else []


def _draw(stage: Stage, whole: Sequence[Group], drawable: Sequence[Group], target: int, sources: list[str]) -> _Drawn:
    drawn = _Drawn(target, {source: [] for source in sources}, Counter())
    parts = [list(whole), *cut(drawable, PHASE)]
    for turn, groups in enumerate(parts):
        if turn and drawn.prose >= target:
            break
        name = f"draw-{turn:03d}"
        tasks = [
            DrawTask(tuple(run), stage.scratch / f"{name}-{index:05d}", f"{name}-{index:05d} ({run[0].site.name}, …)")
            for index, run in enumerate(cut(groups, TASK))
        ]
        for task, result in zip(tasks, stage.phase(name, draw, tasks, "groups of modules"), strict=True):
            drawn.add(task, result, until_enough=turn > 0)
    return drawn


def _write(stage: Stage, drawn: _Drawn, shard_size: int, limit: int | None) -> list[Shard]:
    tasks: list[tuple[str, WriteTask]] = []
    for source, pages in drawn.pages.items():
        shard: list[tuple[Path, int, int]] = []
        count = 0
        for span in [*pages[:limit], None]:
            if shard and (span is None or sum(size for _, _, size in shard) >= shard_size):
                name = f"{source}-{sum(s == source for s, _ in tasks):05d}.warc.gz"
                tasks.append((source, WriteTask(stage.out / name, tuple(shard), count)))
                shard, count = [], 0
            if span is not None:
                count += 1
                if shard and shard[-1][0] == span[0] and shard[-1][1] + shard[-1][2] == span[1]:
                    file, offset, size = shard.pop()  # they lie side by side
                    span = (file, offset, size + span[2])
                shard.append(span)
    stage.phase("write", write, [task for _, task in tasks], "shards")
    return [Shard.describe(stage.out, task.path, task.pages, source, "crawl") for source, task in tasks]


def write(task: WriteTask) -> dict[str, Any]:
    """Copies the records of a shard behind a warcinfo record."""
    with atomic_path(task.path) as path, open(path, "wb") as target:
        target.write(crawl.information(task.path.name))
        for file, offset, size in task.spans:
            with open(file, "rb") as records:
                records.seek(offset)
                target.write(records.read(size))
    return {"pages": task.pages}
