"""Learning a vocabulary from text, with `gptkit tokenize` and with the libraries that it replaces.

    python tests/benchmarks/bench_learn.py [--patterns gpt2,cl100k,o200k] [--sizes 20,100] [--times 3]

Documents: so many megabytes of text/mixed, as Parquet; 32,768 tokens. gptkit's seconds are those of the
command's phases that learn (count, learn: loading, reading the file, writing tokenizer.json), in its own process
for one thread and in two workers for two; the best of
several runs, after one that compiles. The libraries run once, tokenizers' BpeTrainer from texts in memory. One
thread is bound to one core; two have all cores. Each line says whether the merges are those of gptkit.

Prints Markdown. Needs the data folder (GPTKIT_SHARED, or ../shared beside the repository). Linux.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CORES = os.sched_getaffinity(0)

import corpora
from measure import THREADS, table

TOKENS = 32_768
LEARNING = ("lengths", "count", "learn")
PEER = Path(__file__).parent / "peer_learn.py"


def start(command: Sequence[str | Path | int], threads: int) -> None:
    """Runs a command on so many threads; raises SystemExit where it fails."""
    words = [sys.executable, *map(str, command)]
    cores = {max(CORES)} if threads == 1 else CORES
    environment = {**os.environ, **dict.fromkeys(THREADS, str(threads))}
    done = subprocess.run(
        words, capture_output=True, text=True, env=environment, preexec_fn=lambda: os.sched_setaffinity(0, cores)
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}\n{done.stderr[-2000:].strip()}")


def gptkit(documents: Path, pattern: str, threads: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        options = ["--vocab-size", TOKENS, "--pattern", pattern, "--learn-bytes", 0, "--validation", 0, "--quiet"]
        start(
            [
                "-m",
                "gptkit",
                "tokenize",
                documents,
                "-o",
                f"{folder}/t",
                "--workers",
                threads if threads > 1 else 0,
                *options,
            ],
            threads,
        )
        phases = json.loads(Path(folder, "t", "manifest.json").read_text())["run"]["phase_seconds"]
        merges = json.loads(Path(folder, "t", "tokenizer.json").read_text())["model"]["merges"]
    found = {name: phases[name] for name in LEARNING if name in phases}
    return {"seconds": sum(found.values()), "phases": found, "merges": merges}


def peer(library: str, documents: Path, pattern: str, threads: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        start([PEER, library, documents, pattern, TOKENS - 1, result], threads)  # gptkit's last token is end-of-text
        found: dict[str, Any] = json.loads(result.read_text())
        return found


def equal(run: dict[str, Any], other: dict[str, Any]) -> str:
    return "yes" if run["merges"] == other["merges"] else "no"


def compare(documents: Path, size: float, pattern: str, times: int) -> None:
    gptkit(documents, pattern, 1)  # compiles
    ours = {
        threads: min((gptkit(documents, pattern, threads) for _ in range(times)), key=lambda run: run["seconds"])
        for threads in sorted({1, min(2, len(CORES))})
    }
    rows = []
    for threads, run in ours.items():
        rows.append(("gptkit", threads, run["seconds"], size / run["seconds"], "", equal(run, ours[1])))
    libraries = ("tokenizers", "gigatoken") if pattern == "gpt2" else ("tokenizers",)
    for library in libraries:
        for threads in ours:
            run = peer(library, documents, pattern, threads)
            faster = run["seconds"] / ours[threads]["seconds"]
            rows.append((library, threads, run["seconds"], size / run["seconds"], faster, equal(run, ours[1])))
    print(f"\nPattern {pattern}, {size:.1f} MB, {len(ours[1]['merges']):,} merges:\n")
    print(table(("", "threads", "seconds", "MB/s", "gptkit is faster by", "equal merges"), rows))
    for threads, run in ours.items():
        phases = ", ".join(f"{name} {seconds:.2f}" for name, seconds in run["phases"].items())
        print(f"gptkit's phases on {threads}, seconds: {phases}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patterns", default="gpt2,cl100k,o200k")
    parser.add_argument("--sizes", default="20,100", help="megabytes")
    parser.add_argument("--times", type=int, default=3)
    arguments = parser.parse_args()
    rows = list(corpora.rows(corpora.MIXED))
    whole = corpora.size(row["text"] for row in rows)
    with tempfile.TemporaryDirectory() as folder:
        for megabytes in map(float, arguments.sizes.split(",")):
            some = corpora.sample(rows, round(len(rows) * min(1.0, megabytes / whole)))
            documents = corpora.write(some, Path(folder) / "documents.parquet")
            for pattern in arguments.patterns.split(","):
                compare(documents, corpora.size(row["text"] for row in some), pattern, arguments.times)


if __name__ == "__main__":
    main()
