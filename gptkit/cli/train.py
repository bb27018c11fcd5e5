"""`gptkit train`."""

import json
from pathlib import Path
from typing import Any

import click

from gptkit.cli.options import json_option, output_option, settings_options, start
from gptkit.training.settings import TrainSettings


@click.command(
    "train",
    epilog="""\b
Examples:
  gptkit train --data tokens -o model
  gptkit train --data tokens --model mini --epochs 3 --lr 1e-3 -o model
  gptkit train --data web=0.6:tokens/web books=0.4:tokens/books --model gpt2 -o model
""",
)
@click.option(
    "--data",
    "tokens",
    required=True,
    multiple=True,
    metavar="[NAME=WEIGHT:]TOKENS",
    help="Token shards, from gptkit tokenize; of several folders each with a weight, in further --data or behind it.",
)
@click.argument("more", nargs=-1, metavar="[NAME=WEIGHT:TOKENS]...")
@settings_options(TrainSettings)
@output_option
@click.option("--dry-run", is_flag=True, help="Say what would be done and stop.")
@click.option("--overwrite", is_flag=True, help="Replace another result in the output folder.")
@click.option("--quiet", is_flag=True, help="No talk and no progress bar.")
@json_option
def command(
    tokens: tuple[str, ...],
    more: tuple[str, ...],
    settings: TrainSettings,
    output: Path,
    dry_run: bool,
    overwrite: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train a model from scratch on token shards (gptkit models lists their shapes).

    Of several token folders, made with one tokenizer, sequences are taken in proportion to their
    weights; an epoch is as much as repeats none of them.

    A run that was stopped goes on from its last checkpoint when the same command is given again.
    """
    from gptkit.training.stage import run

    with start(workers=0, limit=None, dry_run=dry_run, overwrite=overwrite, quiet=quiet) as runtime:
        manifest = run((*tokens, *more), output, settings, runtime)
        if manifest is not None and as_json:
            print(json.dumps(manifest.as_json()))
        elif manifest is not None:
            runtime.progress.say(table(manifest.facts, output))


def table(facts: dict[str, Any], output: Path) -> str:
    """The figures of a finished run, one a line."""
    rows = [
        ("model", f"{output}"),
        ("parameters", f"{facts['parameters']:,}"),
        ("trained on", f"{facts['tokens']:,} tokens in {facts['steps']:,} steps, {facts['epochs']:.2f} epochs"),
    ]
    if "validation_bits_per_byte" in facts:
        rows.append(("validation", f"{facts['validation_bits_per_byte']:.3f} bits per byte"))
    if facts.get("reference"):
        rows.append(("  xz -9", f"{facts['reference']['xz_9']:.3f}"))
        rows.append(("  byte 5-grams", f"{facts['reference']['byte_5gram']:.3f}"))
    return "\n".join(f"{name:<16}{value}" for name, value in rows)
