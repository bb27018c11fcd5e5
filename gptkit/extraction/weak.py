"""Weak labels: what trafilatura takes for the main text of a page, for pages of which it is not known."""

import logging

from gptkit.extraction.parsed import load_trafilatura


def need_trafilatura() -> None:
    """Raises GptkitError with what to do where trafilatura cannot be loaded."""
    load_trafilatura("weak labels (--no-weak does without)")


def weak_texts(html: str) -> list[str]:
    """What trafilatura finds, without readers' comments, carefully and fast; empty where it finds nothing.

    The two often differ where the case is doubtful. A page that it fails at has no text of that kind.
    """
    trafilatura = load_trafilatura("weak labels (--no-weak does without)")
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    texts = []
    for fast in (False, True):
        try:
            texts.append(trafilatura.extract(html, include_comments=False, fast=fast) or "")
        except MemoryError:
            raise
        except Exception:  # what a parser makes of a hostile page is its own affair
            continue
    return texts
