"""Which blocks are kept, and how they become text: paragraphs, lines of lists, rows of tables."""

import math

import numpy as np

from gptkit.kernels.block_columns import FARTHEST, FEATURES
from gptkit.kernels.block_features import COMMENT_BIT
from gptkit.kernels.html_blocks import BEHIND, ELEMENT, END, FIRST, GAP, LINE, NAME, PARENT, START
from gptkit.kernels.html_names import TAG
from gptkit.kernels.jit import helper, kernel

SHORT = 250  # bytes: a page of which less is kept has short main text, or none
RELATIVE, LEAST = 0.45, 0.02  # then what is nearly as probable as the most probable block is kept too
ANCESTORS = 24  # that are looked at for the table, list or <pre> of a block
CELL_LINES = 4  # of a cell in a table of data
T_LI, T_DT, T_DD, T_TD, T_TH, T_TR, T_PRE, T_UL, T_OL, T_DL, T_MENU, T_DIR, T_TABLE = (
    TAG[name] for name in "li dt dd td th tr pre ul ol dl menu dir table".split()
)
T_FORM, T_HTML, T_BODY, T_MAIN, T_ARTICLE = (TAG[name] for name in "form html body main article".split())
IN_NOSCRIPT, LENGTH, LINKED = (FEATURES.index(name) for name in ("<noscript>", "characters", "link share"))
SAID = round(8 * math.log2(1 + 20))  # a comment of 20 characters (`block_columns.log`)
COMMENT_LEAST = 0.05  # probability of a block among comments that is kept
JOIN_PARAGRAPHS, JOIN_LINES, JOIN_CELLS, JOIN_WORDS = range(4)


@helper
def _is_list(name):
    return name == T_UL or name == T_OL or name == T_DL or name == T_MENU or name == T_DIR


@helper
def _surroundings(elements, element):
    """The nearest cell, its row and table, the outermost list that is not around that cell, and the nearest <pre>."""
    cell, row, table, outer, pre, steps = -1, -1, -1, -1, -1, 0
    while element > 0 and steps < ANCESTORS:
        name = elements[element, NAME]
        if (name == T_TD or name == T_TH) and cell < 0:
            cell = element
        elif name == T_TR and row < 0 and cell >= 0:
            row = element
        elif name == T_TABLE and table < 0 and row >= 0:
            table = element
        elif _is_list(name) and cell < 0:
            outer = element
        elif name == T_PRE and pre < 0:
            pre = element
        element = elements[element, PARENT]
        steps += 1
    return cell, row, table, outer, pre


@helper
def _item(elements, element):
    """The nearest item of a list around a block; 0 for none."""
    steps = 0
    while element > 0 and steps < ANCESTORS:
        name = elements[element, NAME]
        if name == T_LI or name == T_DT or name == T_DD:
            return element
        element = elements[element, PARENT]
        steps += 1
    return 0


@helper
def _is_item(elements, blocks, rows, row):
    """Whether a block is an item of a list, and none of several paragraphs inside one."""
    item = _item(elements, blocks[row, ELEMENT])
    if item <= 0:
        return False
    paragraphs = 0
    for other in range(max(0, row - 2), min(rows, row + 3)):
        paragraphs += _item(elements, blocks[other, ELEMENT]) == item
    return paragraphs <= 2


@helper
def _is_data(elements, blocks, cell):
    """Whether a cell holds one paragraph of few lines, as in a table of data; one that places text holds more."""
    first, behind = elements[cell, FIRST], elements[cell, BEHIND]
    if behind - first > CELL_LINES:
        return False
    for row in range(first + 1, behind):  # noqa: SIM110 (numba knows no all())
        if blocks[row, GAP] != LINE:
            return False
    return True


@helper
def joint(elements, blocks, rows, before, row):
    """What goes between two kept blocks: JOIN_PARAGRAPHS, JOIN_LINES, JOIN_CELLS or JOIN_WORDS."""
    one, other = blocks[before, ELEMENT], blocks[row, ELEMENT]
    cell, table_row, table, outer, pre = _surroundings(elements, one)
    cell2, table_row2, table2, outer2, pre2 = _surroundings(elements, other)
    if pre >= 0 and pre == pre2:
        return JOIN_LINES
    if table >= 0 and table == table2 and _is_data(elements, blocks, cell) and _is_data(elements, blocks, cell2):
        if cell != cell2:
            return JOIN_CELLS if table_row == table_row2 else JOIN_LINES
        # a row with other cells stays one line
        size = elements[cell, BEHIND] - elements[cell, FIRST]
        return JOIN_WORDS if elements[table_row, BEHIND] - elements[table_row, FIRST] > size else JOIN_LINES
    if row == before + 1 and blocks[row, GAP] == LINE:
        return JOIN_LINES
    in_list = outer >= 0 and outer == outer2
    if in_list and _is_item(elements, blocks, rows, before) and _is_item(elements, blocks, rows, row):
        return JOIN_LINES
    return JOIN_PARAGRAPHS


@helper
def _is_comment(elements, masks, rows, element):
    """Whether a block stands in an element that calls itself a comment.

    The page and its article only say that they have some, and text in a form is what is around the fields;
    but some sites put the whole page into a form.
    """
    found, distance = False, 0
    while element > 0 and distance < FARTHEST:
        name, says = elements[element, NAME], masks[element] & COMMENT_BIT != np.uint64(0)
        if name == T_FORM:
            return found and not says and 2 * (elements[element, BEHIND] - elements[element, FIRST]) > rows
        if says and name != T_BODY and name != T_HTML and name != T_MAIN and name != T_ARTICLE:
            found = True
        element = elements[element, PARENT]
        distance += 1
    return found


@kernel
def choose(elements, masks, blocks, rows, text, features, probabilities, threshold, comments, keep):
    """Marks the blocks that are kept (bool): those as probable as the threshold.

    Where these are shorter than SHORT bytes, it is lowered to RELATIVE of the highest probability
    (but not below LEAST), for pages of which all is short. Gives the threshold that was used.
    What stands as text in a <noscript> and begins with `<` is markup for browsers without scripts, and goes.
    With `comments`, blocks in an element that calls itself one are kept too, where they are sentences
    (SAID characters or more, hardly any of them links) and as probable as COMMENT_LEAST.
    """
    size, highest = 0, np.float32(0)
    for row in range(rows):
        if features[row, IN_NOSCRIPT] < FARTHEST and text[blocks[row, START]] == 60:
            probabilities[row] = 0
        keep[row] = probabilities[row] >= threshold
        highest = max(highest, probabilities[row])
        if keep[row]:
            size += blocks[row, END] - blocks[row, START]
    if size < SHORT:
        threshold = min(threshold, max(LEAST, RELATIVE * highest))
        for row in range(rows):
            keep[row] = probabilities[row] >= threshold
    if comments:
        for row in range(rows):
            if probabilities[row] < COMMENT_LEAST or features[row, LENGTH] < SAID or features[row, LINKED] >= 85:
                continue
            if _is_comment(elements, masks, rows, blocks[row, ELEMENT]):
                keep[row] = True
    return threshold


@kernel
def join(elements, blocks, rows, text, keep, out, place):
    """Writes the kept blocks into `out` from `place` on, and gives the place behind them.

    Between paragraphs stands an empty line, between a list's items and a table's rows a line feed,
    between cells a tab, between the lines of a cell a space. `out` must hold the text and a byte more for each block.
    """
    before = -1
    for row in range(rows):
        if not keep[row]:
            continue
        if before >= 0:
            kind = joint(elements, blocks, rows, before, row)
            out[place] = 9 if kind == JOIN_CELLS else (32 if kind == JOIN_WORDS else 10)
            place += 1
            if kind == JOIN_PARAGRAPHS:
                out[place] = 10
                place += 1
        start, end = blocks[row, START], blocks[row, END]
        out[place : place + end - start] = text[start:end]
        place += end - start
        before = row
    return place
