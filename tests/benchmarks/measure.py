"""What all benchmarks share: one core, the best of several runs, Markdown tables, and gptkit as a command."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

THREADS = ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def one_core() -> None:
    """Binds this process, and those it starts, to one core and one thread. To be called before libraries load."""
    for name in THREADS:
        os.environ[name] = "1"
    if hasattr(os, "sched_setaffinity"):  # Linux
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def now() -> float:
    """Seconds of the clock that GPTKIT_CLOCK names: wall time, or this process's and its ended children's CPU time."""
    if os.environ.get("GPTKIT_CLOCK") == "cpu":
        used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(each.ru_utime + each.ru_stime for each in used)
    return time.perf_counter()


def best(function: Callable[[], object], times: int = 3) -> float:
    """Seconds of the fastest run."""
    found = []
    for _ in range(times):
        started = now()
        function()
        found.append(now() - started)
    return min(found)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; floats get three significant digits, whole numbers commas."""
    lines = [list(head), ["---"] * len(head), *([_shown(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _shown(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell).replace("|", "\\|")


def share(part: int, whole: int) -> str:
    """A share that never rounds up to 100 %."""
    return "-" if not whole else f"{int(part * 10_000 / whole) / 100:.2f} %"


def clean(inputs: Sequence[Path | str], output: Path, *options: str) -> float:
    """Runs `gptkit clean` with one worker, start-up included. Returns seconds; raises SystemExit where it fails."""
    command = [sys.executable, "-m", "gptkit", "clean", *map(str, inputs), "-o", str(output), "--workers", "1"]
    started = now()
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    seconds = now() - started
    if done.returncode:
        raise SystemExit(f"{' '.join(command + list(options))} ended with {done.returncode}\n{done.stderr.strip()}")
    return seconds
