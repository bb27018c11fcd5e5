"""The stage "make-tasks": two evaluation tasks from the held-out documents of a token folder."""

from pathlib import Path

from gptkit.data.manifest import Manifest, Shard
from gptkit.data.tokens import open_tokens
from gptkit.engine.stage import Runtime, Stage
from gptkit.errors import GptkitError
from gptkit.tasks.make import MakeTask, make_tasks
from gptkit.tasks.settings import MakeTasksSettings

VERSION = 1


def run(tokens: Path, output: Path, settings: MakeTasksSettings, runtime: Runtime) -> Manifest | None:
    """Writes `last_word.yaml` and `ending.yaml` with their JSONL into `output`.

    Raises GptkitError where nothing was held out, or too little to make an item of.
    """
    folder = open_tokens(tokens)
    held_out = folder.manifest.facts["documents"].get("validation", 0)
    if not held_out:
        raise GptkitError(f"{tokens}: holds out no documents to make tasks of; see --validation of gptkit tokenize")
    inputs = [{"name": "tokens", "digest": folder.manifest.digest, "path": str(tokens)}]
    with Stage("make-tasks", VERSION, settings, inputs, output, runtime) as stage:
        if stage.finished or not stage.begin(f"two tasks of {held_out:,} held-out documents"):
            return stage.finished
        [counts] = stage.phase("make", make_tasks, [MakeTask(tokens, stage.out, settings, runtime.limit)])
        items = counts["items"]
        shards = [
            Shard.describe(stage.out, stage.out / name, rows, kind="items") for name, rows in sorted(items.items())
        ]
        for name in ("ending.yaml", "last_word.yaml"):
            shards.append(Shard.describe(stage.out, stage.out / name, kind="task"))
        for task in ("last_word", "ending"):
            test, shown = items[f"{task}.test.jsonl"], items[f"{task}.fewshot.jsonl"]
            runtime.progress.say(f"make-tasks: {task}: {test:,} test items and {shown:,} to draw demonstrations from")
        return stage.close(shards, counts, facts={"items": items})
