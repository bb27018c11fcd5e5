"""Articles of a package's own words: its description or READMEs, and its licences."""

import email.parser
import email.policy
from collections.abc import Iterator
from pathlib import Path

from gptkit.sample import markup
from gptkit.sample.article import Article, Writer
from gptkit.sample.blocks import Heading, Paragraph
from gptkit.sample.distributions import LICENCE, Distribution
from gptkit.sample.inline import clean

LARGEST_TEXT = 120_000  # bytes; beyond lie collections of other people's licences
LONGEST_README = 40_000  # characters; changelogs follow
MOST_LICENCES = 8  # of a package


def articles(distribution: Distribution) -> Iterator[Article]:
    """The description, then further READMEs, then licences."""
    metadata = _read(distribution.metadata) if distribution.metadata else None
    if metadata:
        message = email.parser.Parser(policy=email.policy.compat32).parsestr(metadata)
        text = message.get_payload() or message.get("Description") or ""
        if isinstance(text, str) and text.strip():
            summary = str(message.get("Summary") or "")
            yield from _page("index", distribution.name, _cut(text), "" if summary == "UNKNOWN" else summary)
    licences = 0
    for name, path in distribution.texts:
        is_licence = bool(LICENCE.match(path.name))
        licences += is_licence
        text = _read(path) if not (is_licence and licences > MOST_LICENCES) else None
        if text:
            words = name.rsplit("/", 1)[-1]
            yield from _page(f"about/{name}", f"{distribution.name}: {words}", text if is_licence else _cut(text))


def _page(path: str, title: str, text: str, summary: str = "") -> Iterator[Article]:
    writer = Writer()
    blocks = markup.read(clean(text))
    if blocks and isinstance(blocks[0], Heading):
        title, blocks = blocks[0].text, blocks[1:]
    writer.heading(1, title)
    if summary:
        writer.blocks((Paragraph(clean(summary)),), 1)
    writer.blocks(blocks, 1)
    if writer.prose:
        yield writer.article(path, title)


def _cut(text: str) -> str:
    """A README up to its first heading beyond the longest."""
    if len(text) <= LONGEST_README:
        return text
    end = text.find("\n#", LONGEST_README)
    return text[: end if 0 < end < 2 * LONGEST_README else LONGEST_README]


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace") if path.stat().st_size <= LARGEST_TEXT * 2 else None
    except (OSError, ValueError):
        return None
