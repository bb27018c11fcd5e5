"""The process that workers are forked from.

It loads libraries once (see preloaded), while the parent still looks at its input, and the workers share their memory;
a process that loads them by itself starts a second later. The server and the parent talk over a pair of sockets that
nobody else knows, and it ends with the parent. multiprocessing's own fork server is one for the whole process, which
belongs to the user, listens in a folder, and imports from wherever it is started.
"""

import atexit
import contextlib
import ctypes
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any

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
PRELOADS = sys.platform == "linux"  # macOS's own libraries must not be forked: there the server stays bare
DIE_WITH_PARENT = 1  # prctl's PR_SET_PDEATHSIG
SERVE = "from gptkit.engine.fork_server import serve; serve({})"


class ServerGone(Exception):
    """The server has ended, and its workers with it."""


class ForkServer:
    """The server and what it tells: the parent's side."""

    def __init__(self) -> None:
        """Starts it, and does not wait until it has loaded what it loads."""
        ours, theirs = socket.socketpair()
        path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
        # its libraries are the parent's; the folder one is in holds data, and a numpy.py there is none of them
        environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
        with theirs, _without_interrupts():
            self._process = subprocess.Popen(
                [sys.executable, "-c", SERVE.format(theirs.fileno())],
                env=environment,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self.owner = os.getpid()
        self._socket = ours
        self._connection = Connection(os.dup(ours.fileno()))
        self._number = 0
        self._forked: dict[int, int] = {}  # process ids by the number of the request
        self._ended: dict[int, int] = {}  # exit codes by process id

    def fork(self, target: Callable[..., None], descriptors: Sequence[int]) -> int:
        """Calls target(*descriptors) in a new process, which has copies of them; gives its id.

        `target` is a function of a module. Raises ServerGone.
        """
        self._number += 1
        request = (self._number, {**os.environ, **ONE_THREAD}, sys.path, os.getcwd(), pickle.dumps(target))
        with self._talking():
            self._connection.send((request, len(descriptors)))
            socket.send_fds(self._socket, [b"."], list(descriptors))
            while self._number not in self._forked:
                self._hear()
        return self._forked.pop(self._number)

    def exit_code(self, process: int, seconds: float) -> int | None:
        """The exit code of a process that was forked, waited for so long; None where it is not known."""
        deadline = time.monotonic() + seconds
        with contextlib.suppress(ServerGone), self._talking():
            while process not in self._ended and self._connection.poll(max(0.0, deadline - time.monotonic())):
                self._hear()
        return self._ended.get(process)

    def runs(self) -> bool:
        """Whether it is there, and this process's own."""
        return self.owner == os.getpid() and self._process.poll() is None

    def stop(self) -> None:
        """Ends it, and its workers."""
        if self.owner == os.getpid():
            self._process.kill()
            self._process.wait()
            self._connection.close()
            self._socket.close()

    def _hear(self) -> None:
        kind, key, value = self._connection.recv()
        (self._forked if kind == "forked" else self._ended)[key] = value

    @contextlib.contextmanager
    def _talking(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, OSError) as error:
            self.stop()  # it may not be quite gone yet
            raise ServerGone from error


_server: ForkServer | None = None


def start() -> ForkServer:
    """The server of this process, started where there is none, without waiting for it."""
    global _server
    if _server is None or not _server.runs():
        if _server is None:
            atexit.register(stop)
        _server = ForkServer()
    return _server


def stop() -> None:
    """Ends the server, where there is one."""
    if _server is not None:
        _server.stop()


def serve(descriptor: int) -> None:
    """The server's side: forks what it is asked for, and tells of every process that it has begun and that it ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if PRELOADS:
        import gptkit.engine.preloaded  # noqa: F401
    connection = Connection(descriptor)

    def bury(number: int, frame: Any) -> None:
        with contextlib.suppress(OSError):  # no child is left, or no parent
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                connection.send(("ended", found[0], os.waitstatus_to_exitcode(found[1])))

    signal.signal(signal.SIGCHLD, bury)
    with contextlib.suppress(EOFError, OSError):
        while True:
            request, count = connection.recv()
            with socket.socket(fileno=os.dup(descriptor)) as carrier:
                _, descriptors, _, _ = socket.recv_fds(carrier, 1, count)
            server = os.getpid()
            process = os.fork()
            if not process:
                connection.close()
                _begin(server, request, descriptors)
            connection.send(("forked", request[0], process))
            for each in descriptors:
                os.close(each)
    os._exit(0)  # taking the interpreter down would take half a second


def _begin(server: int, request: tuple[Any, ...], descriptors: Sequence[int]) -> None:
    """The forked process: becomes like one that the parent has started, and never returns."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
            if os.getppid() != server:
                os._exit(code)
        _, environment, path, folder, target = request
        os.environ.clear()
        os.environ.update(environment)
        sys.path[:] = path
        with contextlib.suppress(OSError):  # it may be gone
            os.chdir(folder)
        pickle.loads(target)(*descriptors)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Holds Ctrl-C back, also from a process that starts here: while it imports, it would print a traceback."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
