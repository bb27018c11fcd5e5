"""`gptkit quality`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gptkit.clean.quality_settings import QualitySettings
from gptkit.cli.options import json_option, output_option, settings_options, stage_options
from gptkit.cli.report import finish
from gptkit.engine.stage import Runtime

if TYPE_CHECKING:
    from gptkit.data.manifest import Manifest

EXAMPLES = """\b
Examples:
  gptkit quality train --positive books --positive wiki=wiki.jsonl.gz --negative crawl -o quality
  gptkit quality train --positive books --negative crawl -o quality --limit 100000 --json
  gptkit clean crawl/*.warc.gz -o clean --quality-model quality --pareto 9
"""


@click.group("quality", epilog=EXAMPLES)
def command() -> None:
    """Train GPT-3's quality classifier, and score documents with it."""


@command.command("train", epilog=EXAMPLES)
@click.option("--positive", multiple=True, required=True, metavar="[NAME=]INPUT", help="Good text; may be repeated.")
@click.option("--negative", multiple=True, required=True, metavar="[NAME=]INPUT", help="Raw text; may be repeated.")
@output_option
@settings_options(QualitySettings)
@stage_options
@json_option
def train(
    positive: tuple[str, ...],
    negative: tuple[str, ...],
    output: Path,
    settings: QualitySettings,
    runtime: Runtime,
    as_json: bool,
) -> None:
    """Learn to tell good text from a raw crawl (logistic regression over hashed words).

    INPUT is what gptkit clean reads, web pages excepted: have those made text by gptkit clean
    --rules none. --limit is of the first documents of each side. A tenth of the documents is held
    out, and the report says how well the model tells them apart and how much of each side
    gptkit clean --pareto would keep.
    """
    from gptkit.clean.quality_training import run

    manifest = run(positive, negative, output, settings, runtime)
    if manifest is not None and not as_json and not runtime.progress.quiet:
        _print_sides(manifest)
    finish(manifest, runtime, as_json)


@command.command(
    "score",
    epilog="""\b
Examples:
  gptkit quality score quality clean > scores.jsonl
  gptkit quality score quality docs.parquet --limit 100
""",
)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("source", metavar="IN")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Score the first N documents only.")
def score(model: Path, source: str, limit: int | None) -> None:
    """Print the score of each document as JSONL.

    MODEL is the output of gptkit quality train; IN the output of an earlier stage or a Parquet file.
    """
    import orjson

    from gptkit.clean.quality import Quality
    from gptkit.data.documents import open_documents, read_documents, schema_of

    loaded, documents = Quality.load(model), open_documents(source)
    schema = schema_of(documents.files)
    for file, rows in documents.limited(limit):
        for batch in read_documents(file, rows, schema):
            found = loaded.score(batch.column("text").fill_null("")).tolist()
            keys = (batch.column(name).to_pylist() for name in ("id", "source"))
            for identity, name, value in zip(*keys, found, strict=True):
                sys.stdout.buffer.write(orjson.dumps({"id": identity, "source": name, "score": value}) + b"\n")


def _print_sides(manifest: "Manifest") -> None:
    """Prints on standard error what held-out documents of each side score and how many would be kept."""
    from rich.console import Console
    from rich.table import Table

    held_out: dict[str, Any] = manifest.counts["held_out"]
    table = Table("held out", "positive", "negative", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for entry in held_out["histogram"]:
        shares = [f"{entry[side] / held_out['documents'][side]:.1%}" for side in ("positive", "negative")]
        table.add_row(f"score {entry['from']:.1f} to {entry['to']:.1f}", *shares)
    for entry in held_out["kept"]:
        table.add_row(f"kept with --pareto {entry['alpha']}", *(f"{entry[s]:.1%}" for s in ("positive", "negative")))
    Console(file=sys.stderr).print(table)
