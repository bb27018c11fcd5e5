"""`gptkit tokens export`: token shards in another layout, or of another size."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from gptkit.data.arrays import save_array
from gptkit.data.files import atomic_path, beside, check_free_space
from gptkit.data.layouts import DTYPES, LAYOUTS
from gptkit.data.manifest import Manifest
from gptkit.data.tokens import open_tokens, read_shard
from gptkit.engine.stage import Runtime, Stage
from gptkit.tokenization.assemble import assemble
from gptkit.tokenization.encode import Part
from gptkit.tokenization.report import NAME
from gptkit.tokenization.settings import ExportSettings
from gptkit.tokenization.splits import SPLITS

VERSION = 1


@dataclasses.dataclass(frozen=True)
class IndexTask:
    """A shard whose documents are looked up."""

    path: Path
    layout: str
    end_of_text: int
    stem: Path


def index(task: IndexTask) -> dict[str, Any]:
    """Writes the lengths of a shard's documents."""
    layout = LAYOUTS[task.layout]
    shard = read_shard(task.path, layout, task.end_of_text)
    save_array(beside(task.stem, ".lengths.npy"), shard.lengths.astype(np.int32))
    return {"documents": len(shard), "tokens": len(shard.tokens), "skip": layout.read(task.path).offset}


def run(source: Path, output: Path, settings: ExportSettings, runtime: Runtime) -> Manifest | None:
    """Writes the shards of a folder in another layout, with its tokenizer and report. None with --dry-run.

    Raises GptkitError where the folder is none, or the layout cannot hold its vocabulary.
    """
    folder = open_tokens(source)
    facts, layout = folder.manifest.facts, LAYOUTS[settings.layout]
    layout.check(facts["vocab_size"], settings.shard_tokens)
    inputs = [{"name": "tokens", "digest": folder.manifest.digest, "path": str(source)}]
    with Stage("tokens export", VERSION, settings, inputs, output, runtime) as stage:
        total = sum(facts["tokens"].values())
        if stage.finished or not stage.begin(f"{total:,} tokens from {folder.layout.name} to {layout.name}"):
            return stage.finished
        check_free_space(output, total * DTYPES[facts["dtype"]].itemsize)
        tokenizer = folder.manifest.of_kind("tokenizer")
        along = [shard.name for shard in tokenizer] + [NAME] * (source / NAME).is_file()
        for name in along:
            with atomic_path(stage.out / name) as temporary:
                shutil.copyfile(source / name, temporary)
        found = [(split, source / shard.name) for split in SPLITS for shard in folder.manifest.of_kind(split)]
        tasks = [
            IndexTask(path, folder.layout.name, facts["end_of_text"], stage.scratch / f"{number:06d}")
            for number, (_, path) in enumerate(found)
        ]
        parts: dict[str, list[Part]] = {split: [] for split in SPLITS}
        for (split, path), task, known in zip(found, tasks, stage.phase("index", index, tasks), strict=True):
            parts[split].append(Part(task.stem, known["documents"], known["tokens"], path, known["skip"]))
        shards = assemble(stage, parts, layout, settings.shard_tokens, facts["dtype"])
        facts = {**facts, "layout": layout.name}
        return stage.close([*tokenizer, *shards], folder.manifest.counts, facts, beside=along[len(tokenizer) :])
