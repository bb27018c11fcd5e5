"""One pass over a page, without a tree of it: open elements on a stack, text cut into blocks.

The element rules are those of the HTML standard's tree construction, as far as they decide which
text belongs together: implied end tags, scopes of tables, raw text. What differs from it is listed
in `DIFFERENCES`. All buffers have the sizes of `Limits`; where one is full the page ends there, and
`STOPPED` says why.
"""

import dataclasses

import numpy as np

from gptkit.kernels.characters import decode
from gptkit.kernels.html_attributes import read_attributes, stated_number
from gptkit.kernels.html_names import (
    BLOCK,
    BREAKS_OUT,
    CODE,
    EMPHASIS,
    FOREIGN,
    INTEGRATES,
    LINK,
    PREFORMATTED,
    RAW,
    SILENT,
    STRONG,
    TAG,
    VOID,
)
from gptkit.kernels.html_stack import (
    NAMES,
    S_CHILDREN,
    S_ELEMENT,
    S_FLAGS,
    S_NAME,
    S_OWN,
    implied_end,
    matching_end,
    slot,
)
from gptkit.kernels.html_syntax import (
    AMPERSAND,
    BANG,
    FNV_PRIME,
    LT,
    QUESTION,
    SLASH,
    cdata_end,
    find_byte,
    find_end_tag,
    fnv,
    is_letter,
    look_up,
    markup_end,
    name_end,
    reference,
    script_end,
)
from gptkit.kernels.jit import helper, kernel

DIFFERENCES = (
    "not read: <rt> and <rp> in <ruby>; fallbacks in <object>, <video>, <audio> and <canvas>; CDATA in MathML",
    "an unterminated <style>, <title>, <textarea> or <iframe> hides nothing",
    "a <script> that an open `<!--` and `<script` in it would make the rest of the page ends at its first end tag",
    "a block's end tag ends an unclosed <object>, <select>, <template> or <foreignObject> inside that block",
    "a <select> inside a <select> does not end it",
    "tags in <xmp> and <plaintext> are tags, and <frameset> hides nothing",
    "which elements of SVG and MathML hold HTML is told by their names, in both",
    "<table> ends a <p> in pages without a doctype too",
    "formatting that a block's end tag closes is not opened again, nor are blocks moved out of it",
    "text inside a <table> but outside its cells stays where it stands",
    "tags deeper than the limit open no element",
)

# Fields of an element
PARENT, NAME, DEPTH, FIRST, BEHIND, ORDER = range(6)  # FIRST and BEHIND: its blocks; ORDER: place among its siblings
ELEMENT_FIELDS = 6
# Fields of a block
ELEMENT, START, END, LINK_BYTES, LINKS, STRONG_BYTES, GAP = range(7)
BLOCK_FIELDS = 7
# GAP: what is between a block and the one before
LINE, PARAGRAPH = 1, 2  # a single <br>; anything more
# Fields of a mark of inline markup
MARK_PLACE, MARK_KIND, MARK_START, MARK_END = range(4)
MARK_FIELDS = 4
OPEN_STRONG, OPEN_EMPHASIS, OPEN_CODE, OPEN_LINK = 1, 2, 3, 4  # and their negatives, which close
NUMBERED = 5  # <ol start>: MARK_START is the element, MARK_END its first number
# What a pass counts
ELEMENTS, BLOCKS, TEXT, STOPPED, TOO_DEEP, MARKS, TITLE_START, TITLE_END = range(8)
COUNTS = 8
STOPS = ("", "bytes", "elements", "blocks", "depth")  # STOPPED; depth: all was read, but some elements were not opened
BY_BYTES, BY_ELEMENTS, BY_BLOCKS, BY_DEPTH = range(1, 5)

SCRIPT = np.uint64(fnv(b"script"))
T_A, T_BODY, T_BR, T_HTML, T_OL, T_P, T_SCRIPT, T_TITLE = (
    TAG[name] for name in "a body br html ol p script title".split()
)
INHERITED = SILENT | FOREIGN | LINK | STRONG | PREFORMATTED | CODE | EMPHASIS


@dataclasses.dataclass(frozen=True)
class Limits:
    """How much of a page is read; what is beyond is left out and counted."""

    bytes: int = 8_000_000
    elements: int = 200_000
    blocks: int = 20_000
    depth: int = 512  # as in browsers
    marks: int = 0  # inline markup that is kept for Markdown


class Buffers:
    """What a pass writes, made once for many pages: memory is taken only as far as pages fill it."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.elements = np.empty((limits.elements, ELEMENT_FIELDS), np.int32)
        self.masks = np.empty(limits.elements, np.uint64)
        self.looks = np.empty(limits.elements, np.uint64)
        self.blocks = np.empty((limits.blocks, BLOCK_FIELDS), np.int32)
        # longer than the page: `&nGt;` is shorter than its characters, a tab may become four spaces
        self.text = np.empty(4 * limits.bytes + limits.blocks + 256, np.uint8)
        self.marks = np.empty((max(1, limits.marks), MARK_FIELDS), np.int32)
        self.stack = np.empty((limits.depth + 2, 5), np.int64)
        self.hashes = np.empty(limits.depth + 2, np.uint64)
        self.open = np.zeros(2 * NAMES, np.int32)
        self.counts = np.zeros(COUNTS, np.int64)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All of them, in the order in which kernels take them."""
        return (
            self.elements,
            self.masks,
            self.looks,
            self.blocks,
            self.text,
            self.marks,
            self.stack,
            self.hashes,
            self.open,
            self.counts,
        )


@helper
def _put(text, out, code):
    """Writes a code point as UTF-8; gives the place behind it."""
    if code < 0x80:
        text[out] = code
        return out + 1
    if code < 0x800:
        text[out] = 0xC0 | code >> 6
        text[out + 1] = 0x80 | code & 0x3F
        return out + 2
    if code < 0x10000:
        text[out] = 0xE0 | code >> 12
        text[out + 1] = 0x80 | code >> 6 & 0x3F
        text[out + 2] = 0x80 | code & 0x3F
        return out + 3
    text[out] = 0xF0 | code >> 18
    text[out + 1] = 0x80 | code >> 12 & 0x3F
    text[out + 2] = 0x80 | code >> 6 & 0x3F
    text[out + 3] = 0x80 | code & 0x3F
    return out + 4


@helper
def _is_left_out(code):
    """Whether a character is nothing that one reads: controls, soft hyphens, zero width spaces and joins."""
    return code < 32 or 0x7F <= code < 0xA0 or code == 0xAD or code == 0x200B or code == 0x2060 or code == 0xFEFF


@helper
def _trim(text, out, marks, mark):
    """Takes back the white space at a block's end, and marks that were set behind it; gives the end."""
    while text[out - 1] == 32 or text[out - 1] == 10 or text[out - 1] == 9:
        out -= 1
    while mark > 0 and marks[mark - 1, MARK_PLACE] > out:
        mark -= 1
        marks[mark, MARK_PLACE] = out
    return out


@helper
def _write_block(row, element, first, end, link_bytes, links, strong_bytes, gap):
    """Fills a block's row; what was counted in white space at its end is not its own."""
    row[ELEMENT], row[START], row[END], row[LINKS], row[GAP] = element, first, end, links, gap
    row[LINK_BYTES], row[STRONG_BYTES] = min(link_bytes, end - first), min(strong_bytes, end - first)


@helper
def _is_markup(page, place, end):
    """Whether a tag, comment or the like begins here: `<` and a letter, `!`, `?` or `/`, which more must follow."""
    if page[place] != LT or place + 1 >= end:
        return False
    byte = page[place + 1]
    return is_letter(byte) or byte == BANG or byte == QUESTION or (byte == SLASH and place + 2 < end)


@kernel
def read_page(
    page,
    tag_keys,
    tag_values,
    tag_flags,
    tag_masks,
    attribute_keys,
    attribute_values,
    steps,
    begins,
    whole,
    entity_keys,
    entity_values,
    points,
    elements,
    masks,
    looks,
    blocks,
    text,
    marks,
    stack,
    hashes,
    open_names,
    counts,
    byte_limit,
    with_marks,
):
    """Reads one page into the buffers of `Buffers`; tables as `html_names` and `html_syntax.references` give them.

    page: uint8, valid UTF-8. elements, masks (groups as bits): one row an element in document order, 0 is the page
    itself; looks: a hash of each one's tag and class, equal for what looks equal; blocks: one row a block of text,
    in order; text: the blocks' text, a line feed between them;
    marks: inline markup with places in the text, where `with_marks`. `counts`: see `COUNTS`.
    """
    end = min(len(page), byte_limit)
    while 0 < end < len(page) and page[end] & 0xC0 == 0x80:  # not inside a character
        end -= 1
    stopped = BY_BYTES if len(page) > byte_limit else 0
    open_names[:] = 0
    number, out, block, mark, too_deep = 1, 0, 0, 0, 0
    title_start, title_end = 0, 0
    unterminated = np.zeros(256, np.bool_)  # raw tags that have no end tag ahead
    top = 0
    elements[0, PARENT], elements[0, NAME], elements[0, DEPTH], elements[0, FIRST], elements[0, ORDER] = -1, 0, 0, 0, 0
    masks[0], looks[0] = np.uint64(0), np.uint64(0)
    stack[0, S_ELEMENT], stack[0, S_FLAGS], stack[0, S_NAME], stack[0, S_OWN], stack[0, S_CHILDREN] = 0, 0, 0, BLOCK, 0
    hashes[0] = np.uint64(0)
    opened, cut, gap, low, pending, indent = False, 0, PARAGRAPH, 0, False, 0
    first, link_bytes, links, strong_bytes, element = 0, 0, 0, 0, 0
    place = 0
    while place < end:
        if not _is_markup(page, place, end):
            # text, up to the next `<`
            stop = find_byte(page, place + 1, end, LT)
            flags = stack[top, S_FLAGS]
            if flags & SILENT:
                place = stop
                continue
            new_run = True
            while place < stop:
                byte = page[place]
                second = np.int64(0)
                if byte == AMPERSAND:
                    code, second, behind = reference(page, place, stop, entity_keys, entity_values, points)
                    if code == 0:
                        code, behind = np.int64(AMPERSAND), place + 1
                    place = behind
                elif byte < 0x80:
                    code = np.int64(byte)
                    place += 1
                else:
                    code, width = decode(page, place, stop)
                    place += width
                if code == 32 or code == 10 or code == 9 or code == 13 or code == 12 or code == 0xA0:
                    if not flags & PREFORMATTED:
                        pending = True
                    elif opened and not cut:
                        if code != 13 and code != 12:
                            text[out] = np.uint8(32 if code == 0xA0 else code)
                            out += 1
                    elif code == 10:
                        indent = 0
                    else:
                        indent += 4 if code == 9 else 1
                    continue
                if _is_left_out(code):
                    continue
                if opened and cut:  # the block before ends here
                    out = _trim(text, out, marks, mark)
                    _write_block(blocks[block], element, first, out, link_bytes, links, strong_bytes, gap)
                    block += 1
                    text[out] = 10
                    out += 1
                    opened, gap = False, cut
                    if block >= len(blocks):
                        stopped = BY_BLOCKS
                        break
                if not opened:
                    opened, cut, pending, low = True, 0, False, top
                    first, link_bytes, links, strong_bytes = out, 0, 1 if flags & LINK else 0, 0
                    if flags & PREFORMATTED:
                        for _ in range(min(indent, 64)):
                            text[out] = 32
                            out += 1
                    indent = 0
                elif pending and not flags & PREFORMATTED:
                    text[out] = 32
                    out += 1
                pending = False
                if new_run:
                    element, new_run = stack[low, S_ELEMENT], False
                before = out
                out = _put(text, out, code)
                if second:
                    out = _put(text, out, second)
                if flags & LINK:
                    link_bytes += out - before
                if flags & STRONG:
                    strong_bytes += out - before
            if stopped == BY_BLOCKS:
                break
            continue
        # markup
        following = page[place + 1]
        if following == BANG or following == QUESTION or (following == SLASH and not is_letter(page[place + 2])):
            behind = cdata_end(page, place, end) if stack[top, S_FLAGS] & FOREIGN else place
            place = behind if behind > place else markup_end(page, place, end)
            continue
        ends = following == SLASH
        tag_place = place
        behind, h = name_end(page, place + (2 if ends else 1), end)
        name = look_up(tag_keys, tag_values, h)
        own = tag_flags[name]
        behind, closes, mask, look, href_start, href_end = read_attributes(
            page, behind, end, attribute_keys, attribute_values, steps, begins, whole
        )
        place = behind
        to = top
        if own & BREAKS_OUT and (not ends or name == T_P or name == T_BR):
            while stack[to, S_FLAGS] & FOREIGN:
                to -= 1
        foreign = stack[to, S_FLAGS] & FOREIGN
        if ends:
            if name == T_BR or (name == T_P and open_names[T_P] == 0):  # as if it were <br> or <p></p>
                if not stack[to, S_FLAGS] & SILENT:
                    cut = max(cut, LINE if name == T_BR else PARAGRAPH)
            else:
                to = matching_end(name, h, own, stack, hashes, to, open_names)
        elif not foreign:
            to = implied_end(name, own, stack, to, open_names)
        while top > to:
            inner = stack[top, S_ELEMENT]
            if inner != stack[top - 1, S_ELEMENT]:
                elements[inner, BEHIND] = block + (1 if opened else 0)
            open_names[slot(stack[top, S_NAME], hashes[top])] -= 1
            if stack[top, S_OWN] & BLOCK and not stack[top, S_FLAGS] & SILENT:
                cut = PARAGRAPH
            if with_marks and not stack[top, S_FLAGS] & SILENT:
                kind = _mark_kind(stack[top, S_OWN])
                if kind and mark < len(marks):
                    marks[mark, MARK_PLACE], marks[mark, MARK_KIND] = out, -kind
                    marks[mark, MARK_START], marks[mark, MARK_END] = 0, 0
                    mark += 1
            top -= 1
        low = min(low, top)
        if ends:
            continue
        silent = stack[top, S_FLAGS] & SILENT
        if name == T_BR and not silent:
            if stack[top, S_FLAGS] & PREFORMATTED:
                if opened and not cut:
                    text[out] = 10
                    out += 1
            else:
                cut = LINE if cut == 0 else PARAGRAPH
            continue
        if own & BLOCK and not foreign and not silent:
            cut = PARAGRAPH
        if own & VOID or (closes and (foreign or own & FOREIGN)):
            continue
        if own & RAW and not foreign:
            if name == T_SCRIPT and not unterminated[name]:
                stop, unterminated[name] = script_end(page, place, end, SCRIPT)
            elif name == T_SCRIPT:
                stop = find_end_tag(page, place, end, h)
            elif unterminated[name]:
                continue
            else:
                stop = find_end_tag(page, place, end, h)
                if stop >= end:
                    unterminated[name] = True
                    continue
            if name == T_TITLE and title_end == 0:
                title_start, title_end = place, stop
            place = stop
            continue
        if (name == T_BODY or name == T_HTML) and open_names[name] > 0:
            continue
        if top >= len(stack) - 2:
            too_deep += 1
            continue
        flags = stack[top, S_FLAGS] | own & INHERITED
        if foreign and own & INTEGRATES:
            flags &= ~FOREIGN
        if name == T_A and href_end == 0:
            flags = stack[top, S_FLAGS]
        elif name == T_A and not flags & SILENT and opened and not cut:
            links += 1
        inner = stack[top, S_ELEMENT]
        if not flags & SILENT:
            if number >= len(elements):
                stopped = BY_ELEMENTS
                break
            elements[number, PARENT], elements[number, NAME] = inner, name
            elements[number, DEPTH] = elements[inner, DEPTH] + 1
            elements[number, FIRST] = elements[number, BEHIND] = block + (1 if opened else 0)
            elements[number, ORDER] = stack[top, S_CHILDREN]
            stack[top, S_CHILDREN] += 1
            masks[number] = mask | tag_masks[name]
            looks[number] = (look ^ h) * FNV_PRIME
            inner = number
            number += 1
            if with_marks:
                kind = _mark_kind(own)
                if kind and mark < len(marks):
                    marks[mark, MARK_PLACE], marks[mark, MARK_KIND] = out, kind
                    marks[mark, MARK_START], marks[mark, MARK_END] = href_start, href_end
                    mark += 1
                if name == T_OL and mark < len(marks):
                    first_number = stated_number(page, tag_place, place, attribute_keys, attribute_values)
                    if first_number >= 0:
                        marks[mark, MARK_PLACE], marks[mark, MARK_KIND] = out, NUMBERED
                        marks[mark, MARK_START], marks[mark, MARK_END] = inner, first_number
                        mark += 1
        top += 1
        stack[top, S_ELEMENT], stack[top, S_FLAGS], stack[top, S_NAME] = inner, flags, name
        stack[top, S_OWN], stack[top, S_CHILDREN] = own, 0
        hashes[top] = h
        open_names[slot(name, h)] += 1
    if opened and block < len(blocks):
        out = _trim(text, out, marks, mark)
        _write_block(blocks[block], element, first, out, link_bytes, links, strong_bytes, gap)
        block += 1
    while top >= 0:
        elements[stack[top, S_ELEMENT], BEHIND] = block
        top -= 1
    if stopped == 0 and too_deep:
        stopped = BY_DEPTH
    counts[ELEMENTS], counts[BLOCKS], counts[TEXT], counts[STOPPED] = number, block, out, stopped
    counts[TOO_DEEP], counts[MARKS], counts[TITLE_START], counts[TITLE_END] = too_deep, mark, title_start, title_end


@helper
def _mark_kind(own):
    if own & LINK:
        return OPEN_LINK
    if own & STRONG:
        return OPEN_STRONG
    if own & EMPHASIS:
        return OPEN_EMPHASIS
    if own & CODE:
        return OPEN_CODE
    return 0
