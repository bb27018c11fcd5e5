"""A page's blocks as a page to look at: what is kept, what is dropped, and why.

It stands alone: no script, nothing is fetched, and what the page said is text in it, never markup.
"""

from collections.abc import Iterator
from html import escape

from gptkit.data.addresses import hide_credentials
from gptkit.extraction.fast import LEFT_OUT
from gptkit.extraction.page import Block, Element, Page

# Elements that get a box of their own, by the part of a page they are
BOXES = frozenset(
    """article aside blockquote details dialog dl fieldset figure footer form header main menu nav ol section table
    ul""".split()
)
DEEPEST = 12  # boxes in each other
HEADINGS = {f"h{level}" for level in range(1, 7)}

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; --ink: #1d2126; --soft: #626b76; --ground: #fff; --line: #d5dae0;
  --kept: #e4f3e6; --kept-edge: #2c8a3d; --dropped: #f9e9e6; --dropped-edge: #b8442f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e7eb; --soft: #98a2ad; --ground: #15181c; --line: #353c44;
  --kept: #17301c; --kept-edge: #57b868; --dropped: #371d18; --dropped-edge: #e07c66; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; overflow-wrap: anywhere; }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 1rem 0; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.cut { border: 1px solid var(--dropped-edge); padding: .5rem .8rem; }
.box { border-left: 1px solid var(--line); margin: .5rem 0 .5rem .3rem; padding-left: .8rem; }
.box > .tag { color: var(--soft); font: .75rem ui-monospace, monospace; }
details.block { margin: .25rem 0; border-left: .3rem solid; }
.kept { background: var(--kept); border-color: var(--kept-edge); }
.dropped { background: var(--dropped); border-color: var(--dropped-edge); }
summary { display: grid; grid-template-columns: 1.2rem 2.6rem 1fr; gap: .4rem; padding: .2rem .5rem; cursor: pointer; }
.sign { font-weight: bold; }
.kept .sign { color: var(--kept-edge); }
.dropped .sign { color: var(--dropped-edge); }
.probability { color: var(--soft); font-variant-numeric: tabular-nums; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; }
.dropped .text { color: var(--soft); }
.heading { font-weight: bold; }
.pre { font-family: ui-monospace, monospace; font-size: .85em; }
.why { padding: .2rem .6rem .6rem 4.6rem; font-size: .85rem; }
.why .path { font-family: ui-monospace, monospace; color: var(--soft); overflow-wrap: anywhere; }
.why td { padding-right: 1rem; }
.why td:first-child { text-align: right; font-variant-numeric: tabular-nums; }
"""


def report(page: Page) -> str:
    """The page's blocks in order and in their nesting as HTML, with probabilities and reasons."""
    title = page.metadata.title or hide_credentials(page.url) or "A page without a title"
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>Blocks of {escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>",
            f'<h1 dir="auto">{escape(title)}</h1>',
            *_facts(page),
            "<main>",
            *_blocks(page.blocks),
            "</main>\n</body>\n</html>\n",
        ]
    )


def _facts(page: Page) -> Iterator[str]:
    counts = page.counts
    facts = {
        "address": hide_credentials(page.url),
        **{name: value for name, value in page.metadata._asdict().items() if name != "title"},
        "blocks": f"{counts['blocks_kept']:,} of {counts['blocks']:,} kept",
        "characters": f"{counts['characters_kept']:,} of {counts['characters']:,} kept",
        "threshold": f"a block is kept from a probability of {page.threshold:.2f} on",
        "signs": "✓ kept, ✗ dropped; open a block to see what tells it from the others of the page",
    }
    yield '<dl class="facts">'
    for name, value in facts.items():
        if value:
            yield f'<dt>{name}</dt><dd dir="auto">{escape(value)}</dd>'
    yield "</dl>"
    if page.stopped:
        yield f'<p class="cut">The page goes beyond the limit of {page.stopped}: {LEFT_OUT[page.stopped]}.</p>'


def _blocks(blocks: list[Block]) -> Iterator[str]:
    """The blocks, in boxes that open and close as the elements of the page do."""
    known: dict[Element, tuple[Element, ...]] = {}
    opened: tuple[Element, ...] = ()
    for block in blocks:
        around = _boxes(block.element, known)
        common = 0
        while common < min(len(opened), len(around)) and opened[common] is around[common]:
            common += 1
        yield "</section>" * (len(opened) - common)
        for element in around[common:]:
            yield f'<section class="box"><span class="tag">{element.tag}</span>'
        opened = around
        yield _block(block)
    yield "</section>" * len(opened)


def _boxes(element: Element, known: dict[Element, tuple[Element, ...]]) -> tuple[Element, ...]:
    """The elements around one that get a box, the outermost first."""
    line: list[Element] = []
    at: Element | None = element
    while at is not None and at not in known:
        line.append(at)
        at = at.parent
    for each in reversed(line):
        outer = known[each.parent] if each.parent else ()
        known[each] = (*outer, each) if each.tag in BOXES and len(outer) < DEEPEST else outer
    return known[element]


def _block(block: Block) -> str:
    name, sign, word = ("kept", "✓", "kept") if block.kept else ("dropped", "✗", "dropped")
    look = "heading" if block.kind in HEADINGS else block.kind
    reasons = "".join(
        f"<tr><td>{reason.weight:+.2f}</td><td>{escape(reason.feature)}</td><td>{escape(reason.value)}</td></tr>"
        for reason in block.reasons
    )
    hint = escape("; ".join(f"{reason.weight:+.2f} {reason.feature}: {reason.value}" for reason in block.reasons[:3]))
    return (
        f'<details class="block {name}"><summary title="{hint}">'
        f'<span class="sign" role="img" aria-label="{word}">{sign}</span>'
        f'<span class="probability">{block.probability:.2f}</span>'
        f'<span class="text {look}" dir="auto">{escape(block.text)}</span></summary>'
        f'<div class="why"><span class="path">{escape(block.path)}</span> {block.kind}'
        f"<table>{reasons}</table></div></details>"
    )
