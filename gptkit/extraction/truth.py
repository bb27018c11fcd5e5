"""Pages of which is known what their main text is, and measures of what an extractor takes for it."""

import hashlib
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

from gptkit.data import pieces
from gptkit.data.damage import Damage, DamageList
from gptkit.data.inputs import InputFile, find_one
from gptkit.data.streams import open_plain
from gptkit.errors import GptkitError

# Under a country's top domain these belong to nobody: example.co.uk. The list of public suffixes knows
# more of them; that a few sites are taken for one does no harm where sites are kept together.
SHARED = frozenset("ac co com edu gob gouv gov gv go mil ne net nom or org sch".split())
# Thai, Lao, Burmese, Khmer, kana and Chinese characters: written without spaces between words
ALONE = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
WORDS = re.compile(rf"(?=\w)[{ALONE}]|[^\W{ALONE}]+")


@dataclass(frozen=True)
class LabelledPage:
    """A page and what is known of its main text."""

    url: str
    html: bytes
    charset: str | None = None  # what the server said
    with_: tuple[str, ...] = ()  # phrases of the main text
    without: tuple[str, ...] = ()  # phrases that are not in the main text
    article: str | None = None  # the whole main text; empty where the page has none, None where it is not known
    kind: str | None = None  # the type of page, in the words of the set it is from

    @property
    def domain(self) -> str:
        """The owner of the page, roughly (see `registered_domain`)."""
        return registered_domain(self.url)


def read_labelled(pages: Sequence[str], truth: Sequence[str]) -> list[LabelledPage]:
    """Joins pages (WARC files) with what is known of them (JSONL), in the order of the pages.

    A line of JSONL has a `url` and may have `with` and `without` (lists of phrases), `article` (text)
    and `kind` (text). Pages of which nothing is known are left out; of two with one url the first counts.
    Raises GptkitError for files and lines that cannot be read, and for a url that no page has.
    """
    known: dict[str, tuple[str, dict[str, Any]]] = {}  # url to the place of its line, and the line
    for place, line in (found for path in truth for file in find_one("truth", path)[0] for found in _lines(file)):
        if line["url"] in known:
            raise GptkitError(f"{place}: {known[line['url']][0]} is about the same url; keep one line a page")
        known[line["url"]] = place, line
    if not known:
        raise GptkitError(f"{', '.join(truth) or 'truth'}: no line about a page")
    damage = DamageList()
    found: dict[str, LabelledPage] = {}
    for url, html, charset in _pages(pages, damage):
        if url in known and url not in found:
            line = known[url][1]
            phrases = tuple(line.get("with") or ()), tuple(line.get("without") or ())
            found[url] = LabelledPage(url, html, charset, *phrases, line.get("article"), line.get("kind"))
    missing = [url for url in known if url not in found]
    if missing:
        more = f" ({len(missing) - 1:,} more are missing)" if len(missing) > 1 else ""
        broken = f"; {damage[0].file} is damaged: {damage[0].reason}" if damage else ""
        none = "" if found else "; is it about other pages?"
        raise GptkitError(f"{known[missing[0]][0]}: no page has the url {missing[0]}{more}{broken}{none}")
    return list(found.values())


def _pages(paths: Sequence[str], damage: list[Damage]) -> Iterator[tuple[str, bytes, str | None]]:
    files = [file for path in paths for file in find_one("pages", path)[0]]
    for piece in (piece for task in pieces.cut(files) for piece in task):
        for batch in pieces.read(piece, [], damage, Counter()):
            if "html" not in batch.schema.names:
                raise GptkitError(f"{piece.file.path}: holds texts, no pages; give WARC files")
            for row in batch.select(["url", "html", "charset"]).to_pylist():
                yield row["url"], row["html"], row["charset"]


def _lines(file: InputFile) -> Iterator[tuple[str, dict[str, Any]]]:
    with open_plain(file) as stream:
        try:
            for number, raw in enumerate(stream, 1):
                if raw.strip():
                    place = f"{file.path}, line {number}"
                    yield place, _line(raw, place)
        except OSError as error:
            raise GptkitError(f"{file.path}: {error}") from None


def _line(raw: bytes, place: str) -> dict[str, Any]:
    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise GptkitError(f"{place}: no JSON: {error.msg}") from None
    if not isinstance(line, dict) or not isinstance(line.get("url"), str):
        raise GptkitError(f"{place}: no JSON object with a string 'url'")
    for name in ("with", "without"):
        phrases = line.get(name) or []
        if not isinstance(phrases, list) or not all(isinstance(each, str) and each.strip() for each in phrases):
            raise GptkitError(f"{place}: '{name}' is no list of phrases")
    for name in ("article", "kind"):
        if not isinstance(line.get(name), str | None):
            raise GptkitError(f"{place}: '{name}' is no text")
    return line


def registered_domain(url: str) -> str:
    """The part of a host that its owner registered, roughly: two labels, three under `co.uk` and the like.

    A made-up address (`.invalid`) and one without a host are domains of their own.
    """
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # brackets without an address
        host = ""
    labels = host.rstrip(".").split(".")
    if not host or labels[-1] == "invalid":
        return url
    if labels[-1].isdigit() or ":" in host:
        return host  # an IP address
    deep = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in SHARED
    return ".".join(labels[-3 if deep else -2 :])


def folds(pages: Sequence[LabelledPage], k: int, seed: int = 0) -> list[int]:
    """The fold of each page for cross-validation, in 0 … k - 1: pages of one domain are in one fold.

    It depends on the domain and the seed alone, so a page keeps its fold when others come or go.
    """
    return [_draw(f"{seed}\0{page.domain}") % k for page in pages]


def _draw(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


@dataclass(frozen=True)
class Counts:
    """Phrases found and missed; those of several pages are added."""

    true_positives: int = 0
    false_negatives: int = 0
    false_positives: int = 0
    true_negatives: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.true_positives + other.true_positives,
            self.false_negatives + other.false_negatives,
            self.false_positives + other.false_positives,
            self.true_negatives + other.true_negatives,
        )

    @property
    def precision(self) -> float:
        """Of the phrases in the text, the share that should be there; 0 where there is none."""
        return self.true_positives / max(1, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float:
        """Of the phrases that should be in the text, the share that is there; 0 where there is none."""
        return self.true_positives / max(1, self.true_positives + self.false_negatives)

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return _f1(self.true_positives, self.false_positives, self.false_negatives)


def phrase_counts(text: str, with_: Iterable[str], without: Iterable[str]) -> Counts:
    """Counts the phrases that a text should have and has, and that it should not have, white space folded.

    As trafilatura's own evaluation does (github.com/adbar/trafilatura, tests/evaluate.py): case matters,
    and a phrase may begin and end inside a word.
    """
    text = folded(text)
    wanted = [folded(phrase) in text for phrase in with_]
    unwanted = [folded(phrase) in text for phrase in without]
    return Counts(sum(wanted), len(wanted) - sum(wanted), sum(unwanted), len(unwanted) - sum(unwanted))


def shingle_f1(text: str, article: str, size: int = 4) -> float:
    """F1 over the multiset of word n-grams of `size`; a shorter text is one n-gram, and no text equals no article.

    Case counts for nothing; what a word is, `words` says. After the measure of scrapinghub's article
    extraction benchmark, which takes the words as they are written.
    """
    return _overlap(_shingles(words(text), size), _shingles(words(article), size))


def word_f1(text: str, article: str) -> float:
    """F1 over the multiset of lower-cased runs of `\\w`, as evaluate.py of the benchmark WCXB has it.

    (github.com/Murrough-Foley/web-content-extraction-benchmark.)
    """
    return _overlap(re.findall(r"\w+", text.lower()), re.findall(r"\w+", article.lower()))


def words(text: str) -> list[str]:
    """The lower-cased runs of letters and digits; each character of a script without spaces is a word (`ALONE`)."""
    return WORDS.findall(text.lower())


def folded(text: str) -> str:
    """The text with each run of white space as one space, and none at its ends."""
    return " ".join(text.split())


def _shingles(found: list[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(found[i : i + size]) for i in range(max(min(1, len(found)), len(found) - size + 1))]


def _overlap(one: Sequence[Hashable], other: Sequence[Hashable]) -> float:
    if not one or not other:
        return float(len(one) == len(other))
    common = (Counter(one) & Counter(other)).total()
    return _f1(common, len(one) - common, len(other) - common)


def _f1(true: int, false: int, missed: int) -> float:
    return 2 * true / max(1, 2 * true + false + missed)
