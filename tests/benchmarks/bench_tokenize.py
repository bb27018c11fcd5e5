"""`gptkit tokenize` from Parquet to verified shards, against the libraries it replaces: the same documents, GPT-2's tokenizer.

    python tests/benchmarks/bench_tokenize.py [--part whole hard] [--copies 1]

whole    text/mixed and text/books against libraries, in time
hard     very long, very many and empty documents, large vocabularies, special tokens in text, a full disk, kills

Documents of `whole`: text/mixed and text/books. gigatoken, the library that encodes for gptkit, is timed in memory,
texts in and ids out; tiktoken, tokenizers and datatrove read the same Parquet and write shards, the last
two on a sample. All on one core and one thread; then gptkit with one and with two workers on all cores.
gptkit's times are of the whole command, and of its phases. Best of several runs.

Prints Markdown. Needs the data folder (GPTKIT_SHARED, or ../shared beside the repository) and, for `whole`,
the peers' environment (peers.py); for `hard` a system where `unshare -rm` may mount a small disk. Linux.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from measure import one_core

CORES = os.sched_getaffinity(0)

one_core()

import corpora
import peers
from measure import now, table

PARTS = ("whole", "hard")
TIMES = 5
SAMPLE = 1_500  # documents, for the slow ones
BPE = "bpe/encoder.json"
HERE = Path(__file__).parent


def tokenize(documents: Path, output: Path, workers: int, cores: set[int]) -> dict[str, Any]:
    """Runs the command; gives its seconds, those of its phases, and its manifest."""
    command = [sys.executable, "-m", "gptkit", "tokenize", str(documents), "-o", str(output), "--workers", str(workers)]
    command += ["--tokenizer", str(corpora.data(BPE)), "--validation", "0", "--quiet"]
    started = now()
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=lambda: os.sched_setaffinity(0, cores))
    seconds = now() - started
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}\n{done.stderr.strip()}")
    manifest = json.loads((output / "manifest.json").read_text())
    return {"seconds": seconds, "phases": manifest["run"]["phase_seconds"], "manifest": manifest}


def best_of(documents: Path, folder: Path, workers: int, cores: set[int]) -> dict[str, Any]:
    """The fastest of several runs."""
    runs = [tokenize(documents, folder / f"{workers}-{len(cores)}-{turn}", workers, cores) for turn in range(TIMES)]
    return min(runs, key=lambda run: run["seconds"])


def peer(library: str, documents: Path, tokenizer: Path, folder: Path) -> dict[str, Any]:
    """Runs a library in the peers' environment."""
    found: dict[str, Any] = peers.run("peer_tokenize.py", library, documents, tokenizer, folder / library)
    return found


def in_memory(documents: Path, tokenizer: Path, folder: Path) -> dict[str, Any]:
    """gigatoken's own rate, each time in a new process: its cache of words is empty."""
    command = [sys.executable, str(HERE / "peer_tokenize.py"), "gigatoken", str(documents), str(tokenizer), str(folder)]
    runs = [json.loads(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(TIMES)]
    return min(runs, key=lambda run: run["seconds"])


def report(folder: Path, copies: int) -> None:
    rows = [*corpora.rows(corpora.MIXED), *corpora.rows("text/books.jsonl.zst")]
    rows = [{"id": f"{row['id']}-{copy}", "text": row["text"]} for copy in range(copies) for row in rows]
    documents = corpora.write(rows, folder / "documents.parquet")
    some = corpora.sample(rows, SAMPLE)
    sample = corpora.write(some, folder / "sample.parquet")
    size, sample_size = (corpora.size(row["text"] for row in each) for each in (rows, some))
    one = {max(CORES)}
    tokenize(sample, folder / "compiled", 1, one)
    ours, alone = best_of(documents, folder, 1, one), best_of(documents, folder, 1, CORES)
    tokenizer = folder / "compiled" / "tokenizer.json"
    base = in_memory(documents, tokenizer, folder / "gigatoken")
    theirs = {
        "tiktoken": (peer("tiktoken", documents, corpora.data(BPE).parent, folder), size),
        "tokenizers": (peer("tokenizers", sample, tokenizer, folder), sample_size),
        "datatrove DocumentTokenizer": (peer("datatrove", sample, tokenizer, folder), sample_size),
    }
    inside = sum(ours["phases"].values())
    print(
        f"{len(rows):,} documents, {size:.1f} MB of text, {base['tokens']:,} tokens; sample of {sample_size:.1f} MB\n"
    )
    found = [
        ("gigatoken in memory", base["seconds"], size / base["seconds"], "", ""),
        ("gptkit tokenize, phases", inside, size / inside, base["seconds"] / inside, ""),
        (
            "gptkit tokenize, whole command",
            ours["seconds"],
            size / ours["seconds"],
            base["seconds"] / ours["seconds"],
            "",
        ),
    ]
    for name, (run, megabytes) in theirs.items():
        rate = megabytes / run["seconds"]
        found.append((name, run["seconds"], rate, size / base["seconds"], size / inside / rate))
    head = ("one core", "seconds", "MB/s", "of gigatoken's rate", "gptkit's phases are faster by")
    print(table(head, [(*row[:3], row[2] * base["seconds"] / size, row[4]) for row in found]))
    assert ours["manifest"]["facts"]["tokens"]["train"] == base["tokens"] == theirs["tiktoken"][0]["tokens"]
    print("gptkit's phases, seconds: " + ", ".join(f"{name} {each:.2f}" for name, each in ours["phases"].items()))
    if len(CORES) > 1:
        two = best_of(documents, folder, 2, CORES)
        pairs = [
            (name, run["seconds"], sum(run["phases"].values()), run["phases"]["encode"])
            for name, run in (("1 worker", alone), ("2 workers", two))
        ]
        faster = [one / two for one, two in zip(pairs[0][1:], pairs[1][1:], strict=True)]
        print(f"\nOn {len(CORES)} cores:\n")
        print(table(("", "seconds, whole command", "its phases", "encode"), [*pairs, ("faster by", *faster)]))
        print(f"Equal digests: {alone['manifest']['digest'] == two['manifest']['digest']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS, help="which parts (default: all)")
    parser.add_argument("--copies", type=int, default=1, help="whole: of the documents, under other ids")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for part in arguments.part:
            folder = Path(name) / part
            folder.mkdir()
            if part == "whole":
                report(folder, arguments.copies)
                continue
            import tokenize_hard

            os.sched_setaffinity(0, CORES)
            tokenize_hard.report(folder)


if __name__ == "__main__":
    main()
