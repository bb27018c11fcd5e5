"""Runs tasks on local processes. One task at a time a worker, so the parent knows who does what.

A task is a module-level function and one picklable argument; it may run twice with the same
result. A worker that dies is replaced and its task given to another, up to `ATTEMPTS` times.

A function may be a generator: each value it yields is a *part*, which the parent takes down before
the generator goes on. A generator that waits to go on takes no worker's place.

A worker that dies twice at one document (see `watch`), or takes more time or memory for one than it
may, has that document quarantined, if its task has a field `quarantine`; the task then runs without
it. One that dies or hangs at many documents together runs again with `one_by_one` true, if its task
has that field, which shows the one it is.
"""

import contextlib
import dataclasses
import inspect
import mmap
import os
import signal
import tempfile
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import util
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any, Literal

from gptkit.engine import fork_server, watch
from gptkit.engine.fork_server import ServerGone
from gptkit.engine.garbage import collect_rarely
from gptkit.errors import GptkitError

ATTEMPTS = 3
DEATHS = 2  # at one document, after which it is quarantined
DOCUMENT_SECONDS = 60.0  # the longest a worker may be at one document: the last resort behind all other limits
WORKER_BYTES = 1_000_000_000  # of memory that one document may make a worker take
MANY = 10  # times as long for many documents together
END_SECONDS = 2.0  # that an idle worker has to end by itself
LOOK_SECONDS = 1.0  # how often the parent looks whether one takes longer
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
PLACE_BYTES = 16  # see watch

Task = Any
Function = Callable[[Task], Any]  # gives a dictionary, or is a generator of dictionaries
Kind = Literal["part", "done", "quarantined"]


@dataclasses.dataclass
class Work:
    """A function and its task. `key` is the asker's name for it."""

    key: Any
    function: Function
    task: Task  # a generator's has the field `parts`: what it yielded so far; it goes on behind them
    attempts: int = 0
    deaths: Counter[int] = dataclasses.field(default_factory=Counter)  # by document

    def add_part(self, part: dict[str, Any]) -> None:
        """Takes down what the generator yielded, so that it can go on if its worker dies."""
        self.task = dataclasses.replace(self.task, parts=(*self.task.parts, part))


class Pool:
    """Local worker processes, forked when first needed and kept for the next phase.

    With `workers` 0 tasks run in this process, one after the other (for debugging and tests).
    """

    def __init__(self, workers: int, document_seconds: float = DOCUMENT_SECONDS) -> None:
        self.workers = workers
        self.document_seconds = document_seconds
        self._idle: list[_Worker] = []

    def start(self) -> None:
        """Starts what workers are forked from and does not wait for it: called early, the first ones come sooner."""
        if self.workers:
            fork_server.start()

    def map(self, function: Function, tasks: Sequence[Task]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yields (task index, result) as tasks end, in any order. Raises as `run` does."""
        waiting = deque(Work(index, function, task) for index, task in enumerate(tasks))
        for work, kind, value in self.run(waiting, deque()):
            if kind == "done":
                yield work.key, value

    def run(self, waiting: deque[Work], urgent: deque[Work]) -> Iterator[tuple[Work, Kind, dict[str, Any]]]:
        """Yields what happens: a part of a generator, the result of a task, a document in quarantine.

        `waiting` holds what is to be done. The caller may add to `urgent` between two events: this
        is done first, then generators go on, then more is taken from `waiting`.
        Raises GptkitError where a task raised one, or where a task ended its worker `ATTEMPTS`
        times; the other tasks in flight are given up.
        """
        run = self._run_inline if self.workers == 0 else self._run_on_workers
        yield from run(waiting, urgent)

    def _run_inline(self, waiting: deque[Work], urgent: deque[Work]) -> Iterator[tuple[Work, Kind, dict[str, Any]]]:
        while waiting or urgent:
            work = urgent.popleft() if urgent else waiting.popleft()
            if not inspect.isgeneratorfunction(work.function):
                yield work, "done", work.function(work.task)
                continue
            for part in work.function(work.task):
                work.add_part(part)
                yield work, "part", part
                while urgent:
                    inner = urgent.popleft()
                    yield inner, "done", inner.function(inner.task)
            yield work, "done", {}

    def _run_on_workers(self, waiting: deque[Work], urgent: deque[Work]) -> Iterator[tuple[Work, Kind, dict[str, Any]]]:
        busy: dict[Any, tuple[_Worker, Work]] = {}  # by the worker's pipe
        paused: deque[tuple[_Worker, Work]] = deque()  # generators that wait to go on
        try:
            while waiting or urgent or busy or paused:
                while len(busy) < self.workers and (waiting or urgent or paused):
                    if not urgent and paused:
                        worker, work = paused.popleft()
                        message: Any = None
                    else:
                        work = urgent.popleft() if urgent else waiting.popleft()
                        worker = self._idle.pop() if self._idle else _Worker()
                        work.attempts += 1
                        message = (work.function, work.task)
                    busy[worker.pipe] = (worker, work)
                    with contextlib.suppress(BrokenPipeError):  # it died idle; found out below
                        worker.pipe.send(message)
                ready = wait(list(busy), LOOK_SECONDS)
                for pipe in [*ready, *self._overdue(busy, ready)]:
                    worker, work = busy.pop(pipe)
                    try:
                        kind, value = worker.pipe.recv()
                    except (EOFError, OSError):  # it died before or while it answered
                        event = self._bury(worker, work)
                        waiting.appendleft(work)
                        if event is not None:
                            yield work, "quarantined", event
                        continue
                    if kind == "part":
                        paused.append((worker, work))
                        work.add_part(value)
                    elif worker.late is None:
                        self._idle.append(worker)
                    else:  # it answered just before it was ended
                        worker.stop()
                    if kind == "error":
                        raise value
                    yield work, kind, value
        finally:
            for worker, _ in [*busy.values(), *paused]:
                worker.stop()

    def _overdue(self, busy: dict[Any, tuple["_Worker", Work]], ready: Sequence[Any]) -> list[Any]:
        """Ends the workers that have been at one place for too long, and gives their pipes."""
        late = []
        for pipe, (worker, _) in busy.items():
            seconds, document = watch.seconds(worker.place), worker.place[0]
            allowed = self.document_seconds * (MANY if document == watch.MANY else 1)
            too_large = document >= 0 and worker.memory() > WORKER_BYTES
            if pipe not in ready and (seconds > allowed or too_large):
                worker.late = document
                worker.why = (
                    f"took over {WORKER_BYTES / 1e9:g} GB of memory" if too_large else f"took over {allowed:g} s"
                )
                worker.kill()
                late.append(pipe)
        return late

    def _bury(self, worker: "_Worker", work: Work) -> dict[str, Any] | None:
        """Decides what becomes of a dead worker's task; gives the document that is quarantined, if one is.

        Raises GptkitError where the task is given up.
        """
        code = worker.exit_code()
        late = worker.late is not None
        document = worker.place[0] if worker.late is None else worker.late
        work.deaths[document] += code is not None  # else the server has ended, and all workers with it
        often = late or work.deaths[document] >= DEATHS
        if document == watch.MANY and often and getattr(work.task, "one_by_one", None) is False:
            work.attempts = 0
            work.task = dataclasses.replace(work.task, one_by_one=True)
            return None
        if document >= 0 and often and hasattr(work.task, "quarantine"):
            reason = worker.why if late else f"ended its worker ({_how(code)})"
            work.attempts = 0
            work.task = dataclasses.replace(work.task, quarantine=(*work.task.quarantine, (document, reason)))
            return {"document": document, "reason": reason}
        if work.attempts >= ATTEMPTS:
            raise GptkitError(
                f"{work.function.__name__}: {_name(work.task)} ended its worker {ATTEMPTS} times ({_how(code)})"
            )
        return None

    def close(self) -> None:
        """Ends the workers: what a library left open in them is closed."""
        for worker in self._idle:
            with contextlib.suppress(OSError):
                worker.pipe.send(None)
        while self._idle:
            worker = self._idle.pop()
            worker.exit_code(END_SECONDS)
            worker.stop()


class _Worker:
    """A process that does tasks. `place` is where it says what it is at (see watch)."""

    def __init__(self) -> None:
        self.late: int | None = None  # where it was when it was ended for taking too long or too much
        self.why = ""
        self.pipe, theirs = Pipe()
        with theirs, tempfile.TemporaryFile() as shared:
            shared.truncate(PLACE_BYTES)
            self.place = memoryview(mmap.mmap(shared.fileno(), PLACE_BYTES)).cast("q")
            self.place[0] = watch.NOWHERE
            self._fork([theirs.fileno(), shared.fileno()])

    def _fork(self, descriptors: Sequence[int]) -> None:
        for _ in range(ATTEMPTS):
            self._server = fork_server.start()
            with contextlib.suppress(ServerGone):
                self.process = self._server.fork(_work, descriptors)
                return
        raise GptkitError(
            "no worker can be started: the process that they are forked from has ended each time, perhaps for want "
            "of memory; --workers 0 does without"
        )

    def exit_code(self, seconds: float = 5.0) -> int | None:
        """The exit code of a process that ends within so long; None where it does not, or where nobody knows."""
        return self._server.exit_code(self.process, seconds)

    def kill(self) -> None:
        """Ends the process, whatever it is doing."""
        if self._server.runs() and self.exit_code(0) is None:  # else it is gone, and the number may be another's
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process, signal.SIGKILL)

    def memory(self) -> int:
        """Bytes of memory the process holds; 0 where the system does not say."""
        try:
            pages = int(Path(f"/proc/{self.process}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0
        return pages * PAGE_BYTES

    def stop(self) -> None:
        """Ends the process and waits until it is gone."""
        self.kill()
        self.exit_code()
        self.pipe.close()


class _ParentGone(Exception):
    """Nobody is there to take the answer: the worker ends."""


def _work(connection: int, place: int) -> None:
    """A worker's life, by the descriptors of its end of the pipe and of the memory of its place."""
    pipe = Connection(connection)
    collect_rarely()
    watch.attach(memoryview(mmap.mmap(place, PLACE_BYTES)).cast("q"))
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError, _ParentGone):
        while True:
            message = pipe.recv()
            if message is None:
                util._exit_function()  # type: ignore[attr-defined]  # closes what libraries opened, such as semaphores
                os._exit(0)  # taking the interpreter down would take half a second
            function, task = message
            answer: tuple[str, Any]
            try:
                answer = ("done", _call(pipe, function, task))
            except _ParentGone:
                raise
            except (GptkitError, OSError) as error:
                answer = ("error", error)
            except BaseException as error:
                detail = "".join(traceback.format_exception(error))
                answer = ("error", RuntimeError(f"{function.__name__}: {_name(task)}\n{detail}"))
            watch.leave()
            pipe.send(answer)


def _call(pipe: Connection, function: Function, task: Task) -> dict[str, Any]:
    if not inspect.isgeneratorfunction(function):
        result: dict[str, Any] = function(task)
        return result
    for part in function(task):
        try:
            pipe.send(("part", part))
            pipe.recv()  # the parent has taken it down
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise _ParentGone from None
    return {}


def _name(task: Task) -> str:
    return str(getattr(task, "label", None) or type(task).__name__)


def _how(code: int | None) -> str:
    if code is None:
        return "with the process that workers are forked from, perhaps out of memory"
    if code < 0:
        name = signal.Signals(-code).name
        return name + (", perhaps out of memory" if name == "SIGKILL" else "")
    return f"exit code {code}"
