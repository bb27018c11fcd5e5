"""Articles of reference documentation: a module's docstrings, cut where a page would grow too long."""

from collections.abc import Iterator, Sequence

from gptkit.sample import markup
from gptkit.sample.article import Article, Writer
from gptkit.sample.blocks import Heading
from gptkit.sample.docstrings import Section, sections, topics
from gptkit.sample.inline import clean

LONGEST_PAGE = 12_000  # characters of prose; then another page begins
TOPICS = "pydoc_data.topics"


def articles(module: str, source: bytes) -> list[Article]:
    """The pages of a module; none where nothing is documented. Raises as `docstrings.sections`."""
    if module == TOPICS:
        return [_topic(section) for section in topics(source)]
    return list(_pages(module, sections(source)))


def _topic(section: Section) -> Article:
    writer = Writer()
    blocks = markup.read(clean(section.text))
    title = section.name
    if blocks and isinstance(blocks[0], Heading):
        title, blocks = blocks[0].text, blocks[1:]
    writer.heading(1, title)
    writer.blocks(blocks, 1)
    return writer.article(f"reference/{section.name}", title)


def _pages(module: str, all_sections: Sequence[Section]) -> Iterator[Article]:
    writer, page, title = Writer(), module, module
    taken = {module}
    writer.heading(1, module, code=True)
    for section in all_sections:
        next_page = f"{module}-{section.name}"  # a dash, because a module may have the name with a dot
        if writer.characters > LONGEST_PAGE and section.level <= 3 and next_page not in taken:
            yield writer.article(f"library/{page}", title)
            writer, page, title = Writer(), next_page, f"{module}.{section.name}"
            taken.add(page)
            writer.heading(1, title, code=True)
        if section.name:
            writer.heading(section.level, section.signature, code=True)
        blocks = markup.read(clean(section.text))
        if blocks and isinstance(blocks[0], Heading) and blocks[0].text == module:
            blocks = blocks[1:]  # the page has that title
        writer.blocks(blocks, section.level, section.name)
    if writer.prose:
        yield writer.article(f"library/{page}", title)
