"""The main text of a page: blocks as HTML, and the prose in them."""

import dataclasses
import hashlib
import html
import re
from collections.abc import Sequence

from gptkit.sample.blocks import Block, Code, Heading, Items, Paragraph, Terms
from gptkit.sample.inline import plain, to_html

CODE_PER_PROSE = 0.4  # characters of code kept for each of prose, in a section
FREE_CODE = 300  # characters every section may have
IMPORT = re.compile(r"(>>> )?(import|from) ")
SHORTEST_PROSE = 20  # characters; below, a line counts as a label


@dataclasses.dataclass(frozen=True)
class Article:
    """A page without its site."""

    path: str  # within the site, without an ending
    title: str
    html: str
    prose: tuple[str, ...]  # paragraphs, as plain text

    @property
    def words(self) -> int:
        """Words of prose."""
        return sum(len(text.split()) for text in self.prose)


class Writer:
    """Collects HTML and prose of one article.

    What a page has said it does not say again: methods that were copied describe the same
    parameters word for word.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.prose: list[str] = []
        self._said: set[str] = set()
        self._code_left = 0.0

    @property
    def characters(self) -> int:
        """Characters of prose so far."""
        return sum(map(len, self.prose))

    def heading(self, level: int, text: str, code: bool = False) -> None:
        """Adds a heading that others can link to."""
        words = f"<code>{html.escape(text, quote=False)}</code>" if code else to_html(text)
        self.lines.append(f'<h{level} id="{anchor(plain(words))}">{words}</h{level}>')

    def blocks(self, blocks: Sequence[Block], level: int, of: str = "") -> None:
        """Adds a section's blocks; its headings lie below `level`.

        The name after `of` is added to the standard headings ("Returns of json.loads"), which
        would otherwise be the same line many times on a page.
        """
        self._code_left = FREE_CODE + CODE_PER_PROSE * _prose_length(blocks)
        start, said = len(self.lines), len(self._said)
        for block in blocks:
            if isinstance(block, Heading):
                self._drop_if_nothing_was_said(start, said)
                start, said = len(self.lines), len(self._said)
                text = f"{block.text} of {of}" if of and len(block.text.split()) <= 2 else block.text
                self.heading(min(6, level + block.level), text)
            else:
                self._block(block)
        self._drop_if_nothing_was_said(start, said)

    def _drop_if_nothing_was_said(self, start: int, said: int) -> None:
        if len(self._said) == said:
            del self.lines[start:]

    def _block(self, block: Block) -> None:
        if isinstance(block, Paragraph):
            self._text("p", block.text)
        elif isinstance(block, Heading):
            self._text("h6", block.text)
        elif isinstance(block, Code):
            code = self._new_lines(block.text)
            if len(code) <= self._code_left:
                self._code_left -= len(code)
                self.lines.append(f'<div class="highlight"><pre>{html.escape(code, quote=False)}</pre></div>')
        elif isinstance(block, Items):
            tag = "ol" if block.ordered else "ul"
            self.lines.append(f"<{tag}>")
            for item in block.items:
                self._wrapped("li", "", item)
            self.lines.append(f"</{tag}>")
        else:
            self._terms(block)

    def _terms(self, terms: Terms) -> None:
        self.lines.append('<ul class="field-list">')
        for term, blocks in terms.entries:
            self._wrapped("li", f"<strong>{to_html(term)}</strong>" if term else "", blocks)
        self.lines.append("</ul>")

    def _wrapped(self, tag: str, lead: str, blocks: Sequence[Block]) -> None:
        """An element that begins with a paragraph's text, without a paragraph of its own."""
        first = to_html(blocks[0].text) if blocks and isinstance(blocks[0], Paragraph) else ""
        text = f"{lead}: {first}" if lead and first else lead or first
        if text and not self._is_new(text):
            return
        self.lines.append(f"<{tag}>{text}")
        for block in blocks[1 if first else 0 :]:
            self._block(block)
        self.lines.append(f"</{tag}>")

    def _text(self, tag: str, text: str) -> None:
        words = to_html(text)
        if self._is_new(words):
            self.lines.append(f"<{tag}>{words}</{tag}>")

    def _is_new(self, words: str) -> bool:
        """Whether an HTML fragment has words that the page does not have yet; if so they are counted."""
        text = plain(words)
        if text in self._said or not any(map(str.isalpha, text)):
            return False
        self._said.add(text)
        if len(text) >= SHORTEST_PROSE:
            self.prose.append(text)
        return True

    def _new_lines(self, code: str) -> str:
        """Code without imports that stood in an earlier example."""
        lines = [line for line in code.split("\n") if not (IMPORT.match(line) and line in self._said)]
        self._said.update(lines)
        return "\n".join(lines)

    def article(self, path: str, title: str) -> Article:
        """The article of what was added."""
        return Article(path, title, "\n".join(self.lines), tuple(self.prose))


def anchor(text: str) -> str:
    """A heading's name in an address."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "section"


def mark(paragraph: str) -> int:
    """A 64-bit hash of a paragraph, the same for other case, digits and spacing."""
    text = re.sub(r"[\W\d_]+", " ", paragraph.lower())
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _prose_length(blocks: Sequence[Block]) -> int:
    length = 0
    for block in blocks:
        if isinstance(block, Paragraph):
            length += len(block.text)
        elif isinstance(block, Items):
            length += sum(_prose_length(item) for item in block.items)
        elif isinstance(block, Terms):
            length += sum(_prose_length(entry) for _, entry in block.entries)
    return length
