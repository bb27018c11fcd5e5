"""What a run says while it works. All of it goes to standard error; standard output is for data."""

import contextlib
import sys
from collections.abc import Callable, Iterator


class Progress:
    """Talk and progress bars, or silence.

    `bars` is off where standard error is no terminal, so that logs stay readable.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.bars = not quiet and sys.stderr.isatty()

    def say(self, line: str) -> None:
        """Prints one line of talk."""
        if not self.quiet:
            print(line, file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def bar(self, title: str, total: int) -> Iterator[Callable[[int, str], None]]:
        """Gives a function that advances the bar by an amount and sets the note beside it."""
        if not self.bars or total <= 0:
            yield lambda amount, note: None
            return
        from rich import progress
        from rich.console import Console

        columns = (
            progress.TextColumn("{task.description:<10}"),
            progress.BarColumn(),
            progress.TaskProgressColumn(),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[note]}", markup=False),
        )
        with progress.Progress(*columns, console=Console(stderr=True), transient=True) as display:
            task = display.add_task(title, total=total, note="")
            yield lambda amount, note: display.update(task, advance=amount, note=note)
