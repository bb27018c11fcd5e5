"""How well extractors tell a page's main text, and how fast, on one core: Markdown tables.

    python tests/benchmarks/extraction_quality.py [FOLDER]

Sets: the phrases of web/pages and the articles of web/articles of the data folder, and those that
extraction_sets.py wrote to FOLDER. What is measured, and where it is from, stands in
gptkit/extraction/truth.py: P, R and F1 of phrases over all pages of a set, and the mean over its pages
of F1 over word 4-grams and over words. Seconds are of CPU, for decoding and extracting.
"""

import measure

if __name__ == "__main__":
    measure.one_core()

import functools
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import corpora
import trafilatura
from resiliparse.extract.html2text import extract_plain_text

from gptkit.data.encoding import decode
from gptkit.extraction.truth import Counts, LabelledPage, phrase_counts, read_labelled, shingle_f1, word_f1

Extractor = Callable[[bytes, str | None], str]  # a page and the charset that its server named, to its main text

HEAD = ("pages", "P", "R", "F1", "4-grams F1", "words F1")
PUBLIC = ("wcxb-test", "scrapinghub")


def _trafilatura(page: bytes, charset: str | None, **options: bool) -> str:
    return trafilatura.extract(decode(page, charset), **options) or ""


def _resiliparse(page: bytes, charset: str | None) -> str:
    off = dict.fromkeys(("alt_texts", "links", "form_fields", "noscript", "comments", "list_bullets"), False)
    return str(extract_plain_text(decode(page, charset), main_content=True, preserve_formatting=True, **off))


PEERS: Mapping[str, Extractor] = {
    "trafilatura": _trafilatura,
    "trafilatura, no comments": functools.partial(_trafilatura, include_comments=False),
    "trafilatura, fast": functools.partial(_trafilatura, fast=True),
    "resiliparse": _resiliparse,
}


@dataclass(frozen=True)
class Outcome:
    """What one extractor made of one page."""

    kind: str
    counts: Counts
    shingles: float | None  # F1; None where the whole main text is not known
    words: float | None


def run(extractor: Extractor, pages: Sequence[LabelledPage]) -> tuple[list[str], float]:
    """The text of each page, empty where the extractor fails, and the seconds of CPU for all."""
    texts = []
    started = time.process_time()
    for page in pages:
        try:
            texts.append(extractor(page.html, page.charset))
        except Exception as error:
            print(f"{page.url}: {type(error).__name__}: {error}", file=sys.stderr)
            texts.append("")
    return texts, time.process_time() - started


def outcomes(pages: Sequence[LabelledPage], texts: Sequence[str]) -> list[Outcome]:
    """The measures of each page."""
    return [
        Outcome(
            page.kind or "",
            phrase_counts(text, page.with_, page.without),
            None if page.article is None else shingle_f1(text, page.article),
            None if page.article is None else word_f1(text, page.article),
        )
        for page, text in zip(pages, texts, strict=True)
    ]


def cells(found: Sequence[Outcome]) -> list[object]:
    """The columns of `HEAD`."""
    counts = sum((each.counts for each in found), Counts())
    phrases = (counts.precision, counts.recall, counts.f1) if counts != Counts() else (None,) * 3
    shingles = [each.shingles for each in found if each.shingles is not None]
    words = [each.words for each in found if each.words is not None]
    means = (fmean(values) if values else None for values in (shingles, words))
    return [len(found), *("-" if value is None else f"{value:.3f}" for value in (*phrases, *means))]


def report(extractors: Mapping[str, Extractor], pages: Sequence[LabelledPage]) -> str:
    """A table of all pages and, where there are several types of page, one of each type."""
    rows, by_kind = [], []
    for name, extractor in extractors.items():
        texts, seconds = run(extractor, pages)
        found = outcomes(pages, texts)
        rows.append([name, *cells(found), seconds, len(pages) / seconds])
        kinds = sorted({each.kind for each in found})
        by_kind += [[kind, name, *cells([each for each in found if each.kind == kind])] for kind in kinds]
    parts = [measure.table(("extractor", *HEAD, "seconds", "pages/s"), rows)]
    if len({kind for kind, *_ in by_kind}) > 1:
        parts.append(measure.table(("type", "extractor", *HEAD), sorted(by_kind, key=lambda row: str(row[0]))))
    return "\n".join(parts)


def sets(folder: Path | None) -> dict[str, list[LabelledPage]]:
    """The labelled pages of each set, by name; those of `extraction_sets.py` where it wrote them."""
    found = {
        name: read_labelled([str(corpora.data(f"web/{name}.warc.gz"))], [str(corpora.data(f"web/{name}.truth.jsonl"))])
        for name in ("pages", "articles")
    }
    for name in PUBLIC if folder else ():
        found[name] = read_labelled([str(folder / f"{name}.warc.gz")], [str(folder / f"{name}.truth.jsonl")])
    return found


def main() -> None:
    logging.disable(logging.CRITICAL)  # trafilatura has much to say of broken pages
    for name, pages in sets(Path(sys.argv[1]) if sys.argv[1:] else None).items():
        print(f"### {name}\n\n{report(PEERS, pages)}", flush=True)


if __name__ == "__main__":
    main()
