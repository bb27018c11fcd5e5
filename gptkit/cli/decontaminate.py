"""`gptkit decontaminate`."""

import sys
from pathlib import Path
from typing import Any

import click

from gptkit.cli.options import json_option, output_option, settings_options, stage_options, start_workers
from gptkit.cli.report import finish
from gptkit.decontamination.settings import DecontaminateSettings
from gptkit.engine.stage import Runtime

COUNTS = ("items", "items_without_grams", "grams", "grams_found", "grams_ignored", "documents")
COLUMNS = ("set", "items", "too short", "n-grams", "found", "ignored", "documents", "N", "dirty")


@click.command(
    "decontaminate",
    epilog="""\b
Examples:
  gptkit decontaminate dedup --against sst2,piqa --data-dir data/eval -o decontaminated
  gptkit decontaminate dedup --against my_task.yaml,test=held-out.jsonl -o decontaminated --json
  gptkit decontaminate books wiki.parquet --against evals --data-dir data/eval -o out --dry-run
""",
)
@click.argument("inputs", nargs=-1, required=True, metavar="[NAME=]IN…")
@output_option
@settings_options(DecontaminateSettings)
@stage_options
@json_option
def command(
    inputs: tuple[str, ...], output: Path, settings: DecontaminateSettings, runtime: Runtime, as_json: bool
) -> None:
    """Take evaluation data out of training documents, as GPT-3 did.

    IN is the output of an earlier stage, or Parquet. Where 13 words in a row are those of something
    protected, they go with 200 characters on each side, and the document is split there. Pieces under
    200 characters go, and so do documents in more than 10 pieces. What more than 10 documents have in
    common with a task is left alone.

    `contaminated/` has a row for each document that was touched. `overlap.jsonl` says of each
    evaluation item whether the training data had it: gptkit eval --overlap splits scores by it.
    """
    start_workers(runtime, output)
    from gptkit.decontamination.stage import run

    manifest = run(inputs, output, settings, runtime)
    if manifest is not None and not as_json and not runtime.progress.quiet:
        _print_sets(manifest.counts["sets"])
    finish(manifest, runtime, as_json, in_tables=("sets",))


def _print_sets(sets: dict[str, Any]) -> None:
    """Prints a row for each protected set on standard error."""
    from gptkit.cli.tables import console, print_columns

    rows = []
    for name, one in sets.items():
        evaluated = one["evaluated"]
        counts = (f"{one[count]:,}" for count in COUNTS)
        rows.append((name, *counts, str(evaluated["n"]), f"{evaluated['dirty']:,} of {evaluated['items']:,}"))
    print_columns(console(sys.stderr), "", COLUMNS, rows)
