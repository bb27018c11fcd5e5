"""Tables of several columns; text from data is never read as markup."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gptkit.engine.terminal import printable

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 110


def console(file: Any = None, width: int = WIDTH) -> "Console":
    """Where tables are printed: standard output, or `file`."""
    from rich.console import Console

    return Console(file=file, width=width)


def print_columns(
    out: "Console", title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)
) -> None:
    """Prints a plain table; the columns at `left` are text, the others numbers."""
    from rich.table import Table
    from rich.text import Text

    made = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for place, name in enumerate(columns):
        made.add_column(name, justify="left" if place in left else "right", overflow="fold")
    for row in rows:
        made.add_row(*(Text(printable(cell, lines=False)) for cell in row))
    out.print(made)
