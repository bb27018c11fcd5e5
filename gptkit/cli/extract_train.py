"""`gptkit extract train`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gptkit.cli.options import json_option, settings_options, stage_options
from gptkit.engine.stage import Runtime
from gptkit.engine.terminal import printable
from gptkit.extraction.training_settings import TrainingSettings

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 110
MEASURES = {"precision": "P", "recall": "R", "f1": "F1", "shingle_f1": "4-grams F1", "word_f1": "words F1"}


@click.command(
    "train",
    epilog="""\b
Examples:
  gptkit extract train pages.warc.gz,pages.truth.jsonl -o model.npz
  gptkit extract train news=1:news.warc.gz,news.jsonl forums=0.25:forums.warc.gz,forums.jsonl -o model.npz
  gptkit extract train pages.warc.gz,pages.truth.jsonl -o model.npz --no-weak --trees 50 --json
""",
)
@click.argument("sets", nargs=-1, required=True, metavar="[NAME=[WEIGHT:]]PAGES,TRUTH…")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="File to write, for example model.npz."
)
@settings_options(TrainingSettings)
@stage_options
@json_option
def command(sets: tuple[str, ...], output: Path, settings: TrainingSettings, runtime: Runtime, as_json: bool) -> None:
    """Learn to tell the main text of pages from the rest (boosted trees; needs lightgbm).

    PAGES are WARC files, TRUTH is JSONL with a line a page: its "url", and what is known of its main
    text: "with" and "without" (lists of phrases that are in it and that are not), "article" (the whole
    of it), "kind" (of page). WEIGHT is what a set counts (1 unless given). --limit is of the first
    pages of each set.

    How good the model is on domains it was not trained on is measured by cross-validation, and the
    thresholds for --favor follow from that. From the same pages comes the same model, on any number
    of workers.
    """
    from gptkit.extraction.training import run

    report = run(sets, output, settings, runtime)
    if report is None:
        return
    if as_json:
        print(json.dumps(report))
    else:
        _print(report)


def _print(report: dict[str, Any]) -> None:
    """The report as tables on standard output."""
    from rich.console import Console

    console = Console(width=WIDTH)
    chosen = report["thresholds"]
    by_threshold: dict[float, str] = {}
    for name, choice in chosen.items():
        by_threshold[choice["threshold"]] = ", ".join(filter(None, (by_threshold.get(choice["threshold"]), name)))
    numbers = ("weight", "pages", "domains", "blocks", "cut")
    rows = [(one["name"], f"{one['weight']:g}", *(f"{one[name]:,}" for name in numbers[1:])) for one in report["sets"]]
    _table(console, "Sets", ("set", *numbers[:-1], "cut off"), rows)
    rows = [
        (name, f"{row['threshold']:.2f}", *_measures(row), by_threshold.get(row["threshold"], ""))
        for name, found in report["measures"].items()
        for row in found
    ]
    _table(console, "Cross-validation by domain", ("set", "threshold", *MEASURES.values(), ""), rows)
    if report["kinds"]:
        rows = [(row["set"], row["kind"], f"{row['pages']:,}", *_measures(row)) for row in report["kinds"]]
        title = f"By kind of page, threshold {chosen['balanced']['threshold']:.2f}"
        _table(console, title, ("set", "kind", "pages", *MEASURES.values()), rows)
    found = report["calibration"]
    rows = [
        (
            f"{row['from']:.1f} to {row['to']:.1f}",
            _number(row["predicted"]),
            _number(row["kept"]),
            f"{row['weight']:.1%}",
        )
        for row in found["bins"]
    ]
    title = f"Calibration: Brier score {found['brier']:.4f}, expected error {found['error']:.4f}"
    _table(console, title, ("probability", "predicted", "main text", "weight"), rows)
    rows = [
        (name, f"{choice['threshold']:.2f}", f"{choice['score']:.4f}", choice["reason"])
        for name, choice in chosen.items()
    ]
    title = "Thresholds, by the mean over sets of F1 of words (of phrases, where no whole text is known)"
    _table(console, title, ("favor", "threshold", "mean F1", "it is"), rows)
    model = report["model"]
    console.print(
        f"{printable(model['path'], lines=False)}: {model['trees']:,} trees, {model['nodes']:,} nodes, "
        f"{model['bytes']:,} bytes; at most {model['difference']:.1e} from LightGBM's probabilities",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _measures(row: dict[str, Any]) -> list[str]:
    return [_number(row[name]) for name in MEASURES]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _table(console: "Console", title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a plain table; what is no number stands on the left."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name, justify="left" if name in ("set", "kind", "favor", "it is", "") else "right")
    for row in rows:
        table.add_row(*(Text(printable(cell, lines=False)) for cell in row))
    console.print(Text(title, style="italic"))  # a table's own title is broken at the width of the table
    console.print(table)
    console.print()
