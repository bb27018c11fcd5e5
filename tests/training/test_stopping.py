"""A run that is asked to stop saves the step in hand, says so in one line, and goes on from there."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = (
    "train --model nano --context 32 --batch-tokens 256 --steps 400 --threads 1 --dtype fp32 --no-reference".split()
)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_run_behind_the_step_in_hand(token_folder, tmp_path, number, code):
    output = tmp_path / "model"
    command = [sys.executable, "-m", "gptkit", *COMMAND, "--data", str(token_folder.folder), "-o", str(output)]
    log = output / ".work" / "log.jsonl"
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not (log.exists() and log.read_text().count("\n") > 3) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(process.pid, number)
        stderr = process.communicate(timeout=60)[1]
    assert process.returncode == code, stderr
    steps = [json.loads(line)["step"] for line in log.read_text().splitlines()]
    last = stderr.strip().splitlines()[-1]
    assert (
        last
        == f"gptkit: train: stopped by {number.name} after step {steps[-1]}, which is saved; the same command goes on"
    )
    assert [Path(path).name for path in (output / ".work" / "checkpoints").iterdir()] == [f"step-{steps[-1]:06d}"]
