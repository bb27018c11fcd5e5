"""Docstrings and READMEs into blocks: paragraphs, headings, lists, definitions, code.

One reader for the mixtures people write: plain text, reStructuredText (with NumPy's sections and
Sphinx's fields), Google's sections, Markdown. What is no prose (tables, images, plots, comments)
is dropped. A reader of documentation must not fail, so what is not understood is a paragraph.
"""

import re
import textwrap

from gptkit.sample.blocks import Block, Code, Heading, Items, Paragraph, Terms

DEEPEST = 6  # nested blocks; what lies deeper is read as paragraphs
LONGEST_LINE = 2000  # characters; longer lines are folded, so that no pattern below takes long
LONGEST_CODE = 12  # lines kept of a code block: prose matters more


UNDERLINE = re.compile(r"([=\-~^\"'`*+#:._])\1{2,}")
BULLET = re.compile(r"(?:[-*+•]|(?:\d{1,3}|#|[a-zA-Z])[.)]|\(\w{1,2}\)) +(?=\S)")
FENCE = re.compile(r"(```+|~~~+)")
FIELD = re.compile(r":([A-Za-z][\w ]{0,40}?)(?: +([^:]*))?:(?: +(.*)|$)")
DIRECTIVE = re.compile(r"\.\. ?(?:([\w:.-]+)::)? ?(.*)")
FOOTNOTE = re.compile(r"\.\. \[[^\]]+\] +(.*)")
GOOGLE = re.compile(r"([A-Z][a-z]+(?: [A-Za-z]+)?):")
ENTRY = re.compile(r"([*\w][\w.*, \[\]`-]{0,60}?(?: *\([^)]{0,120}\)|`[^`]*`)?) *:(?: +|$)(.*)")
TABLE = re.compile(r"=+(?: +=+)+|\+[-=+]+\+?|\|.*|[-:| ]+\|[-:| ]+")
DEFINITIONS = re.compile(
    r"(?:other )?parameters|returns?|raises|yields|receives|warns|attributes|methods|see also|arg(?:ument)?s|"
    r"(?:keyword )arg(?:ument)?s|kwargs|inputs|outputs|exceptions|environment variables",
    re.IGNORECASE,
)
SECTIONS = re.compile(DEFINITIONS.pattern + r"|examples?|notes?|warnings?|references|usage|todo", re.IGNORECASE)
ADMONITIONS = re.compile(r"note|warning|tip|important|hint|caution|danger|attention|seealso|admonition")
CHANGES = {"versionadded": "Added in version", "versionchanged": "Changed in version", "deprecated": "Deprecated since"}
CODE_DIRECTIVES = re.compile(r"code|code-block|sourcecode|ipython|prompt|parsed-literal|testcode|doctest")
CODE_START = re.compile(
    r"(>>> |\.\.\. |\$ |% |@\w|#|def |class |import |from \S+ import |return\b|if .*:$|for .*:$|[{(\[<])"
)


def read(text: str) -> tuple[Block, ...]:
    """Reads dedented text into blocks."""
    lines: list[str] = []
    for line in text.expandtabs().split("\n"):
        lines += [line] if len(line) <= LONGEST_LINE else textwrap.wrap(line, LONGEST_LINE)
    return tuple(_Reader(lines, 0).blocks())


class _Reader:
    def __init__(self, lines: list[str], depth: int, underlines: str = "") -> None:
        self.lines = [line.rstrip() for line in lines]
        self.depth = depth
        self.underlines = underlines  # the characters under headings, in the order of their levels
        self.at = 0
        self.code_follows = False  # a paragraph ended in "::"

    def blocks(self) -> list[Block]:
        found: list[Block] = []
        while self.at < len(self.lines):
            if self.lines[self.at]:
                found += self.block()
            else:
                self.at += 1
        return found

    def block(self) -> list[Block]:
        """Reads what begins at the current line, and moves behind it (always by a line at least)."""
        line = self.lines[self.at]
        if line[0] == " ":
            return self.indented()
        code_follows, self.code_follows = self.code_follows, False
        if line.startswith(">>>") or (code_follows and CODE_START.match(line)):
            return self.code(self.until_blank())
        if fence := FENCE.match(line):
            return self.fenced(fence[1])
        if line.startswith(".. ") or line == "..":
            return self.directive()
        if heading := self.heading():
            return heading
        if line.startswith(">"):
            return self.quoted()
        if line.startswith("<!--"):
            while self.at < len(self.lines) and "-->" not in self.lines[self.at]:
                self.at += 1
            self.at += 1
            return []
        if UNDERLINE.fullmatch(line) or line == "::":
            self.code_follows = line == "::"
            self.at += 1
            return []
        if TABLE.fullmatch(line):
            return self.table()
        if BULLET.match(line):
            return self.bullets()
        if FIELD.match(line):
            return self.fields()
        if GOOGLE.fullmatch(line) and SECTIONS.fullmatch(line[:-1]) and self.indent(self.at + 1):
            return self.google(line[:-1])
        return self.paragraph()

    def indent(self, at: int) -> int:
        """The indentation of the first line from `at` that is not blank; 0 at the end."""
        while at < len(self.lines) and not self.lines[at]:
            at += 1
        return len(self.lines[at]) - len(self.lines[at].lstrip()) if at < len(self.lines) else 0

    def next_line(self) -> str:
        """The first line from here that is not blank."""
        at = self.at
        while at < len(self.lines) and not self.lines[at]:
            at += 1
        return self.lines[at] if at < len(self.lines) else ""

    def until_blank(self) -> list[str]:
        start = self.at
        while self.at < len(self.lines) and self.lines[self.at]:
            self.at += 1
        return self.lines[start : self.at]

    def body(self, least: int = 1) -> list[str]:
        """Takes the lines that are blank or indented by `least`, and removes their common indentation."""
        start = self.at
        while self.at < len(self.lines) and (not self.lines[self.at] or self.lines[self.at].startswith(" " * least)):
            self.at += 1
        taken = self.lines[start : self.at]
        margin = min((len(line) - len(line.lstrip()) for line in taken if line), default=0)
        return [line[margin:] for line in taken]

    def inner(self, lines: list[str]) -> tuple[Block, ...]:
        while lines and not lines[-1]:
            lines = lines[:-1]
        if self.depth >= DEEPEST:
            return (Paragraph(" ".join(lines)),) if lines else ()
        return tuple(_Reader(lines, self.depth + 1).blocks())

    def code(self, lines: list[str]) -> list[Block]:
        text = "\n".join(lines).strip("\n")
        return [Code("\n".join(text.split("\n")[:LONGEST_CODE]))] if text.strip() else []

    def indented(self) -> list[Block]:
        code_follows, self.code_follows = self.code_follows, False
        lines = self.body()
        if code_follows or looks_like_code(lines):
            return self.code(lines)
        return list(self.inner(lines))

    def fenced(self, fence: str) -> list[Block]:
        start = self.at = self.at + 1
        while self.at < len(self.lines) and not self.lines[self.at].startswith(fence):
            self.at += 1
        self.at += 1
        return self.code(self.lines[start : self.at - 1])

    def quoted(self) -> list[Block]:
        """Markdown's quotation, and GitHub's notes ("> [!TIP]") within."""
        start = self.at
        while self.at < len(self.lines) and self.lines[self.at].startswith(">"):
            self.at += 1
        lines = [line.lstrip(">")[1:] for line in self.lines[start : self.at]]
        return list(self.inner([line for line in lines if not line.startswith("[!")]))

    def directive(self) -> list[Block]:
        line = self.lines[self.at]
        self.at += 1
        body = self.body()
        if note := FOOTNOTE.match(line):
            return list(self.inner([note[1], *body]))
        match = DIRECTIVE.match(line)
        name, argument = (match[1] or "", match[2]) if match else ("", "")
        while body and (not body[0] or FIELD.match(body[0])):  # options, which stand before the text
            body = body[1:]
        if name in CHANGES:
            return list(self.inner([f"{CHANGES[name]} {argument}", *body]))
        if ADMONITIONS.fullmatch(name):
            label = argument if name == "admonition" else name.capitalize().replace("Seealso", "See also")
            words = [argument, *body] if name != "admonition" and argument else body
            return list(self.inner([f"{label}: {words[0]}", *words[1:]])) if words else []
        return self.code(body) if CODE_DIRECTIVES.fullmatch(name) else []

    def heading(self) -> list[Block]:
        line = self.lines[self.at]
        if (
            line.startswith("#")
            and (level := len(line) - len(line.lstrip("#"))) <= 6
            and line[level : level + 1] == " "
        ):
            self.at += 1
            return [Heading(level, line.strip("# "))]
        over = 1 if UNDERLINE.fullmatch(line) else 0  # a line above the title as well
        if self.at + over + 1 >= len(self.lines):
            return []
        title, under = self.lines[self.at + over].strip(), self.lines[self.at + over + 1]
        mark = UNDERLINE.fullmatch(under)
        if not title or len(title) > 120 or not mark or (over and under[0] != line[0]) or UNDERLINE.fullmatch(title):
            return []
        self.at += over + 2
        if mark[1] not in self.underlines:
            self.underlines += mark[1]
        heading = Heading(1 + self.underlines.index(mark[1]), title.rstrip(":"))
        return [heading, *self.definitions()] if DEFINITIONS.fullmatch(title) else [heading]

    def definitions(self) -> list[Block]:
        """NumPy's lists: `name : type` at the margin, the description indented; up to the next heading."""
        entries: list[tuple[str, tuple[Block, ...]]] = []
        while self.at < len(self.lines):
            line = self.lines[self.at]
            following = self.lines[self.at + 1] if self.at + 1 < len(self.lines) else ""
            if line and (UNDERLINE.fullmatch(following) or line.startswith((".. ", ">>>")) or BULLET.match(line)):
                break
            self.at += 1
            if not line:
                continue
            if line[0] == " ":
                self.at -= 1
                self.body()
            elif following.startswith(" "):
                entries.append((line, self.inner(self.body())))
            else:
                term, _, words = line.partition(" : ")
                entries.append((term, self.inner([words] if words else [])))
        return [Terms(tuple(entries))] if entries else []

    def google(self, title: str) -> list[Block]:
        self.at += 1
        lines = self.body()
        if not DEFINITIONS.fullmatch(title):
            return [Heading(2, title), *self.inner(lines)]
        entries: list[tuple[str, list[str]]] = []
        inside = _Reader(lines, self.depth)
        while inside.at < len(lines):
            line = lines[inside.at]
            inside.at += 1
            entry = ENTRY.fullmatch(line)
            if entry or not entries:
                entries.append((entry[1], [entry[2]]) if entry else ("", [line]))
            else:
                entries[-1][1].append(line)
            entries[-1][1].extend(inside.body())
        return [Heading(2, title), Terms(tuple((term, self.inner(words)) for term, words in entries))]

    def table(self) -> list[Block]:
        first = self.lines[self.at]
        self.at += 1
        if first[0] == "=":  # reStructuredText's simple table ends with the third such line, or the second
            borders = [i for i in range(self.at, min(len(self.lines), self.at + 200)) if self.lines[i] == first]
            if borders:
                self.at = borders[min(1, len(borders) - 1)] + 1
                return []
        while self.at < len(self.lines) and TABLE.fullmatch(self.lines[self.at]):
            self.at += 1
        return []

    def bullets(self) -> list[Block]:
        items = []
        first = self.lines[self.at]
        while self.at < len(self.lines):
            line = self.lines[self.at]
            match = BULLET.match(line)
            if not line and self.indent(self.at) == 0:
                ahead = self.next_line()
                if BULLET.match(ahead) and ahead[0].isdigit() == first[0].isdigit():
                    self.at += 1
                    continue
            if not match or self.heading_ahead():
                break
            self.at += 1
            words = [line[match.end() :]]
            while self.at < len(self.lines) and self.lines[self.at] and not BULLET.match(self.lines[self.at]):
                if self.lines[self.at][0] != " " and self.heading_ahead():
                    break
                words.append(self.lines[self.at].strip() if not words[1:] else self.lines[self.at])
                self.at += 1
            rest = self.body() if self.indent(self.at) else []
            if len(words) > 1:
                margin = min((len(w) - len(w.lstrip()) for w in words[2:]), default=0)
                words[2:] = [w[margin:] for w in words[2:]]
            items.append(self.inner([*words, *rest]))
        return [Items(tuple(items), first[0].isdigit())] if items else self.paragraph()

    def heading_ahead(self) -> bool:
        following = self.lines[self.at + 1] if self.at + 1 < len(self.lines) else ""
        return bool(UNDERLINE.fullmatch(following))

    def fields(self) -> list[Block]:
        entries = []
        while self.at < len(self.lines) and (match := FIELD.match(self.lines[self.at])):
            self.at += 1
            rest = self.body()
            kind, name, words = match[1], match[2] or "", match[3] or ""
            if kind in ("type", "rtype"):  # says again what the text says
                continue
            label = (
                name if kind.startswith(("param", "arg", "key", "kwarg", "var", "ivar")) and name else f"{kind} {name}"
            )
            entries.append((label.strip().capitalize() if not name else label, self.inner([words, *rest])))
        return [Terms(tuple(entries))] if entries else []

    def paragraph(self) -> list[Block]:
        words = [self.lines[self.at]]
        self.at += 1
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if not line or line.startswith((">>>", ".. ")) or FENCE.match(line) or self.heading_ahead():
                break
            if line[0] != " " and (BULLET.match(line) or FIELD.match(line) or TABLE.fullmatch(line)):
                break
            if len(words) == 1 and line[0] == " " and len(words[0]) < 80:
                rest = self.body()
                if looks_like_code(rest) or words[0].endswith("::"):
                    return [Paragraph(words[0].replace("::", ":")), *self.code(rest)]
                return [Terms(((words[0], self.inner(rest)),))]
            words.append(line.strip())
            self.at += 1
        text = " ".join(words)
        self.code_follows = text.endswith("::")
        return [Paragraph(text[:-1] if self.code_follows else text)]


def looks_like_code(lines: list[str]) -> bool:
    """Whether an indented block is rather code than prose."""
    written = [line.strip() for line in lines if line.strip()]
    if not written or BULLET.match(written[0]):
        return False
    if CODE_START.match(written[0]):
        return True
    text = re.sub(r"[\s`'\"]", "", "".join(written))
    signs = sum(not character.isalnum() for character in text)
    return signs > 0.2 * len(text) or any(" = " in line or line.endswith((";", "{")) for line in written[:2])
