"""`gptkit dedup` on lines and repeated spans against a suffix array: the same spans, one core.

    python tests/benchmarks/bench_substrings.py [--megabytes 20]

The suffix array is divsufsort's, its longest common prefixes Kasai's, both of pydivsufsort, in the
peers' environment (see peers.py). It is what EXACTSUBSTR (Lee et al., arXiv 2107.06499) builds on;
both mark the same characters, which is checked on the first --megabytes. Prints Markdown;
GPTKIT_CLOCK=cpu counts CPU seconds, for a machine that does other work. Needs the data folder
(GPTKIT_SHARED, or ../shared beside the repository). Writes into a temporary folder only.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import now, one_core, table

one_core()

import corpora
import numpy as np
import peers
import pyarrow.parquet as pq

SPAN = 200
PEER = Path(__file__).with_name("peer_suffix_array.py")


def run(*command: str | Path) -> tuple[float, float, str]:
    """Seconds, megabytes of memory at the peak, and what a command printed; raises SystemExit where it fails."""
    # the peak of the process that used most, of the command and those it started
    watch = (
        "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:]).returncode; "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr); sys.exit(done)"
    )
    started = now()
    done = subprocess.run([sys.executable, "-c", watch, *map(str, command)], capture_output=True, text=True)
    seconds = now() - started
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} ended with {done.returncode}\n{done.stderr.strip()}")
    return seconds, int(done.stderr.split()[-1]) / 1e3, done.stdout


def dedup(source: Path, output: Path, *options: str) -> tuple[float, float]:
    """Seconds and megabytes of `gptkit dedup` with one worker, start-up included."""
    command = (sys.executable, "-m", "gptkit", "dedup", source, "-o", output, "--workers", "1", *options)
    return run(*command)[:2]


def marked(folder: Path, documents: list[tuple[str, int]]) -> tuple[np.ndarray, int]:
    """Whether each character of all documents was cut; and how many spans."""
    ends = np.cumsum([characters for _, characters in documents])
    firsts = {identity: end - characters for (identity, characters), end in zip(documents, ends, strict=True)}
    found = np.zeros(ends[-1], bool)
    rows = corpora.read(folder / "removed", ["id", "start", "end"])
    for row in rows:
        found[firsts[row["id"]] + row["start"] : firsts[row["id"]] + row["end"]] = True
    return found, len(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=20, help="of text that are compared (default: 20)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        report(Path(name), arguments.megabytes * 1_000_000)


def report(folder: Path, part: int) -> None:
    """Measures everything and prints it."""
    every = list(corpora.rows(corpora.MIXED))
    whole = corpora.write(every, folder / "mixed.parquet")
    size = corpora.size(row["text"] for row in every)
    filled, some = 0, []
    for row in every:
        filled += len(row["text"].encode())
        if filled > part:
            break
        some.append(row)
    sample = corpora.write(some, folder / "sample.parquet")
    sampled = corpora.size(row["text"] for row in some)
    few = corpora.write(every[:2], folder / "few.parquet")
    options = {
        "line": ("--unit", "line"),
        "line, --normalise": ("--unit", "line", "--normalise"),
        "paragraph": ("--unit", "paragraph"),
        f"substring, {SPAN} characters": ("--unit", "substring"),
        "substring, 50 words": ("--unit", "substring", "--span-characters", "0"),
    }
    print(
        f"## {corpora.MIXED}: {len(every):,} documents, {size:.1f} MB, Parquet to Parquet, one core, start-up included\n"
    )
    rows = []
    for place, (unit, chosen) in enumerate(options.items()):
        dedup(few, folder / f"warm{place}", *chosen)
        seconds, peak = min(dedup(whole, folder / f"out{place}-{turn}", *chosen) for turn in range(2))
        counts = json.loads((folder / f"out{place}-0" / "manifest.json").read_text())["counts"]
        lost = 1 - counts["bytes_out"] / counts["bytes_in"]
        rows.append((f"gptkit dedup --unit {unit}", seconds, size / seconds, peak, f"{lost:.2%}"))
    print(table(("command", "seconds", "MB/s", "peak MB", "of the bytes cut"), rows))
    print(f"## The first {len(some):,} documents, {sampled:.1f} MB: spans of {SPAN} characters\n")
    seconds, peak = dedup(sample, folder / "ours", "--unit", "substring")
    lengths = [(row["id"], len(row["text"])) for row in some]
    ours, spans = marked(folder / "ours", lengths)
    texts = folder / "texts.json"
    texts.write_text(json.dumps([row["text"] for row in pq.read_table(sample).to_pylist()]))
    their_seconds, their_peak, printed = run(peers.python(), PEER, texts, str(SPAN), folder / "theirs.npy")
    alone, alone_peak = map(float, printed.split())
    theirs = np.load(folder / "theirs.npy", allow_pickle=False)
    rows = [
        ("gptkit dedup, Parquet to Parquet", seconds, sampled / seconds, peak, int(ours.sum())),
        (
            "suffix array: all, text to marked characters",
            their_seconds,
            sampled / their_seconds,
            their_peak,
            int(theirs.sum()),
        ),
        ("suffix array: sorting and prefixes alone", alone, sampled / alone, alone_peak, ""),
    ]
    print(table(("", "seconds", "MB/s", "peak MB", "characters marked"), rows))
    print(f"{spans:,} spans; the marked characters are {'equal' if np.array_equal(ours, theirs) else 'NOT EQUAL'}.")


if __name__ == "__main__":
    main()
