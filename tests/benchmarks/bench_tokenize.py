"""`gptkit tokenize` against the libraries it replaces, and on hard inputs.

    python tests/benchmarks/bench_tokenize.py [--part whole hard] [--copies 8 32]

whole    text/mixed and text/books from Parquet to verified shards with GPT-2's tokenizer. gigatoken, the library that
         encodes for gptkit, is timed in memory, texts in and ids out; tiktoken, tokenizers and datatrove read the same
         Parquet and write shards, the last two on a sample. All on one core, one process and one thread; then gptkit
         with one and two workers on all cores. gptkit's times are of the whole command, and of its phases
hard     very long, very many and empty documents, large vocabularies, special tokens in text, a full disk, kills

Prints Markdown. Needs the data folder (GPTKIT_SHARED, or ../shared beside the repository) and, for `whole`,
the peers' environment (peers.py); for `hard` a system where `unshare -rm` may mount a small disk. Linux.
"""

import argparse
import os
import tempfile
from pathlib import Path

from measure import one_core

CORES = os.sched_getaffinity(0)

one_core()

PARTS = ("whole", "hard")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS, help="which parts (default: all)")
    parser.add_argument(
        "--copies", type=int, nargs="+", default=[8, 32], help="whole: of the documents (default: 8 32)"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for part in arguments.part:
            folder = Path(name) / part
            folder.mkdir()
            if part == "whole":
                import tokenize_whole

                tokenize_whole.report(folder, arguments.copies, CORES)
            else:
                import tokenize_hard

                os.sched_setaffinity(0, CORES)
                tokenize_hard.report(folder)


if __name__ == "__main__":
    main()
