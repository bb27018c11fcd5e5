"""`gptkit tokenize` from Parquet to verified shards against gigatoken in memory, tiktoken, tokenizers and datatrove."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import corpora
import peers
from measure import now, table

TIMES = 5
SAMPLE = 1_500  # documents, for the slow ones
BPE = "bpe/encoder.json"
HERE = Path(__file__).parent


def gptkit(*arguments: str | Path, cores: set[int]) -> float:
    """Runs a command; gives its seconds, start-up included. Raises SystemExit where it fails."""
    command = [sys.executable, "-m", "gptkit", *map(str, arguments)]
    started = now()
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=lambda: os.sched_setaffinity(0, cores))
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}\n{done.stderr.strip()}")
    return now() - started


def tokenize(documents: Path, output: Path, workers: int, cores: set[int]) -> dict[str, Any]:
    """Encodes with GPT-2's tokenizer; gives seconds of the command and of its phases, and the manifest."""
    options = ("--workers", str(workers), "--tokenizer", corpora.data(BPE), "--validation", "0", "--quiet")
    seconds = gptkit("tokenize", documents, "-o", output, *options, cores=cores)
    manifest = json.loads((output / "manifest.json").read_text())
    return {"seconds": seconds, "phases": manifest["run"]["phase_seconds"], "manifest": manifest, "output": output}


def best_of(documents: Path, folder: Path, workers: int, cores: set[int], times: int = TIMES) -> dict[str, Any]:
    """The fastest of several runs."""
    name = f"{documents.stem}-{workers}-{len(cores)}"
    return min(
        (tokenize(documents, folder / f"{name}-{turn}", workers, cores) for turn in range(times)),
        key=lambda run: run["seconds"],
    )


def in_memory(documents: Path, tokenizer: Path, folder: Path) -> dict[str, Any]:
    """gigatoken's own rate, each time in a new process: its cache of words is empty."""
    command = [sys.executable, str(HERE / "peer_tokenize.py"), "gigatoken", str(documents), str(tokenizer), str(folder)]
    runs = [json.loads(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(TIMES)]
    return min(runs, key=lambda run: run["seconds"])


def report(folder: Path, copies: Sequence[int], cores: set[int]) -> None:
    """Prints the rates on one core, once and on so many times as much text, and what a second worker brings there."""
    rows = [*corpora.rows(corpora.MIXED), *corpora.rows("text/books.jsonl.zst")]
    some = corpora.sample(rows, SAMPLE)
    size, sample_size = (corpora.size(row["text"] for row in each) for each in (rows, some))
    sample = corpora.write_copies(some, 1, folder / "sample.parquet")
    one = {max(cores)}
    tokenizer = tokenize(sample, folder / "compiled", 0, one)["output"] / "tokenizer.json"
    found = []
    for times in (1, *copies):
        documents = corpora.write_copies(rows, times, folder / f"times-{times}.parquet")
        base = in_memory(documents, tokenizer, folder)
        ours = best_of(documents, folder, 0, one, TIMES if times == 1 else 3)
        assert ours["manifest"]["facts"]["tokens"]["train"] == base["tokens"]
        megabytes = times * size
        for name, seconds in (
            ("gigatoken, in memory", base["seconds"]),
            ("gptkit tokenize, its phases", sum(ours["phases"].values())),
            ("gptkit tokenize, the whole command", ours["seconds"]),
        ):
            found.append((f"{name}: {megabytes:,.0f} MB", seconds, megabytes / seconds))
        found[-3:] = [(*line, line[2] / found[-3][2]) for line in found[-3:]]
        if times == 1:
            verify = gptkit("tokens", "verify", ours["output"], cores=one)
    for name, where, megabytes in (
        ("tiktoken", folder / "times-1.parquet", size),
        ("tokenizers", sample, sample_size),
        ("datatrove", sample, sample_size),
    ):
        takes = corpora.data(BPE).parent if name == "tiktoken" else tokenizer
        seconds = peers.run("peer_tokenize.py", name, where, takes, folder / name)["seconds"]
        rate = megabytes / seconds
        faster = [f"{line[2] / rate:.1f}" for line in found if line[0].startswith("gptkit")]
        found.append((f"{name}: {megabytes:,.1f} MB", seconds, rate, f"gptkit is faster by {', '.join(faster)}"))
    print(
        f"## {len(rows):,} documents, {size:.1f} MB of text, once and {', '.join(map(str, copies))} times; one core, one process\n"
    )
    print(table(("", "seconds", "MB/s", "of gigatoken's rate"), found))
    print("The factors are those of the lines of gptkit above, in order.")
    print(f"gptkit tokens verify, start-up included: {verify:.2f} s for the {size:.0f} MB\n")
    for times in copies if len(cores) > 1 else ():
        _workers(folder / f"times-{times}.parquet", times * size, folder, cores)


def _workers(documents: Path, megabytes: float, folder: Path, cores: set[int]) -> None:
    runs = [best_of(documents, folder, workers, cores, 3) for workers in (1, 2)]
    print(f"## One and two workers: {megabytes:,.0f} MB on {len(cores)} cores\n")
    lines = [
        (f"{workers} workers", run["seconds"], run["phases"]["encode"], run["phases"]["assemble"])
        for workers, run in zip((1, 2), runs, strict=True)
    ]
    faster = [alone / both for alone, both in zip(lines[0][1:], lines[1][1:], strict=True)]
    alone, both = (
        _at_once(documents, folder / documents.stem, some) for some in (sorted(cores)[:1], sorted(cores)[:2])
    )
    print(table(("", "whole command, s", "encode, s", "assemble, s"), [*lines, ("faster by", *faster)]))
    print(
        f"The machine's own: the phases of one process on one core take {alone:.2f} s, and {both:.2f} s while a second "
        f"process does the same on another core: {2 * alone / both:.2f} times the work of one.\n"
    )
    print(f"Equal digests: {runs[0]['manifest']['digest'] == runs[1]['manifest']['digest']}")


def _at_once(documents: Path, folder: Path, cores: Sequence[int], times: int = 3) -> float:
    """Seconds of the phases of one process, while one works on each of the cores, without workers: the fastest of
    several runs, the slower one of each run."""

    def run(core: int, turn: int) -> float:
        return sum(tokenize(documents, folder / f"{turn}-{core}-of-{len(cores)}", 0, {core})["phases"].values())

    with ThreadPoolExecutor(len(cores)) as threads:
        return min(max(threads.map(run, cores, [turn] * len(cores))) for turn in range(times))
