"""Many small documents, by the command: exact shares, equal digests, and a run that is killed in its middle."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

WEIGHTS = {"web": 0.6, "books": 0.3, "wiki": 0.1}
PARTS = {"web": 0.7, "books": 0.2, "wiki": 0.1}


def write(folder, documents):
    for name, part in PARTS.items():
        count = round(part * documents)
        lengths = np.random.default_rng(len(name)).integers(1, 90, count).tolist()
        texts = [f"{name} {number} " + "x" * length for number, length in enumerate(lengths)]
        pq.write_table(
            pa.table({"id": [f"{name}/{n}" for n in range(count)], "text": texts}), folder / f"{name}.parquet"
        )


def command(folder, output, *options):
    sources = [f"{name}={weight}:{folder / name}.parquet" for name, weight in WEIGHTS.items()]
    return [sys.executable, "-m", "gptkit", "mix", *sources, "-o", str(output), "--json", "--quiet", *options]


def mix(folder, output, *options):
    done = subprocess.run(command(folder, output, *options), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("documents", [60_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_shares_are_within_one_document_and_digests_equal_after_a_kill(tmp_path, documents):
    write(tmp_path, documents)
    options = ["--unit", "documents", "--documents", str(documents * 3 // 2)]
    straight = mix(tmp_path, tmp_path / "straight", *options, "--workers", "1")
    for name, weight in WEIGHTS.items():
        assert abs(straight["counts"]["sources"][name]["drawn_documents"] - weight * documents * 1.5) < 1
    output = tmp_path / "killed"
    process = subprocess.Popen(command(tmp_path, output, *options, "--workers", "2"), start_new_session=True)
    while process.poll() is None and not list((output / ".work" / "done" / "scatter").glob("*.json")):
        time.sleep(0.002)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert mix(tmp_path, output, *options, "--workers", "2")["digest"] == straight["digest"]
    by_bytes = mix(tmp_path, tmp_path / "bytes", "--workers", "1")["counts"]["sources"]
    for source in by_bytes.values():
        assert 0 <= source["drawn"] - source["wanted"] < 120
