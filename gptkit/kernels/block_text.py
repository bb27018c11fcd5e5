"""What a block's text is made of: characters, words, frequent words, sentence ends, words of the page's title."""

import math
from functools import cache

import numpy as np

from gptkit.kernels.block_columns import (
    CHARACTERS,
    COMMAS,
    ENDS,
    LOGS,
    O_CAPITAL_LETTERS,
    O_CAPITAL_WORDS,
    O_DIGIT_SHARE,
    O_FIRST_CHARACTER,
    O_LAST_CHARACTER,
    O_MARKS,
    O_STOP_WORD_SHARE,
    O_STOPS_A_SENTENCE,
    O_SYMBOLS,
    O_WORD_LENGTH,
    STOPS,
    TAG_CLASSES,
    WORDS,
    share,
)
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
from gptkit.kernels.html_names import TAG, TAG_NAMES
from gptkit.kernels.html_syntax import FNV_PRIME, FNV_START, hash_table, look_up, lowered
from gptkit.kernels.jit import helper, routine

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
def hash_title(page, start, end, hashes):
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
def count_title_words(text, start, end, hashes, number):
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
