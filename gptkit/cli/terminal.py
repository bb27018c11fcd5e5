"""What a page wrote, made safe for a terminal."""

import unicodedata


def printable(text: str) -> str:
    """The text without control and formatting characters, which could rule the terminal; newlines and tabs stay."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co"))
