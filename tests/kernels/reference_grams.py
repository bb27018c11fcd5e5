"""Decontamination in plain Python: words as tuples in sets, places as numbers of characters."""

import unicodedata

from gptkit.kernels.characters import UNSPACED, character_flags


def unspaced(character):
    code = ord(character)
    return code >= 0x20000 or bool(character_flags()[code] & UNSPACED)


def words(text):
    """(word, first character, behind its last one) of each word."""
    found, word, first, last = [], "", 0, 0

    def end():
        nonlocal word
        if word:
            found.append((word, first, last))
        word = ""

    for place, character in enumerate(text):
        category = unicodedata.category(character)
        if character.isspace():
            end()
            continue
        if category[0] in "PS" or category in ("Cc", "Cf"):
            continue
        if category[0] == "M":
            if word:
                word, last = word + character, place + 1
            continue
        if word and (unspaced(character) or unspaced(word[0])):
            end()
        if not word:
            first = place
        lower = character.lower()
        word, last = word + (lower if len(lower) == 1 else character), place + 1
    end()
    return found


def grams(text, n):
    """(words, first character, behind the last one) of each n-gram."""
    listed = words(text)
    return [
        (tuple(word for word, _, _ in listed[at : at + n]), listed[at][1], listed[at + n - 1][2])
        for at in range(len(listed) - n + 1)
    ]


def decontaminate(documents, protected, n=13, window=200, min_piece=200, max_pieces=10, max_documents=10):
    """For each document None where it is not touched, else its pieces that are kept: (first, behind, text)."""
    wanted = {gram for text in protected for gram, _, _ in grams(text, n)}
    counts = dict.fromkeys(wanted, 0)
    for document in documents:
        for gram in {gram for gram, _, _ in grams(document, n)} & wanted:
            counts[gram] += 1
    wanted = {gram for gram in wanted if counts[gram] <= max_documents}
    fates = []
    for document in documents:
        removed = [False] * len(document)
        touched = False
        for gram, first, behind in grams(document, n):
            if gram in wanted:
                touched = True
                for place in range(max(0, first - window), min(len(document), behind + window)):
                    removed[place] = True
        if not touched:
            fates.append(None)
            continue
        pieces, start = [], None
        for place in range(len(document) + 1):
            gone = place == len(document) or removed[place]
            if gone and start is not None:
                pieces.append((start, place, document[start:place]))
                start = None
            elif not gone and start is None:
                start = place
        kept = [piece for piece in pieces if len(piece[2]) >= min_piece]
        fates.append([] if len(pieces) > max_pieces else kept)
    return fates
