"""What `gptkit dedup` prints of clusters: rates by source, sizes, and examples with their differences."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from gptkit.cli.tables import console, print_columns
from gptkit.engine.terminal import printable

if TYPE_CHECKING:
    from gptkit.dedup.examples import Example

MARKS = {"removed": ("[-", "-]", "red"), "kept": ("{+", "+}", "green"), "left out": ("… ", " …", "dim")}


def print_clusters(counts: dict[str, Any]) -> None:
    """What went by source, and the histogram of cluster sizes, on standard error."""
    out = console(sys.stderr)
    rows = []
    for source, found in counts["sources"].items():
        goes = found["exact"] + found["near"]
        share = f"{goes / max(1, found['documents_in']):.1%}"
        rows.append((source, f"{found['documents_in']:,}", f"{found['exact']:,}", f"{found['near']:,}", share))
    print_columns(out, "What went, by source", ("source", "documents", "exact", "near", "of all"), rows)
    if counts["cluster_sizes"]:
        by_size = sorted(counts["cluster_sizes"].items(), key=lambda item: int(item[0].partition("-")[0]))
        sizes = [(size, f"{number:,}") for size, number in by_size]
        print_columns(out, "Clusters by size", ("documents", "clusters"), sizes)


def print_examples(found: Iterable["Example"]) -> None:
    """Pairs of a removed and a kept document, with [-what only the removed one has-] and {+only the kept one+}."""
    from rich.text import Text

    out = console()
    for example in found:
        row = example.removed
        similarity = "not compared" if row["jaccard"] is None else f"Jaccard {row['jaccard']:.3f}"
        if row["kept_in"] == "index":
            similarity += " (estimated)"
        where = "" if row["kept_in"] == "input" else f", in the {row['kept_in']}"
        head = f"{row['id']} ({row['source']}) went for {row['kept_id']} ({row['kept_source']}{where})"
        line = f"{head}: {similarity}, cluster of {example.members:,}"
        out.print(Text(printable(line, lines=False), style="bold"), soft_wrap=True)
        body = Text()
        for part in example.parts or []:
            before, after, style = MARKS.get(part.kind, ("", "", ""))
            body.append(f"{before}{printable(part.text, lines=False)}{after} ", style=style)
        if example.parts is None:
            body.append("the text of one of them is not there to be read")
        elif not any(part.kind in ("removed", "kept") for part in example.parts):
            body.append("(no difference between the words that are compared)")
        out.print(body, soft_wrap=True)
        out.print()
