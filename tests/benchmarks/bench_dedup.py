"""`gptkit dedup` of documents: speed, scale, quality and hard inputs.

    python tests/benchmarks/bench_dedup.py [--part whole scale quality hard] [--sizes 1000000 3000000 10000000]

whole    text/mixed against datatrove's four MinHash stages: time, memory, agreement; one core
scale    millions of documents with planted duplicates, on two workers in 2 GB; what more would cost
quality  the S-curve, recall and precision against brute force, and the promise of --verify
hard     very short, very long, very many equal documents, text without spaces, huge buckets and components

Prints Markdown. Needs the data folder (GPTKIT_SHARED, or ../shared beside the repository) and, for
`whole`, the peers' environment (peers.py). Writes into a temporary folder only (TMPDIR): 4 GB. Linux.
"""

import argparse
import os
import tempfile
from pathlib import Path

from measure import one_core

CORES = os.sched_getaffinity(0)

one_core()

PARTS = ("whole", "scale", "quality", "hard")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS, help="which parts (default: all)")
    parser.add_argument("--documents", type=int, help="whole: a sample of so many (default: all)")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[1_000_000, 3_000_000, 10_000_000], help="scale: numbers of documents"
    )
    parser.add_argument("--pairs", type=int, default=1_000, help="quality: edited pairs of each similarity")
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="cpu: CPU seconds, for a machine that does other work"
    )
    arguments = parser.parse_args()
    os.environ["GPTKIT_CLOCK"] = arguments.clock
    with tempfile.TemporaryDirectory() as name:
        for part in arguments.part:
            folder = Path(name) / part
            folder.mkdir()
            run(part, folder, arguments)


def run(part: str, folder: Path, arguments: argparse.Namespace) -> None:
    """One part; its module is loaded when it is needed."""
    if part == "whole":
        import dedup_whole

        dedup_whole.report(folder, arguments.documents)
        return
    os.sched_setaffinity(0, CORES)
    if part == "scale":
        import dedup_scale

        dedup_scale.report(folder, arguments.sizes)
    elif part == "quality":
        import dedup_quality

        dedup_quality.report(folder, arguments.pairs)
    else:
        import dedup_hard

        dedup_hard.report(folder)


if __name__ == "__main__":
    main()
