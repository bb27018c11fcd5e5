"""A page of a documentation site around an article: header, navigation, sidebar, footer."""

import dataclasses
import html
import re
import urllib.parse
from collections.abc import Sequence

from gptkit.sample.article import Article
from gptkit.sampling.draws import draw64

LONGEST_SIDEBAR = 24  # entries
HEADING = re.compile(r'<h([23]) id="([^"]+)">(.*?)</h[23]>')


@dataclasses.dataclass(frozen=True)
class Look:
    """How a family of documentation sites names its parts."""

    main: str
    navigation: str
    sidebar: str
    footer: str
    generator: str


LOOKS = (
    Look(
        'div class="body" role="main"', "related", "sphinxsidebar", "Created using a documentation generator.", "sphinx"
    ),
    Look(
        'main class="md-content"',
        "md-header__inner",
        "md-sidebar md-sidebar--primary",
        "Made with a static site generator.",
        "mkdocs",
    ),
    Look(
        'article class="bd-article" role="main"',
        "bd-header navbar",
        "bd-sidebar-primary",
        "Theme by the community.",
        "theme",
    ),
)
COPYRIGHT = "© The contributors of {name}. This page is licensed under the terms of the project. All rights reserved."
BANNERS = {
    "stable": "",
    "latest": "You are reading the documentation of the development version. For the release that most people use, see stable.",
}


@dataclasses.dataclass(frozen=True)
class Site:
    """A documentation site; the host is below .example (RFC 2606), so that no address leads anywhere."""

    name: str
    version: str
    modules: Sequence[str] = ()

    @property
    def root(self) -> str:
        """The address its pages lie below."""
        return (
            f"https://docs.python.example/{self.version}"
            if self.name == "python"
            else f"https://{self.name}.example/en/stable"
        )

    def pages(self, article: Article) -> list[tuple[str, str]]:
        """The addresses and HTML under which an article is found: mostly one.

        As on real sites some pages have a copy for the development version, with another banner
        and version, and some one for printing; dedup is to find them.
        """
        path = urllib.parse.quote(article.path)
        url = f"{self.root}/{path}.html"
        found = [(url, self._html(article, "stable"))]
        lot = draw64("copies", url) % 100
        if lot < 8:
            development = url.replace("/en/stable/", "/en/latest/").replace(f"/{self.version}/", "/dev/")
            found.append((development, self._html(article, "latest")))
        elif lot < 12:
            found.append((f"{self.root}/print/{path}.html", self._printed(article)))
        return found

    def _head(self, article: Article, generator: str) -> str:
        title = html.escape(article.title)
        return (
            f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f"<title>{title} — {self.name} {self.version} documentation</title>\n"
            f'<meta name="generator" content="{generator}">\n<link rel="stylesheet" href="/static/{generator}.css">\n'
            '<script>window.documentation = {"theme": "light"};</script>\n</head>\n'
        )

    def _printed(self, article: Article) -> str:
        footer = f"<p>Printed from {self.root}/{article.path}.html</p>"
        return f"{self._head(article, 'print')}<body>\n<div id='document'><div id='print'><main>\n{article.html}\n</main></div></div>\n{footer}\n</body>\n</html>\n"

    def _html(self, article: Article, edition: str) -> str:
        look = LOOKS[draw64("look", self.name) % len(LOOKS)]
        tag = look.main.split(" ", 1)[0]
        banner = f'<div class="version-banner" role="alert">{BANNERS[edition]}</div>\n' if BANNERS[edition] else ""
        before, after = self._neighbours(article)
        steps = "".join(
            f'<a rel="{rel}" href="{name}.html">{label}: {name}</a> '
            for rel, label, name in (("prev", "Previous", before), ("next", "Next", after))
            if name
        )
        contents = "".join(
            f'<li><a href="#{name}">{words}</a></li>'
            for _, name, words in HEADING.findall(article.html)[:LONGEST_SIDEBAR]
        )
        return (
            f"{self._head(article, look.generator)}<body>\n"
            f'<a class="skip-link" href="#main">Skip to main content</a>\n{banner}'
            f'<header><nav class="{look.navigation}"><ul><li><a href="/">Home</a></li><li><a href="/genindex.html">Index</a></li>'
            f'<li><a href="/search.html">Search</a></li><li><a href="/changes.html">What\'s new</a></li>'
            f"<li>{self.name} {self.version} ({edition})</li></ul></nav>\n"
            '<form class="search" action="/search.html"><input name="q" placeholder="Search the docs"><button>Go</button></form></header>\n'
            f'<div class="breadcrumbs"><a href="/">{self.name}</a> » <a href="./">{article.path.split("/")[0]}</a></div>\n'
            f'<div class="{look.sidebar}"><nav><h4>Modules</h4><ul>{self._sidebar(article)}</ul></nav></div>\n'
            f'<div class="document"><div class="document-wrapper"><div class="content-wrapper">\n<{look.main} id="main">\n'
            f"{article.html}\n</{tag}>\n</div></div></div>\n"
            f'<aside class="toc"><nav><h4>On this page</h4><ul>{contents}</ul></nav></aside>\n'
            f'<nav class="prev-next">{steps}</nav>\n'
            f'<footer class="footer"><p>{COPYRIGHT.format(name=self.name)} {look.footer}</p>'
            '<ul><li><a href="/privacy.html">Privacy</a></li><li><a href="/contact.html">Contact</a></li>'
            '<li><a href="/bugs.html">Report a bug</a></li></ul></footer>\n</body>\n</html>\n'
        )

    def _place(self, article: Article) -> int:
        name = article.path.rsplit("/", 1)[-1].split("-", 1)[0]
        return self.modules.index(name) if name in self.modules else -1

    def _neighbours(self, article: Article) -> tuple[str, str]:
        place = self._place(article)
        if place < 0:
            return "", ""
        before = self.modules[place - 1] if place else ""
        return before, self.modules[place + 1] if place + 1 < len(self.modules) else ""

    def _sidebar(self, article: Article) -> str:
        start = max(0, self._place(article) - LONGEST_SIDEBAR // 2)
        names = self.modules[start : start + LONGEST_SIDEBAR]
        return "".join(f'<li><a href="{name}.html">{name}</a></li>' for name in names)
