"""What a page, a task file or a model wrote, made safe for a terminal."""

import unicodedata


def printable(text: str, lines: bool = True) -> str:
    """The text without control and formatting characters, which could rule the terminal.

    Newlines and tabs stay, or are spaces where `lines` is false.
    """
    if not lines:
        text = " ".join(text.split("\n")).replace("\t", " ")
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co"))
