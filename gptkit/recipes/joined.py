"""Mixes and tokenizes in one pass: the mixture is made of ids, and its text is never written.

The sources are measured and drawn as `gptkit mix` does; each document that is drawn is encoded once,
and the ids are put in the order of the mixture, as often as it has them. The shards and the digest
are those of the two stages one after the other.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from gptkit.data.arrays import save_array
from gptkit.data.files import beside, check_free_space, sha256_file
from gptkit.data.manifest import Manifest
from gptkit.data.portions import Corpus, Portion
from gptkit.engine.stage import Runtime, Stage, check_apart, make_plan
from gptkit.mixture import stage as mixing
from gptkit.mixture.draw import DrawnPortion, decide, draw
from gptkit.mixture.sources import common_schema, open_sources
from gptkit.mixture.table import lines
from gptkit.recipes.recipe import Step
from gptkit.tokenization import stage as tokenizing
from gptkit.tokenization.encode import encode
from gptkit.tokenization.order import Entries, in_order
from gptkit.tokenization.settings import TokenizeSettings
from gptkit.tokenization.splits import SPLITS, assign


@dataclasses.dataclass(frozen=True)
class PlaceTask:
    """A portion of a source, and what the mixture takes of it."""

    drawn: DrawnPortion
    stem: Path
    settings: TokenizeSettings


def place(task: PlaceTask) -> dict[str, Any]:
    """Writes how often each document of a portion is taken (STEM.copies.npy, int32) and, by split, where it stands."""
    chosen = task.drawn.chosen()
    hashes = task.drawn.identities()
    splits = assign(hashes, np.zeros(len(hashes), np.int32), task.settings)
    placed = assign(hashes[chosen.rows], chosen.epochs, task.settings)
    taken = chosen.rows[placed >= 0]  # a held-out document once
    copies = np.bincount(taken, minlength=len(hashes)).astype(np.int32)
    save_array(beside(task.stem, ".copies.npy"), copies)
    for number, split in enumerate(SPLITS):
        document = np.cumsum((copies > 0) & (splits == number)) - 1  # of the part that the split becomes
        here = placed == number
        Entries.write(beside(task.stem, f".{split}"), chosen.keys[here], document[chosen.rows[here]])
    return {"documents": len(chosen.rows)}


def run(mixture: Step, step: Step, runtime: Runtime) -> Manifest | None:
    """Runs a mix step and the tokenize step that reads it. None with --dry-run. Raises as these do."""
    sources = open_sources(mixture.inputs, mixture.limit)
    by = decide(sources, mixture.settings)
    plan = make_plan(
        "mix", mixing.VERSION, mixture.settings, mixing.plan_inputs(sources, mixture.settings), mixture.limit
    )
    given = tokenizing.taken(step.settings)
    inputs = [{"name": "", "digest": tokenizing.mixture_digest(plan)}, *tokenizing.tokenizer_input(given)]
    runtime = dataclasses.replace(runtime, limit=None)
    pieces = [piece for source in sources for portion in source.portions for piece in portion.pieces]
    check_apart(step.output, [Path(piece.file.path) for piece in pieces])
    with Stage("tokenize", tokenizing.VERSION, step.settings, inputs, step.output, runtime, "-joined") as stage:
        if stage.finished:
            return stage.finished
        if not stage.begin(f"{mixing.describe(sources, runtime)}; mixed and encoded in one pass"):
            mixing.preview(sources, mixture.settings, by, runtime)
            return None
        drawn = draw(stage, sources, mixture.settings)
        runtime.progress.say("\n".join(lines([one.measured for one in drawn], drawn, mixture.settings, by)))
        # ids in parts, in order and in shards; they take about half the bytes of the text
        check_free_space(step.output, 3 * sum(one.text for one in drawn) // 2)
        tasks = [
            PlaceTask(portion, stage.scratch / "placed" / portion.stem.name, step.settings)
            for one in drawn
            for portion in one.portions
        ]
        stage.phase("place", place, tasks, "portions")
        corpus = Corpus([_named(task.drawn) for task in tasks], [], common_schema(sources, []), 0)
        chosen = [beside(task.stem, ".copies.npy") for task in tasks]
        path, learned = tokenizing.make_tokenizer(stage, corpus, chosen, given, step.settings)
        encoded = encode(stage, corpus, chosen, path, sha256_file(path), step.settings)
        places = {portion.name: task.stem for portion, task in zip(corpus.portions, tasks, strict=True)}
        entries = {
            split: [Entries(part, beside(places[part.portion], f".{split}")) for part in encoded.parts[split]]
            for split in SPLITS
        }
        ordered = in_order(stage, entries, {split: encoded.tokens(split) for split in SPLITS}, encoded.dtype)
        documents = sum(one.documents for one in drawn)
        return tokenizing.close(
            stage,
            dataclasses.replace(encoded, parts=ordered),
            path,
            learned,
            documents,
            step.settings,
            str(mixture.output),
        )


def _named(drawn: DrawnPortion) -> Portion:
    """A portion by the names it has in the mixture: sources from different places may have one name."""
    return dataclasses.replace(drawn.portion, name=drawn.stem.name, source=drawn.order.source)
