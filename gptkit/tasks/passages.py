"""Cuts documents into the passages that tasks are made of."""

import dataclasses
import re
from collections.abc import Sequence

from gptkit.tasks.words import STOP_WORDS, WORD

BLOCKS = re.compile(r"\n[ \t]*\n")
# a sentence ends where a full stop, question or exclamation mark is followed by what could start
# one; a line that starts with anything but a small letter is no continuation of a wrapped one
SENTENCES = re.compile(r"(?<=[.!?])[\"')\]”’]*\s+(?=[\"'(\[“‘]?[A-Z0-9])|\s*\n\s*(?![a-z\s])")
LAST_WORD = re.compile(r"(?<= )([^\W\d_]{4,})[.!?:;,]?[\"')\]”’]*$")
SHORTEST_ENDING = 20  # characters
SHORTEST_SENTENCE = 4  # words, of the sentence whose last word is asked for
PROSE = 0.85  # share of letters, spaces and plain punctuation below which a passage is code or a table


@dataclasses.dataclass(frozen=True)
class LastWord:
    """A passage without its last word, which occurs in it."""

    context: str
    word: str


@dataclasses.dataclass(frozen=True)
class Ending:
    """A passage and the sentence that follows it in its document."""

    context: str
    ending: str


@dataclasses.dataclass(frozen=True)
class Sentence:
    """A sentence, and what stands between it and the one before."""

    text: str  # white space between its words is one space
    before: str  # a space, or a new line, or an empty one where a paragraph begins


def sentences(text: str) -> list[Sentence]:
    """The sentences of a document; a line without an end of a sentence, as a heading, is one too."""
    found = []
    for paragraph in BLOCKS.split(text):
        before = "\n\n"
        start = 0
        for match in [*SENTENCES.finditer(paragraph), None]:
            end = match.end() if match else len(paragraph)
            if words := paragraph[start:end].split():
                found.append(Sentence(" ".join(words), before))
                before = "\n" if match and "\n" in match[0] else " "
            start = end
    return found


def last_words(document: Sequence[Sentence], shortest: int, longest: int) -> list[LastWord]:
    """The passages of a document that end in a word they have had before.

    Each has two sentences or more and `shortest` to `longest` characters, the word included; the
    word has four letters or more and is no stop word. Passages may share sentences, never an end.
    """
    found = []
    for last, sentence in enumerate(document):
        match = LAST_WORD.search(sentence.text)
        if match is None or match[1].lower() in STOP_WORDS or sentence.text.count(" ") < SHORTEST_SENTENCE - 1:
            continue
        context = sentence.text[: match.start(1)].rstrip()
        for start in range(last - 1, -1, -1):
            context = document[start].text + document[start + 1].before + context
            length = len(context) + 1 + len(match[1])
            if length > longest:
                break
            if length >= shortest and match[1] in WORD.findall(context) and is_prose(context):
                found.append(LastWord(context, match[1]))
                break
    return found


def endings(document: Sequence[Sentence], shortest: int, longest: int, longest_ending: int) -> list[Ending]:
    """The passages of a document with the sentence that follows each in its paragraph, without overlap."""
    found = []
    free = 0
    for place, sentence in enumerate(document):
        ending = sentence.text
        fits = SHORTEST_ENDING <= len(ending) <= longest_ending and ending[-1] in ".!?"
        if not fits or sentence.before != " " or not is_prose(ending):
            continue
        context = ""
        for start in range(place - 1, free - 1, -1):
            context = document[start].text + (document[start + 1].before + context if context else "")
            if len(context) > longest:
                break
            if len(context) >= shortest and is_prose(context):
                found.append(Ending(context, ending))
                free = place + 1
                break
    return found


def is_prose(text: str) -> bool:
    """Whether nearly all of a text is letters, spaces and the punctuation of sentences."""
    plain = sum(character.isalpha() or character in " .,;:!?'-’" for character in text)
    return plain >= PROSE * len(text)
