"""Runs a command, and takes down how much memory it and all processes below it hold together."""

import contextlib
import dataclasses
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from measure import now

INTERVAL = 0.05  # seconds between two looks


@dataclasses.dataclass(frozen=True)
class Watched:
    """How a command went."""

    seconds: float  # by the clock that GPTKIT_CLOCK names
    peak: int  # bytes: the largest sum seen
    output: str  # what it printed


def watch(command: Sequence[str | Path], interval: float = INTERVAL) -> Watched:
    """Runs a command to its end. Raises SystemExit where it fails.

    Memory is the sum of the processes' proportional set sizes (PSS: what several share counts once),
    looked at every `interval` seconds; a peak between two looks is missed.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as talk:
        started = now()
        process = subprocess.Popen([str(word) for word in command], stdout=output, stderr=talk)
        peak = 0
        while process.poll() is None:
            peak = max(peak, sum(memory(each) for each in below(process.pid)))
            with contextlib.suppress(subprocess.TimeoutExpired):  # its end is noticed at once
                process.wait(interval)
        seconds = now() - started
        output.seek(0)
        talk.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(map(str, command))} ended with {process.returncode}\n{talk.read()[-3000:]}")
        return Watched(seconds, peak, output.read())


def below(process: int) -> list[int]:
    """A process and all that it started, directly or not."""
    found = [process]
    for each in found:  # grows as it goes
        for task in _listed(f"/proc/{each}/task"):
            found += [int(child) for child in _read(f"/proc/{each}/task/{task}/children").split()]
    return found


def memory(process: int) -> int:
    """Bytes a process holds, its part of what is shared with others; 0 where it is gone."""
    lines = _read(f"/proc/{process}/smaps_rollup").splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
