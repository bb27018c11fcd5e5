"""Draws pages from files: groups of modules are parsed, rendered and compressed, each by itself."""

import array
import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gptkit.data.files import atomic_path, beside
from gptkit.sample import crawl, prose, reference
from gptkit.sample.article import Article, mark
from gptkit.sample.distributions import Distribution, Module
from gptkit.sample.page import Site
from gptkit.sampling.draws import draw64

GROUP = 400_000  # bytes of source that are drawn or left together
TASK = 2_000_000  # bytes of source a task parses
FEWEST_WORDS = 50  # of a page whose prose counts: filters drop shorter ones


@dataclasses.dataclass(frozen=True)
class Group:
    """Files of one distribution that are drawn or left together."""

    source: str
    site: Site
    modules: tuple[Module, ...] = ()
    texts: Distribution | None = None  # whose READMEs and licences

    @property
    def size(self) -> int:
        """Bytes of source, about."""
        return sum(module.size for module in self.modules) or 20_000


@dataclasses.dataclass(frozen=True)
class DrawTask:
    """Groups to render into `stem`.gz (records one after the other) and `stem`.marks."""

    groups: tuple[Group, ...]
    stem: Path
    label: str

    @property
    def weight(self) -> int:
        """Its share of the work, in bytes of source."""
        return sum(group.size for group in self.groups)


def module_groups(source: str, distribution: Distribution) -> list[Group]:
    """A distribution's modules in the order of their names, cut by bytes."""
    groups: list[Group] = []
    for modules in cut(distribution.modules, GROUP):
        names = tuple(module.name for module in modules)
        groups.append(Group(source, Site(distribution.name, distribution.version, names), tuple(modules)))
    return groups


def package_groups(distributions: Sequence[Distribution], seed: int) -> list[Group]:
    """All groups of all packages in the order they are drawn.

    In every round each package gives one group, so that large packages do not crowd out small
    ones; which one, and the order of packages within a round, are keyed draws.
    """
    rounds: list[tuple[int, int, Group]] = []
    for distribution in distributions:
        groups = module_groups("packages", distribution)
        groups.sort(key=lambda group: draw64(seed, group.site.name, group.modules[0].name))
        for turn, group in enumerate(groups):
            rounds.append((turn, draw64(seed, turn, distribution.name), group))
    return [group for _, _, group in sorted(rounds, key=lambda place: place[:2])]


def text_groups(distributions: Sequence[Distribution]) -> list[Group]:
    """The READMEs and licences of every distribution."""
    return [Group("prose", Site(d.name, d.version), texts=d) for d in distributions if d.metadata or d.texts]


def cut(things: Sequence[Any], size: int) -> Iterator[list[Any]]:
    """Runs of things whose attribute `size` adds up to at least `size`, but for the last run."""
    run: list[Any] = []
    total = 0
    for thing in things:
        run.append(thing)
        total += thing.size
        if total >= size:
            yield run
            run, total = [], 0
    if run:
        yield run


def draw(task: DrawTask) -> dict[str, Any]:
    """Renders the groups' pages.

    For each group gives the compressed bytes of its pages in order, the number of its marks
    (pairs of a paragraph's hash and its bytes), and what was skipped and why.
    """
    groups = []
    marks = array.array("Q")
    with atomic_path(beside(task.stem, ".gz")) as path, open(path, "wb") as file:
        for group in task.groups:
            skipped: Counter[str] = Counter()
            sizes, before = [], len(marks)
            for article in _articles(group, skipped):
                for url, html in group.site.pages(article):
                    sizes.append(file.write(crawl.response(url, html)))
                if article.words >= FEWEST_WORDS:
                    marks.extend(
                        itertools.chain.from_iterable((mark(text), len(text.encode())) for text in article.prose)
                    )
            groups.append({"pages": sizes, "marks": (len(marks) - before) // 2, "skipped": dict(skipped)})
    with atomic_path(beside(task.stem, ".marks")) as path:
        path.write_bytes(marks.tobytes())
    return {"groups": groups}


def _articles(group: Group, skipped: Counter[str]) -> Iterator[Article]:
    if group.texts is not None:
        yield from prose.articles(group.texts)
    for module in group.modules:
        try:
            found = reference.articles(module.name, module.path.read_bytes())
        except (SyntaxError, ValueError):
            skipped["does not parse"] += 1
        except (RecursionError, MemoryError):
            skipped["nested too deeply"] += 1
        except OSError:
            skipped["cannot be read"] += 1
        else:
            skipped["no documentation"] += not found
            yield from found
