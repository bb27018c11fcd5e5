"""Labelled pages beyond European news: other scripts, other kinds of page, and pages without an article.

    python tests/benchmarks/extraction_beyond.py CLONES [--measure EXTRACTOR ...]

`extraction_beyond.jsonl` has a line a page: url, kind ("zh recipe": language and kind of page; "none": a page
without an article, of which nothing should remain), with and without (phrases that the main text has and has not,
chosen by reading the page), and where the page is. Our own pages, in as many encodings as such pages have, are the
`file`s of `extraction_pages/`; the others belong to their publishers and are named by repository, commit and path.
CLONES is a folder of clones, OWNER+NAME each; those that are missing are cloned from GitHub, a page at a time. A page
that cannot be had is named and left out.

Prints each phrase that is not in its page as an HTML5 parser reads it, or, with --measure, how many of the phrases
each extractor of `gptkit clean` finds, as precision, recall and F1 by language and by kind of page.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from selectolax.lexbor import LexborHTMLParser

from gptkit.data.encoding import decode
from gptkit.extraction.extract import extract
from gptkit.extraction.truth import Counts, LabelledPage, folded, phrase_counts

HERE = Path(__file__).parent


def lines() -> list[dict[str, Any]]:
    """The lines of the manifest."""
    return [json.loads(line) for line in (HERE / "extraction_beyond.jsonl").read_text("utf-8").splitlines()]


def own_pages() -> list[LabelledPage]:
    """The pages that were written for this set."""
    return [_labelled(line, _own(line)) for line in lines() if "file" in line]


def pages(clones: Path) -> list[LabelledPage]:
    """All pages that can be had, in the order of the manifest."""
    found = []
    for line in lines():
        html = _own(line) if "file" in line else _from_git(line, clones)
        if html is None:
            print(f"left out: {line['repository']}, {line['path']}", file=sys.stderr)
        else:
            found.append(_labelled(line, html))
    return found


def _labelled(line: dict[str, Any], html: bytes) -> LabelledPage:
    return LabelledPage(line["url"], html, None, tuple(line["with"]), tuple(line["without"]), None, line["kind"])


def _own(line: dict[str, Any]) -> bytes:
    return (HERE / "extraction_pages" / line["file"]).read_bytes()


def _from_git(line: dict[str, Any], clones: Path) -> bytes | None:
    clone = clones / line["repository"].replace("/", "+")
    quiet: dict[str, Any] = {"capture_output": True, "env": {**os.environ, "GIT_TERMINAL_PROMPT": "0"}}
    if not clone.exists():
        address = f"https://github.com/{line['repository']}"
        command = ["git", "clone", "--quiet", "--bare", "--filter=blob:none", address, str(clone)]
        if subprocess.run(command, **quiet).returncode:
            return None
    shown = subprocess.run(["git", "-C", str(clone), "show", f"{line['commit']}:{line['path']}"], **quiet)
    if shown.returncode:
        return None
    return gzip.decompress(shown.stdout) if line["path"].endswith(".gz") else shown.stdout


def absent(page: LabelledPage) -> Iterator[str]:
    """The phrases that are not in the page's text, white space folded."""
    parser = LexborHTMLParser(decode(page.html))
    parser.strip_tags(["head", "script", "style", "template"])
    text = folded(parser.root.text() if parser.root else "")
    yield from (phrase for phrase in (*page.with_, *page.without) if folded(phrase) not in text)


def groups(kind: str) -> list[str]:
    """What a page is counted under: all, and its language and its kind; or no article."""
    if kind == "none":
        return ["all", "no article"]
    language, _, sort = kind.partition(" ")
    return ["all", f"language {language}", f"kind {sort}"]


def measure(found: Iterable[LabelledPage], extractor: str) -> dict[str, Counts]:
    """The phrases that an extractor finds, by group."""
    counted: dict[str, Counts] = {}
    for page in found:
        (text,) = extract([page.html], [page.charset], extractor).texts
        counts = phrase_counts(text, page.with_, page.without)
        for group in groups(page.kind or ""):
            counted[group] = counted.get(group, Counts()) + counts
    return counted


def table(found: list[LabelledPage], extractors: list[str]) -> Iterator[str]:
    """The lines of a table in Markdown: a group a line; of pages without an article, the phrases that remain."""
    sizes = Counter(group for page in found for group in groups(page.kind or ""))
    measured = {extractor: measure(found, extractor) for extractor in extractors}
    yield "| group | pages | " + " | ".join(f"{extractor}: P/R/F1" for extractor in extractors) + " |"
    yield "|---|---|" + "---|" * len(extractors)
    for group in sorted(sizes, key=lambda group: (group.partition(" ")[0], -sizes[group], group)):
        cells = [_cell(group, measured[extractor][group]) for extractor in extractors]
        yield f"| {group} | {sizes[group]} | " + " | ".join(cells) + " |"


def _cell(group: str, counts: Counts) -> str:
    if group == "no article":
        return f"{counts.false_positives} of {counts.false_positives + counts.true_negatives} remain"
    return f"{counts.precision:.3f}/{counts.recall:.3f}/{counts.f1:.3f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clones", type=Path)
    parser.add_argument("--measure", nargs="+", default=[], metavar="EXTRACTOR")
    arguments = parser.parse_args()
    found = pages(arguments.clones)
    wrong = [f"{page.url}: {phrase}" for page in found for phrase in absent(page)]
    print(f"{len(found)} pages, {len(wrong)} phrases that their pages have not", *wrong, sep="\n", file=sys.stderr)
    if arguments.measure:
        print(*table(found, arguments.measure), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
