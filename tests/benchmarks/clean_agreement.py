"""Do gptkit's rules decide as datatrove's filters do? Each set of rules alone, document by document.

Both read the same documents, as they are (no repair, any language). Twice: with gptkit's word
splitter in both, on all documents, and with datatrove's own splitter, on the English ones.
datatrove's limits and stop words are English; for other languages its Gopher quality filter is given
those gptkit has, and told to leave out the rules for which gptkit has none. English and other
languages are counted apart, because C4's end marks of lines differ there on purpose.
"""

import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Any

import corpora
import peers
from measure import clean, share, table

from gptkit.clean.languages import Language, languages

SETS = ("gopher-quality", "gopher-repetition", "c4", "fineweb-quality")
WORDS = Path(__file__).parents[1] / "kernels" / "reference_words.py"

# datatrove's reasons by gptkit's names
REASONS = {
    "empty": "empty",
    "gopher_short_doc": "min_words",
    "gopher_long_doc": "max_words",
    "gopher_below_avg_threshold": "min_word_length",
    "gopher_above_avg_threshold": "max_word_length",
    "gopher_too_many_hashes": "max_hashes",
    "gopher_too_many_ellipsis": "max_ellipses",
    "gopher_too_many_bullets": "max_bullet_lines",
    "gopher_too_many_end_ellipsis": "max_ellipsis_lines",
    "gopher_below_alpha_threshold": "min_alpha_words",
    "gopher_enough_stop_words": "min_stop_words",
    "dup_para_frac": "max_dup_paragraphs",
    "dup_para_char_frac": "max_dup_paragraph_characters",
    "dup_line_frac": "max_dup_lines",
    "dup_line_char_frac": "max_dup_line_characters",
    **{f"top_{n}_gram": f"max_top_{n}_gram" for n in (2, 3, 4)},
    **{f"duplicated_{n}_n_grams": f"max_dup_{n}_gram" for n in range(5, 11)},
    "lorem_ipsum": "lorem_ipsum",
    "curly_bracket": "curly_bracket",
    "too_few_sentences": "min_sentences",
    "line_punct_ratio": "min_line_ends",
    "short_line_ratio": "max_short_lines",
    "char_dup_ratio": "max_repeated_line_characters",
    "list_ratio": "max_newlines",
}


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What became of a document under one set of rules."""

    reason: str | None  # None: kept
    text: str | None = None  # as C4 leaves a kept document
    measured: str = ""


@dataclasses.dataclass
class Agreement:
    """How far two lists of verdicts are the same."""

    documents: int = 0
    kept: int = 0  # by datatrove
    decisions: int = 0  # kept or dropped by both
    reasons: int = 0  # and for the same reason
    texts: int = 0  # kept by both, with the same text
    both: int = 0  # kept by both
    differing: list[tuple[str, str, str]] = dataclasses.field(default_factory=list)

    def add(self, identity: str, ours: Verdict, theirs: Verdict) -> None:
        """Counts one document."""
        both = ours.reason is None and theirs.reason is None
        self.documents += 1
        self.kept += theirs.reason is None
        self.decisions += (ours.reason is None) == (theirs.reason is None)
        self.reasons += ours.reason == theirs.reason
        self.both += both
        self.texts += both and ours.text == theirs.text
        if ours.reason != theirs.reason:
            self.differing.append((identity, f"{ours.reason or 'kept'}{ours.measured}", theirs.reason or "kept"))
        elif both and ours.text != theirs.text:
            self.differing.append((identity, "kept, other text", "kept"))


def documents_of(name: str, folder: Path, documents: int | None) -> list[dict[str, Any]]:
    """A corpus as rows of `id`, `text` and `language`: pages extracted, all else as it is; a sample by key."""
    path = corpora.data(name)
    if not path.name.endswith(".warc.gz"):
        path = corpora.write(corpora.sample(list(corpora.rows(name)), documents), folder / "sample.parquet")
    extracted = folder / "extracted"
    clean([path], extracted, "--rules", "none", "--language", "any", "--no-repair")
    return corpora.sample(corpora.read(extracted, ["id", "text", "language"]), documents)


def our_verdicts(rules: str, documents: Path, folder: Path) -> dict[str, Verdict]:
    """Runs `gptkit clean` with one set of rules."""
    clean([documents], folder, "--rules", rules, "--language", "any", "--no-repair", "--keep-rejected")
    found = {
        row["id"]: Verdict(None, row["text"] if rules == "c4" else None) for row in corpora.read(folder, ["id", "text"])
    }
    for row in corpora.read(folder / "rejected", ["id", "rule", "value", "limit"]):
        limit = "" if row["limit"] is None else f", limit {row['limit']:g}"
        found[row["id"]] = Verdict(row["rule"], measured=f" ({row['value']:.6g}{limit})")
    return found


def their_verdicts(documents: Path, output: Path, own_words: bool) -> dict[str, dict[str, Verdict]]:
    """Runs datatrove's filters; the verdicts of each set by id."""
    known = output.with_name("languages.json")
    known.write_text(json.dumps({each.code: _options(each) for each in (Language(""), *languages().values())}))
    options = [] if own_words else ["--words", WORDS, "--languages", known]
    peers.run("peer_datatrove.py", "judge", documents, output, *options)
    found: dict[str, dict[str, Verdict]] = {name: {} for name in SETS}
    with output.open() as file:
        for row in map(json.loads, file):
            for name in SETS:
                reason = row["reasons"][name]
                text = row["c4_text"] if name == "c4" and reason is None else None
                found[name][row["id"]] = Verdict(REASONS.get(reason, reason), text)
    return found


def _options(language: Language) -> dict[str, Any]:
    """What datatrove's Gopher quality filter is told of a language; None leaves a rule out."""
    least, most = language.word_length or (None, None)
    return {
        "min_avg_word_length": least,
        "max_avg_word_length": most,
        "max_non_alpha_words_ratio": language.letters,
        "min_stop_words": 2 if language.stop_words else None,
        "stop_words": list(language.stop_words),
    }


def compare(name: str, folder: Path, documents: int | None) -> tuple[str, dict[tuple[str, str, str], Agreement]]:
    """One corpus: what it holds, and the agreement by (set of rules, splitter, languages)."""
    folder.mkdir()
    rows = documents_of(name, folder, documents)
    path = corpora.write(rows, folder / "documents.parquet")
    ours = {rules: our_verdicts(rules, path, folder / rules) for rules in SETS}
    english = {row["id"] for row in rows if row["language"] == "en"}
    found: dict[tuple[str, str, str], Agreement] = {}
    for words in ("gptkit's", "datatrove's"):
        chosen = rows if words == "gptkit's" else [row for row in rows if row["id"] in english]
        part = corpora.write(chosen, folder / "part.parquet")
        theirs = their_verdicts(part, folder / "theirs.jsonl", own_words=words == "datatrove's")
        for rules in SETS:
            for identity, verdict in theirs[rules].items():
                key = rules, words, "English" if identity in english else "others"
                found.setdefault(key, Agreement()).add(identity, ours[rules][identity], verdict)
    text = [row["text"] for row in rows]
    return f"{name}: {len(text):,} documents, {corpora.size(text):.1f} MB, {len(english):,} in English", found


def report(folder: Path, documents: int | None, show: int) -> None:
    """Prints the agreement on each corpus and the documents where the two differ."""
    print("## Rules: gptkit clean against datatrove's filters\n")
    head = ("rules", "words", "languages", "documents", "kept", "same decision", "same reason", "same text (C4)")
    for place, name in enumerate((corpora.MIXED, corpora.PAGES, corpora.ARTICLES)):
        what, found = compare(name, folder / f"corpus-{place}", documents)
        print(what + "\n")
        print(table(head, [(*key, *_cells(each, key[0])) for key, each in found.items()]))
        for key, each in found.items():
            if each.differing:
                _print_differences(key, each, show)


def _cells(found: Agreement, rules: str) -> tuple[int | str, ...]:
    decisions, reasons = share(found.decisions, found.documents), share(found.reasons, found.documents)
    return found.documents, found.kept, decisions, reasons, share(found.texts, found.both) if rules == "c4" else ""


def _print_differences(key: tuple[str, str, str], found: Agreement, show: int) -> None:
    rules, words, part = key
    pairs = Counter((ours.split(" (")[0], theirs) for _, ours, theirs in found.differing)
    kinds = "; ".join(f"{ours} / {theirs} {count}" for (ours, theirs), count in pairs.most_common())
    print(f"{rules}, {words} words, {part}: {len(found.differing)} differ (gptkit / datatrove): {kinds}")
    for identity, ours, theirs in found.differing[:show]:
        print(f"- `{identity}`: {ours} / {theirs}")
    print()
