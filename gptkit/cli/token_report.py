"""Tables of the report on token shards."""

from typing import TYPE_CHECKING, Any

from gptkit.cli.tables import print_columns

if TYPE_CHECKING:
    from rich.console import Console

LISTED = 8  # tokens in a table, and sources or languages in the short form
SHORT = 5


def print_report(report: dict[str, Any], out: "Console", short: bool = False) -> None:
    """How the vocabulary is used, sources and languages; in the short form without lists of tokens."""
    vocabulary = report["vocabulary"]
    shares = [
        f"{int(count):,} make {share:.1%}" for count, share in vocabulary["share_of_most_frequent"].items() if share
    ]
    without_text = vocabulary["size"] - vocabulary["used"] - vocabulary["never_used"]
    out.print(
        f"Vocabulary: {vocabulary['used']:,} of {vocabulary['size']:,} ids occur, {vocabulary['never_used']:,} tokens "
        f"never do, ids without text: {without_text:,}. Of all tokens the most frequent {', '.join(shares)}.",
        highlight=False,
        soft_wrap=True,
    )
    most = SHORT if short else None
    by_source = sorted(report["sources"].items(), key=lambda item: -item[1]["bytes"])[:most]
    print_columns(
        out,
        "Sources",
        ("source", "documents", "MB", "tokens", "bytes per token"),
        [
            (
                name,
                f"{row['documents']:,}",
                f"{row['bytes'] / 1e6:,.1f}",
                f"{row['tokens']:,}",
                _number(row["bytes_per_token"]),
            )
            for name, row in by_source
        ],
    )
    by_language = sorted(report["languages"].items(), key=lambda item: -item[1]["tokens"])[:most]
    print_columns(
        out,
        "Languages, in a sample",
        ("language", "words", "tokens per word", "tokens per character"),
        [
            (
                name or "?",
                f"{row['words']:,}",
                _number(row["tokens_per_word"]),
                _number(row["tokens_per_character"]),
            )
            for name, row in by_language
        ],
    )
    for title, name in () if short else (("Longest tokens", "longest"), ("Rarest tokens", "rarest")):
        print_columns(
            out,
            title,
            ("token", "id", "bytes", "occurrences"),
            [
                (row["token"], f"{row['id']:,}", f"{row['bytes']:,}", f"{row['occurrences']:,}")
                for row in vocabulary[name][:LISTED]
            ],
        )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
