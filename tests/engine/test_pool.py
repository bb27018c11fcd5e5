import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gptkit.engine.fork_server import ONE_THREAD
from gptkit.engine.pool import Pool, _Worker
from gptkit.errors import GptkitError, UsageError


@dataclasses.dataclass(frozen=True)
class Task:
    number: int
    folder: Path | None = None

    @property
    def label(self):
        return f"task number {self.number}"


def square(task):
    time.sleep(0.001 * (task.number % 3))
    return {"square": task.number**2}


def die_once(task):
    """Ends its worker the first time it sees an odd task."""
    mark = task.folder / str(task.number)
    if task.number % 2 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"square": task.number**2}


def die(task):
    if task.number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return {}


def leave(task):
    os._exit(3)


def die_while_answering(task):
    """Dies while a large answer is on its way, the first time; begins it when the parent does not read."""
    mark = task.folder / "mark"
    if task.number and not mark.exists():
        mark.touch()
        while not (task.folder / "busy").exists():
            time.sleep(0.01)
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGKILL)).start()
        return {"text": "x" * 50_000_000}
    return {"number": task.number}


def fail(task):
    raise {0: ValueError("a bug"), 1: UsageError("a mistake"), 2: FileNotFoundError(2, "No such file", "a.txt")}[
        task.number
    ]


def look(task):
    time.sleep(0.05)
    return {"pid": os.getpid(), "environment": {name: os.environ.get(name) for name in ONE_THREAD}}


def answer_in_spite_of_interrupt(task):
    os.kill(os.getpid(), signal.SIGINT)
    return {}


@pytest.fixture
def pool():
    pool = Pool(2)
    yield pool
    pool.close()


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
def test_results_are_equal_for_any_number_of_workers(workers):
    pool = Pool(workers)
    found = dict(pool.map(square, [Task(number) for number in range(20)]))
    pool.close()
    assert found == {number: {"square": number**2} for number in range(20)}


def test_no_tasks(pool):
    assert list(pool.map(square, [])) == []


def test_a_task_whose_worker_died_runs_again(pool, tmp_path):
    found = dict(pool.map(die_once, [Task(number, tmp_path) for number in range(6)]))
    assert found == {number: {"square": number**2} for number in range(6)}


def test_a_task_that_always_ends_its_worker_is_named(pool):
    with pytest.raises(
        GptkitError, match=r"die: task number 2 ended its worker 3 times \(SIGKILL, perhaps out of memory\)"
    ):
        list(pool.map(die, [Task(number) for number in range(4)]))
    assert len(list(pool.map(square, [Task(1), Task(2)]))) == 2  # the pool goes on


def test_an_exit_code_is_named(pool):
    with pytest.raises(GptkitError, match="exit code 3"):
        list(pool.map(leave, [Task(1)]))


def test_a_worker_that_dies_while_it_answers(pool, tmp_path):
    answers = pool.map(die_while_answering, [Task(0, tmp_path), Task(1, tmp_path)])
    first = next(answers)
    (tmp_path / "busy").touch()
    time.sleep(1.5)  # the other worker fills the pipe, and dies
    assert dict([first, *answers]) == {0: {"number": 0}, 1: {"number": 1}}


@pytest.mark.parametrize("workers", [0, 1])
def test_mistakes_and_the_machines_failures_keep_their_kind(workers):
    pool = Pool(workers)
    with pytest.raises(UsageError, match="a mistake"):
        list(pool.map(fail, [Task(1)]))
    with pytest.raises(FileNotFoundError) as error:
        list(pool.map(fail, [Task(2)]))
    assert error.value.filename == "a.txt"
    pool.close()


def test_a_bug_keeps_its_traceback(pool):
    with pytest.raises(RuntimeError, match=r"(?s)fail: task number 0.*Traceback.*in fail.*ValueError: a bug"):
        list(pool.map(fail, [Task(0)]))


def test_workers_are_kept_and_use_one_thread_each(pool, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    first = [result for _, result in pool.map(look, [Task(n) for n in range(4)])]
    second = [result for _, result in pool.map(look, [Task(n) for n in range(4)])]
    pids = {result["pid"] for result in first}
    assert len(pids) == 2
    assert {result["pid"] for result in second} == pids
    assert all(set(result["environment"].values()) == {"1"} for result in first)
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_a_worker_that_died_idle_is_replaced(pool):
    pids = {result["pid"] for _, result in pool.map(look, [Task(n) for n in range(4)])}
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.1)
    assert len(list(pool.map(square, [Task(n) for n in range(4)]))) == 4


def test_workers_leave_interrupts_to_the_parent(pool):
    assert list(pool.map(answer_in_spite_of_interrupt, [Task(1)])) == [(0, {})]


PARENT = """
import sys, time
sys.path.insert(0, {folder!r})
from gptkit.engine.pool import Pool
import test_pool

pool = Pool(2)
for _, result in pool.map(test_pool.look, [test_pool.Task(n) for n in range(6)]):
    print(result["pid"], flush=True)
for _ in pool.map(test_pool.sleep, [test_pool.Task(n) for n in range(2)]):
    pass
"""


def sleep(task):
    time.sleep(600)
    return {}


def alive(pid):
    """Whether a process runs; one that ended and waits for its parent to ask does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_no_worker_outlives_a_killed_parent():
    script = PARENT.format(folder=str(Path(__file__).parent))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        pids = {int(parent.stdout.readline()) for _ in range(6)}
        assert len(pids) == 2
        assert all(map(alive, pids))
        parent.kill()
    deadline = time.monotonic() + 10
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(alive, pids))


@pytest.mark.skipif(sys.platform != "linux", reason="looks at a process in /proc")
def test_ctrl_c_never_reaches_a_worker_not_even_while_it_starts():
    worker = _Worker()
    ignored = False
    while not ignored:
        status = Path(f"/proc/{worker.process}/status").read_text().splitlines()
        signals = {line[:6]: int(line.split()[1], 16) for line in status if line.startswith("Sig") and "/" not in line}
        held, ignored = (bool(signals[name] >> signal.SIGINT - 1 & 1) for name in ("SigBlk", "SigIgn"))
        assert held or ignored
    worker.stop()
