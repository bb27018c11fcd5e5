"""The features of a block by name and column, and the scales that make each a number from 0 to 255."""

import numpy as np

from gptkit.kernels.html_names import GROUPS
from gptkit.kernels.jit import helper

GROUP_COUNT = len(GROUPS)
FARTHEST = 12  # ancestors that are looked at for a group; also "none"
LEVELS = 4  # growing ancestors
NEIGHBOURS = 2  # blocks on each side
LONG = 80  # characters of a long block
LOGS = 4096

TAG_CLASSES = (
    "p", "blockquote", "pre", "dd", "dt", "li", "h1", "h2", "h3", "h4", "h5", "h6", "td", "th", "figcaption", "caption",
    "article", "main", "section", "div", "body", "center", "tr", "tbody", "table", "ul", "ol", "dl", "figure", "form",
    "fieldset", "legend", "details", "summary", "address", "aside", "header", "footer", "nav", "menu",
    "span", "font", "b", "strong", "i", "em", "small", "code", "label", "button", "time", "a",
)  # fmt: skip

OWN = (
    "characters", "words", "link share", "links", "stop word share", "stop words", "commas", "sentence ends",
    "first character", "last character", "digit share", "capital words", "capital letters", "bold share",
    "word length", "symbols", "line break before", "line break after", "tag", "inner tag", "parent tag", "depth",
    "blocks before", "place in page", "blocks behind", "repeats", "blocks since h1", "words of title",
    "place among siblings", "blocks of parent", "marks", "stop words a sentence",
)  # fmt: skip
# Columns of OWN, in its order
(
    O_CHARACTERS, O_WORDS, O_LINK_SHARE, O_LINKS, O_STOP_WORD_SHARE, O_STOP_WORDS, O_COMMAS, O_SENTENCE_ENDS,
    O_FIRST_CHARACTER, O_LAST_CHARACTER, O_DIGIT_SHARE, O_CAPITAL_WORDS, O_CAPITAL_LETTERS, O_BOLD_SHARE,
    O_WORD_LENGTH, O_SYMBOLS, O_LINE_BREAK_BEFORE, O_LINE_BREAK_AFTER, O_TAG, O_INNER_TAG, O_PARENT_TAG, O_DEPTH,
    O_BLOCKS_BEFORE, O_PLACE_IN_PAGE, O_BLOCKS_BEHIND, O_REPEATS, O_BLOCKS_SINCE_H1, O_WORDS_OF_TITLE,
    O_PLACE_AMONG_SIBLINGS, O_BLOCKS_OF_PARENT, O_MARKS, O_STOPS_A_SENTENCE,
) = range(len(OWN))  # fmt: skip
CONTAINER = (
    "characters", "text share", "blocks", "link share", "long text share", "mean block", "stop word share",
    "sentence ends", "place", "tag", "commas",
)  # fmt: skip
PAGE = (
    "page characters", "page blocks", "page link share", "page long share", "page long blocks",
    "steps to main text", "blocks before main text", "blocks behind main text", "main text share",
    "steps to best container", "blocks before best container", "blocks behind best container", "best container share",
    "long block before", "long block behind", "window characters", "window link share", "window stop word share",
    "articles in page", "page comment share", "long text before", "in comments",
)  # fmt: skip
REPEATED = (
    "steps to item", "items", "item characters", "items share", "items link share", "items long share", "item number",
    "items mean", "outer items", "outer item characters",
)  # fmt: skip
NEIGHBOUR = ("characters", "link share", "tag", "stop word share", "shared steps")

FEATURES = (
    *OWN,
    *GROUPS,
    *(f"container {level + 1}: {name}" for level in range(LEVELS) for name in CONTAINER),
    *PAGE,
    *REPEATED,
    *(f"block {way}{step}: {name}" for way in "-+" for step in range(1, NEIGHBOURS + 1) for name in NEIGHBOUR),
)
WIDTH = len(FEATURES)
GROUPS_AT = len(OWN)
CONTAINERS_AT = GROUPS_AT + GROUP_COUNT
PAGE_AT = CONTAINERS_AT + LEVELS * len(CONTAINER)
REPEATED_AT = PAGE_AT + len(PAGE)
NEIGHBOURS_AT = REPEATED_AT + len(REPEATED)
# Places of a hash table that are looked at: what a page says must not fill one stretch of it. Ordinary pages need a
# few, and what finds none is taken for the only one of its kind.
PROBES = 32
FEW = 3  # elements beside each other that look the same are items of a list

# Columns of what is counted in each block, and summed over blocks
CHARACTERS, WORDS, STOPS, COMMAS, ENDS, LONG_CHARACTERS, LINK_CHARACTERS, LONG_BLOCKS = range(8)
SUMS = 8


@helper
def log(value, logs):
    """Eight times the logarithm to base two of one more than a number, at most 255."""
    if value < LOGS:
        return np.int64(logs[value])
    if value >> 6 < LOGS:
        return np.int64(logs[value >> 6]) + 48
    if value >> 12 < LOGS:
        return min(np.int64(logs[value >> 12]) + 96, np.int64(255))
    return np.int64(255)


@helper
def share(part, whole):
    """A part of a whole in 255ths."""
    if whole <= 0:
        return np.int64(0)
    return min(np.int64(255), max(np.int64(0), 255 * part // whole))


@helper
def near(distance):
    """A distance that may be negative, around 128: each step up to 64, then every eighth."""
    size = abs(distance)
    size = size if size <= 64 else min(64 + (size - 64) // 8, 127)
    return 128 + size if distance >= 0 else 128 - size
