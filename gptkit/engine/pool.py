"""Runs tasks on local processes. One task at a time a worker, so the parent knows who does what.

A task is a module-level function and one picklable argument; it may run twice with the same
result. A worker that dies is replaced and its task given to another, up to `ATTEMPTS` times.
"""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from gptkit.errors import GptkitError

ATTEMPTS = 3
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
DIE_WITH_PARENT = 1  # prctl's PR_SET_PDEATHSIG

Task = Any
Function = Callable[[Task], dict[str, Any]]


class Pool:
    """Local worker processes, started when first needed and kept for the next phase.

    With `workers` 0 tasks run in this process, one after the other (for debugging and tests).
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._idle: list[_Worker] = []

    def map(self, function: Function, tasks: Sequence[Task]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yields (task index, result) as tasks end, in any order.

        Raises GptkitError where a task raised one, or where a task ended its worker
        `ATTEMPTS` times; the other tasks in flight are given up.
        """
        if self.workers == 0:
            for index, task in enumerate(tasks):
                yield index, function(task)
            return
        waiting = deque(range(len(tasks)))
        attempts = [0] * len(tasks)
        busy: dict[Any, tuple[_Worker, int]] = {}  # by the worker's pipe
        try:
            while waiting or busy:
                while waiting and len(busy) < self.workers:
                    worker = self._idle.pop() if self._idle else _Worker()
                    index = waiting.popleft()
                    attempts[index] += 1
                    busy[worker.pipe] = (worker, index)
                    with contextlib.suppress(BrokenPipeError):  # it died idle; found out below
                        worker.pipe.send((function, tasks[index]))
                for pipe in wait(list(busy)):
                    worker, index = busy.pop(pipe)
                    try:
                        kind, value = worker.pipe.recv()
                    except (EOFError, OSError):  # it died before or while it answered
                        code = worker.exit_code()
                        if attempts[index] >= ATTEMPTS:
                            raise GptkitError(
                                f"{function.__name__}: {_name(tasks[index])} ended its worker {ATTEMPTS} times ({_how(code)})"
                            ) from None
                        waiting.append(index)
                        continue
                    self._idle.append(worker)
                    if kind == "error":
                        raise value
                    yield index, value
        finally:
            for worker, _ in busy.values():
                worker.stop()

    def close(self) -> None:
        """Ends the workers."""
        while self._idle:
            self._idle.pop().stop()


class _Worker:
    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, os.getpid()), daemon=True)
        with _environment(ONE_THREAD), _no_main_module():
            self.process.start()
        theirs.close()

    def exit_code(self) -> int | None:
        """The exit code of a process that closed its end of the pipe."""
        self.process.join(5)
        self.pipe.close()
        return self.process.exitcode

    def stop(self) -> None:
        """Ends the process, whatever it is doing."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _work(pipe: Connection, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:
            return
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            function, task = pipe.recv()
            try:
                answer = ("done", function(task))
            except (GptkitError, OSError) as error:
                answer = ("error", error)
            except BaseException as error:
                detail = "".join(traceback.format_exception(error))
                answer = ("error", RuntimeError(f"{function.__name__}: {_name(task)}\n{detail}"))
            pipe.send(answer)


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _no_main_module() -> Iterator[None]:
    """Keeps multiprocessing from running the program's main module again in the child."""
    main = sys.modules["__main__"]
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    main.__spec__ = None
    if file is not None:
        del main.__file__
    try:
        yield
    finally:
        main.__spec__ = spec
        if file is not None:
            main.__file__ = file


def _name(task: Task) -> str:
    return str(getattr(task, "label", None) or type(task).__name__)


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        return name + (", perhaps out of memory" if name == "SIGKILL" else "")
    return f"exit code {code}"
