"""The run's log, one JSON record a line, and the status line made of the same numbers."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gptkit.engine.progress import Progress

SAY_EVERY = 30.0  # seconds between status lines where there is no bar
ESTIMATE_AFTER = 5  # steps; the first ones are slower


class Log:
    """Appends to log.jsonl. What was written behind the last checkpoint is cut off when a run goes on."""

    def __init__(self, path: Path, keep_bytes: int) -> None:
        self._file = open(path, "a+b")
        self._file.truncate(min(keep_bytes, self._file.seek(0, os.SEEK_END)))
        self._file.seek(0, os.SEEK_END)

    def write(self, record: dict[str, Any]) -> None:
        """Appends one record, for others to see at once."""
        self._file.write(json.dumps(record).encode() + b"\n")
        self._file.flush()

    def sync(self) -> int:
        """Makes the records durable; gives the number of bytes."""
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Ends the log."""
        self._file.close()


class Status:
    """Tells how a run goes: beside the bar on a terminal, as a line now and then elsewhere."""

    def __init__(self, progress: Progress, advance: Callable[[int, str], None], steps: int, start: int) -> None:
        self._progress = progress
        self._advance = advance
        self._steps = steps
        self._start = start
        self._seconds = 0.0  # of the steps behind the first ones
        self._said = time.monotonic()
        advance(start, "")

    def step(self, record: dict[str, Any], seconds: float) -> None:
        """Tells of a step that took `seconds`."""
        done = record["step"] - self._start
        self._seconds += seconds if done > 1 else 0.0
        each = self._seconds / max(1, done - 1)
        left = duration(each * (self._steps - record["step"]))
        if done == ESTIMATE_AFTER:
            self._progress.say(f"train: {record['tokens_per_second']:,.0f} tokens/s, about {left} to go")
        loss = "skipped" if "skipped" in record else f"loss {record['loss']:.3f}"
        note = f"{loss}, lr {record['lr']:.1e}, {record['tokens_per_second']:,.0f} tokens/s, {left} left"
        self._advance(1, note)
        if not self._progress.bars and time.monotonic() - self._said > SAY_EVERY:
            self._said = time.monotonic()
            self._progress.say(f"step {record['step']:,}/{self._steps:,}: {note}")


def duration(seconds: float) -> str:
    """A time for reading: 42 s, 7 min, 3.2 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
