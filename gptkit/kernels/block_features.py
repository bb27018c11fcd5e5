"""What a block of a page looks like, in numbers from 0 to 255: its text, its ancestors, its neighbours, its page.

Every number is made so that a byte holds it (lengths as logarithms, shares in 255ths), for trees
whose thresholds are bytes too (`trees`). The ideas are known ones: text and link density (Kohlschütter
et al. 2010, "Boilerplate detection using shallow text features"), names of classes and scores of
containers (Readability), stop words (jusText), the text ratio of containers (CETD, Sun et al. 2011).
"""

import math
from functools import cache

import numpy as np

from gptkit.kernels.characters import (
    CURRENCY,
    DIGIT,
    LETTER,
    MARK,
    PUNCTUATION,
    TERMINAL,
    UNSPACED,
    UPPER,
    flags_at,
)
from gptkit.kernels.html_blocks import (
    BEHIND,
    DEPTH,
    ELEMENT,
    END,
    FIRST,
    GAP,
    LINK_BYTES,
    LINKS,
    NAME,
    ORDER,
    PARENT,
    START,
    STRONG_BYTES,
)
from gptkit.kernels.html_names import BIT, BLOCK, GROUPS, TAG, TAG_NAMES
from gptkit.kernels.html_syntax import FNV_PRIME, FNV_START, hash_table, look_up, lowered
from gptkit.kernels.jit import helper, kernel, routine

# Frequent words that hold sentences together; a page's navigation has few of them
STOP_WORDS = """the of and to a in is that for it on as with was at by be this are from or an have not his her they we
you he she but had has were their which will would been about more when who its if there one can than our what
der die das und in zu den ist nicht von sich mit dem des ein eine auf für auch es an werden aus er hat dass sie nach wird
bei einer um am sind noch wie einem über einen so zum war haben nur oder aber vor zur bis mehr durch man sein wurde
le la les de des et en un une du est que pour qui dans par plus pas au sur ne se ce il sont avec son aux mais ou nous
el los las y que del se por con una para es lo como más pero sus al fue su ha o este entre cuando muy sin sobre
il di che e non per sono della con si da come anche più dei nel alla gli ma le delle ha
o os as que do da em um para com não uma mais foi ao das dos na no pelo
het een van en dat op te zijn voor niet aan er maar om ook als bij naar dan nog wordt
i w nie na z do jest się że to o jak co ale po za od przez tak dla
och att det som en är av för den med på inte har de om ett men var jag så kan
og det er til på som med av ikke jeg har fra at han den
ja on ei että se oli hän mutta niin kuin joka myös
ve bir bu da de için ile çok daha olarak gibi ne olan en ama
и в не на что с он как это по но из за от то его у был она так же для все они мы вы или если бы
і та що не на з до як це у в за від про для
στο και το να της την του με που από για είναι ότι δεν
και η ο οι τα των
a se je na to v že s z do o jako ale by pro
és az egy hogy nem is a ez van meg de volt csak
și de la cu în nu că pe este din care mai sau
dan yang di itu dengan untuk tidak ini dari dalam akan pada juga saya ke
và của là có không cho được trong một những các với người này đã
في من على إلى أن هذا التي الذي عن مع كان ما لا هذه هو كما ذلك بين قد كل بعد و
של את על לא הוא זה עם גם או היא אני כי אם כל
و در به از که این را با است برای آن یک خود تا کرد بر هم نیز
है के में की और से को का हैं पर यह कि इस नहीं एक लिए भी था ने जो तो कर
এবং এই করে যে না জন্য থেকে একটি
இந்த ஒரு என்று மற்றும் என
은 는 이 가 을 를 의 에 에서 그 수 있다 하는 한 것 등 및 더""".split()
# Characters that do so where words have no spaces between them
STOP_CHARACTERS = (
    "的了是在和不有我他这這个個们們也就说說到地得着著与與而但及其之于於对對将將从從以为為"
    "のはをがにでとてもたしれるいなけすよねまへや"
    "และที่ไม่ให้ได้เป็นของมี"
)

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
H1 = TAG["h1"]
ARTICLE_BIT = np.uint64(1 << BIT["<article>"])
COMMENT = BIT["word:comment"]
COMMENT_BIT = np.uint64(1 << COMMENT)
DE_BRUIJN = 0x03F79D71B4CB0A89  # isolates the number of the lowest bit (Leiserson, Prokop, Randall 1998)
BIT_NUMBERS = tuple(sorted(range(64), key=lambda bit: (DE_BRUIJN << bit & 0xFFFFFFFFFFFFFFFF) >> 58))


@cache
def tables() -> tuple[np.ndarray, ...]:
    """Stop words (keys, values for `look_up`), stop characters (bool [65536]), logarithms and tag classes (uint8)."""
    keys, values = hash_table({word.encode(): 1 for word in dict.fromkeys(STOP_WORDS)})
    characters = np.zeros(1 << 16, np.bool_)
    characters[[ord(character) for character in STOP_CHARACTERS]] = True
    logs = np.array([round(8 * math.log2(1 + number)) for number in range(LOGS)], np.uint8)
    classes = np.zeros(len(TAG_NAMES), np.uint8)
    for number, name in enumerate(TAG_CLASSES, 1):
        classes[TAG[name]] = number
    return keys, values, characters, logs, classes


# What is known of the elements beside an element that look as it does
ITEM_FIRST, ITEM_COUNT, ITEM_CHARACTERS, ITEM_LINKED, ITEM_LONG, ITEM_NUMBER = range(6)
ITEM_FIELDS = 6


class Scratch:
    """Working memory for pages of up to so many blocks and elements."""

    def __init__(self, blocks: int, elements: int) -> None:
        self.counted = np.empty((blocks, SUMS), np.int64)
        self.sums = np.empty((blocks + 1, SUMS), np.int64)
        self.hashes = np.empty(blocks, np.uint64)
        self.table = np.empty(1 << (2 * max(blocks, elements)).bit_length(), np.int64)
        self.items = np.empty((elements, ITEM_FIELDS), np.int64)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All of them, in the order in which kernels take them."""
        return self.counted, self.sums, self.hashes, self.table, self.items


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
    """A distance that may be negative, around 128: one a step up to 64, then a quarter."""
    size = abs(distance)
    size = size if size <= 64 else min(64 + (size - 64) // 8, 127)
    return 128 + size if distance >= 0 else 128 - size


@helper
def _kind(flags):
    """What a character is.

    1 small letter, 2 capital, 3 letter of a script without spaces, 4 digit, 5 end of a sentence, 6 other punctuation,
    7 anything else.
    """
    if flags & LETTER:
        if flags & UPPER:
            return 2
        return 3 if flags & UNSPACED else 1
    if flags & DIGIT:
        return 4
    if flags & TERMINAL:
        return 5
    return 6 if flags & PUNCTUATION else 7


@routine
def count_text(text, start, end, stop_keys, stop_values, stop_characters, character_flags, counted, row, out):
    """Counts what a block's text is made of, into `counted[row]` and the row `out` of features; gives a hash of it."""
    characters, words, stops, commas, ends, digits, capitals, upper, letters, symbols = 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    marks, unspaced = 0, 0
    first_kind, last_kind, in_word, before = 0, 0, False, 0
    whole, h = FNV_START, FNV_START
    place = start
    while place < end:
        flags, width = flags_at(text, place, end, character_flags)
        byte = text[place]
        if byte == 32 or byte == 10 or byte == 9:
            if in_word:
                stops += look_up(stop_keys, stop_values, h)
            in_word, h = False, FNV_START
            place += 1
            before = 0
            continue
        characters += 1
        kind = _kind(flags)
        for index in range(width):
            whole = (whole ^ np.uint64(text[place + index])) * FNV_PRIME
        if kind <= 3:
            letters += 1
            if kind == 3:
                unspaced += 1
                if width == 3:
                    code = (np.int64(byte) & 15) << 12 | (np.int64(text[place + 1]) & 63) << 6
                    if stop_characters[code | np.int64(text[place + 2]) & 63]:
                        stops += 1
            else:
                if not in_word:
                    in_word = True
                    words += 1
                    if kind == 2:
                        capitals += 1
                upper += kind == 2
                for index in range(width):
                    h = (h ^ np.uint64(lowered(text[place + index]))) * FNV_PRIME
        elif flags & MARK and in_word:
            for index in range(width):
                h = (h ^ np.uint64(text[place + index])) * FNV_PRIME
        else:
            if in_word:
                stops += look_up(stop_keys, stop_values, h)
            in_word, h = False, FNV_START
            if kind == 4:
                digits += 1
                if before != 4:
                    words += 1
            elif kind == 5:
                if width > 1:
                    ends += 1
                elif place + 1 >= end or text[place + 1] == 32 or text[place + 1] == 10:
                    ends += before != 4
            elif byte == 44 or (width == 3 and byte == 0xEF and text[place + 1] == 0xBC and text[place + 2] == 0x8C):
                commas += 1  # , and ，
            elif width == 3 and byte == 0xE3 and text[place + 1] == 0x80 and text[place + 2] == 0x81:
                commas += 1  # 、
            elif width == 2 and byte == 0xD8 and text[place + 1] == 0x8C:
                commas += 1  # ،
            else:
                if byte == 124 or byte == 62 or byte == 60 or byte == 47 or byte == 43 or byte == 91 or width > 1:
                    symbols += 1
                if byte == 64:
                    marks |= 1
                elif byte == 0xC2 and text[place + 1] == 0xA9:
                    marks |= 2
                elif flags & CURRENCY:
                    marks |= 4
                elif byte == 58:
                    marks |= 8
                elif byte == 35 or byte == 123 or byte == 125 or byte == 61:
                    marks |= 16
                elif byte == 34 or byte == 0xE2 or byte == 0xC2:
                    marks |= 32
        if first_kind == 0:
            first_kind = kind
        last_kind = 8 if byte == 58 else kind
        before = kind
        place += width
    if in_word:
        stops += look_up(stop_keys, stop_values, h)
    length = characters + unspaced  # a character of these scripts says as much as two letters
    words += (unspaced + 1) // 2
    counted[row, CHARACTERS], counted[row, WORDS], counted[row, STOPS] = length, words, min(stops, words)
    counted[row, COMMAS], counted[row, ENDS] = commas, ends
    out[O_STOP_WORD_SHARE] = share(stops, words)
    out[O_FIRST_CHARACTER], out[O_LAST_CHARACTER] = first_kind, last_kind
    out[O_DIGIT_SHARE] = share(digits, characters)
    out[O_CAPITAL_WORDS], out[O_CAPITAL_LETTERS] = share(capitals, words), share(upper, letters)
    out[O_WORD_LENGTH] = min(255, 10 * length // max(words, 1))
    out[O_SYMBOLS] = min(symbols, 255)
    out[O_MARKS] = marks
    out[O_STOPS_A_SENTENCE] = min(255, 16 * stops // max(ends, 1))
    return whole


@helper
def _place_of(hashes, block, table, mask):
    """Where a block's text is in the table, or the free place for it; -1 where PROBES places are taken by others."""
    h = hashes[block]
    place = (h ^ (h >> np.uint64(29))) & mask
    for probe in range(PROBES):
        if table[place] < 0 or hashes[table[place]] == h:
            return np.int64(place)
        place = (place + np.uint64(probe + 1)) & mask
    return np.int64(-1)


@helper
def _count_repeats(hashes, blocks, table, out):
    """How often each block's text stands in the page, by an open-addressed table of block numbers."""
    size = 16
    while size < 2 * blocks:
        size *= 2
    table[:size] = -1
    mask = np.uint64(size - 1)
    for block in range(blocks):
        out[block, O_REPEATS] = 0
        place = _place_of(hashes, block, table, mask)
        if place < 0:
            continue
        if table[place] < 0:
            table[place] = block
        elif out[table[place], O_REPEATS] < 255:
            out[table[place], O_REPEATS] += 1
    for block in range(blocks):
        place = _place_of(hashes, block, table, mask)
        if place >= 0:
            out[block, O_REPEATS] = out[table[place], O_REPEATS]


@helper
def _title_words(page, start, end, hashes):
    """Hashes of the first words of the title (its letters beyond ASCII are bytes); gives how many."""
    number, h = 0, FNV_START
    for place in range(start, end + 1):
        byte = page[place] if place < end else np.uint8(32)
        if byte >= 128 or 97 <= (byte | 32) <= 122 or 48 <= byte <= 57:
            h = (h ^ np.uint64(lowered(byte))) * FNV_PRIME
        elif h != FNV_START:
            if number < len(hashes):
                hashes[number] = h
                number += 1
            h = FNV_START
    return number


@helper
def _words_of_title(text, start, end, hashes, number):
    """How many words of a block are in the title, and how many it has."""
    found, words, h = 0, 0, FNV_START
    for place in range(start, end + 1):
        byte = text[place] if place < end else np.uint8(32)
        if byte >= 128 or 97 <= (byte | 32) <= 122 or 48 <= byte <= 57:
            h = (h ^ np.uint64(lowered(byte))) * FNV_PRIME
        elif h != FNV_START:
            words += 1
            for index in range(number):
                if hashes[index] == h:
                    found += 1
                    break
            h = FNV_START
    return found, words


@routine
def _find_items(elements, number, looks, sums, table, items):
    """Counts, for each element, its siblings that look the same and hold text, and sums up what they hold.

    The first of them has the sums (`ITEM_FIRST` of the others says which it is).
    """
    size = 16
    while size < 2 * number:
        size *= 2
    table[:size] = -1
    mask = np.uint64(size - 1)
    for element in range(1, number):
        first, behind = elements[element, FIRST], elements[element, BEHIND]
        items[element, ITEM_FIRST], items[element, ITEM_COUNT] = element, 0
        if behind <= first:
            continue
        parent = elements[element, PARENT]
        h = (looks[element] ^ np.uint64(parent)) * FNV_PRIME
        place = (h ^ (h >> np.uint64(29))) & mask
        leader = element  # also where no place is found for it
        for probe in range(PROBES):
            other = table[place]
            if other < 0:
                table[place] = element
                break
            if looks[other] == looks[element] and elements[other, PARENT] == parent:
                leader = other
                break
            place = (place + np.uint64(probe + 1)) & mask
        if leader == element:
            items[element, ITEM_CHARACTERS] = items[element, ITEM_LINKED] = items[element, ITEM_LONG] = 0
        items[element, ITEM_FIRST] = leader
        items[element, ITEM_NUMBER] = items[leader, ITEM_COUNT]
        items[leader, ITEM_COUNT] += 1
        items[leader, ITEM_CHARACTERS] += _total(sums, first, behind, CHARACTERS)
        items[leader, ITEM_LINKED] += _total(sums, first, behind, LINK_CHARACTERS)
        items[leader, ITEM_LONG] += _total(sums, first, behind, LONG_CHARACTERS)


@helper
def _total(sums, first, behind, column):
    return sums[behind, column] - sums[first, column]


@helper
def _step_to(elements, element, target_first, target_behind):
    """How many ancestors up an element's blocks include all of a range; at most FARTHEST."""
    steps = 0
    while steps < FARTHEST and element > 0:
        if elements[element, FIRST] <= target_first and elements[element, BEHIND] >= target_behind:
            break
        element = elements[element, PARENT]
        steps += 1
    return steps


@kernel
def features(
    page,
    title_start,
    title_end,
    elements,
    number,
    masks,
    looks,
    blocks,
    rows,
    text,
    tag_flags,
    stop_keys,
    stop_values,
    stop_characters,
    logs,
    classes,
    character_flags,
    counted,
    sums,
    hashes,
    table,
    items,
    out,
):
    """Fills `out` (uint8 [rows, WIDTH]) with the features of a page's blocks, as `html_blocks.read_page` left them.

    number, rows: how many elements and blocks there are; tables as `tables()` and
    `characters.character_flags()` give them; the rest as in `Scratch`.
    """
    # what each block's text is made of
    sums[0, :] = 0
    first_h1 = -1
    for row in range(rows):
        start, end = blocks[row, START], blocks[row, END]
        hashes[row] = count_text(
            text, start, end, stop_keys, stop_values, stop_characters, character_flags, counted, row, out[row]
        )
        size, length = end - start, counted[row, CHARACTERS]
        linked = length * blocks[row, LINK_BYTES] // size
        counted[row, LINK_CHARACTERS] = linked
        is_long = length >= LONG and 3 * linked < length
        counted[row, LONG_CHARACTERS] = length if is_long else 0
        counted[row, LONG_BLOCKS] = 1 if is_long else 0
        for column in range(SUMS):
            sums[row + 1, column] = sums[row, column] + counted[row, column]
        out[row, O_CHARACTERS], out[row, O_WORDS] = log(length, logs), log(counted[row, WORDS], logs)
        out[row, O_LINK_SHARE], out[row, O_LINKS] = share(blocks[row, LINK_BYTES], size), min(blocks[row, LINKS], 255)
        out[row, O_STOP_WORDS] = log(counted[row, STOPS], logs)
        out[row, O_COMMAS], out[row, O_SENTENCE_ENDS] = min(counted[row, COMMAS], 255), min(counted[row, ENDS], 255)
        out[row, O_BOLD_SHARE] = share(blocks[row, STRONG_BYTES], size)
        out[row, O_LINE_BREAK_BEFORE] = blocks[row, GAP]
        out[row, O_LINE_BREAK_AFTER] = blocks[row + 1, GAP] if row + 1 < rows else 2
        if first_h1 < 0:
            element = blocks[row, ELEMENT]
            for _ in range(3):
                if element > 0:
                    if elements[element, NAME] == H1:
                        first_h1 = row
                    element = elements[element, PARENT]
    _count_repeats(hashes, rows, table, out)
    total, long_total = sums[rows, CHARACTERS], sums[rows, LONG_CHARACTERS]
    # the page: the deepest element with most of its long text, and the one that scores best
    main, best, best_score, articles = 0, 0, 0.0, 0
    for element in range(1, number):
        if masks[element] & ARTICLE_BIT:
            articles += 1
        first, behind = elements[element, FIRST], elements[element, BEHIND]
        if behind <= first or not tag_flags[elements[element, NAME]] & BLOCK:
            continue
        long = _total(sums, first, behind, LONG_CHARACTERS)
        if 5 * long >= 3 * long_total and long > 0:
            main = element
        parent = elements[element, PARENT]
        if long > 0 and (elements[parent, FIRST] != first or elements[parent, BEHIND] != behind):
            characters = _total(sums, first, behind, CHARACTERS)
            linked = _total(sums, first, behind, LINK_CHARACTERS)
            # text that is long and not linked, in a container with little else
            score = (
                long
                * (1.0 - linked / max(characters, 1))
                * math.sqrt(long / max(characters, 1))
                / math.sqrt(10.0 + behind - first)
            )
            if score > best_score:
                best, best_score = element, score
    main_first, main_behind = elements[main, FIRST], elements[main, BEHIND]
    best_first, best_behind = elements[best, FIRST], elements[best, BEHIND]
    _find_items(elements, number, looks, sums, table, items)
    commented = 0  # long text among comments
    for row in range(rows):
        if counted[row, LONG_CHARACTERS]:
            ancestor, distance = blocks[row, ELEMENT], 0
            while ancestor > 0 and distance < FARTHEST:
                if masks[ancestor] & COMMENT_BIT:
                    commented += counted[row, LONG_CHARACTERS]
                    break
                ancestor = elements[ancestor, PARENT]
                distance += 1
    title_hashes = np.empty(32, np.uint64)
    title_words = _title_words(page, title_start, title_end, title_hashes)
    page_numbers = (
        log(total, logs),
        log(rows, logs),
        share(sums[rows, LINK_CHARACTERS], total),
        share(long_total, total),
        min(sums[rows, LONG_BLOCKS], 255),
    )
    last_long = -1
    for row in range(rows):
        mine = out[row]
        element = blocks[row, ELEMENT]
        mine[O_INNER_TAG] = classes[elements[element, NAME]]
        inner = element
        while inner > 0 and not tag_flags[elements[inner, NAME]] & BLOCK:
            inner = elements[inner, PARENT]
        mine[O_TAG] = classes[elements[inner, NAME]]
        parent = elements[inner, PARENT] if inner > 0 else 0
        mine[O_PARENT_TAG] = classes[elements[parent, NAME]]
        mine[O_DEPTH] = min(elements[inner, DEPTH], 255)
        mine[O_BLOCKS_BEFORE], mine[O_BLOCKS_BEHIND] = log(row, logs), log(rows - 1 - row, logs)
        mine[O_PLACE_IN_PAGE] = share(sums[row, CHARACTERS], total)
        mine[O_BLOCKS_SINCE_H1] = 255 if first_h1 < 0 else near(row - first_h1)
        size = blocks[row, END] - blocks[row, START]
        mine[O_WORDS_OF_TITLE] = 0
        if title_words and size < 300:
            found, words = _words_of_title(text, blocks[row, START], blocks[row, END], title_hashes, title_words)
            mine[O_WORDS_OF_TITLE] = share(2 * found, words + title_words)
        mine[O_PLACE_AMONG_SIBLINGS] = min(elements[inner, ORDER], 255)
        mine[O_BLOCKS_OF_PARENT] = min(elements[parent, BEHIND] - elements[parent, FIRST], 255)
        # how far the nearest ancestor of each group is
        for group in range(GROUP_COUNT):
            mine[GROUPS_AT + group] = FARTHEST
        seen, distance, ancestor = np.uint64(0), 0, element
        while ancestor > 0 and distance < FARTHEST:
            fresh = masks[ancestor] & ~seen
            seen |= fresh
            while fresh:
                lowest = fresh & (~fresh + np.uint64(1))
                bit = BIT_NUMBERS[np.int64((lowest * np.uint64(DE_BRUIJN)) >> np.uint64(58))]
                mine[GROUPS_AT + bit] = distance
                fresh ^= lowest
            ancestor = elements[ancestor, PARENT]
            distance += 1
        # ancestors that hold more and more
        column, level, ancestor, had = CONTAINERS_AT, 0, inner, 1
        while level < LEVELS:
            while ancestor > 0 and elements[ancestor, BEHIND] - elements[ancestor, FIRST] <= had:
                ancestor = elements[ancestor, PARENT]
            first, behind = elements[ancestor, FIRST], elements[ancestor, BEHIND]
            characters = _total(sums, first, behind, CHARACTERS)
            words = _total(sums, first, behind, WORDS)
            mine[column] = log(characters, logs)
            mine[column + 1] = share(characters, total)
            mine[column + 2] = log(behind - first, logs)
            mine[column + 3] = share(_total(sums, first, behind, LINK_CHARACTERS), characters)
            mine[column + 4] = share(_total(sums, first, behind, LONG_CHARACTERS), characters)
            mine[column + 5] = log(characters // max(behind - first, 1), logs)
            mine[column + 6] = share(_total(sums, first, behind, STOPS), words)
            mine[column + 7] = share(10 * _total(sums, first, behind, ENDS), words)
            mine[column + 8] = share(row - first, max(behind - first - 1, 1))
            mine[column + 9] = classes[elements[ancestor, NAME]]
            mine[column + 10] = share(10 * _total(sums, first, behind, COMMAS), words)
            column += len(CONTAINER)
            level += 1
            had = behind - first
        # the page
        column = PAGE_AT
        for index in range(5):
            mine[column + index] = page_numbers[index]
        mine[column + 5] = _step_to(elements, inner, main_first, main_behind)
        mine[column + 6] = near(row - main_first)
        mine[column + 7] = near(main_behind - 1 - row)
        mine[column + 8] = share(_total(sums, main_first, main_behind, CHARACTERS), total)
        mine[column + 9] = _step_to(elements, inner, best_first, best_behind)
        mine[column + 10] = near(row - best_first)
        mine[column + 11] = near(best_behind - 1 - row)
        mine[column + 12] = share(_total(sums, best_first, best_behind, CHARACTERS), total)
        mine[column + 13] = 255 if last_long < 0 else min(row - last_long, 254)
        if counted[row, LONG_BLOCKS]:
            last_long = row
        low, high = max(0, row - 3), min(rows, row + 4)
        characters = _total(sums, low, high, CHARACTERS)
        mine[column + 15] = log(characters, logs)
        mine[column + 16] = share(_total(sums, low, high, LINK_CHARACTERS), characters)
        mine[column + 17] = share(_total(sums, low, high, STOPS), _total(sums, low, high, WORDS))
        mine[column + 18] = min(articles, 255)
        mine[column + 19] = share(commented, long_total)
        mine[column + 20] = log(sums[row, LONG_CHARACTERS], logs)
        # items of a list, of which it is one
        column = REPEATED_AT
        for index in range(len(REPEATED)):
            mine[column + index] = 0
        mine[column] = FARTHEST
        ancestor, distance, levels = element, 0, 0
        while ancestor > 0 and distance < FARTHEST and levels < 2:
            leader = items[ancestor, ITEM_FIRST]
            if items[leader, ITEM_COUNT] >= FEW:
                characters = _total(sums, elements[ancestor, FIRST], elements[ancestor, BEHIND], CHARACTERS)
                if levels == 0:
                    mine[column], mine[column + 1] = distance, log(items[leader, ITEM_COUNT], logs)
                    mine[column + 2] = log(characters, logs)
                    mine[column + 3] = share(items[leader, ITEM_CHARACTERS], total)
                    mine[column + 4] = share(items[leader, ITEM_LINKED], items[leader, ITEM_CHARACTERS])
                    mine[column + 5] = share(items[leader, ITEM_LONG], items[leader, ITEM_CHARACTERS])
                    mine[column + 6] = min(items[ancestor, ITEM_NUMBER], 255)
                    mine[column + 7] = log(items[leader, ITEM_CHARACTERS] // items[leader, ITEM_COUNT], logs)
                elif elements[ancestor, BEHIND] - elements[ancestor, FIRST] > 1:
                    mine[column + 8] = log(items[leader, ITEM_COUNT], logs)
                    mine[column + 9] = log(characters, logs)
                levels += 1
            ancestor = elements[ancestor, PARENT]
            distance += 1
        mine[PAGE_AT + 21] = (
            255
            if mine[GROUPS_AT + COMMENT] < FARTHEST and 2 * commented > long_total
            else (128 if mine[GROUPS_AT + COMMENT] < FARTHEST else 0)
        )
        # blocks before and behind
        column = NEIGHBOURS_AT
        for way in range(2):
            for step in range(1, NEIGHBOURS + 1):
                other = row + step if way else row - step
                if 0 <= other < rows:
                    mine[column], mine[column + 1] = out[other, O_CHARACTERS], out[other, O_LINK_SHARE]
                    name_at = blocks[other, ELEMENT]
                    while name_at > 0 and not tag_flags[elements[name_at, NAME]] & BLOCK:
                        name_at = elements[name_at, PARENT]
                    mine[column + 2], mine[column + 3] = classes[elements[name_at, NAME]], out[other, O_STOP_WORD_SHARE]
                    mine[column + 4] = _step_to(elements, inner, other, other + 1)
                else:
                    mine[column], mine[column + 1], mine[column + 2], mine[column + 3] = 0, 0, 255, 0
                    mine[column + 4] = FARTHEST
                column += len(NEIGHBOUR)
    next_long = -1
    for back in range(rows):
        row = rows - 1 - back
        out[row, PAGE_AT + 14] = 255 if next_long < 0 else min(next_long - row, 254)
        if counted[row, LONG_BLOCKS]:
            next_long = row
