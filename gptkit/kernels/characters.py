"""The class of each character, from Unicode's categories."""

import functools
import unicodedata

import numpy as np

PLANES = 0x20000  # above it: ideographs (letters), and characters that appear in no text
SYMBOL, SPACE, LETTER, DIGIT = 0, 1, 2, 3


@functools.cache
def character_classes() -> np.ndarray:
    """uint8 [0x20000]: 0 symbol or punctuation, 1 white space, 2 letter or mark, 3 digit."""
    classes = np.zeros(PLANES, np.uint8)
    for code in range(PLANES):
        character = chr(code)
        category = unicodedata.category(character)[0]
        if category in "LM":
            classes[code] = LETTER
        elif category == "N":
            classes[code] = DIGIT
        elif character.isspace():
            classes[code] = SPACE
    return classes
