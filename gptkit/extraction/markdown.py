"""Blocks as Markdown (CommonMark, and tables of GitHub Flavored Markdown)."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from gptkit.extraction.markdown_inline import heading as heading_text
from gptkit.extraction.markdown_inline import inline, line_start
from gptkit.extraction.page import Block, Element

HEADINGS = {f"h{level}": level for level in range(1, 7)}
HEADING_BLOCKS = 4  # in one heading; one of more was never closed
LISTS = ("ul", "ol", "menu", "dir")
DEEPEST = 12  # lists and quotes in each other; what is deeper stands in the last of them
COLUMNS = 100  # of a table; one of more, of one, or with more in its cells is no table of data
CELL_BLOCKS = 4
LARGEST_NUMBER = 999_999_999  # of a list's item
FENCE = re.compile("`{3,}")

Chain = tuple[Element, ...]  # the elements around a block that Markdown knows, the outermost first


def to_markdown(blocks: Sequence[Block]) -> str:
    """The blocks that are kept, with headings, lists, quotes, code and tables of data.

    Read by a CommonMark parser it has the text of the blocks again.
    """
    kept = [(row, block) for row, block in enumerate(blocks) if block.kept]
    tables = _tables([block for _, block in kept])
    chains: dict[Element, Chain] = {}
    entries = [Entry(row, block, _chain(block.element, tables, chains)) for row, block in kept]
    return "\n".join(_body(entries, 0))


@dataclass(frozen=True)
class Entry:
    """A block, its place in the page, and what is around it."""

    row: int
    block: Block
    chain: Chain


def _lineage(element: Element, known: dict[Element, Chain]) -> list[Element]:
    """The element's ancestors that are not known yet, and itself, the outermost first."""
    line: list[Element] = []
    at: Element | None = element
    while at is not None and at not in known:
        line.append(at)
        at = at.parent
    return line[::-1]


def _chain(element: Element, tables: set[Element], known: dict[Element, Chain]) -> Chain:
    for each in _lineage(element, known):
        chain = known[each.parent] if each.parent else ()
        # nothing else is told apart within these
        closed = bool(chain) and (chain[-1].tag in ("pre", "listing", "table") or chain[-1].tag in HEADINGS)
        if each.tag == "caption" and chain and chain[-1] is each.parent:
            known[each] = chain[:-1]
            continue
        if each.tag in ("pre", "listing") or each in tables:
            counts = not closed
        elif each.tag in HEADINGS:
            counts = not closed and each.blocks <= HEADING_BLOCKS
        else:
            counts = not closed and each.tag in ("li", "blockquote") and len(chain) < DEEPEST
        known[each] = (*chain, each) if counts else chain
    return known[element]


def _cell(block: Block) -> tuple[Element, Element, Element] | None:
    """The cell that a block stands in as plain text, its row and its table."""
    if block.kind != "cell":
        return None
    found: list[Element] = []
    element: Element | None = block.element
    while element is not None and len(found) < 3:
        if element.tag in (("td", "th"), ("tr",), ("table",))[len(found)]:
            found.append(element)
        elif element.tag == "table":
            return None
        element = element.parent
    return (found[0], found[1], found[2]) if len(found) == 3 else None


def _in_caption(block: Block) -> bool:
    """Whether a block stands in the caption of a table, which is written before it."""
    element: Element | None = block.element if block.kind == "caption" else None
    while element is not None and element.tag not in ("caption", "figcaption"):
        element = element.parent
    return element is not None and element.tag == "caption"


def _tables(blocks: Sequence[Block]) -> set[Element]:
    """The tables that hold data, and do not place text."""
    cells: Counter[Element] = Counter()
    columns: dict[Element, set[int]] = {}
    unfit: set[Element] = set()
    outside: dict[Element, Chain] = {}  # elements whose tables are settled
    for block in blocks:
        place = _cell(block)
        if place is None:
            if not _in_caption(block):
                for element in _lineage(block.element, outside):
                    outside[element] = ()
                    unfit.add(element)
            continue
        cell, _, table = place
        cells[cell] += 1
        columns.setdefault(table, set()).add(cell.order)
        if cells[cell] > CELL_BLOCKS or cell.order >= COLUMNS:
            unfit.add(table)
        if table.parent is not None:
            for element in _lineage(table.parent, outside):
                outside[element] = ()
                unfit.add(element)
    return {table for table, found in columns.items() if table not in unfit and len(found) > 1}


def _body(entries: Sequence[Entry], depth: int) -> list[str]:
    """The lines of blocks that have the first `depth` elements around them in common."""
    lines: list[str] = []
    before: Item | None = None
    for element, group in groupby(entries, lambda entry: entry.chain[depth] if len(entry.chain) > depth else None):
        inside = list(group)
        item = None
        gap = bool(lines)
        if element is None:
            made = _paragraphs(inside)
        elif element.tag == "li":
            content = _body(inside, depth + 1)
            item = _item(element, content, before)
            made = [f"{item.mark} {content[0]}", *(_indented(line, len(item.mark) + 1) for line in content[1:])]
            if before is not None and before.holder is item.holder:
                gap = not (before.short and item.short)
            elif before is None and depth and entries[0].chain[depth - 1].tag == "li" and item.may_interrupt:
                gap = False  # a list at once behind the text of the item that it is in
        elif element.tag == "blockquote":
            made = [f"> {line}" if line else ">" for line in _body(inside, depth + 1)]
        elif element.tag in HEADINGS:
            text = " ".join(inline(entry.block.runs) for entry in inside)
            made = [f"{'#' * HEADINGS[element.tag]} {heading_text(text)}"]
        elif element.tag == "table":
            made = _table(inside)
        else:
            made = _fenced("\n".join(entry.block.text for entry in inside))
        lines += [""] * gap + made
        before = item
    return lines


def _indented(line: str, spaces: int) -> str:
    return " " * spaces + line if line else line


@dataclass(frozen=True)
class Item:
    """An item of a list, as it is written."""

    holder: Element  # the list
    mark: str  # such as - or 12.
    short: bool  # without an empty line: the next item may follow at once

    @property
    def may_interrupt(self) -> bool:
        """Whether it may stand behind a paragraph without an empty line, and still begins a list."""
        return self.short and self.mark in ("-", "1.")


def _item(element: Element, content: Sequence[str], before: Item | None) -> Item:
    holder = element.parent if element.parent is not None and element.parent.tag in LISTS else element
    marks = ".)" if holder.tag == "ol" else "-*"
    mark = marks[0]
    if before is not None:
        # of two lists, one behind the other, the second has another mark: else they were one
        same = before.mark[-1] in marks and (before.mark[-1] == marks[0]) == (before.holder is holder)
        mark = marks[0] if same or before.mark[-1] not in marks else marks[1]
    if holder.tag == "ol":
        number = min((1 if holder.start is None else holder.start) + element.order, LARGEST_NUMBER)
        mark = f"{number}{mark}"
    return Item(holder, mark, "" not in content)


def _paragraphs(entries: Sequence[Entry]) -> list[str]:
    """Blocks between which there is a single <br> are lines of one paragraph."""
    lines: list[str] = []
    for place, entry in enumerate(entries):
        line = line_start(inline(entry.block.runs))
        if place and entry.block.new_line and entries[place - 1].row == entry.row - 1:
            lines[-1] += "  "  # a hard line break
        elif place:
            lines.append("")
        lines.append(line)
    return lines


def _fenced(text: str) -> list[str]:
    fence = "`" * (1 + max(map(len, FENCE.findall(text)), default=2))
    return [fence, *text.split("\n"), fence]


def _table(entries: Sequence[Entry]) -> list[str]:
    """A table with its first row as the header, where that is one; else the header is empty."""
    rows: list[tuple[bool, dict[int, str]]] = []
    places = [(place, entry) for entry in entries if (place := _cell(entry.block))]
    for _, group in groupby(places, lambda found: found[0][1]):
        cells: dict[int, str] = {}
        header = True
        for (cell, _, _), entry in group:
            text = inline(entry.block.runs).replace("|", "\\|")
            cells[cell.order] = f"{cells[cell.order]} {text}" if cell.order in cells else text
            header = header and cell.tag == "th"
        rows.append((header, cells))
    width = 1 + max(max(cells) for _, cells in rows)
    head = rows.pop(0)[1] if rows[0][0] else {}
    lines = [_row(head, width), "|" + " --- |" * width]
    return lines + [_row(cells, max(cells) + 1) for _, cells in rows]


def _row(cells: dict[int, str], width: int) -> str:
    return "|" + "".join(f" {cells.get(column, '')} |" for column in range(width))
