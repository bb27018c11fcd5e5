"""The chain of cleaning steps over a batch of documents; each document that leaves it has a reason."""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gptkit.clean import languages, rules, urls
from gptkit.clean.funnel import Funnel
from gptkit.clean.language import detect
from gptkit.clean.measures import Measure, measure, measure_lines, measure_text
from gptkit.clean.pii import replace_pii
from gptkit.clean.quality import Quality, pareto_keep
from gptkit.clean.repair import repair
from gptkit.clean.settings import CleanSettings
from gptkit.engine import watch
from gptkit.extraction.extract import extract
from gptkit.extraction.metadata import metadata_columns
from gptkit.kernels import c4_lines, dclm_lines
from gptkit.kernels.c4_lines import C4Limits, edit_c4
from gptkit.kernels.dclm_lines import DclmLimits, edit_dclm

GOPHER = "gopher"  # its rules on repetition and on quality look at the same statistics
STEPS = (
    "quarantine",
    "urls",
    "extract",
    "repair",
    rules.LENGTH,
    "language",
    GOPHER,
    rules.DCLM,
    rules.C4,
    rules.FINEWEB,
    "model",
    "pii",
)
# Reasons besides the rules, in the order in which they are asked
REASONS = (
    "quarantine",
    "url_domain",
    "url_list",
    "url_word",
    "url_soft_words",
    "url_substring",
    "extract",
    "empty",
    "too_long",
)
RULE_ORDER = (*REASONS, *(rule.name for rule in rules.RULES), "language", "min_language_score", "min_quality", "pareto")
C4_SWITCHES = ("citations", "end_mark", "javascript", "policy", "lorem_ipsum", "curly_bracket")
# The columns of dropped lines, by the rule that drops them
C4_LINES = {
    "max_word_characters": c4_lines.LONG_WORD,
    "end_mark": c4_lines.END_MARK,
    "min_line_words": c4_lines.FEW_WORDS,
    "javascript": c4_lines.JAVASCRIPT,
    "policy": c4_lines.POLICY,
}
DCLM_LINES = {
    "max_line_uppercase": dclm_lines.UPPER_CASE,
    "max_line_digits": dclm_lines.DIGITS,
    "counter_lines": dclm_lines.COUNTER,
    "min_line_words_dclm": dclm_lines.FEW_WORDS,
    "navigation_lines": dclm_lines.EMPTIED,
}
LONGEST = 16_000_000  # bytes of a document: the rules' kernels take up to 45 times that for a while
EXACT = 1 << 30  # sentences: more than there can be
CUT = "pages_cut_off"  # by the extractor's limits of bytes, elements and blocks
ROW = "\0row"  # no input has a column of that name: a document's place in the batch that came in
LEFT_OUT = [("rule", pa.string()), ("value", pa.float64()), ("limit", pa.float64()), ("detail", pa.string())]

TEXT = pa.schema([("text", pa.string())])

Documents: TypeAlias = pa.RecordBatch


@dataclasses.dataclass(frozen=True)
class Result:
    """What a step made of documents, what it measured of each, and how often each rule changed text."""

    documents: Documents
    measures: list[Measure] = dataclasses.field(default_factory=list)
    edits: dict[str, int] = dataclasses.field(default_factory=dict)


Step = Callable[[Documents], Result]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a batch: who stays, and by step who went, with the reason (`LEFT_OUT`) beside it."""

    kept: Documents
    rejected: list[Documents]  # columns differ by the step at which they went; `ROW` has their order
    funnel: Funnel


def list_files(settings: CleanSettings) -> urls.UrlListFiles:
    """The block lists that some settings name."""
    return urls.UrlListFiles(
        settings.block_domains,
        settings.block_urls,
        settings.block_words,
        settings.soft_words,
        settings.block_substrings,
    )


@functools.lru_cache(4)
def chain_of(settings: CleanSettings) -> "Chain":
    """The chain of some settings, made once a process: it loads lists and models."""
    return Chain(settings)


class Chain:
    """All steps that some settings ask for. Raises GptkitError where a list or a model cannot be read."""

    def __init__(self, settings: CleanSettings) -> None:
        self.settings = settings
        self.limits = rules.resolve(settings.rules)
        self.explicit = rules.explicit(settings.rules)
        files = list_files(settings)
        self.lists = urls.load(files, files.digest()) if files.given else None
        self.model = Quality.load(settings.quality_model) if settings.quality_model else None

    @property
    def steps(self) -> list[str]:
        """The names of the steps that are asked for of text, in order."""
        return [name for name, _ in self._steps(TEXT, 0, {})]

    @property
    def columns(self) -> list[tuple[str, pa.DataType]]:
        """The columns that documents get."""
        scores = [("language", pa.string()), ("language_score", pa.float32())]
        return [*scores, ("quality", pa.float32())] if self.model else scores

    def run(self, batch: Documents, first: int = 0, quarantine: Mapping[int, str] | None = None) -> Outcome:
        """Sends a batch of pages (`html`, `charset`) or documents (`text`) through the steps.

        `first` is the number of the first document in its task; `quarantine` has the numbers of
        those that are not to be touched, and why.
        """
        funnel, rejected = Funnel(), []
        documents = _numbered(batch)
        for name, step in self._steps(documents.schema, first, quarantine or {}):
            result = step(documents)
            keep, reasons = _first_reasons(result.measures, len(documents))
            for measured in result.measures:
                if np.isnan(measured.value).any():
                    funnel.skip(measured.rule, int(np.isnan(measured.value).sum()))
            for rule, number in result.edits.items():
                funnel.edit(rule, number)
            if name == "language":
                for entry in pc.value_counts(result.documents.column("language")).to_pylist():
                    funnel.language(entry["values"], entry["counts"])
            went = documents.filter(pa.array(~keep))
            sizes = _sizes(went)
            for rule in set(reasons.column("rule").to_pylist()):
                of_rule = pc.equal(reasons.column("rule"), rule).to_numpy(zero_copy_only=False)
                funnel.rule(rule, int(of_rule.sum()), int(sizes[of_rule].sum()))
            if len(went):
                rejected.append(_beside(went, reasons))
            stays = result.documents if keep.all() else result.documents.filter(pa.array(keep))
            funnel.step(name, len(documents), int(_sizes(documents).sum()), len(stays), int(_sizes(stays).sum()))
            documents = stays
        return Outcome(documents.drop_columns([ROW]), rejected, funnel)

    def explain(self, batch: Documents) -> tuple[list[dict[str, Any]], Documents]:
        """Every measure of a single document, whether or not it would have gone before, and the document at the end.

        A row has step, rule, value, limit, broken and detail; value is None where the rule has no
        data for the document's language.
        """
        rows = []
        batch = _numbered(batch)
        for name, step in self._steps(batch.schema, 0, {}, exact=True):
            result = step(batch)
            batch = result.documents
            for measured in result.measures:
                detail = measured.detail[0] if measured.detail is not None else None
                value, limit, broken = measured.value[0], measured.limit[0], bool(measured.broken[0])
                rows.append(_row(name, measured.rule, value, limit, broken, detail))
            rows += [_row(name, rule, number, detail="taken out") for rule, number in result.edits.items() if number]
        return rows, batch.drop_columns([ROW])

    def _steps(
        self, schema: pa.Schema, first: int, quarantine: Mapping[int, str], exact: bool = False
    ) -> list[tuple[str, Step]]:
        """The steps that are asked for, in order; with `exact`, nothing is counted only as far as its limit."""
        steps = {rules.BY_NAME[name].step for name in self.limits}
        asked: list[tuple[str, Step, bool]] = [
            ("quarantine", functools.partial(self._quarantine, first=first, numbers=quarantine), bool(quarantine)),
            ("urls", self._urls, self.lists is not None),
            ("extract", functools.partial(self._extract, first=first), "text" not in schema.names),
            ("repair", self._repair, self.settings.repair),
            (rules.LENGTH, self._length, True),
            ("language", self._language, True),
            (GOPHER, self._gopher, bool({rules.REPETITION, rules.QUALITY} & steps)),
            (rules.DCLM, self._dclm, rules.DCLM in steps),
            (rules.C4, functools.partial(self._c4, exact=exact), rules.C4 in steps),
            (rules.FINEWEB, self._fineweb, rules.FINEWEB in steps),
            ("model", self._quality, self.model is not None),
            ("pii", self._pii, self.settings.pii),
        ]
        return [(name, step) for name, step, wanted in asked if wanted]

    def _urls(self, documents: Documents) -> Result:
        assert self.lists is not None
        names, entries = (column.to_pylist() for column in self.lists.judge(documents.column("url")))
        found = [
            _named(rule, [entry if name == rule else None for name, entry in zip(names, entries, strict=True)])
            for rule in urls.RULES
            if rule is not None
        ]
        return Result(documents, found)

    def _quarantine(self, documents: Documents, first: int, numbers: Mapping[int, str]) -> Result:
        rows = documents.column(ROW).to_pylist()
        return Result(documents, [_named("quarantine", [numbers.get(first + row) for row in rows])])

    def _extract(self, documents: Documents, first: int) -> Result:
        places, charsets, urls = (documents.column(name).to_pylist() for name in (ROW, "charset", "url"))
        if len(places) == 1:
            watch.at(
                first + places[0]
            )  # else it is said that work on many begins: the fast extractor takes all at once
        found = extract(
            documents.column("html").to_pylist(),
            charsets,
            self.settings.extractor,
            self.settings.favor,
            self.settings.comments,
            self.settings.extractor_model,
            lambda number: watch.at(first + places[number]),
        )
        if len(places) > 1:
            watch.at_many()
        after = _with(documents.drop_columns(["html", "charset"]), "text", pa.array(found.texts, pa.string()))
        stated = metadata_columns(found.pages, urls)
        for name in stated.schema.names:
            after = _with(after, name, stated.column(name))
        cut = sum(1 for limit in found.cut if limit)
        return Result(after, [_named("extract", found.failed)], {CUT: cut} if cut else {})

    def _repair(self, documents: Documents) -> Result:
        return Result(_with(documents, "text", repair(documents.column("text"))))

    def _length(self, documents: Documents) -> Result:
        characters = pc.utf8_length(documents.column("text")).to_numpy(zero_copy_only=False)
        names = [rule for rule in self.limits if rules.BY_NAME[rule].step == rules.LENGTH]
        found = [measure(rule, characters, self.limits[rule]) for rule in names]
        sizes = _sizes(documents)
        too_long = Measure("too_long", sizes.astype(float), np.full(len(sizes), float(LONGEST)), sizes > LONGEST)
        return Result(documents, [_not_empty(documents), too_long, *found])

    def _language(self, documents: Documents) -> Result:
        found, scores = detect(documents.column("text"), self.settings.language_characters)
        after = _with(documents, "language", found)
        after = _with(after, "language_score", pa.array(scores, pa.float32()))
        if self.settings.language == ("any",):
            return Result(after)
        codes = found.to_pylist()
        wrong = np.array([code not in self.settings.language for code in codes], bool)
        measured = [
            Measure("language", np.asarray(scores, np.float64), np.full(len(wrong), np.nan), wrong, codes),
            measure("min_language_score", scores, self.settings.language_score),
        ]
        return Result(after, measured)

    def _gopher(self, documents: Documents) -> Result:
        codes = documents.column("language").to_pylist()
        return Result(documents, measure_text(documents.column("text"), codes, self.limits, self.explicit))

    def _dclm(self, documents: Documents) -> Result:
        on = self.limits
        limits = DclmLimits(
            max_upper_case=on.get("max_line_uppercase", 1.0),
            max_digits=on.get("max_line_digits", 1.0),
            counters="counter_lines" in on,
            min_line_words=math.ceil(on.get("min_line_words_dclm", 0)),
        )
        if "navigation_lines" not in on:
            limits = limits._replace(phrases_anywhere=(), phrases_at_end=(), phrases_at_start=())
        text, rows = edit_dclm(documents.column("text"), _not_english(documents), limits)
        after = _with(documents, "text", text)
        before, left = rows[:, dclm_lines.WORDS_BEFORE], rows[:, dclm_lines.WORDS_AFTER]
        removed = (before - left) / np.maximum(before, 1)  # both are 0 where no line changed
        found = [measure("max_removed_words", removed, on["max_removed_words"])] if "max_removed_words" in on else []
        return Result(after, [*found, _not_empty(after)], _sums(rows, DCLM_LINES, on))

    def _c4(self, documents: Documents, exact: bool) -> Result:
        on = self.limits
        limits = C4Limits(
            max_word_characters=int(on.get("max_word_characters", 0)),
            min_line_words=math.ceil(on.get("min_line_words", 0)),
            sentences=EXACT if exact and "min_sentences" in on else math.ceil(on.get("min_sentences", 0)),
            **{name: name in on for name in C4_SWITCHES},
        )
        text, rows = edit_c4(documents.column("text"), _not_english(documents), limits)
        after = _with(documents, "text", text)
        found = [
            measure(rule, rows[:, column], 0)
            for rule, column in (("lorem_ipsum", c4_lines.LOREM_IPSUM), ("curly_bracket", c4_lines.CURLY_BRACKET))
            if rule in on
        ]
        if "min_sentences" in on:
            codes = documents.column("language").to_pylist()
            limit = np.where(languages.without_sentence_ends(codes), np.nan, on["min_sentences"])
            found.append(measure("min_sentences", rows[:, c4_lines.SENTENCES], limit))
        return Result(after, [*found, _not_empty(after)], _sums(rows, C4_LINES, on))

    def _fineweb(self, documents: Documents) -> Result:
        return Result(documents, measure_lines(documents.column("text"), _not_english(documents), self.limits))

    def _quality(self, documents: Documents) -> Result:
        assert self.model is not None
        scores = self.model.score(documents.column("text"))
        found = []
        if self.settings.min_quality is not None:
            found.append(measure("min_quality", scores, self.settings.min_quality))
        if self.settings.alpha is not None:
            keys = (documents.column(name).to_pylist() for name in ("source", "id"))
            keep, draws = pareto_keep(scores, self.settings.alpha, self.settings.seed, *keys)
            found.append(Measure("pareto", np.asarray(scores, np.float64), 1 - draws, ~keep))
        return Result(_with(documents, "quality", pa.array(scores, pa.float32())), found)

    def _pii(self, documents: Documents) -> Result:
        text, counts = replace_pii(documents.column("text"))
        replaced = dict(zip(("email_addresses", "ip_addresses"), counts.sum(axis=0).tolist(), strict=True))
        return Result(_with(documents, "text", text), edits=replaced)


def _row(
    step: str, rule: str, value: float, limit: float = np.nan, broken: bool = False, detail: str | None = None
) -> dict[str, Any]:
    """A line of an explanation; numbers that are none become None."""
    numbers = {name: None if np.isnan(n) else float(n) for name, n in (("value", value), ("limit", limit))}
    return {"step": step, "rule": rule, **numbers, "broken": broken, "detail": detail}


def _numbered(batch: Documents) -> Documents:
    """The batch with its rows' numbers; a text that is null is empty."""
    if "text" in batch.schema.names and batch.column("text").null_count:
        batch = _with(batch, "text", pc.fill_null(batch.column("text"), ""))
    return batch.append_column(ROW, pa.array(np.arange(len(batch))))


def _with(documents: Documents, name: str, column: pa.Array) -> Documents:
    """The documents with a column put in the place of one of that name, or behind all."""
    if name in documents.schema.names:
        return documents.set_column(documents.schema.names.index(name), name, column)
    return documents.append_column(name, column)


def _named(rule: str, details: list[str | None]) -> Measure:
    """A rule that has no value, only what it found."""
    hit = np.array([detail is not None for detail in details], bool)
    return Measure(rule, hit.astype(float), np.zeros(len(hit)), hit, details)


def _sums(rows: np.ndarray, columns: Mapping[str, int], on: Mapping[str, float]) -> dict[str, int]:
    return {rule: int(rows[:, column].sum()) for rule, column in columns.items() if rule in on}


def _not_english(documents: Documents) -> np.ndarray:
    return pc.not_equal(documents.column("language"), "en").to_numpy(zero_copy_only=False)


def _not_empty(documents: Documents) -> Measure:
    sizes = _sizes(documents)
    return Measure("empty", sizes.astype(float), np.ones(len(sizes)), sizes == 0)


def _sizes(documents: Documents) -> np.ndarray:
    """Bytes of each document: of its text, or its HTML where it has no text yet; int64 [documents]."""
    column = documents.column("text" if "text" in documents.schema.names else "html")
    return pc.fill_null(pc.binary_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)


def _first_reasons(found: list[Measure], documents: int) -> tuple[np.ndarray, pa.RecordBatch]:
    """Which documents break no rule (bool), and for the others the first they break (`LEFT_OUT`)."""
    first = np.full(documents, -1)
    for place in range(len(found) - 1, -1, -1):
        first[found[place].broken] = place
    rows = []
    for document in np.flatnonzero(first >= 0):
        measured = found[first[document]]
        limit = float(measured.limit[document])
        detail = measured.detail[document] if measured.detail is not None else None
        rows.append((measured.rule, float(measured.value[document]), None if np.isnan(limit) else limit, detail))
    schema = pa.schema(LEFT_OUT)
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return first < 0, pa.RecordBatch.from_arrays(arrays, schema=schema)


def _beside(documents: Documents, reasons: pa.RecordBatch) -> Documents:
    for name, column in zip(reasons.schema.names, reasons.columns, strict=True):
        documents = _with(documents, name, column)
    return documents
