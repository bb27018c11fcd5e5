"""Inline markup as Markdown (https://spec.commonmark.org, 0.31): emphasis, code, links, and what must be escaped.

Not all markup of HTML can be written: emphasis that begins or ends within a word at a mark of
punctuation, or where another begins, is left out. The text always stays.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from gptkit.extraction.inline import Run

SPACES = re.compile(r"[ \t\n\r]+")
BACKTICKS = re.compile("`+")
# What would be read as markup within a line: see `_escaped`
ASCII_MARKS = "!\"#$%&'()*+,./:;<=>?@[\\]^_`{|}~-"
MARKUP = re.compile(
    rf"\\(?=[{re.escape(ASCII_MARKS)}]|\Z)"
    r"|`|~(?=~)"
    r"|(?<! )\*|\*(?! )"
    r"|<(?=[A-Za-z/!?])"
    r"|&(?=#?\w+;)"
    r"|\](?=[(\[:]|\Z)"
)
LINKED_MARKUP = re.compile(rf"{MARKUP.pattern}|[\[\]]")  # in the text of a link
UNDERSCORES = re.compile("_+")
# What would be read as markup where a line begins: headings, quotes, bullets, underlines of headings, rows of dashes
LINE_START = re.compile(r"#{1,6}(?=\s|$)|>|[-+](?=\s|$)|[-:|= ]+$|(?P<number>\d{1,9})[.)](?=\s|$)")
CLOSING = re.compile(r"(?:(?<=\s)|^)#(?=#*$)")  # of a heading: its last marks would be taken for an end of it
# In an address these would end it; `&` begins a character reference there too
ADDRESS = {ord(mark): f"%{ord(mark):02X}" for mark in ' "<>\\`()'}
REFERENCE = re.compile(r"&(?=#?\w+;)")

Kind = Literal["text", "code", "open", "close"]
Flag = Literal["strong", "emphasis", "link"]
STARS: dict[Flag, str] = {"strong": "**", "emphasis": "*"}


class Token(NamedTuple):
    """Text or code, or the beginning or end of markup; both have one number."""

    kind: Kind
    text: str = ""  # of a link its address
    flag: Flag = "strong"
    number: int = 0


def inline(runs: Iterable[Run]) -> str:
    """The runs of a block as one line of Markdown, fit to stand within a line."""
    return "".join(_written(_joined(_possible(_nested(_spaced(runs))))))


def line_start(line: str) -> str:
    """A line that nothing is read into from where it stands: what would begin a heading, list or quote is escaped."""
    match = LINE_START.match(line)
    if match is None:
        return line
    place = match.end("number") if match["number"] else 0
    return f"{line[:place]}\\{line[place:]}"


def heading(line: str) -> str:
    """A line that can stand in a heading."""
    return CLOSING.sub(r"\\#", line)


def _spaced(runs: Iterable[Run]) -> list[Run]:
    """White space folded, none at the ends, and outside of markup that begins or ends with it."""
    found: list[Run] = []
    space = False
    for run in runs:
        text = SPACES.sub(" ", run.text)
        core = text.strip(" ")
        space = space or text.startswith(" ")
        if not core:
            continue
        if found and space:
            last = found[-1]
            shared = last.link if last.link == run.link else ""
            code = last.code and last[1:] == run[1:]
            found.append(Run(" ", last.strong and run.strong, last.emphasis and run.emphasis, code, shared))
        found.append(run._replace(text=core))
        space = text.endswith(" ")
    return found


def _flags(run: Run) -> set[Flag]:
    given: dict[Flag, bool] = {"strong": run.strong, "emphasis": run.emphasis, "link": bool(run.link)}
    return {flag for flag, has in given.items() if has}


def _nested(runs: Sequence[Run]) -> list[Token]:
    """Tokens whose markup is properly nested: what goes on where markup around it ends, ends there too."""
    reach = _reach(runs)
    tokens: list[Token] = []
    stack: list[tuple[Flag, int, str]] = []  # flag, number, address
    dropped: set[Flag] = set()  # what is not written, until a space
    for place, run in enumerate(runs):
        flags = _flags(run)
        dropped &= flags
        flags -= dropped
        keep = 0
        while (
            keep < len(stack) and stack[keep][0] in flags and (stack[keep][0] != "link" or stack[keep][2] == run.link)
        ):
            keep += 1
        for flag, number, address in reversed(stack[keep:]):
            tokens.append(Token("close", address, flag, number))
            if flag in flags and flag != "link":
                dropped.add(flag)
        del stack[keep:]
        wanted = sorted(flags - dropped - {flag for flag, _, _ in stack}, key=lambda flag: (-reach[place][flag], flag))
        # a star at once behind a star is read in another way
        if tokens and tokens[-1].kind == "close" and tokens[-1].flag in STARS and wanted and wanted[0] in STARS:
            dropped |= {flag for flag in wanted if flag in STARS}
            wanted = [flag for flag in wanted if flag not in STARS]
        for flag in wanted:
            stack.append((flag, len(tokens), run.link))
            tokens.append(Token("open", run.link, flag, len(tokens)))
        tokens.append(Token("code" if run.code else "text", run.text))
        if run.text == " ":
            dropped = set()
    return tokens + [Token("close", address, flag, number) for flag, number, address in reversed(stack)]


def _reach(runs: Sequence[Run]) -> list[dict[Flag, int]]:
    """For each run the number of runs from it on that have the same markup."""
    found: list[dict[Flag, int]] = []
    behind: dict[Flag, int] = {"strong": 0, "emphasis": 0, "link": 0}
    for place in range(len(runs) - 1, -1, -1):
        flags = _flags(runs[place])
        if place + 1 < len(runs) and runs[place + 1].link != runs[place].link:
            behind = {**behind, "link": 0}
        behind = {flag: count + 1 if flag in flags else 0 for flag, count in behind.items()}
        found.append(behind)
    return found[::-1]


def _possible(tokens: Sequence[Token]) -> list[Token]:
    """Tokens without the emphasis whose marks would not be read as such ("left-flanking" and "right-flanking")."""
    before = _neighbours(tokens, last=True)
    after = _neighbours(tokens[::-1], last=False)[::-1]
    impossible = set()
    for token, left, right in zip(tokens, before, after, strict=True):
        if token.flag in STARS and token.kind in ("open", "close"):
            outside, inside = (left, right) if token.kind == "open" else (right, left)
            if inside.isspace() or (_may_be_mark(inside) and not _parts_words(outside)):
                impossible.add(token.number)
    opened: list[int] = []  # the places behind the opening marks of the emphasis around
    for place, (token, left, right) in enumerate(zip(tokens, before, after, strict=True)):
        if token.flag not in STARS or token.kind not in ("open", "close") or token.number in impossible:
            continue
        if token.kind == "close":
            opened.pop()
        elif opened and opened[-1] != place and not _cannot_close(left, right):
            impossible.add(token.number)  # it would be taken for the end of what is around
        else:
            opened.append(place + 1)
    return [
        token
        for token in tokens
        if token.kind in ("text", "code") or token.flag == "link" or token.number not in impossible
    ]


def _cannot_close(left: str, right: str) -> bool:
    return unicodedata.category(left) == "Zs" or (_parts_words(left) and not (_may_be_mark(right) or right.isspace()))


def _neighbours(tokens: Sequence[Token], last: bool) -> list[str]:
    """The character that stands before each token once it is written, stars left out; a space at the ends."""
    found, character = [], " "
    for token in tokens:
        found.append(character)
        if token.kind == "code":
            character = "`"
        elif token.kind == "text":
            character = token.text[-1 if last else 0]
        elif token.flag == "link":
            character = "["  # or another bracket
    return found


def _may_be_mark(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"


def _parts_words(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] == "P" or category == "Zs" or character in ASCII_MARKS


def _joined(tokens: Iterable[Token]) -> list[Token]:
    joined: list[Token] = []
    for token in tokens:
        if joined and token.kind in ("text", "code") and joined[-1].kind == token.kind:
            joined[-1] = token._replace(text=joined[-1].text + token.text)
        else:
            joined.append(token)
    return joined


def _written(tokens: Sequence[Token]) -> Iterable[str]:
    linked = False
    for place, token in enumerate(tokens):
        if token.kind == "text":
            following = tokens[place + 1] if place + 1 < len(tokens) else None
            before_link = following is not None and following.kind == "open" and following.flag == "link"
            yield _escaped(token.text, linked, before_link)
        elif token.kind == "code":
            yield _code(token.text)
        elif token.flag in STARS:
            yield STARS[token.flag]
        elif token.kind == "open":
            linked = True
            yield "["
        else:
            linked = False
            yield f"]({_address(token.text)})"


def _address(text: str) -> str:
    return REFERENCE.sub(r"\\&", text.translate(ADDRESS))


def _escaped(text: str, linked: bool, before_link: bool) -> str:
    text = (LINKED_MARKUP if linked else MARKUP).sub(r"\\\g<0>", text)
    text = UNDERSCORES.sub(_underscores, text)
    return f"{text[:-1]}\\!" if before_link and text.endswith("!") else text


def _underscores(match: re.Match[str]) -> str:
    """Within a word underscores are no markup."""
    text, start, end = match.string, match.start(), match.end()
    within = start > 0 and end < len(text) and text[start - 1].isalnum() and text[end].isalnum()
    return match[0] if within else r"\_" * len(match[0])


def _code(text: str) -> str:
    text = SPACES.sub(" ", text)
    longest = max(map(len, BACKTICKS.findall(text)), default=0)
    fence = "`" * (longest + 1)
    if text.startswith("`") or text.endswith("`"):
        text = f" {text} "
    return f"{fence}{text}{fence}"
