"""`gptkit extract` against trafilatura and resiliparse: the same pages, one core, one run.

    python tests/benchmarks/bench_extract.py [--part speed start quality beyond] [--sets FOLDER] [--clones FOLDER]

speed     pages a second on web/pages, and `gptkit clean` from WARC to kept text
start     seconds of the first run (kernels are compiled) and of later ones
quality   phrases of web/pages and texts of web/articles beside the peers: gptkit's by cross-validation
          over domains, from a training of its own; with --sets (what extraction_sets.py wrote) trained on WCXB's
          development pages too, and measured on its test pages and on the article extraction benchmark
beyond    pages of other languages and kinds (extraction_beyond.py; --clones: where clones of repositories lie)

Prints Markdown. Needs the data folder (GPTKIT_SHARED, or ../shared beside the repository).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import measure

measure.one_core()

import corpora
import extraction_beyond
import extraction_quality
from extraction_quality import HEAD, PEERS, cells, outcomes, report, run
from measure import best, table

from gptkit.extraction.extract import extract
from gptkit.extraction.truth import LabelledPage, read_labelled

PARTS = ("speed", "start", "quality", "beyond")
WCXB_WEIGHT = 0.25  # its texts hold more of a page than the phrases of web/pages ask for
SETS = ("pages", "articles")


def ours(page: bytes, charset: str | None) -> str:
    """The main text by the model that comes with the package."""
    return extract([page], [charset]).texts[0]


def pages_of(name: str) -> list[LabelledPage]:
    """The labelled pages of the data folder."""
    return extraction_quality.sets(None)[name]


def labelled(sets: Path, name: str) -> list[LabelledPage]:
    """The labelled pages of a set that extraction_sets.py wrote."""
    return read_labelled([str(sets / f"{name}.warc.gz")], [str(sets / f"{name}.truth.jsonl")])


def speed(folder: Path) -> None:
    """Prints pages a second of each extractor, and of the whole of `gptkit clean`."""
    pages = pages_of("pages")
    html, charsets = [page.html for page in pages], [page.charset for page in pages]
    extract(html[:1], charsets[:1])  # compiles
    seconds = {"gptkit fast": best(lambda: extract(html, charsets))}
    for name, peer in PEERS.items():
        seconds[name] = best(lambda peer=peer: run(peer, pages), 3 if name == "resiliparse" else 1)
    size = sum(map(len, html)) / len(html) / 1e3
    rows = [(name, len(pages) / spent, spent / seconds["gptkit fast"]) for name, spent in seconds.items()]
    print(f"## Extraction alone: {len(pages)} pages of {size:.0f} KB, decoding included, one core\n")
    print(table(("extractor", "pages/s", "gptkit is faster by"), rows))

    archive = corpora.data(corpora.PAGES)
    copies = [f"copy{number}={archive}" for number in range(4)]
    rows = []
    for rules in ("none", "gopher,c4,fineweb"):
        measure.clean(copies[:1], folder / "compiles" / rules, "--rules", rules, "--language", "any")
        spent = measure.clean(copies, folder / rules, "--rules", rules, "--language", "any")
        rows.append((f"gptkit clean --rules {rules}", len(copies) * len(pages) / spent))
    print("## From WARC to kept text (repair, language, rules, Parquet), start-up included, one core\n")
    print(table(("command", "pages/s"), rows))


def start(folder: Path) -> None:
    """Prints the seconds of `gptkit extract` of one page with an empty cache of kernels, and again."""
    page = folder / "page.html"
    page.write_bytes(pages_of("articles")[0].html)
    environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}
    command = [sys.executable, "-m", "gptkit", "extract", str(page)]

    def once() -> None:
        subprocess.run(command, env=environment, capture_output=True, check=True)

    cold = best(once, 1)
    print("## Start: `gptkit extract` of one page\n")
    print(table(("run", "seconds"), [("first: kernels are compiled", cold), ("later, best of five", best(once, 5))]))


def quality(folder: Path, sets: Path | None) -> None:
    """Prints the measures of the peers and, by cross-validation, of a model of the same settings as the package's."""
    arguments = [
        f"{name}={corpora.data(f'web/{name}.warc.gz')},{corpora.data(f'web/{name}.truth.jsonl')}" for name in SETS
    ]
    if sets:
        arguments.append(f"wcxb-dev={WCXB_WEIGHT}:{sets / 'wcxb-dev.warc.gz'},{sets / 'wcxb-dev.truth.jsonl'}")
    model = folder / "model.npz"
    command = [sys.executable, "-m", "gptkit", "extract", "train", *arguments, "-o", str(model), "--json"]
    found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    threshold = found["thresholds"]["balanced"]["threshold"]
    names = ("precision", "recall", "f1", "shingle_f1", "word_f1")
    for name in SETS:
        rows = []
        for peer, extractor in PEERS.items():
            pages = pages_of(name)
            rows.append([peer, *cells(outcomes(pages, run(extractor, pages)[0]))])
        held = next(row for row in found["measures"][name] if row["threshold"] == threshold)
        mine = ["-" if held[each] is None else f"{held[each]:.3f}" for each in names]
        rows.append([f"gptkit, held out by domain, threshold {threshold:.2f} (chosen on the same)", len(pages), *mine])
        print(f"## {name}: by cross-validation\n\n{table(('extractor', *HEAD), rows)}")
    learned = {page.domain for name in SETS for page in pages_of(name)}
    learned |= {page.domain for page in labelled(sets, "wcxb-dev")} if sets else set()
    for name in extraction_quality.PUBLIC if sets else ():
        pages = [page for page in labelled(sets, name) if page.domain not in learned]

        def trained(page: bytes, charset: str | None) -> str:
            return extract([page], [charset], model=str(model)).texts[0]

        print(f"## {name}: no page of these sites was trained on\n\n{report({**PEERS, 'gptkit': trained}, pages)}")


def beyond(clones: Path) -> None:
    """Prints the measures on pages of other languages and kinds, and where ours is worse than the best peer."""
    found = extraction_beyond.pages(clones)
    print(f"## Beyond European news: {len(found)} pages\n")
    print("\n".join(extraction_beyond.table(found, ["fast", "trafilatura", "resiliparse"])) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS, help="which parts (default: all)")
    parser.add_argument("--sets", type=Path, help="folder of extraction_sets.py")
    parser.add_argument("--clones", type=Path, help="folder for clones of the repositories with pages")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for part in arguments.part:
            folder = Path(name) / part
            folder.mkdir()
            if part == "speed":
                speed(folder)
            elif part == "start":
                start(folder)
            elif part == "quality":
                quality(folder, arguments.sets)
            else:
                beyond(arguments.clones or folder)


if __name__ == "__main__":
    main()
