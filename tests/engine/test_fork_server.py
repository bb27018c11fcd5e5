"""The process that workers are forked from: whose libraries it has, and what happens when it ends."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import gptkit
from gptkit.engine import fork_server
from gptkit.engine.pool import Pool

WHERE = """
import sys
sys.path[:0] = {path!r}
from gptkit.engine import pool
import look
made = pool.Pool(1)
print(pool.__file__)
print(dict(made.map(look.look, [look.Task()]))[0]["file"])
"""
LOOK = """
import dataclasses

@dataclasses.dataclass(frozen=True)
class Task:
    label: str = "look"

def look(task):
    from gptkit.engine import pool
    return {"file": pool.__file__}
"""


def work_of(number):
    return {"number": number, "pid": os.getpid()}


def end_the_server(number):
    """Ends the server once, in the middle of a task."""
    mark = Path(os.environ["MARK"])
    if number == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getppid(), signal.SIGKILL)
        signal.pause()
    return {"number": number}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "look.py").write_text(LOOK)
    return tmp_path


def run(folder, path, **environment):
    script = WHERE.format(path=[*path, str(folder)])
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=folder, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
    return done


def test_workers_have_the_parents_copy_of_the_code(folder):
    other = folder / "other"
    shutil.copytree(Path(gptkit.__file__).parent, other / "gptkit", ignore=shutil.ignore_patterns("__pycache__"))
    parents, workers = run(folder, [str(other)]).stdout.split()
    assert parents == workers == str(other / "gptkit" / "engine" / "pool.py")


def test_files_of_the_current_folder_are_not_taken_for_libraries(folder):
    for name in ("numpy", "signal", "threading", "multiprocessing", "pickle", "gptkit"):
        (folder / f"{name}.py").write_text("raise SystemExit('a file of the current folder was run')")
    script = f"import sys; sys.path.pop(0); sys.path.append({str(folder)!r})\n" + WHERE.format(path=[])
    environment = {**os.environ, "PYTHONSAFEPATH": ""}
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, cwd=folder, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr


def test_a_long_temporary_folder_is_none_too_long_and_nothing_stays_there(folder):
    long = folder / ("x" * 120)
    long.mkdir()
    run(folder, [], TMPDIR=str(long))
    assert list(long.iterdir()) == []


def test_when_the_server_ends_its_workers_do_and_others_go_on(tmp_path, monkeypatch):
    monkeypatch.setenv("MARK", str(tmp_path / "mark"))
    pool = Pool(2)
    found = dict(pool.map(end_the_server, range(8)))
    assert [found[number]["number"] for number in range(8)] == list(range(8))
    assert (tmp_path / "mark").exists()
    pool.close()


def test_a_server_that_ends_before_it_forks_is_started_again():
    server = fork_server.start()
    os.kill(server._process.pid, signal.SIGKILL)
    pool = Pool(1)
    assert next(pool.map(work_of, [1]))[1]["number"] == 1
    assert fork_server.start() is not server
    pool.close()


def test_the_servers_end_is_told_where_it_ends_each_time(monkeypatch):
    from gptkit.errors import GptkitError

    monkeypatch.setattr(fork_server, "SERVE", "raise SystemExit({})")
    fork_server.stop()
    pool = Pool(1)
    with pytest.raises(GptkitError, match="--workers 0 does without"):
        next(pool.map(work_of, [1]))
    monkeypatch.undo()
    assert next(pool.map(work_of, [1]))[1]["number"] == 1
    pool.close()
