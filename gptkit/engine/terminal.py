"""What a page, a task file or a model wrote, made safe for a terminal."""

import unicodedata

UNSAFE = ("Cc", "Cf", "Cs", "Co")  # Unicode's control, format, surrogate and private categories


def printable(text: str, lines: bool = True) -> str:
    """The text without control and formatting characters, which could rule the terminal.

    Newlines and tabs stay; with `lines` false every such character is a space.
    """
    kept, instead = ("\n\t", "") if lines else ("", " ")
    return "".join(c if c in kept or unicodedata.category(c) not in UNSAFE else instead for c in text)
