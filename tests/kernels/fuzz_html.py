"""Fuzzing of the extractor with checked bounds: mutated pages must give text, and the same text each time.

NUMBA_BOUNDSCHECK=1 python tests/kernels/fuzz_html.py --minutes 60 [--seed N]

Kernels check no bounds; with numba's flag they do, and an index beyond an array raises IndexError. What is
compiled so is kept apart: numba's cache does not know the flag.
"""

# ruff: noqa: E402
import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

CHECKED = os.environ.get("NUMBA_BOUNDSCHECK") == "1"
if CHECKED:  # before numba is loaded
    FOLDER = tempfile.TemporaryDirectory()
    os.environ["XDG_CACHE_HOME"] = FOLDER.name

import numpy as np
from fastwarc.warc import ArchiveIterator, WarcRecordType
from html_corpus import HOSTILE, SNIPPETS, hostile

from gptkit.data.encoding import as_utf8
from gptkit.extraction.fast import FastExtractor
from gptkit.extraction.markdown import to_markdown
from gptkit.extraction.metadata import metadata_columns
from gptkit.extraction.model import FAVORS
from gptkit.extraction.page import read_page
from gptkit.extraction.report import report
from gptkit.kernels.html_blocks import BEHIND, ELEMENT, END, FIRST, MARK_PLACE, PARENT, START, Limits

LARGEST = 60_000  # bytes of a page: many small pages reach more states than few large ones
SHARED = Path(os.environ.get("GPTKIT_SHARED") or Path(__file__).parents[3] / "shared") / "data" / "web"
TINY = Limits(bytes=1_000, elements=16, blocks=8, depth=4, marks=4)
SMALL = Limits(bytes=8_000, elements=64, blocks=40, depth=12, marks=20)
USUAL = Limits(bytes=200_000, elements=20_000, blocks=4_000, depth=512, marks=2_000)
EVERY = 10  # pages, of which one is looked at as a page for readers too
CHARSETS = ("utf-8", "utf-16", "windows-1251", "shift_jis", "iso-2022-jp", "gb18030")
TOKENS = (
    *"<>&/='\"!-; \n\t\0xé",
    *("<!--", "-->", "<p>", "</p>", "<br>", "<li>", "<a href=x>", "</a>", "<b>", "</b>", "<div>", "</div>", "&amp", "&#x"),
    *("<table>", "<tr>", "<td>", "</td>", "</table>", "<pre>", "</pre>", "<svg>", "</svg>", "<foreignObject>", "<math>"),
    *("<script>", "</script>", "<style>", "</style>", "<title>", "</title>", "<textarea>", "<select>", "<template>"),
    *("<h1>", "<article>", "<body>", "<head>", "</head>", "<![CDATA[", "]]>", " class=comment", " hidden", "&nGt;"),
    *("<link rel=canonical href='", "<meta name=date content='", "&#" + "1" * 5_000, "<a href=http://me:pw@[", "<ol start=9>"),
    *("\u00a0", "\u200b", "\u200d", "\u20ac", "\U0001f600", "\t" * 20),
)  # fmt: skip


def seeds() -> list[str]:
    """Pages to begin with: the corpus, hostile pages, and real ones where they are there."""
    found = [*SNIPPETS, *(hostile(name, 2_000).decode() for name in HOSTILE)]
    if SHARED.is_dir():
        for path in [
            SHARED / "articles.warc.gz",
            SHARED / "commoncrawl.warc.gz",
            *sorted((SHARED / "damaged").glob("*")),
        ]:
            found += [body[:LARGEST].decode("utf-8", "replace") for body in _bodies(path)]
    return found


def _bodies(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as stream:
            for record in ArchiveIterator(stream, record_types=WarcRecordType.response):
                yield record.reader.read()
    except Exception:  # damaged, in one of many ways: the bytes themselves
        yield path.read_bytes()


def mutate(pages: list[str], rng: random.Random) -> str:
    """A page with parts cut out, doubled, moved, taken from another page, or replaced by tokens."""
    page = rng.choice(pages)
    if len(page) > 3_000 and rng.random() < 0.8:
        place = rng.randrange(len(page))
        page = page[place : place + rng.randrange(3_000)]
    for _ in range(rng.choice((1, 1, 2, 4, 8, 30))):
        start = rng.randrange(len(page) + 1)
        end = min(len(page), start + rng.choice((0, 1, 2, 5, 20, 200)))
        action = rng.randrange(6)
        if action == 0:
            new = ""
        elif action == 1:
            new = page[start:end] * rng.choice((2, 3, 30))
        elif action == 2:
            other = rng.choice(pages)
            place = rng.randrange(len(other) + 1)
            new = other[place : place + rng.choice((1, 5, 50, 500))]
        elif action == 3:
            new = rng.choice(TOKENS) * rng.choice((1, 1, 1, 2, 20, 600))
        else:
            new = "".join(rng.choices(TOKENS, k=rng.choice((1, 2, 5, 20))))
        page = page[:start] + new + page[end:]
    return page[:LARGEST]


def check_tree(extractor: FastExtractor, page: bytes) -> None:
    """Reads a page: blocks and elements lie where they should, text is UTF-8, all ways to the text agree."""
    for favor in FAVORS:
        read = extractor.read(page, with_marks=True)
        rows = len(read.blocks)
        texts = read.texts()  # raises UnicodeDecodeError where a block cuts through a character
        assert all(texts)
        assert (read.blocks[1:, START] > read.blocks[:-1, END]).all()  # a line feed between them
        assert ((read.blocks[:, ELEMENT] >= 0) & (read.blocks[:, ELEMENT] < len(read.elements))).all()
        parents, first, behind = (read.elements[:, field] for field in (PARENT, FIRST, BEHIND))
        assert parents[0] == -1
        assert ((parents[1:] >= 0) & (parents[1:] < np.arange(1, len(parents)))).all()
        assert ((first >= 0) & (first <= behind) & (behind <= rows)).all()
        assert ((first[1:] >= first[parents[1:]]) & (behind[1:] <= behind[parents[1:]])).all()
        assert ((read.marks[:, MARK_PLACE] >= 0) & (read.marks[:, MARK_PLACE] <= len(read.text))).all()
        _, keep, _ = extractor.choose(read, favor)
        text = extractor.join(read, keep)
        assert extractor.texts([page], favor) == ([text], [read.stopped])


def _declared(page: bytes, rng: random.Random) -> tuple[bytes, str | None]:
    """A page in one of the web's encodings, and what the server says that it is in."""
    charset = rng.choice(CHARSETS)
    return page.decode().encode(charset, "replace"), rng.choice((charset, *CHARSETS, None))


def check_batch(extractor: FastExtractor, pages: list[bytes]) -> None:
    """Pages give alone what they give in a batch."""
    texts, stops = extractor.texts(pages)
    again = [extractor.texts([page]) for page in pages]
    assert texts == [text for (text,), _ in again]
    assert stops == [stop for _, (stop,) in again]


def check_page(extractor: FastExtractor, content: bytes, charset: str | None) -> None:
    """What is made of a page for readers: any bytes have metadata, blocks, Markdown and a report."""
    metadata_columns([as_utf8(content, charset)], ["https://example.org/a"])
    page = read_page(content, charset, extractor=extractor)
    to_markdown(page.blocks)
    report(page)


def run(rounds: Iterator[random.Random], pages: list[str]) -> int:
    """Checks a batch of mutated pages for each random generator; gives how many pages there were."""
    extractors = [FastExtractor(limits=limits) for limits in (TINY, SMALL, USUAL)]
    number = 0
    for rng in rounds:
        batch = [mutate(pages, rng).encode("utf-8", "replace") for _ in range(rng.choice((1, 4, 12)))]
        for extractor in extractors:
            try:
                for page in batch:
                    check_tree(extractor, page)
                check_batch(extractor, batch)
                for page in batch[-number % EVERY :: EVERY]:  # it is slow
                    check_page(extractor, *_declared(page, rng))
            except Exception:
                print(f"limits: {extractor.limits}\npages: {batch!r}", flush=True)
                raise
        number += len(batch)
    return number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--rounds", type=int, help="so many batches of pages instead")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not CHECKED:
        sys.exit("set NUMBA_BOUNDSCHECK=1: without it an index beyond an array goes unseen")
    pages = seeds()
    print(f"{len(pages)} pages to begin with", flush=True)
    for limits in (TINY, SMALL, USUAL):
        extractor = FastExtractor(limits=limits)
        for page in pages:
            check_tree(extractor, page.encode("utf-8", "replace"))
    print("those pass", flush=True)

    def rounds() -> Iterator[random.Random]:
        started = said = time.monotonic()
        number = 0
        while number < options.rounds if options.rounds else time.monotonic() - started < 60 * options.minutes:
            yield random.Random(f"{options.seed}/{number}")
            number += 1
            if time.monotonic() - said > 60:
                said = time.monotonic()
                print(f"{(said - started) / 60:.0f} minutes, {number:,} batches", flush=True)

    print(f"{run(rounds(), pages):,} pages, no fault", flush=True)


if __name__ == "__main__":
    main()
