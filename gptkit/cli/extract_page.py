"""`gptkit extract FILE`: one page to text, and why."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gptkit.cli.options import json_option
from gptkit.errors import UsageError

if TYPE_CHECKING:
    from gptkit.extraction.page import Page

SHORT = 60  # characters of a block's text in the table
REASONS = 3
WIDTH = 190  # of the table where it is not shown on a terminal


@click.command(
    "page",
    epilog="""\b
Examples:
  gptkit extract page.html --format markdown
  gptkit extract https://example.org/ --html -o blocks.html
  gptkit extract crawl.warc.gz --index 12 --blocks
""",
)
@click.argument("source", metavar="FILE|URL|-")
@click.option(
    "--url", metavar="ADDRESS", help="The page of a WARC file with this address; of other files their address."
)
@click.option("--index", type=click.IntRange(0), metavar="N", help="The page at this place of a WARC file (first: 0).")
@click.option("--blocks", "as_blocks", is_flag=True, help="List each block with its probability and the reasons.")
@click.option("--html", "as_html", is_flag=True, help="Write a page that shows what is kept and dropped, and why.")
@click.option("--format", "form", type=click.Choice(["text", "markdown"]), default="text", show_default=True)
@click.option(
    "--favor",
    type=click.Choice(["recall", "balanced", "precision"]),
    default="balanced",
    show_default=True,
    help="What the extractor does in doubt: keep, or leave out.",
)
@click.option("--comments/--no-comments", default=False, help="Keep what readers wrote below an article.")
@click.option(
    "--extractor", type=click.Choice(["fast", "resiliparse", "trafilatura"]), default="fast", show_default=True
)
@click.option("--charset", help="The encoding, as a server would state it.")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="A model of gptkit extract train, in the place of the built-in one.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write instead of standard output.")
@json_option
def command(
    source: str,
    url: str | None,
    index: int | None,
    as_blocks: bool,
    as_html: bool,
    form: str,
    favor: str,
    comments: bool,
    extractor: str,
    charset: str | None,
    model: Path | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Print the main text of one page.

    FILE is a page of HTML (plain, gzip or zstd) or a WARC file, of which --url or --index picks a page;
    - is a page on standard input. What was found is said in a line on standard error.
    """
    if as_html and (as_blocks or as_json):
        raise UsageError(f"--html cannot be had together with {'--blocks' if as_blocks else '--json'}")
    if url is not None and index is not None:
        raise UsageError("--url and --index both pick a page; give one of them")
    if form == "markdown" and (as_html or (as_blocks and not as_json)):
        raise UsageError(
            f"--format markdown means nothing to {'--html' if as_html else '--blocks'}, which has its own form"
        )
    if favor != "balanced" and extractor == "resiliparse":
        raise UsageError("--favor means nothing to resiliparse")
    if extractor != "fast":
        needs_blocks = {"--blocks": as_blocks, "--html": as_html, "--format markdown": form == "markdown"}
        for flag, given in (needs_blocks | {"--model": model is not None}).items():
            if given:
                raise UsageError(f"{flag} is of the fast extractor's blocks; {extractor} gives text only")

    from gptkit.data.encoding import codec_of
    from gptkit.data.page import find_page
    from gptkit.engine.terminal import printable

    if charset is not None and codec_of(charset) is None:
        raise UsageError(f"--charset {charset!a}: no encoding of the web has this name")
    found = find_page(source, url, index)
    charset = charset or found.charset
    if extractor != "fast":
        shown, told = _by_others(found.html, found.url, charset, extractor, comments, favor, as_json)
    else:
        from gptkit.extraction.model import load
        from gptkit.extraction.page import page_extractor, read_page
        from gptkit.kernels.jit import compile_kernels

        compile_kernels(_say, _read_once, "extract-fast")
        own = page_extractor(load(model)) if model else None
        page = read_page(found.html, charset, found.url, favor, comments, own)
        told = _line(page)
        if as_json:
            settings = {"extractor": extractor, "favor": favor, "comments": comments, "format": form}
            shown = _as_json(page, settings, as_blocks)
        elif as_html:
            from gptkit.extraction.report import report

            shown = report(page)
        else:
            shown = _table(page, output is None) if as_blocks else _text(page, form)
    _say(told)
    if output is None and sys.stdout.isatty() and not as_blocks:
        shown = printable(shown)  # what is piped or written is data, and stays as it is
    _write(shown, output)


def _say(line: str) -> None:
    click.echo(line, err=True)


def _read_once() -> None:
    """Calls all kernels that the fast extractor needs."""
    from gptkit.extraction.page import read_page

    read_page(b"<p>A <a href=b>link")


def _look_once() -> None:
    """Calls the kernel that the other extractors' pages need."""
    from gptkit.kernels.html_facts import html_facts

    html_facts(b"<p>")


def _by_others(
    html: bytes, url: str, charset: str | None, extractor: str, comments: bool, favor: str, as_json: bool
) -> tuple[str, str]:
    """What is written, and what is said of it."""
    from gptkit.data.addresses import hide_credentials
    from gptkit.data.encoding import as_utf8
    from gptkit.engine.terminal import printable
    from gptkit.errors import GptkitError
    from gptkit.extraction.metadata import metadata
    from gptkit.extraction.parsed import extract_parsed
    from gptkit.kernels.html_facts import html_facts
    from gptkit.kernels.jit import compile_kernels

    compile_kernels(_say, _look_once, "extract-facts")
    page = as_utf8(html, charset)
    text, reason = extract_parsed(page.decode(), extractor, comments, favor)
    if reason is not None:
        raise GptkitError(f"{extractor} finds no text: {reason}")
    stated = metadata(page, html_facts(page), url)
    told = printable(f"{stated.title or 'no title'}: {len(text):,} characters", lines=False)
    if not as_json:
        return _with_end(text), told
    settings = {"extractor": extractor, "favor": favor, "comments": comments, "format": "text"}
    return json.dumps({"url": hide_credentials(url), **stated._asdict(), **settings, "text": text}) + "\n", told


def _line(page: "Page") -> str:
    """What is said of a page: its title, how much is kept, how sure the model is, and whether it goes beyond a limit."""
    from gptkit.engine.terminal import printable
    from gptkit.extraction.fast import LEFT_OUT

    counts = page.counts
    line = (
        f"{page.metadata.title or 'no title'}: {counts['characters_kept']:,} of {counts['characters']:,} characters, "
        f"{counts['blocks_kept']:,} of {counts['blocks']:,} blocks"
    )
    if page.kept:
        chances = [block.probability for block in page.kept]
        line += f", of probability {min(chances):.2f} to {max(chances):.2f}"
    if page.stopped:
        line += f"; WARNING: beyond the limit of {page.stopped}, {LEFT_OUT[page.stopped]}"
    return printable(line, lines=False)


def _text(page: "Page", form: str) -> str:
    if form == "text":
        return _with_end(page.text)
    from gptkit.extraction.markdown import to_markdown

    return _with_end(to_markdown(page.blocks))


def _with_end(text: str) -> str:
    return f"{text}\n" if text else ""


def _as_json(page: "Page", settings: dict[str, Any], with_blocks: bool) -> str:
    from gptkit.data.addresses import hide_credentials

    found: dict[str, Any] = {
        "url": hide_credentials(page.url),
        **page.metadata._asdict(),
        **settings,
        "threshold": page.threshold,
        "counts": page.counts,
        "truncated": page.stopped or None,
        "text": _text(page, settings["format"]).removesuffix("\n"),
    }
    if with_blocks:
        found["blocks"] = [
            {
                "kept": block.kept,
                "probability": round(block.probability, 4),
                "kind": block.kind,
                "path": block.path,
                "text": block.text,
                "reasons": [reason._asdict() for reason in block.reasons],
            }
            for block in page.blocks
        ]
    return json.dumps(found) + "\n"


def _table(page: "Page", terminal: bool) -> str:
    """A line a block; as wide as the terminal, or `WIDTH`."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from gptkit.engine.terminal import printable

    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("", "p", "kind", "text", "what tells it from the others"):
        table.add_column(name, overflow="ellipsis", no_wrap=True)
    for block in page.blocks:
        text = " ".join(block.text.split())
        short = text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"
        reasons = ", ".join(
            f"{reason.weight:+.2f} {reason.feature} {reason.value}" for reason in block.reasons[:REASONS]
        )
        cells = ("+" if block.kept else "-", f"{block.probability:.2f}", block.kind, short, reasons)
        style = "" if block.kept else "dim"
        table.add_row(*(Text(printable(cell, lines=False), style) for cell in cells))
    terminal = terminal and sys.stdout.isatty()
    console = Console(
        width=None if terminal else WIDTH, force_terminal=terminal, color_system="auto" if terminal else None
    )
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def _write(shown: str, output: Path | None) -> None:
    """Writes UTF-8, whatever encoding the shell has."""
    if output is not None:
        from gptkit.data.files import atomic_path

        with atomic_path(output) as temporary:
            temporary.write_text(shown, encoding="utf-8")
    else:
        click.echo(shown.encode(), nl=False)
