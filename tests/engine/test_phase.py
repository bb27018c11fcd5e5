import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gptkit.data.files import atomic_path
from gptkit.engine import watch
from gptkit.engine.phase import Feed, Phase
from gptkit.engine.pool import Pool
from gptkit.engine.progress import Progress
from gptkit.errors import GptkitError

CHUNKS = 12


@dataclasses.dataclass(frozen=True)
class Read:
    """A reader of lines that commits chunks of ten."""

    scratch: Path
    log: Path
    name: str = "feed"
    parts: tuple[dict, ...] = ()
    fatal: int | None = None  # the chunk at which the first reader dies

    @property
    def label(self):
        return self.name


@dataclasses.dataclass(frozen=True)
class Add:
    path: Path
    log: Path


def read(task):
    for number in range(len(task.parts), CHUNKS):
        with open(task.log, "a") as log:
            log.write(f"read {task.name} {number}\n")
        if task.fatal == number and not (task.scratch / "died").exists():
            (task.scratch / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        name = f"{task.name}-{number}"
        with atomic_path(task.scratch / name) as path:
            path.write_text("\n".join(str(number * 10 + row) for row in range(10)))
        yield {"chunk": name, "first": number * 10}


def add(task):
    with open(task.log, "a") as log:
        log.write(f"add {task.path.name}\n")
    time.sleep(0.01)
    return {"sum": sum(map(int, task.path.read_text().split()))}


def run(folder, workers=0, fatal=None, feeds=2):
    """Two feeds and a plain task between them; gives the results in order."""
    scratch, log = folder / "scratch", folder / "log"
    scratch.mkdir(parents=True, exist_ok=True)
    (scratch / "plain").write_text("1\n2")
    names = [f"feed{n}" for n in range(feeds)]
    tasks = [
        Feed(read, Read(scratch, log, name, fatal=fatal), lambda n, part: Add(scratch / part["chunk"], log))
        for name in names
    ]
    tasks.insert(1, Add(scratch / "plain", log))
    pool = Pool(workers)
    phase = Phase("demo", add, tasks, folder / "done", scratch)
    try:
        phase.run(pool, Progress(quiet=True), lambda results: "")
    finally:
        pool.close()
    return [result["sum"] for result in phase.in_order()]


EXPECTED = [sum(range(n * 10, n * 10 + 10)) for n in range(CHUNKS)]


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
def test_chunks_become_tasks_in_the_order_of_the_feed(tmp_path, workers):
    assert run(tmp_path, workers) == [*EXPECTED, 3, *EXPECTED]
    left = sorted(path.name for path in (tmp_path / "scratch").iterdir())
    assert left == ["plain"]  # a chunk goes when its task is done


@pytest.mark.parametrize("workers", [1, 2])
def test_a_reader_waits_until_there_is_room(tmp_path, workers):
    run(tmp_path, workers, feeds=1)
    log = (tmp_path / "log").read_text().splitlines()
    ahead = most = 0
    for line in log:
        ahead += 1 if line.startswith("read") else -1 if "feed" in line else 0
        most = max(most, ahead)
    assert most <= workers + 1


def test_a_reader_that_dies_goes_on_behind_its_last_chunk(tmp_path):
    assert run(tmp_path, 1, fatal=5, feeds=1) == [*EXPECTED, 3]
    log = (tmp_path / "log").read_text().splitlines()
    assert [log.count(f"read feed0 {n}") for n in range(CHUNKS)] == [1] * 5 + [2] + [1] * 6


SCRIPT = """
import sys
sys.path.insert(0, {here!r})
from pathlib import Path
import test_phase
print(test_phase.run(Path({folder!r}), 2))
"""


def test_killed_at_random_moments(tmp_path):
    command = [sys.executable, "-c", SCRIPT.format(here=str(Path(__file__).parent), folder=str(tmp_path))]
    random.seed(3)
    for _ in range(4):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            time.sleep(random.uniform(0.3, 0.9))
            process.kill()
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert json.loads(found) == [*EXPECTED, 3, *EXPECTED]


@dataclasses.dataclass(frozen=True)
class Documents:
    """A task of ten documents, some of which do harm."""

    folder: Path
    crash: tuple[int, ...] = ()
    hang: tuple[int, ...] = ()
    once: bool = False  # only the first worker dies
    quarantine: tuple[tuple[int, str], ...] = ()

    @property
    def label(self):
        return "ten documents"


def visit(task):
    left_out = dict(task.quarantine)
    for number in range(10):
        if number in left_out:
            continue
        watch.at(number)
        mark = task.folder / f"mark{number}"
        if number in task.crash and not (task.once and mark.exists()):
            mark.touch()
            os.kill(os.getpid(), signal.SIGSEGV)
        if number in task.hang:
            time.sleep(600)
    return {"kept": 10 - len(left_out), "quarantine": dict(task.quarantine)}


def quarantined(tmp_path, capsys=None, **harm):
    pool = Pool(1, document_seconds=0.5)
    phase = Phase("demo", visit, [Documents(tmp_path, **harm)], tmp_path / "done", tmp_path)
    try:
        phase.run(pool, Progress(quiet=capsys is None), lambda results: "")
    finally:
        pool.close()
    return phase.in_order()[0]


def test_a_document_that_ends_its_worker_is_quarantined(tmp_path, capsys):
    found = quarantined(tmp_path, capsys, crash=(3, 7))
    assert found == {"kept": 8, "quarantine": {str(n): "ended its worker (SIGSEGV)" for n in (3, 7)}}
    assert "ten documents: document 7: ended its worker (SIGSEGV)" in capsys.readouterr().err


def test_a_document_that_hangs_its_worker_is_quarantined(tmp_path):
    assert quarantined(tmp_path, hang=(4,)) == {"kept": 9, "quarantine": {"4": "took over 0.5 s"}}


def test_an_accident_is_no_reason_for_quarantine(tmp_path):
    assert quarantined(tmp_path, crash=(5,), once=True) == {"kept": 10, "quarantine": {}}


def test_many_accidents_at_different_documents_end_the_run(tmp_path):
    with pytest.raises(GptkitError, match="ten documents ended its worker 3 times"):
        quarantined(tmp_path, crash=(1, 2, 3, 4), once=True)


def test_a_later_run_knows_the_quarantine(tmp_path):
    quarantined(tmp_path, hang=(4,))
    (tmp_path / "done" / "000000.json").unlink()  # as if it had been killed right after
    started = time.monotonic()
    assert quarantined(tmp_path, hang=(4,))["kept"] == 9
    assert time.monotonic() - started < 10
    assert json.loads((tmp_path / "done" / "000000.quarantine.json").read_text()) == [[4, "took over 0.5 s"]]


@dataclasses.dataclass(frozen=True)
class Together(Documents):
    """The same, looked at all together unless told otherwise."""

    one_by_one: bool = False


def visit_together(task):
    left_out = dict(task.quarantine)
    watch.at_many()
    for number in range(10):
        if number in left_out:
            continue
        if task.one_by_one:
            watch.at(number)
        if number in task.crash:
            os.kill(os.getpid(), signal.SIGSEGV)
        if number in task.hang:
            time.sleep(600)
    return {"kept": 10 - len(left_out), "quarantine": dict(task.quarantine)}


def test_harm_among_many_documents_is_narrowed_down(tmp_path):
    pool = Pool(1, document_seconds=0.2)
    tasks = [Together(tmp_path, crash=(3,)), Together(tmp_path, hang=(8,))]
    phase = Phase("demo", visit_together, tasks, tmp_path / "done", tmp_path)
    try:
        phase.run(pool, Progress(quiet=True), lambda results: "")
    finally:
        pool.close()
    assert phase.in_order() == [
        {"kept": 9, "quarantine": {"3": "ended its worker (SIGSEGV)"}},
        {"kept": 9, "quarantine": {"8": "took over 0.2 s"}},
    ]
