"""What a stage's command prints when it is done."""

import json
import sys
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import click

from gptkit.cli.main import fail
from gptkit.engine.terminal import printable

if TYPE_CHECKING:
    from gptkit.data.manifest import Manifest
    from gptkit.engine.stage import Runtime


def finish(manifest: "Manifest | None", runtime: "Runtime", as_json: bool, in_tables: Collection[str] = ()) -> None:
    """Prints the manifest as JSON on standard output, or a table on standard error.

    Counts named in `in_tables` are left out of that table: they stand in others.
    Ends the program with exit code 1 and one line where some of the input could not be read.
    """
    if manifest is None:
        return
    if as_json:
        print(json.dumps(manifest.as_json()))
    elif not runtime.progress.quiet:
        shown = {name: value for name, value in manifest.counts.items() if name not in in_tables}
        print_table(f"{manifest.plan.stage} → {manifest.run['output']}", rows(shown))
    if manifest.counts.get("damaged"):
        click.get_current_context().exit(fail(damage_line(manifest), 1))


def damage_line(manifest: "Manifest") -> str:
    """The one line that says what was skipped in damaged input."""
    count = manifest.counts["damaged"]
    first = manifest.counts["damage"][0]
    where = f"{first['file']} at byte {first['offset']}: {first['reason']}"
    return f"{count:,} damaged place{'s' if count > 1 else ''} skipped ({where}); all are in {manifest.run['output']}/damaged"


def rows(counts: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Counts as lines of a table; a nested count is named by its path."""
    lines: list[tuple[str, str]] = []
    for name, value in counts.items():
        label = f"{prefix}{name.replace('_', ' ')}"
        if isinstance(value, dict):
            lines += rows(value, f"{label}: ")
        elif isinstance(value, int):
            lines.append((label, f"{value:,}"))
        elif isinstance(value, float):
            lines.append((label, f"{value:,.4g}"))
        elif isinstance(value, str):
            lines.append((label, value))
    return lines


def print_table(title: str, lines: list[tuple[str, str]]) -> None:
    """Prints a table of two columns on standard error; text from data is never read as markup."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=escape(printable(title, lines=False)),
        title_justify="left",
        show_header=False,
        box=None,
        padding=(0, 2, 0, 0),
    )
    table.add_column()
    table.add_column(justify="right", overflow="fold")
    for label, value in lines:
        table.add_row(Text(printable(label, lines=False)), Text(printable(value, lines=False)))
    Console(file=sys.stderr).print(table)
