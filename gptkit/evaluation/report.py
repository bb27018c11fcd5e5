"""Prints the results of an evaluation as a table."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gptkit.engine.terminal import printable

WIDTH = 140  # characters, where standard output is no terminal
PARTS = ("clean", "dirty")  # items without and with an n-gram of the training data
EXPLANATION = (
    "shown: demonstrations that fitted the context, mean (least); guess and majority: accuracy without a model"
)
OF_PARTS = "; clean and dirty: score of the items without and with an n-gram of the training data (items)"


def print_table(results: Sequence[dict[str, Any]]) -> None:
    """Writes one row for each task, number of shots and metric to standard output."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    table = Table(box=None, header_style="bold")
    parts = [name for name in PARTS if any(name in result for result in results)]
    for title in ("task", "shots", "shown", "items", "metric", "score", "± stderr", "guess", "majority", *parts):
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
                *(_part(result, part, name) for part in parts),
            )
            # text of task files: never read as markup, never a control character
            table.add_row(*(Text(printable(cell, lines=False)) for cell in cells))
    console.print(table)


def explanation(results: Sequence[dict[str, Any]]) -> str:
    """What the table's columns mean."""
    return EXPLANATION + (OF_PARTS if any(part in result for result in results for part in PARTS) else "")


def _shown(result: dict[str, Any]) -> str:
    if result["shots"] == result["demonstrations_min"]:
        return str(result["shots"])
    return f"{result['demonstrations_mean']:.2f} ({result['demonstrations_min']})"


def _part(result: dict[str, Any], part: str, metric: str) -> str:
    """The score of the clean or the dirty items, and how many there are."""
    if part not in result:
        return ""
    found = result[part]
    score = _number(found["metrics"][metric]["value"]) if found["items"] else "–"
    return f"{score} ({found['items']:,})"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if value < 10 else f"{value:,.2f}"
