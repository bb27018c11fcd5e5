"""The report on token shards: how the vocabulary is used, and how many bytes, words and characters a token stands for.

It stands beside the shards, outside the digest: which documents are sampled depends on how they were cut into portions.
"""

from pathlib import Path
from typing import Any

import numpy as np

from gptkit.data.arrays import load_array
from gptkit.data.files import write_json
from gptkit.data.vocabulary import token_bytes
from gptkit.tokenization.encode import Encoded
from gptkit.tokenization.tallies import Sizes

NAME = "report.json"
LISTED = 20  # tokens in each list
SHOWN = 100  # bytes of a token
SHARES = (10, 100, 1_000, 10_000)  # of the most frequent ids


def write_report(path: Path, encoded: Encoded, tokenizer: Path) -> dict[str, Any]:
    """Writes the report as JSON, and gives it.

    `vocabulary` says how many ids occur (`used`) and how many never do, end-of-text aside, the share
    of all tokens that the most frequent 10, 100, … make, and lists the longest tokens that occur and
    the rarest ones. `sources` have documents, bytes, tokens and bytes_per_token. `languages` have
    tokens_per_word (the fertility) and tokens_per_character, of a sample of the documents.
    """
    pieces = token_bytes(tokenizer)
    seen = np.zeros(encoded.vocab_size, np.int64)
    for counts in encoded.seen:
        seen += load_array(counts)
    report = {
        "vocabulary": _vocabulary(seen, pieces, encoded.end_of_text),
        "sources": {
            name: {
                "documents": documents,
                "bytes": size,
                "tokens": tokens,
                "bytes_per_token": _ratio(size, tokens),
            }
            for name, (documents, size, tokens) in _sum(encoded.sources).items()
        },
        "languages": {
            name: {
                "words": words,
                "characters": characters,
                "tokens": tokens,
                "tokens_per_word": _ratio(tokens, words),
                "tokens_per_character": _ratio(tokens, characters),
            }
            for name, (words, characters, tokens) in _sum(encoded.languages).items()
        },
    }
    write_json(path, report)
    return report


def _vocabulary(seen: np.ndarray, pieces: list[bytes], end_of_text: int) -> dict[str, Any]:
    """What the occurrences of each id say; ids without bytes (special tokens) are in no list."""
    order = np.argsort(-seen, kind="stable")
    running, total = np.cumsum(seen[order]), int(seen.sum())
    used = order[: np.count_nonzero(seen)]
    spelled = [index for index, piece in enumerate(pieces) if piece]
    lengths = np.array([len(pieces[index]) for index in used.tolist()], np.int64)
    longest = used[np.lexsort((used, -lengths))][:LISTED].tolist()
    rarest = [index for index in used[::-1].tolist() if pieces[index]][:LISTED]
    return {
        "size": len(seen),
        "used": len(used),
        "never_used": int(np.count_nonzero(seen[spelled] == 0)),
        "share_of_most_frequent": {
            str(count): _ratio(int(running[min(count, len(seen)) - 1]), total) for count in SHARES if count <= len(seen)
        },
        "longest": [_row(index, pieces, seen) for index in longest],
        "rarest": [_row(index, pieces, seen) for index in rarest],
    }


def _row(index: int, pieces: list[bytes], seen: np.ndarray) -> dict[str, Any]:
    return {"id": index, "token": escaped(pieces[index]), "bytes": len(pieces[index]), "occurrences": int(seen[index])}


def escaped(piece: bytes) -> str:
    """A token as one line of printable text: what is none is escaped as in Python."""
    shown = piece[:SHOWN].decode("utf-8", "backslashreplace")
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)
    return text + ("…" if len(piece) > SHOWN else "")


def _sum(tables: list[Sizes]) -> Sizes:
    """The sums by name, in the order of the names."""
    total: Sizes = {}
    for table in tables:
        for name, values in table.items():
            total[name] = [a + b for a, b in zip(total.get(name, [0] * len(values)), values, strict=True)]
    return dict(sorted(total.items()))


def _ratio(part: int, whole: int) -> float | None:
    """None where there is nothing to divide by."""
    return round(part / whole, 4) if whole else None
