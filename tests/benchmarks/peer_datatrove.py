"""datatrove's filters, as it runs them. Runs in the environment of the peers (see peers.py).

    peer_datatrove.py judge   DOCUMENTS.parquet OUT.jsonl [--words FILE.py] [--languages FILE.json]
    peer_datatrove.py filters DOCUMENTS.parquet
    peer_datatrove.py text    DOCUMENTS.parquet OUT --model lid.176.ftz
    peer_datatrove.py warc    PAGES.warc.gz OUT --model lid.176.ftz
    peer_datatrove.py extract PAGES.warc.gz

Prints one JSON object with what was counted and timed. Times leave out imports and the loading of
word splitters.
"""

import argparse
import functools
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ["DATATROVE_COLORIZE_LOGS"] = "0"

import pyarrow.parquet as pq
from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    LanguageFilter,
)
from datatrove.pipeline.formatters import FTFYFormatter
from datatrove.pipeline.readers import ParquetReader, WarcReader
from datatrove.pipeline.writers import JsonlWriter, ParquetWriter
from datatrove.utils.lid import FT176LID
from datatrove.utils.text import split_into_parts, split_into_words
from datatrove.utils.word_tokenizers import WordTokenizer
from loguru import logger
from measure import now

FILTERS = {
    "gopher-repetition": GopherRepetitionFilter,
    "gopher-quality": GopherQualityFilter,
    "c4": C4QualityFilter,
    "fineweb-quality": FineWebQualityFilter,
}


class GivenWords(WordTokenizer):
    """A word splitter from a Python file: the one class there with word_tokenize and span_tokenize."""

    def __init__(self, path: str) -> None:
        super().__init__("en")
        sys.path.insert(0, str(Path(__file__).parents[2]))  # it may read tables of gptkit
        spec = importlib.util.spec_from_file_location("given_words", path)
        module = importlib.util.module_from_spec(spec)
        sys.modules["given_words"] = module
        spec.loader.exec_module(module)
        kinds = [each for each in vars(module).values() if isinstance(each, type) and hasattr(each, "span_tokenize")]
        if len(kinds) != 1:
            raise SystemExit(f"{path} must have one class with word_tokenize, sent_tokenize and span_tokenize")
        self._splitter = kinds[0]()

    def word_tokenize(self, text: str) -> list[str]:
        return self._splitter.word_tokenize(text)

    def sent_tokenize(self, text: str) -> list[str]:
        return self._splitter.sent_tokenize(text)

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        return self._splitter.span_tokenize(text)


def documents(path: str) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file."""
    for batch in pq.ParquetFile(path).iter_batches(500):
        yield from batch.to_pylist()


def verdict(judge: Any, text: str) -> tuple[str | None, str]:
    """Why a filter drops a text, None where it keeps it, and the text as the filter leaves it."""
    document = Document(text=text, id="")
    try:
        found = judge.filter(document)
    except (ZeroDivisionError, AssertionError) as error:  # no words, no lines: datatrove stops there
        return f"raises {type(error).__name__}", text
    kept, reason = found if isinstance(found, tuple) else (found, None)
    return (None if kept else reason), document.text


def judge(arguments: argparse.Namespace) -> dict[str, Any]:
    """Holds each document against each filter alone and writes the reasons.

    Given what is known of languages, Gopher's quality filter takes it for the document's `language`,
    and leaves out the rules for which there is nothing.
    """
    words = GivenWords(arguments.words) if arguments.words else "en"
    filters = {name: kind(language=words) for name, kind in FILTERS.items()}
    known = json.loads(Path(arguments.languages).read_text()) if arguments.languages else {}
    quality = {code: GopherQualityFilter(language=words, **limits) for code, limits in known.items()}
    started = now()
    with open(arguments.output, "w") as file:
        for row in documents(arguments.input):
            if quality:
                filters["gopher-quality"] = quality.get(row["language"], quality[""])
            found = {name: verdict(each, row["text"]) for name, each in filters.items()}
            reasons = {name: reason for name, (reason, _) in found.items()}
            print(json.dumps({"id": row["id"], "reasons": reasons, "c4_text": found["c4"][1]}), file=file)
    return {"seconds": now() - started}


def filters(arguments: argparse.Namespace) -> dict[str, float]:
    """Seconds of each filter alone over the documents; words are split anew for each, as it is run alone."""
    texts = [row["text"] for row in documents(arguments.input)]
    seconds = {}
    for name, kind in FILTERS.items():
        split_into_words("Load the splitter.", "en")
        split_into_parts.cache_clear()
        started, each = now(), kind()
        for text in texts:
            verdict(each, text)
        seconds[name] = now() - started
    return seconds


@functools.cache
def fast_text(path: str) -> Any:
    from fasttext.FastText import _FastText

    return _FastText(path)


class LocalLID(FT176LID):
    """lid.176 from a file: datatrove would fetch the large one."""

    def __init__(self, path: str, languages: list[str] | None) -> None:
        super().__init__(languages)
        self.path = path

    @property
    def model(self) -> Any:
        return fast_text(self.path)


def rules(model: str, languages: list[str] | None) -> list[Any]:
    """Repair, language and the four filters, in FineWeb's order; no languages: the language is told, none dropped."""
    language = LanguageFilter(languages, label_only=languages is None)
    language.model = LocalLID(model, languages)
    return [FTFYFormatter(), language, *(kind() for kind in FILTERS.values())]


def execute(steps: list[Any]) -> dict[str, Any]:
    """Runs a pipeline with the local executor; counts what each step passed on."""
    split_into_words("Load the splitter.", "en")
    with tempfile.TemporaryDirectory() as logs:
        started = now()
        stats = LocalPipelineExecutor(steps, tasks=1, workers=1, logging_dir=logs).run()
        seconds = now() - started
    counted = ("total", "forwarded", "extracted", "timeout", "clean_error", "broken_process")
    steps_passed = [
        {"step": type(step).__name__, **{name: int(found.stats[name].total) for name in counted if name in found.stats}}
        for step, found in zip(steps, stats.stats, strict=True)
    ]
    return {"seconds": seconds, "steps": steps_passed}


def text(arguments: argparse.Namespace) -> dict[str, Any]:
    """Parquet to Parquet: English documents that pass the rules."""
    folder, name = os.path.split(os.path.abspath(arguments.input))
    reader = ParquetReader(folder, glob_pattern=name)
    return execute([reader, *rules(arguments.model, ["en"]), ParquetWriter(arguments.output)])


def warc(arguments: argparse.Namespace) -> dict[str, Any]:
    """Pages to text, in any language."""
    folder, name = os.path.split(os.path.abspath(arguments.input))
    steps = [WarcReader(folder, glob_pattern=name), Trafilatura(), *rules(arguments.model, None)]
    return execute([*steps, JsonlWriter(arguments.output)])


def extract(arguments: argparse.Namespace) -> dict[str, Any]:
    """trafilatura alone, in this process, with datatrove's options."""
    folder, name = os.path.split(os.path.abspath(arguments.input))
    reader = WarcReader(folder, glob_pattern=name, limit=arguments.limit)
    pages = [document.text for document in reader.run()]
    extractor = Trafilatura()
    extractor.extract("<html><body><p>Load it.</p></body></html>")
    started = now()
    for page in pages:
        extractor.extract(page)
    return {"seconds": now() - started, "pages": len(pages)}


def main() -> None:
    work: dict[str, Callable[[argparse.Namespace], Any]] = {
        each.__name__: each for each in (judge, filters, text, warc, extract)
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", choices=work)
    parser.add_argument("input", help="Parquet with id and text, or WARC")
    parser.add_argument("output", nargs="?", help="where verdicts or kept documents go")
    parser.add_argument("--words", help="a Python file with a word splitter; datatrove's own for English if left out")
    parser.add_argument("--languages", help="JSON: by language, and '' for others, options of GopherQualityFilter")
    parser.add_argument("--model", help="lid.176.ftz")
    parser.add_argument("--limit", type=int, default=-1, help="pages")
    arguments = parser.parse_args()
    logger.remove()
    print(json.dumps(work[arguments.work](arguments)))


if __name__ == "__main__":
    main()
