import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Annotated

import pytest

from gptkit.data.files import atomic_path
from gptkit.data.manifest import Shard, read_manifest
from gptkit.engine.pool import Pool
from gptkit.engine.progress import Progress
from gptkit.engine.stage import Runtime, Stage
from gptkit.errors import GptkitError


@dataclasses.dataclass(frozen=True)
class Settings:
    letter: Annotated[str, "What is written."] = "a"
    shards: Annotated[int, "How many."] = 3


@dataclasses.dataclass(frozen=True)
class Task:
    path: Path
    text: str
    log: Path
    fatal: bool = False

    @property
    def label(self):
        return self.path.name


def work(task):
    with open(task.log, "a") as log:
        log.write(task.path.name + "\n")
    if task.fatal:
        os.kill(os.getpid(), signal.SIGKILL)
    with atomic_path(task.path) as path:
        path.write_text(task.text)
    return {"characters": len(task.text)}


def runtime(workers=0, **options):
    return Runtime(Pool(workers), Progress(quiet=True), **options)


def make(folder, settings=None, fatal=None, inputs=(), version=1, log=None, **options):
    """A stage of two phases: scratch files, then shards in a folder below and a log beside them."""
    settings = settings or Settings()
    log = log or folder.parent / "log"
    with Stage("demo", version, settings, list(inputs), folder, runtime(**options)) as stage:
        if stage.finished or not stage.begin(f"{settings.shards} shards"):
            return stage.finished
        numbers = range(settings.shards)
        texts = [settings.letter * (number + 1) for number in numbers]
        stage.phase(
            "first", work, [Task(stage.scratch / f"s{n}", texts[n], log, fatal == ("first", n)) for n in numbers]
        )
        tasks = [Task(stage.out / f"part/{n}.txt", texts[n], log, fatal == ("second", n)) for n in numbers]
        results = stage.phase("second", work, tasks)
        (stage.out / "notes.txt").write_text("notes")
        shards = [Shard.describe(stage.out, task.path, 1) for task in tasks]
        return stage.close(
            shards, {"characters": sum(r["characters"] for r in results)}, {"n": len(shards)}, ["notes.txt"]
        )


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def check(folder, settings=None):
    """The folder holds the whole result and nothing else."""
    settings = settings or Settings()
    manifest = read_manifest(folder)
    assert files(folder) == sorted(["manifest.json", "notes.txt", *(f"part/{n}.txt" for n in range(settings.shards))])
    for number, shard in enumerate(manifest.shards):
        data = (folder / shard.name).read_bytes()
        assert data == settings.letter.encode() * (number + 1)
        assert hashlib.sha256(data).hexdigest() == shard.sha256
    assert manifest.counts == {"characters": sum(range(settings.shards + 1))}
    return manifest


def killed(function, *arguments, **options):
    """Runs in a child that kills itself sooner or later; whether it did."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            function(*arguments, **options)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


class Killed(BaseException):
    """Stands for SIGKILL: once raised, no later change of the file system takes place."""


def stopped_before_change(number, function, *arguments, **options):
    """Runs until before the number-th change of the file system; whether it got that far.

    In this process, since one would have to fork some hundred times.
    """
    left = number

    def counted(change):
        def change_or_die(*args, **kwargs):
            nonlocal left
            left -= 1
            if left <= 0:
                raise Killed
            return change(*args, **kwargs)

        return change_or_die

    with pytest.MonkeyPatch.context() as patch:
        for name in ("replace", "unlink", "rmdir", "mkdir"):
            patch.setattr(os, name, counted(getattr(os, name)))
        try:
            function(*arguments, **options)
        except Killed:
            return True
    return False


def test_a_stage_is_made_once(tmp_path):
    folder, log = tmp_path / "out", tmp_path / "log"
    first = make(folder)
    check(folder)
    before = log.read_text()
    again = make(folder)
    assert again.digest == first.digest == json.loads((folder / "manifest.json").read_text())["digest"]
    assert log.read_text() == before
    assert make(tmp_path / "other").digest == first.digest


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_results_do_not_depend_on_workers(tmp_path, workers):
    run = runtime(workers)
    with Stage("demo", 1, Settings(), [], tmp_path / "out", run) as stage:
        stage.begin("x")
        tasks = [Task(stage.out / f"{n}.txt", "a" * n, tmp_path / "log") for n in range(5)]
        assert stage.phase("only", work, tasks) == [{"characters": n} for n in range(5)]
    run.pool.close()


@pytest.mark.parametrize("fatal", [("first", 1), ("second", 0), ("second", 2)])
def test_a_killed_run_goes_on_behind_its_last_task(tmp_path, fatal):
    folder, log = tmp_path / "out", tmp_path / "log"
    assert killed(make, folder, fatal=fatal)
    with pytest.raises(GptkitError, match="run the command that was writing it again"):
        read_manifest(folder)
    make(folder)
    check(folder)
    ran = log.read_text().split()
    lost = f"s{fatal[1]}" if fatal[0] == "first" else f"{fatal[1]}.txt"
    assert sorted(ran) == sorted(["s0", "s1", "s2", "0.txt", "1.txt", "2.txt", lost])


@pytest.fixture
def no_sync(monkeypatch):
    """Hundreds of runs would wait for the disk hundreds of times."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def test_killed_before_every_change_of_the_file_system(tmp_path, no_sync):
    expected = make(tmp_path / "expected").digest
    number = 0
    while True:
        number += 1
        folder = tmp_path / str(number) / "out"
        folder.parent.mkdir()
        was_killed = stopped_before_change(number, make, folder)
        if (folder / "manifest.json").exists():  # then all it lists is there
            assert read_manifest(folder).digest == expected
        assert make(folder).digest == expected
        check(folder)
        if not was_killed:
            break
    assert number > 20


@pytest.mark.parametrize("repeat", ["overwrite", "without"])
def test_killed_while_replacing_another_result(tmp_path, no_sync, repeat):
    old, new = Settings("old", 4), Settings("b", 2)
    expected = make(tmp_path / "expected", new).digest
    number = 0
    while True:
        number += 1
        folder = tmp_path / str(number) / "out"
        folder.parent.mkdir()
        make(folder, old)
        was_killed = stopped_before_change(number, make, folder, new, overwrite=True)
        if repeat == "without":
            with contextlib.suppress(GptkitError):  # the old plan may be still there
                assert make(folder, new).digest == expected
        assert make(folder, new, overwrite=True).digest == expected
        check(folder, new)
        if not was_killed:
            break
    assert number > 20


def test_the_old_command_after_a_killed_replacement(tmp_path, no_sync):
    old, new = Settings("old", 4), Settings("b", 2)
    expected = make(tmp_path / "expected", old).digest
    for number in range(1, 12):
        folder = tmp_path / str(number) / "out"
        folder.parent.mkdir()
        make(folder, old)
        assert stopped_before_change(number, make, folder, new, overwrite=True)
        assert make(folder, old, overwrite=True).digest == expected
        assert files(folder) == files(tmp_path / "expected")


def test_other_things_are_never_overwritten(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "thesis.tex").write_text("x")
    for overwrite in (False, True):
        with pytest.raises(GptkitError, match="already holds something else"):
            make(folder, overwrite=overwrite)
    assert files(folder) == ["thesis.tex"]
    with pytest.raises(GptkitError, match="is a file; name a folder"):
        make(folder / "thesis.tex")
    (tmp_path / "empty").mkdir()
    make(tmp_path / "empty")


def test_files_of_others_beside_a_result_stay(tmp_path):
    folder = tmp_path / "out"
    make(folder)
    (folder / "part/mine.txt").write_text("x")
    make(folder, Settings("b"), overwrite=True)
    assert (folder / "part/mine.txt").read_text() == "x"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"settings": Settings("b")}, "letter: 'a' there, 'b' now"),
        ({"version": 2}, "made by version 1 of this stage, and this is version 2"),
        ({"limit": 5}, "limit: None there, 5 now"),
        ({"inputs": [{"name": "x", "digest": "y"}]}, "its input was another one"),
    ],
)
@pytest.mark.parametrize("state", ["finished", "unfinished"])
def test_another_plan_is_refused_and_the_difference_named(tmp_path, change, words, state):
    folder = tmp_path / "out"
    if state == "finished":
        make(folder)
    else:
        assert killed(make, folder, fatal=("second", 1))
    with pytest.raises(GptkitError, match=words) as error:
        make(folder, **change)
    assert "--overwrite" in str(error.value)
    make(folder, **change, overwrite=True)
    check(folder, change.get("settings"))


def test_shards_of_the_old_result_go(tmp_path):
    folder = tmp_path / "out"
    make(folder, Settings("a", 5))
    make(folder, Settings("a", 2), overwrite=True)
    check(folder, Settings("a", 2))


@pytest.mark.parametrize("damage", [lambda p: p.unlink(), lambda p: p.write_text("longer than before")])
def test_a_damaged_result_is_made_again(tmp_path, damage):
    folder = tmp_path / "out"
    digest = make(folder).digest
    damage(folder / "part/1.txt")
    assert make(folder).digest == digest
    check(folder)


def test_dry_run_changes_nothing(tmp_path):
    folder = tmp_path / "out"
    assert make(folder, dry_run=True) is None
    assert not folder.exists()
    make(folder)
    assert make(folder, Settings("b"), dry_run=True) is None
    check(folder)


def test_two_runs_do_not_write_to_one_folder(tmp_path):
    folder = tmp_path / "out"
    with Stage("demo", 1, Settings(), [], folder, runtime()) as stage:
        stage.begin("x")
        stage.phase("first", work, [Task(stage.scratch / "s0", "a", tmp_path / "log")])
        for settings in (Settings(), Settings("b")):
            with pytest.raises(GptkitError, match="another gptkit is writing there now"):
                make(folder, settings, overwrite=True)
        assert (stage.scratch / "s0").exists()
    make(folder)
    check(folder)


def test_the_lock_is_free_after_a_kill(tmp_path):
    assert killed(make, tmp_path / "out", fatal=("first", 2))
    with open(tmp_path / "out/.work/lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_failure_before_the_first_result_leaves_nothing(tmp_path):
    def fail():
        with Stage("demo", 1, Settings(), [], tmp_path / "out", runtime()) as stage:
            stage.begin("x")
            raise GptkitError("no")

    with pytest.raises(GptkitError, match="no"):
        fail()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"stage": "demo"}', '{"x": 1}'])
def test_a_broken_plan_is_one_clear_line(tmp_path, text):
    (tmp_path / "out/.work").mkdir(parents=True)
    (tmp_path / "out/.work/plan.json").write_text(text)
    with pytest.raises(GptkitError, match=r"plan\.json"):
        make(tmp_path / "out")


def test_a_manifest_that_names_files_elsewhere_deletes_nothing(tmp_path):
    folder = tmp_path / "out"
    make(folder)
    (tmp_path / "precious").write_text("x")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["run"]["beside"] = ["../precious"]  # outside the digest
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(GptkitError, match="changed by hand"):
        make(folder, Settings("b"), overwrite=True)
    assert (tmp_path / "precious").exists()


@pytest.fixture
def tiny_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_fails_and_the_same_command_goes_on(tiny_disk, tmp_path):
    (tiny_disk / "ballast").write_bytes(bytes(60_000))
    with pytest.raises(OSError, match="No space left"):
        make(tiny_disk / "out", Settings("a" * 9000, 3), log=tmp_path / "log")
    assert not list(tiny_disk.rglob("*.gptkit-tmp"))
    (tiny_disk / "ballast").unlink()
    make(tiny_disk / "out", Settings("a" * 9000, 2), log=tmp_path / "log", overwrite=True)
    assert len(read_manifest(tiny_disk / "out").shards) == 2
