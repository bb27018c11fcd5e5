"""Does gptkit repair text as ftfy does, and how fast?"""

from collections.abc import Iterator

import corpora
import ftfy
import pyarrow as pa
from measure import best, now, share, table

from gptkit.clean.repair import repair

CODECS = ("latin-1", "cp1252", "cp1251", "cp437", "macroman")


def corpus() -> Iterator[tuple[str, list[str]]]:
    """Texts by name: real ones, and UTF-8 read as other encodings, once and twice."""
    yield corpora.MIXED, [row["text"] for row in corpora.rows(corpora.MIXED)]
    sentences = [row["text"] for row in corpora.rows(corpora.FLORES)]
    yield corpora.FLORES, sentences
    yield corpora.MAIL, [row["text"] for row in corpora.rows(corpora.MAIL)]
    once = [_misread(text, CODECS[place % len(CODECS)]) for place, text in enumerate(sentences)]
    yield "the sentences misread once", once
    yield "every tenth misread twice", [_misread(text, CODECS[place % 2]) for place, text in enumerate(once[::10])]


def _misread(text: str, codec: str) -> str:
    return text.encode("utf-8").decode(codec, errors="replace")


def report() -> None:
    """Prints how many documents come out equal, and both rates."""
    print("## Repair: gptkit against ftfy.fix_text, one core\n")
    rows, differing = [], []
    for name, texts in corpus():
        megabytes = corpora.size(texts)
        column = pa.array(texts)
        repair(column[:1])  # compiles
        seconds = best(lambda column=column: repair(column))
        started = now()
        theirs = [ftfy.fix_text(text) for text in texts]
        other = now() - started
        ours = repair(column).to_pylist()
        unequal = [text for text, mine, other_text in zip(texts, ours, theirs, strict=True) if mine != other_text]
        differing += [(name, text) for text in unequal]
        changed = sum(text != fixed for text, fixed in zip(texts, theirs, strict=True))
        rows.append(
            (
                name,
                len(texts),
                changed,
                share(len(texts) - len(unequal), len(texts)),
                megabytes / seconds,
                megabytes / other,
                other / seconds,
            )
        )
    print(table(("texts", "documents", "changed by ftfy", "equal", "gptkit MB/s", "ftfy MB/s", "ratio"), rows))
    for name, text in differing[:20]:
        print(f"- {name}: {text[:200]!r}")
