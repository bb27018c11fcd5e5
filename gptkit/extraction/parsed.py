"""Extractors of others, which parse a page into a tree: resiliparse and trafilatura."""

import re
from collections.abc import Callable
from typing import Any

from gptkit.errors import GptkitError

# Of <div> in <div> and <article> in <article> the parser's time grows with the square (4,000: 0.2 s; 100,000: minutes)
DEEPEST = 4_000
NESTED = re.compile(r"<(/?)(?:div|article)\b", re.IGNORECASE)
MOST_TAGS = 500_000  # a parsed page of more would take over a gigabyte


def extract_parsed(
    html: str, extractor: str, comments: bool = False, favor: str = "balanced"
) -> tuple[str, str | None]:
    """The main text of a page, paragraphs and list items on lines of their own, or why there is none.

    `favor` means something to trafilatura only. Raises GptkitError where the extractor is not installed.
    """
    tags = html.count("<")
    if tags > MOST_TAGS:
        return "", f"more than {MOST_TAGS:,} tags"
    if tags > DEEPEST and _too_deep(html):
        return "", f"more than {DEEPEST:,} nested <div> or <article>"
    try:
        return PARSED[extractor](html, comments, favor).strip(), None
    except (GptkitError, MemoryError):
        raise
    except Exception as error:  # what a parser makes of a hostile page is its own affair
        return "", f"{extractor}: {type(error).__name__}"


def _too_deep(html: str) -> bool:
    depth = 0
    for match in NESTED.finditer(html):
        depth = max(0, depth - 1) if match[1] else depth + 1
        if depth > DEEPEST:
            return True
    return False


def load_trafilatura(wanted_by: str) -> Any:
    """The library trafilatura. Raises GptkitError with what to do where it cannot be loaded."""
    try:
        import trafilatura
    except ImportError as error:
        needed = "pip install 'gptkit[trafilatura]'"  # newer lxml does not bring lxml_html_clean along
        raise GptkitError(f"{wanted_by}: trafilatura is not installed ({error.name}); {needed}") from None
    return trafilatura


def _resiliparse(html: str, comments: bool, favor: str) -> str:
    from resiliparse.extract.html2text import extract_plain_text

    return str(
        extract_plain_text(
            html,
            main_content=True,
            alt_texts=False,
            list_bullets=False,
            preserve_formatting=True,
            comments=comments,
        )
    )


def _trafilatura(html: str, comments: bool, favor: str) -> str:
    return (
        load_trafilatura("--extractor trafilatura").extract(
            html,
            include_comments=comments,
            deduplicate=False,
            favor_precision=favor == "precision",
            favor_recall=favor == "recall",
        )
        or ""
    )


PARSED: dict[str, Callable[[str, bool, str], str]] = {"resiliparse": _resiliparse, "trafilatura": _trafilatura}
