"""A training run that is killed at any moment and started again ends as if nothing had happened."""

import dataclasses
import json
import random
import signal
import subprocess
import sys
import time

import pytest

from gptkit.data.manifest import read_manifest
from gptkit.engine.stage import WORK
from gptkit.training.settings import TrainSettings

SETTINGS = TrainSettings(
    model="nano", context=32, batch_tokens=128, steps=12, dtype="fp32", dropout=0.1, threads=1, validate_every=4,
    validate_tokens=200, checkpoint_every=3, reference=False,
)  # fmt: skip

# Forks a process for every line it is given, so that torch is imported once. The child trains and kills
# itself at the n-th time that it touches the disk, or after some seconds (0: never), by an alarm that
# Python does not see
SERVER = """
import json, os, shutil, signal, sys
from pathlib import Path
from gptkit.engine.pool import Pool
from gptkit.engine.progress import Progress
from gptkit.engine.stage import Runtime
from gptkit.training.settings import TrainSettings
from gptkit.training.stage import run

def counted(real, calls):
    def call(*arguments, **named):
        calls[0] -= 1
        if calls[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **named)
    return call

for line in sys.stdin:
    tokens, output, settings, count, seconds = json.loads(line)
    child = os.fork()
    if child == 0:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        calls = [count]
        for module, name in ((os, "fsync"), (os, "replace"), (os, "open"), (os, "unlink"), (os, "rmdir")):
            setattr(module, name, counted(getattr(module, name), calls))
        run([tokens], Path(output), TrainSettings(**settings), Runtime(Pool(0), Progress(quiet=True)))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def start(token_folder):
    """Runs a training that is killed at its n-th touch of the disk or after some seconds; gives its exit code."""
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with server:

        def started(output, touches=0, seconds=0.0):
            line = [str(token_folder.folder), str(output), dataclasses.asdict(SETTINGS), touches, seconds]
            server.stdin.write(json.dumps(line) + "\n")
            server.stdin.flush()
            return int(server.stdout.readline())

        yield started
        server.stdin.close()


@pytest.fixture(scope="module")
def undisturbed(start, tmp_path_factory):
    output = tmp_path_factory.mktemp("undisturbed") / "model"
    began = time.monotonic()
    assert start(output) == 0
    return output, time.monotonic() - began


def assert_same(output, undisturbed):
    assert read_manifest(output).digest == read_manifest(undisturbed).digest
    assert (output / "model.safetensors").read_bytes() == (undisturbed / "model.safetensors").read_bytes()
    assert not (output / WORK).exists()
    timeless = [
        [
            {key: value for key, value in json.loads(line).items() if "second" not in key}
            for line in (folder / "log.jsonl").open()
        ]
        for folder in (output, undisturbed)
    ]
    assert timeless[0] == timeless[1]


def test_killed_at_any_touch_of_the_disk(start, undisturbed, tmp_path):
    touches, codes = random.randint(1, 20), [-signal.SIGKILL]
    while codes[0] == -signal.SIGKILL:  # ever later, and killed twice more on the way
        output = tmp_path / str(touches)
        codes = [start(output, count) for count in (touches, touches // 3 + 1, touches // 2 + 2)]
        if codes[-1] != 0:
            assert start(output) == 0
        assert_same(output, undisturbed[0])
        touches += random.randint(20, 140)
    assert codes[0] == 0
    assert touches > 100


def test_killed_at_random_times(start, undisturbed, tmp_path):
    output, seconds = undisturbed
    for attempt in range(3):
        code = None
        while code != 0:
            code = start(tmp_path / str(attempt), seconds=random.uniform(0.01, seconds))
            assert code in (0, -signal.SIGALRM)
            seconds *= 1.1  # so that it ends at last
        assert_same(tmp_path / str(attempt), output)
