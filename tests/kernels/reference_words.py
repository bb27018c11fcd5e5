"""The word and sentence splitter of gptkit/kernels/words.py once more, in plain Python: the oracle of its tests.

`ReferenceTokenizer` has the methods of datatrove's WordTokenizer, so that datatrove's own filters can run on it.
"""

import functools
import re
import unicodedata
from collections.abc import Callable

from gptkit.kernels.affixes import ABBREVIATIONS, UNITS
from gptkit.kernels.characters import EDGES, ONLY_PREFIXES, PLANES, QUOTES, UNSPACED_SCRIPTS, character_flags
from gptkit.kernels.characters import TERMINAL as TERMINAL_FLAG


def _class(condition: Callable[[str], bool], above: bool = False) -> str:
    """The inside of a regular expression's [...] for the characters that fulfil a condition."""
    chosen = "".join(re.escape(chr(code)) for code in range(PLANES) if condition(chr(code)))
    return chosen + ("\U00020000-\U0010ffff" if above else "")


def _category(character: str) -> str:
    return unicodedata.category(character)


def _wide(character: str) -> bool:
    return _category(character)[0] == "P" and ("\u3001" <= character <= "\u303f" or "\uff00" <= character <= "\uff65")


def _unspaced(character: str) -> bool:
    name = unicodedata.name(character, "")
    return _category(character) in ("Lo", "Lm") and name.startswith(tuple(UNSPACED_SCRIPTS.split("|")))


TERMINAL_MARKS = {chr(code) for code in range(PLANES) if character_flags()[code] & TERMINAL_FLAG}
LETTER = _class(str.isalpha, above=True)
UPPER = _class(lambda character: _category(character) in ("Lu", "Lt"))
MARK = _class(lambda character: _category(character)[0] == "M")
WORDLIKE = LETTER + MARK
DIGIT = _class(lambda character: _category(character) == "Nd")
UNSPACED = _class(_unspaced, above=True)
ALONE = _class(
    lambda character: (
        _category(character) == "So" or _wide(character) or (character in TERMINAL_MARKS and character > "\x7f")
    )
)
CURRENCY = _class(lambda character: _category(character) == "Sc")
QUOTE = re.escape(QUOTES)
BOTH_ENDS = re.escape(QUOTES + EDGES) + ALONE


def _packed(words: list[int]) -> str:
    texts = [int(word).to_bytes(8, "little").rstrip(b"\0").decode() for word in words]
    return "|".join(sorted(texts, key=len, reverse=True))


PREFIX = re.compile(rf"\.\.+|\+(?![0-9])|[{BOTH_ENDS}{CURRENCY}{re.escape(ONLY_PREFIXES)}]")
SUFFIX = re.compile(
    rf"""(?<!\.)\.\.+$
    | (?<=[{UPPER}][{UPPER}])\.$
    | (?<=[{MARK}{DIGIT}{BOTH_ENDS}%+\-])\.$
    | (?<=(?![{UPPER}])[{LETTER}])\.$
    | (?<=[0-9])(?:{_packed(list(UNITS))})$
    | ['’][sS]$
    | (?<=[{WORDLIKE}])n['’]t$
    | (?<=[{WORDLIKE}])['’](?:ll|ve|re|m|d)$
    | [{BOTH_ENDS}]$
    | (?<=[0-9])[{CURRENCY}+%]$""".replace("\n    | ", "|"),
)
KEEPS_STOP = re.compile(rf"(?:(?:[{LETTER}]\.)*[{LETTER}]|{_packed(list(ABBREVIATIONS))})\.")
SUFFIX_WORD = re.compile(r"\.+|n['’]t|['’](?:[sSmd]|ll|ve|re)|[A-Za-z]+|.", re.DOTALL)
ADDRESS = re.compile(
    r"(?:[A-Za-z0-9.\-]*://)?(?:[^@/?#]*@)?(?:(?:[A-Za-z0-9_\-\x80-\U0010ffff]+\.)+[a-z]{2,}|[0-9]+(?:\.[0-9]+){3})"
    r"(?::[0-9]{2,5})?(?:[/?#].*)?",
    re.DOTALL,
)
INFIX = re.compile(
    rf"""\.\.+|…|[{ALONE}]
    | (?:(?<=[{QUOTE}])|(?<=(?![{UPPER}])[{WORDLIKE}]))\.(?=[{UPPER}{QUOTE}])
    | (?<=[{LETTER}]),(?=[{LETTER}])
    | (?<=[{DIGIT}])[+\-*^](?=[{DIGIT}\-])
    | (?<=[{WORDLIKE}{DIGIT}])(?:[:/<=>]|-{{1,3}}|—{{1,2}}|–|~)(?=[{WORDLIKE}])""".replace("\n    | ", "|"),
)
UNSPACED_WORD = re.compile(rf"[{UNSPACED}][{MARK}]*")
BREAKS = re.compile(rf"[{UNSPACED}{ALONE}]")


@functools.lru_cache(100_000)
def _chunk_words(chunk: str) -> list[str]:
    prefixes, core, start = [], chunk, 0
    while match := PREFIX.match(core):
        prefixes.append(match[0])
        core = core[match.end() :]
    start = len(chunk) - len(core)
    while (match := SUFFIX.search(core)) and not (match[0] == "." and KEEPS_STOP.fullmatch(core)):
        core = core[: match.start()]
    suffixes = SUFFIX_WORD.findall(chunk[start + len(core) :])
    if not core:
        return prefixes + suffixes
    if not BREAKS.search(chunk) and ADDRESS.fullmatch(core):
        return [*prefixes, core, *suffixes]
    words, piece, place = [], "", 0
    while place < len(core):
        match = UNSPACED_WORD.match(core, place) or INFIX.match(core, place)
        if not match:
            piece += core[place]
            place += 1
            continue
        words += [piece] * bool(piece) + [match[0]]
        piece, place = "", match.end()
    return prefixes + words + [piece] * bool(piece) + suffixes


class ReferenceTokenizer:
    """Splits text into words and sentences; the methods are those of datatrove's WordTokenizer."""

    language = "en"

    def word_spans(self, text: str) -> list[tuple[int, int]]:
        """The start and end of each word, in characters."""
        spans = []
        for match in re.finditer(r"\S+", "".join("\n" if character.isspace() else character for character in text)):
            start = match.start()
            for word in _chunk_words(text[start : match.end()]):
                spans.append((start, start + len(word)))
                start += len(word)
        return spans

    def word_tokenize(self, text: str) -> list[str]:
        return [text[start:end] for start, end in self.word_spans(text)]

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        """The start and end of each sentence, in characters."""
        sentences: list[list[int]] = []
        ended, last = True, 0
        for start, end in self.word_spans(text):
            word, gap = text[start:end], text[last:start]
            terminal = word in TERMINAL_MARKS
            punctuation = terminal or all(_category(character)[0] == "P" for character in word)
            if ended and (not sentences or gap not in ("", " ") or not punctuation):
                sentences.append([start, end])
                ended = False
            sentences[-1][1] = last = end
            ended = ended or terminal
        return [(start, end) for start, end in sentences]

    def sent_tokenize(self, text: str) -> list[str]:
        return [text[start:end] for start, end in self.span_tokenize(text)]
