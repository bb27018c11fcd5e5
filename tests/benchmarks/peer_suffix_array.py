"""Marks repeated spans with a suffix array: the peer of bench_substrings.py, run in an environment of its own.

    python peer_suffix_array.py TEXTS.json SPAN MARKED.npy

TEXTS.json: a list of texts. Of each character it writes whether it is in a span of at least SPAN
characters that an earlier document has too. Prints the seconds of the suffix array and its longest
common prefixes alone, and the megabytes of memory at the peak up to there.
"""

import json
import resource
import sys
import time

import numpy as np
from pydivsufsort import divsufsort, kasai


def main() -> None:
    source, span, target = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    with open(source, encoding="utf-8") as file:
        texts = json.load(file)
    # bytes, with a byte behind each document that UTF-8 has not: no span goes on into the next one
    content = np.frombuffer(bytearray(b"".join(text.encode() + b"\xff" for text in texts)), np.uint8)
    document = np.repeat(np.arange(len(texts), dtype=np.int32), [len(text.encode()) + 1 for text in texts])
    started = time.process_time()
    suffixes = divsufsort(content)
    prefixes = kasai(content, suffixes)
    print(time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
    marked = mark(content, document, suffixes, prefixes.astype(np.int64), span)
    np.save(target, marked[(content & 0xC0 != 0x80) & (content != 0xFF)], allow_pickle=False)


def mark(
    content: np.ndarray, document: np.ndarray, suffixes: np.ndarray, prefixes: np.ndarray, span: int
) -> np.ndarray:
    """For each byte whether it is in a window of `span` characters that an earlier document has."""
    begins = content & 0xC0 != 0x80
    starts = np.append(np.flatnonzero(begins), len(content) + span)
    # bytes of the window of characters from each suffix on; beyond every prefix where it leaves its document
    number = np.cumsum(begins) - 1
    ends = starts[np.minimum(number + span, len(starts) - 1)]
    inside = document[np.minimum(ends, len(content) - 1)] == document
    needed = np.where(inside & (ends < len(content)), ends - np.arange(len(content)), len(content) + 1)
    size = needed[suffixes]
    del number, ends, inside
    # suffixes in a row are of equal windows where the prefix with the next one holds the whole window
    same = np.append(False, prefixes[: len(suffixes) - 1] >= size[1:])
    group = np.cumsum(~same) - 1
    whose = document[suffixes]
    first = np.full(group[-1] + 1, np.iinfo(np.int32).max, np.int32)
    np.minimum.at(first, group, whose)
    repeated = (first[group] < whose) & begins[suffixes]
    repeated &= size <= len(content)
    change = np.zeros(len(content) + 1, np.int32)
    places = suffixes[repeated]
    np.add.at(change, places, 1)
    np.add.at(change, places + needed[places], -1)
    return np.cumsum(change)[: len(content)] > 0


if __name__ == "__main__":
    main()
