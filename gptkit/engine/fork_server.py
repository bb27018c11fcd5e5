"""The process that workers are forked from.

It loads libraries once (see preloaded) while the parent still looks at its input, and the workers share their
memory. A worker that loads them by itself starts a second later. Only Linux has it: macOS's own libraries must
not be forked, so that workers there are new processes.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from multiprocessing import forkserver, resource_tracker

CONTEXT: multiprocessing.context.BaseContext = multiprocessing.get_context(
    "forkserver" if sys.platform == "linux" else "spawn"
)
# Each worker is one core: libraries that would start threads of their own are held to one.
ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "RAYON_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "ARROW_IO_THREADS",
    ),
    "1",
)
# The folder one is in holds data: a numpy.py there must not be taken for the library.
SAFE_PATH = {"PYTHONSAFEPATH": "1"}


def start() -> None:
    """Starts the server, where there is one and it does not run yet, and does not wait for it."""
    if CONTEXT.get_start_method() == "forkserver":
        CONTEXT.set_forkserver_preload(["gptkit.engine.preloaded"])
        resource_tracker.ensure_running()  # here, for it ends as_worker's hold on Ctrl-C
        with as_worker():
            forkserver.ensure_running()


@contextlib.contextmanager
def as_worker() -> Iterator[None]:
    """Processes started in the block have the environment of a worker, and Ctrl-C held back: while they import,
    they would print a traceback."""
    before = dict(os.environ)
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.environ.update(ONE_THREAD | SAFE_PATH)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
