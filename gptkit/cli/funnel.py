"""Tables of `gptkit clean` and `gptkit explain`; text from data is never read as markup."""

import sys
from collections.abc import Sequence
from typing import Any

from gptkit.cli.tables import console, print_columns
from gptkit.engine.terminal import printable

LANGUAGES = 12  # that a table names


def print_funnel(funnel: dict[str, Any]) -> None:
    """The funnel on standard error: what came into each step and what left, by rule."""
    out = console(sys.stderr)
    rows = [
        (
            step["step"],
            f"{step['documents_in']:,}",
            f"{step['documents_out']:,}",
            f"{step['documents_in'] - step['documents_out']:,}",
            f"{step['bytes_in'] / 1e6:,.2f}",
            f"{step['bytes_out'] / 1e6:,.2f}",
        )
        for step in funnel["steps"]
    ]
    print_columns(out, "Steps", ("step", "documents", "stay", "go", "MB in", "MB out"), rows)
    if funnel["rules"]:
        total = max(1, funnel["steps"][0]["documents_in"])
        rules = sorted(funnel["rules"].items(), key=lambda item: -item[1]["documents"])
        by_rule = [
            (rule, f"{count['documents']:,}", f"{count['documents'] / total:.1%}", f"{count['bytes'] / 1e6:,.2f}")
            for rule, count in rules
        ]
        print_columns(out, "Why documents went", ("rule", "documents", "of all", "MB"), by_rule)
    for title, name in (
        ("Lines taken out, addresses replaced, pages cut off", "edits"),
        ("Documents a rule has no data for", "skipped"),
    ):
        if funnel[name]:
            print_columns(out, title, ("rule", "number"), [(rule, f"{n:,}") for rule, n in funnel[name].items()])
    languages = list(funnel["languages"].items())
    if languages:
        parts = [f"{code or '?'} {count:,}" for code, count in languages[:LANGUAGES]]
        rest = sum(count for _, count in languages[LANGUAGES:])
        line = f"Languages: {', '.join(parts)}{f', others {rest:,}' if rest else ''}"
        out.print(printable(line, lines=False), highlight=False, markup=False)


def print_preview(expected: dict[str, Any]) -> None:
    """What a run would do, on standard error."""
    print_funnel(expected["funnel"])
    out = console(sys.stderr)
    out.print(
        f"From a sample of {expected['documents']:,} documents ({expected['share']:.1%} of the input): about "
        f"{expected['documents_out']:,} of {expected['documents_in']:,} documents would stay, "
        f"{expected['bytes_out'] / 1e6:,.1f} MB of text. One worker does {expected['megabytes_per_second']:,.1f} MB/s "
        f"of unpacked input; the run would take about {_duration(expected['seconds'])}.",
        highlight=False,
        markup=False,
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def print_rules(rows: Sequence[dict[str, Any]]) -> None:
    """The table of all rules, on standard output."""
    cells = [
        (row["rule"], f"{row['limit']:g}", row["unit"], row["takes"], row["meaning"], ", ".join(row["sets"]))
        for row in rows
    ]
    names = ("rule", "limit", "unit", "takes", "what it looks at", "sets")
    print_columns(console(width=190), "", names, cells, left=(0, 2, 3, 4, 5))  # one line a rule, for grep


def print_verdicts(rows: Sequence[dict[str, Any]]) -> None:
    """What each rule says of one document, on standard output."""
    cells = []
    for row in rows:
        value = "no data" if row["value"] is None else f"{row['value']:,.4g}"
        limit = "" if row["limit"] is None else f"{row['limit']:,.4g}"
        side = "" if row["limit"] is None else "≥" if row["rule"].startswith("min_") or row["rule"] == "empty" else "≤"
        verdict = "goes" if row["broken"] else "skipped" if row["value"] is None else "stays"
        cells.append((row["step"], row["rule"], value, f"{side} {limit}".strip(), verdict, row["detail"] or ""))
    names = ("step", "rule", "value", "limit", "verdict", "")
    print_columns(console(), "", names, cells, left=(0, 1, 4, 5))
