"""Weak labels: what trafilatura takes for the main text of a page, for pages of which it is not known."""

import logging

from gptkit.errors import GptkitError


def need_trafilatura() -> None:
    """Raises GptkitError with what to do where trafilatura cannot be loaded."""
    try:
        import trafilatura  # noqa: F401
    except ImportError as error:
        needed = "pip install 'gptkit[trafilatura]', or add --no-weak"
        raise GptkitError(f"weak labels need trafilatura ({error}); {needed}") from None


def weak_texts(html: str) -> list[str]:
    """What trafilatura finds, without readers' comments, carefully and fast; empty where it finds nothing.

    The two often differ where the case is doubtful. A page that it fails at has no text of that kind.
    """
    need_trafilatura()
    import trafilatura

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
