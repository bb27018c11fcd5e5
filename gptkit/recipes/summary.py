"""The table at the end of a recipe: what each stage kept, the loss, and scores beside their baselines."""

from typing import Any

from gptkit.data.manifest import Manifest
from gptkit.engine.terminal import printable


def print_summary(manifests: dict[str, Manifest]) -> None:
    """Prints the summary on standard output; text from data is never read as markup."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=110)
    table = Table(title="What each stage kept", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in ("stage", "documents in", "out", "text in MB", "out", "kept", "what left", "digest"):
        table.add_column(name, justify="left" if name in ("stage", "what left", "digest") else "right", overflow="fold")
    for name, manifest in manifests.items():
        if "documents_out" in manifest.counts or manifest.plan.stage == "sample":
            table.add_row(*(Text(printable(cell, lines=False)) for cell in _stage_row(name, manifest)))
    console.print(table)
    for manifest in manifests.values():
        if manifest.plan.stage == "train":
            console.print()
            for line in _loss_lines(manifest):
                console.print(line, markup=False, highlight=False)
        if manifest.plan.stage == "eval":
            from gptkit.evaluation.report import print_table

            console.print()
            print_table(manifest.counts["results"])


def _stage_row(name: str, manifest: Manifest) -> list[str]:
    counts = manifest.counts
    if manifest.plan.stage == "sample":
        pages = counts["pages"]
        sources = ", ".join(f"{source} {number:,} pages" for source, number in sorted(pages.items()))
        return [name, "", f"{sum(pages.values()):,}", "", "", "", sources, manifest.digest[:12]]
    text_in, text_out = counts.get("bytes_text", counts.get("bytes_in")), counts.get("bytes_out")
    kept = f"{text_out / text_in:.0%}" if text_in and text_out is not None else ""
    left = ", ".join(f"{rule} {number:,}" for rule, number in _largest(counts.get("rejected", {})))
    return [
        name,
        f"{counts['documents_in']:,}" if "documents_in" in counts else "",
        f"{counts['documents_out']:,}",
        f"{text_in / 1e6:.2f}" if text_in else "",
        f"{text_out / 1e6:.2f}" if text_out is not None else "",
        kept,
        left or _sources(counts) or _tokens(counts),
        manifest.digest[:12],
    ]


def _largest(rejected: dict[str, int], most: int = 4) -> list[tuple[str, int]]:
    """The rules that rejected most, and the sum of the others."""
    order = sorted(
        ((rule, number) for rule, number in rejected.items() if number), key=lambda item: (-item[1], item[0])
    )
    rest = sum(number for _, number in order[most:])
    return order[:most] + ([("others", rest)] if rest else [])


def _sources(counts: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {part['share']:.0%} ({part['epochs']:.2f} epochs)"
        for name, part in sorted(counts.get("sources", {}).items())
    )


def _tokens(counts: dict[str, Any]) -> str:
    return f"{counts['tokens']:,} tokens of {counts['bytes_per_token']} bytes" if "tokens" in counts else ""


def _loss_lines(manifest: Manifest) -> list[str]:
    """What a trained model's loss is, beside what one can have without it."""
    facts = manifest.facts
    lines = [
        f"Model: {facts['parameters']:,} parameters, {facts['tokens']:,} tokens in {facts['steps']:,} steps, {facts['epochs']:.2f} epochs"
    ]
    if "validation_bits_per_byte" in facts:
        line = f"Held-out text: {facts['validation_bits_per_byte']:.3f} bits per byte"
        reference = facts["reference"]
        if reference:
            line += f" (xz -9: {reference['xz_9']:.3f}; a byte 5-gram model: {reference['byte_5gram']:.3f})"
        lines.append(line)
    return lines
