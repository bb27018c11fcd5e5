"""Mends mis-decoded text (ftfy), which is called only where it could change something."""

import re

import ftfy

# ftfy changes nothing in text of tabs, newlines and printable ASCII, except entities
UNTOUCHED = re.compile(r"[\t\n\x20-\x25\x27-\x7e]*")


def repair(text: str) -> str:
    """The text as `ftfy.fix_text` gives it."""
    return text if UNTOUCHED.fullmatch(text) else ftfy.fix_text(text)
