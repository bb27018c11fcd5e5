"""Public sets of labelled pages, in the form that `gptkit extract train` and the benchmarks read.

    python tests/benchmarks/extraction_sets.py FOLDER [--wcxb GIT] [--scrapinghub GIT]

Writes NAME.warc.gz and NAME.truth.jsonl, a line a page: url, kind (the type of page, where the set
says it), with and without (phrases that the main text has and has not), article (the main text).

- wcxb-dev, wcxb-test: the Web Content eXtraction Benchmark, human-reviewed pages of seven types (CC-BY-4.0).
  139 of its 511 test pages lie in its development set too, byte for byte, and more share a site with
  one. So pages of a domain that the test set has are left out of wcxb-dev: 1,256 of 1,497 remain.
- scrapinghub: 181 pages of the article extraction benchmark, the text of the article (MIT).

GIT is the path of a clone; without it the pinned commit is fetched from GitHub. The pages belong to
their publishers.
"""

import argparse
import gzip
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gptkit.extraction.truth import registered_domain
from gptkit.sample.crawl import information, response

WCXB = ("Murrough-Foley/web-content-extraction-benchmark", "c039d5ee9f5a3a984a0e167e63aacd04e76e78a9")
SCRAPINGHUB = ("scrapinghub/article-extraction-benchmark", "4a3bc979f76c0df73cb95fe272e2fc1b96f9f010")


class Page(NamedTuple):
    """A page of a set."""

    html: str
    truth: dict[str, Any]  # a line of the file of truths


def wcxb(files: dict[str, bytes], split: str) -> Iterator[Page]:
    """The pages of one split. A page without an address gets one of its own."""
    for name in sorted(name for name in files if name.startswith(f"{split}/ground-truth/")):
        number = Path(name).stem
        found = json.loads(files[name])
        labels, kind = found["ground_truth"], found["_internal"]["page_type"]["primary"]
        truth = {
            "url": found.get("url") or f"https://wcxb.invalid/{split}/{number}",
            "kind": kind,
            "with": labels.get("with") or [],
            "without": labels.get("without") or [],
            "article": labels.get("main_content") or "",
        }
        yield Page(gzip.decompress(files[f"{split}/html/{number}.html.gz"]).decode(), truth)


def apart(pages: Iterable[Page], others: Iterable[Page]) -> Iterator[Page]:
    """The pages that are not among `others`, and share no domain with one."""
    taken = {value for page in others for value in (page.html, registered_domain(page.truth["url"]))}
    for page in pages:
        if page.html not in taken and registered_domain(page.truth["url"]) not in taken:
            yield page


def scrapinghub(files: dict[str, bytes]) -> Iterator[Page]:
    """The pages of the article extraction benchmark."""
    for name, found in sorted(json.loads(files["ground-truth.json"]).items()):
        truth = {"url": found["url"], "kind": "article", "article": found["articleBody"]}
        yield Page(gzip.decompress(files[f"html/{name}.html.gz"]).decode(), truth)


def read(repository: tuple[str, str], clone: Path | None, paths: list[str]) -> dict[str, bytes]:
    """The files below `paths` at the pinned commit, from a clone or from GitHub."""
    name, commit = repository
    with tempfile.TemporaryDirectory() as folder:
        if clone is None:
            subprocess.run(["git", "init", "--quiet", "--bare", folder], check=True)
            address = f"https://github.com/{name}"
            subprocess.run(["git", "-C", folder, "fetch", "--quiet", "--depth", "1", address, commit], check=True)
        packed = subprocess.run(
            ["git", "-C", clone or folder, "archive", commit, *paths], check=True, stdout=subprocess.PIPE
        ).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}


def write(folder: Path, name: str, pages: Iterable[Page]) -> None:
    """Writes NAME.warc.gz and NAME.truth.jsonl; the same pages give the same bytes."""
    count = 0
    with (folder / f"{name}.warc.gz").open("wb") as warc, (folder / f"{name}.truth.jsonl").open("w") as truths:
        warc.write(information(f"{name}.warc.gz"))
        for page in pages:
            warc.write(response(page.truth["url"], page.html))
            truths.write(json.dumps(page.truth, ensure_ascii=False) + "\n")
            count += 1
    print(f"{name}: {count:,} pages", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--wcxb", type=Path, metavar="GIT")
    parser.add_argument("--scrapinghub", type=Path, metavar="GIT")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    files = read(WCXB, arguments.wcxb, ["dev", "test/ground-truth", "test/html"])
    write(arguments.folder, "wcxb-dev", apart(wcxb(files, "dev"), wcxb(files, "test")))
    write(arguments.folder, "wcxb-test", wcxb(files, "test"))
    files = read(SCRAPINGHUB, arguments.scrapinghub, ["html", "ground-truth.json"])
    write(arguments.folder, "scrapinghub", scrapinghub(files))


if __name__ == "__main__":
    main()
