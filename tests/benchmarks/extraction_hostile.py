"""Does the time that a page takes grow as the page does? Hostile pages of 1, 2, 4 and 8 MB.

python tests/benchmarks/extraction_hostile.py [--peers] [PART OF A NAME …]

A page whose time for a megabyte grows is a way to stop a crawl. With --peers, resiliparse and trafilatura
get the pages of 1 MB, each in a process of its own that is ended after PATIENCE seconds.
"""

import argparse
import multiprocessing
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "kernels"))

from html_corpus import HOSTILE, hostile
from measure import table

from gptkit.extraction.fast import FastExtractor

MEGABYTES = (1, 2, 4, 8)
PATIENCE = 20  # seconds
GROWTH = 1.5  # from 1 to 8 MB, of the seconds a megabyte: more is marked


def ours(names: list[str]) -> dict[str, list[float]]:
    """Seconds for each size, the better of two."""
    extractor = FastExtractor()
    extractor.texts([b"<p>x"])
    found: dict[str, list[float]] = {}
    for name in names:
        found[name] = []
        for size in MEGABYTES:
            page = hostile(name, size * 1_000_000)
            seconds = []
            for _ in range(2):
                started = time.perf_counter()
                extractor.texts([page])
                seconds.append(time.perf_counter() - started)
            found[name].append(min(seconds))
    return found


def _resiliparse(page: str) -> None:
    from resiliparse.extract.html2text import extract_plain_text

    extract_plain_text(page, main_content=True)


def _trafilatura(page: str) -> None:
    import trafilatura

    trafilatura.extract(page)


PEERS = {"resiliparse": _resiliparse, "trafilatura": _trafilatura}


def peer(extract: str, name: str) -> str:
    """Seconds for 1 MB (with the start of a process), or what happened instead."""
    process = multiprocessing.get_context("spawn").Process(target=_extract, args=(extract, name), daemon=True)
    started = time.perf_counter()
    process.start()
    process.join(PATIENCE)
    if process.exitcode is None:
        process.kill()
        process.join()
        return f"> {PATIENCE}"
    return f"{time.perf_counter() - started:.2f}" if process.exitcode == 0 else f"died ({process.exitcode})"


def _extract(extract: str, name: str) -> None:
    PEERS[extract](hostile(name, 1_000_000).decode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", action="store_true", help="resiliparse and trafilatura too, at 1 MB")
    parser.add_argument("part", nargs="*", help="only pages whose name has this in it")
    options = parser.parse_args()
    names = [name for name in HOSTILE if not options.part or any(part in name for part in options.part)]
    rows = []
    for name, seconds in ours(names).items():
        growth = seconds[-1] / seconds[0] / MEGABYTES[-1] * MEGABYTES[0]
        row = [name, *(f"{value:.3f}" for value in seconds), f"{growth:.2f}{' !' if growth > GROWTH else ''}"]
        rows.append([*row, *(peer(extract, name) for extract in PEERS)] if options.peers else row)
    header = ["page", *(f"{size} MB, s" for size in MEGABYTES), "growth"]
    print(table([*header, *(f"{extract}, 1 MB" for extract in PEERS)] if options.peers else header, rows))


if __name__ == "__main__":
    main()
