"""Prints the results of an evaluation as a table."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gptkit.engine.terminal import printable

WIDTH = 140  # characters, where standard output is no terminal
EXPLANATION = (
    "shown: demonstrations that fitted the context, mean (least); guess and majority: accuracy without a model"
)


def print_table(results: Sequence[dict[str, Any]]) -> None:
    """Writes one row for each task, number of shots and metric to standard output."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    table = Table(box=None, header_style="bold")
    for title in ("task", "shots", "shown", "items", "metric", "score", "± stderr", "guess", "majority"):
        table.add_column(title, justify="left" if title in ("task", "metric") else "right", no_wrap=True)
    for result in results:
        for name, metric in result["metrics"].items():
            cells = (
                result["task"],
                str(result["shots"]),
                _shown(result),
                f"{result['items']:,}",
                name,
                _number(metric["value"]),
                _number(metric["stderr"]),
                _number(metric["random"]),
                _number(metric["majority"]),
            )
            # text of task files: never read as markup, never a control character
            table.add_row(*(Text(printable(cell, lines=False)) for cell in cells))
    console.print(table)


def _shown(result: dict[str, Any]) -> str:
    if result["shots"] == result["demonstrations_min"]:
        return str(result["shots"])
    return f"{result['demonstrations_mean']:.2f} ({result['demonstrations_min']})"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if value < 10 else f"{value:,.2f}"
