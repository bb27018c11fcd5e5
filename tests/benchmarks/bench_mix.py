"""`gptkit mix` on a million small documents of three sources: the shares it realises, its time and memory.

    python tests/benchmarks/bench_mix.py [--documents 1000000]

Asks for weights by documents and by bytes, with a budget that reads one source more than twice;
compares the digests of one and of two workers, and that of a run that was killed in its middle.
Prints Markdown. Writes into a temporary folder only.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measure import now, table

SOURCES = {"web": (0.7, 0.60), "books": (0.2, 0.30), "wiki": (0.1, 0.10)}  # part of the documents, weight
WORDS = 40  # of a document, at most


def write(folder: Path, documents: int) -> None:
    """Three Parquet files of small documents, of different mean lengths."""
    draws = np.random.Generator(np.random.PCG64(1))
    words = np.array([f"{number:x}" for number in draws.integers(1 << 12, 1 << 24, 4000)])
    for name, (part, _) in SOURCES.items():
        count = round(documents * part)
        most = {"web": WORDS, "books": WORDS // 2, "wiki": WORDS // 4}[name]
        lengths = draws.integers(1, most, count)
        picked = words[draws.integers(0, len(words), int(lengths.sum()))]
        ends = np.cumsum(lengths)
        texts = [" ".join(picked[end - length : end]) for end, length in zip(ends, lengths, strict=True)]
        ids = [f"{name}/{number}" for number in range(count)]
        pq.write_table(pa.table({"id": ids, "text": texts}), folder / f"{name}.parquet", row_group_size=100_000)


def command(folder: Path, output: Path, workers: int, *options: str) -> list[str]:
    """The command that mixes the sources."""
    asked = [f"{name}={weight}:{folder / name}.parquet" for name, (_, weight) in SOURCES.items()]
    words = [sys.executable, "-m", "gptkit", "mix", *asked, "-o", str(output), "--workers", str(workers)]
    return [*words, *options, "--quiet"]


def mix(folder: Path, output: Path, workers: int, *options: str) -> tuple[float, float, dict]:
    """Seconds, megabytes of memory at the peak of the process that used most, and the manifest."""
    watch = (
        "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:]).returncode; "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr); sys.exit(done)"
    )
    started = now()
    words = [sys.executable, "-c", watch, *command(folder, output, workers, *options)]
    done = subprocess.run(words, capture_output=True, text=True)
    seconds = now() - started
    if done.returncode:
        raise SystemExit(done.stderr.strip())
    return seconds, int(done.stderr.split()[-1]) / 1e3, json.loads((output / "manifest.json").read_text())


def killed(folder: Path, output: Path, *options: str) -> str:
    """The digest of a run that is killed with its workers when one portion is scattered, and then started again."""
    process = subprocess.Popen(command(folder, output, 2, *options), start_new_session=True)
    while process.poll() is None and not list((output / ".work" / "done" / "scatter").glob("*.json")):
        time.sleep(0.005)
    if process.poll() is not None:
        raise SystemExit("the run was over before it was killed")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return str(mix(folder, output, 2, *options)[2]["digest"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000_000, help="of all sources (default: a million)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        report(Path(name), arguments.documents)


def report(folder: Path, documents: int) -> None:
    """Measures everything and prints it."""
    write(folder, documents)
    size = sum(
        int(np.sum([len(text) for text in pq.read_table(folder / f"{name}.parquet")["text"].to_pylist()]))
        for name in SOURCES
    )
    budgets = {"documents": documents, "bytes": size}
    print(f"## {documents:,} documents of {len(SOURCES)} sources, {size / 1e6:.1f} MB of text, start-up included\n")
    speed, exact = [], []
    for unit, budget in budgets.items():
        options = ["--unit", unit, f"--{unit}", str(budget)]
        runs = {}
        for workers in (1, 2):
            output = folder / f"{unit}-{workers}"
            seconds, peak, manifest = mix(folder, output, workers, *options)
            runs[workers] = seconds, manifest["digest"]
            drawn = manifest["counts"]["bytes_out"] / 1e6
            speed.append((unit, workers, seconds, drawn / seconds, peak, manifest["digest"][:16]))
        again = killed(folder, folder / f"{unit}-killed", *options)
        same = "equal" if {again, runs[1][1]} == {runs[2][1]} else "NOT EQUAL"
        speed.append((unit, "2, killed and gone on", "", "", "", f"{again[:16]} ({same})"))
        for name, source in manifest["counts"]["sources"].items():
            over = source["drawn"] - source["wanted"]
            exact.append((unit, name, source["wanted"], source["drawn"], over, source["share"], source["epochs"]))
    print(table(("unit", "workers", "seconds", "MB/s drawn", "peak MB of a process", "digest"), speed))
    print(table(("unit", "source", "wanted", "drawn", "over", "share", "epochs"), exact))


if __name__ == "__main__":
    main()
