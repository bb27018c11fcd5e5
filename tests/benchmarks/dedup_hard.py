"""Inputs that are hard for `gptkit dedup`: each with the right answer, seconds and memory."""

import itertools
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import corpora
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from dedup_command import Result, dedup
from dedup_jaccard import jaccard, shingles
from measure import table

from gptkit.dedup.curve import scheme_of
from gptkit.dedup.settings import DedupSettings
from gptkit.kernels import minhash
from gptkit.kernels.shingles import shingle_hashes, word_table

SEED = 5
MILLION = 1_000_000
HUGE = 200_000_000  # bytes
SCHEME = scheme_of(DedupSettings())
ROWS = 10_000  # of a row group

Documents = Iterable[tuple[str, str]]  # id and text


def report(folder: Path) -> None:
    """Prints a row for each case; stops where an answer is wrong."""
    dedup(write([("a", "one two three"), ("b", "one two four")], folder / "compile.parquet"), folder / "compile")
    rows = []
    for name, (make, check) in CASES.items():
        place = folder / make.__name__
        place.mkdir()
        documents = dict(make())
        path = write(documents.items(), place / "documents.parquet")
        result = dedup(path, place / "deduplicated")
        assert len(result.kept_ids()) + len(result.removed()) == len(documents), name
        size = sum(len(text.encode()) for text in documents.values()) / 1e6
        went = result.counts["rejected"]
        head = (name, len(documents), size, went["exact"], went["near"], result.seconds, round(result.peak / 1e6))
        rows.append((*head, check(documents, result)))
        print(*rows[-1], sep="; ", file=sys.stderr)
        del documents
    print("## Hard inputs, one worker\n")
    names = ("documents", "number", "MB", "exact copies removed", "near removed", "seconds", "peak, MB", "checked")
    print(table(names, rows))


def write(documents: Documents, path: Path) -> Path:
    """Writes documents as Parquet."""
    schema = pa.schema([("id", pa.string()), ("text", pa.string())])
    with pq.ParquetWriter(path, schema, compression="zstd") as file:
        rest = iter(documents)
        while some := list(itertools.islice(rest, ROWS)):
            file.write_table(pa.table([list(column) for column in zip(*some, strict=True)], schema=schema), ROWS)
    return path


def check_removed(documents: dict[str, str], result: Result, most: int | None = None) -> set[str]:
    """Compares removed documents (`most` of them, by lot) with the kept ones, in plain Python; gives the ids of all."""
    removed = result.removed()
    kept = set(result.kept_ids())
    some = removed if most is None or len(removed) <= most else random.Random(SEED).sample(removed, most)
    for row in some:
        one, other = documents[row["id"]], documents[row["kept_id"]]
        found = 1.0 if one == other else jaccard(shingles(one), shingles(other))
        assert row["kept_id"] in kept, row
        assert found >= SCHEME.threshold, row
        assert abs(found - row["jaccard"]) < 1e-6, row
    return {row["id"] for row in removed}


def unique_words(generator: random.Random, count: int) -> list[str]:
    """Words that are hardly found twice."""
    return [f"{generator.getrandbits(40):x}" for _ in range(count)]


def short() -> Iterator[tuple[str, str]]:
    """Under five words, without words, and empty; each kind with one that is as good as another."""
    for place in range(1_000):
        yield f"word {place}", f"word{place}"
        yield f"three {place}", f"only {place} words"
        yield f"again {place}", f"Only: {place} words!"  # the same words
        yield f"signs {place}", "!" * (place + 1)  # no words: each stays
        yield f"empty {place}", ""


def check_short(documents: dict[str, str], result: Result) -> str:
    again = {f"again {place}" for place in range(1_000)} | {f"empty {place}" for place in range(1, 1_000)}
    assert check_removed(documents, result) == again
    return "of equal words one stays; one empty; all without words stay"


def huge() -> Iterator[tuple[str, str]]:
    """One of 200 MB beside short ones."""
    yield from ((f"small {place}", f"a small document with the number {place}") for place in range(100))
    yield "huge", huge_text()


def huge_text() -> str:
    texts = [row["text"] for row in corpora.rows(corpora.MIXED)]
    again = " ".join(reversed(" ".join(texts).split()))  # other shingles of the same words
    return (" ".join(texts) + " " + again)[:HUGE]


def check_huge(documents: dict[str, str], result: Result) -> str:
    assert not result.removed()
    return "all stay"


def huge_twice() -> Iterator[tuple[str, str]]:
    """Two of 200 MB that differ in their first words."""
    text = huge_text()
    yield "huge", text
    yield "edited", f"an edition {text}"


def check_huge_twice(documents: dict[str, str], result: Result) -> str:
    (row,) = result.removed()
    assert (row["id"], row["kept_id"], row["reason"]) == ("edited", "huge", "near")
    assert row["jaccard"] > 0.9999
    return "the second goes"


def identical() -> Iterator[tuple[str, str]]:
    """A million equal documents."""
    text = "the same sentence of some ten words in every document"
    return ((f"{place:07d}", text) for place in range(MILLION))


def check_identical(documents: dict[str, str], result: Result) -> str:
    assert result.kept_ids() == ["0000000"]
    assert result.counts["rejected"] == {"exact": MILLION - 1, "near": 0}
    assert all(row["kept_id"] == "0000000" for row in result.clusters())
    return "the first stays"


def all_unique() -> Iterator[tuple[str, str]]:
    """A million short ones that have no shingle in common."""
    generator = random.Random(SEED)
    return ((f"{place:07d}", " ".join(unique_words(generator, 8))) for place in range(MILLION))


def check_all_unique(documents: dict[str, str], result: Result) -> str:
    assert not result.removed()
    return "all stay"


def unspaced() -> Iterator[tuple[str, str]]:
    """Scripts without spaces: stretches of real sentences, and each with one character in a hundred replaced."""
    generator = random.Random(SEED)
    languages = ("zho_Hans", "jpn_Jpan", "tha_Thai", "lao_Laoo", "khm_Khmr", "mya_Mymr")
    sentences: dict[str, list[str]] = {}
    for row in corpora.rows(corpora.FLORES):
        sentences.setdefault(row["lang"], []).append(row["text"])
    for language in languages:
        for place in range(0, len(sentences[language]), 5):
            text = "".join(sentences[language][place : place + 5]).replace(" ", "")
            yield f"{language} {place}", text
            letters = [index for index, character in enumerate(text) if character.isalpha()]
            edited = list(text)
            for index in generator.sample(letters, max(1, len(letters) // 100)):
                edited[index] = text[generator.choice(letters)]
            yield f"{language} {place} edited", "".join(edited)


def check_unspaced(documents: dict[str, str], result: Result) -> str:
    removed = check_removed(documents, result)
    pairs = {
        f"{id} edited": jaccard(shingles(documents[id]), shingles(documents[f"{id} edited"]))
        for id in documents
        if not id.endswith("edited")
    }
    assert len(pairs) == 120
    assert removed <= set(pairs)
    assert removed >= {id for id, similarity in pairs.items() if similarity > 0.9}
    near = sum(similarity >= SCHEME.threshold for similarity in pairs.values())
    return f"{len(removed)} of {near} edited pairs at or above the threshold; nothing else"


def lowest_windows() -> str:
    """Words that fix the first band: for each of its values a 5-gram whose hash is nearly the least there can be."""
    generator = random.Random(SEED)
    candidates = [" ".join(unique_words(generator, 5)) for _ in range(300_000)]
    content = " ".join(candidates).encode()
    hashes, _ = shingle_hashes(np.frombuffer(content, np.uint8), np.array([0, len(content)]), 5, word_table())
    one_each = hashes[::5].copy()  # windows that begin with a candidate
    signatures = minhash.signatures(
        one_each, np.arange(len(candidates) + 1), *minhash.permutations(SCHEME.permutations, DedupSettings().seed)
    )
    return " ".join(candidates[place] for place in signatures[:, : SCHEME.rows].argmin(axis=0))


def one_bucket() -> Iterator[tuple[str, str]]:
    """Half of them share a band and little else; every hundredth of this half is a copy of the one before it, edited."""
    generator = random.Random(SEED)
    shared = lowest_windows()
    before: list[str] = []
    for place in range(100_000):
        own = unique_words(generator, 150)
        if place % 2:
            yield f"{place:06d} alone", " ".join(own)
        elif place % 200 == 100:
            yield f"{place:06d} edited", " ".join([shared, *before[:-1], *own[:1]])
        else:
            yield f"{place:06d} shared", " ".join([shared, *own])
            before = own


def check_one_bucket(documents: dict[str, str], result: Result) -> str:
    edited = {id for id in documents if id.endswith("edited")}
    assert check_removed(documents, result) == edited
    assert result.counts["candidates"] >= 49_000, "they were meant to share a band"
    return f"the {len(edited)} edited copies go; candidates: {result.counts['candidates']:,}"


def boilerplate() -> Iterator[tuple[str, str]]:
    """Half of them share so much that they meet in many buckets (Jaccard .68), but are no duplicates."""
    generator = random.Random(SEED)
    shared = unique_words(generator, 150)
    before: list[str] = []
    for place in range(100_000):
        own = unique_words(generator, 30)
        if place % 2:
            yield f"{place:06d} alone", " ".join(own)
        elif place % 200 == 100:
            yield f"{place:06d} edited", " ".join([*shared, *before[:-1], *own[:1]])
        else:
            yield f"{place:06d} shared", " ".join([*shared, *own])
            before = own


def check_boilerplate(documents: dict[str, str], result: Result) -> str:
    edited = {id for id in documents if id.endswith("edited")}
    removed = check_removed(documents, result)
    assert removed <= edited
    assert result.counts["candidates"] >= 45_000, "they were meant to share bands"
    assert len(removed) >= 0.98 * len(edited), f"{len(removed)} of {len(edited)}"
    return f"{len(removed)} of {len(edited)} edited copies go, nothing else"


def template() -> Iterator[tuple[str, str]]:
    """Five thousand long pages of one template (Jaccard .67), no duplicates: each is compared with all before it."""
    generator = random.Random(SEED)
    shared = unique_words(generator, 1_000)
    return ((f"{place:06d}", " ".join([*shared, *unique_words(generator, 240)])) for place in range(5_000))


def check_template(documents: dict[str, str], result: Result) -> str:
    assert result.counts["candidates"] >= 4_000, "they were meant to share bands"
    assert not result.removed()
    return f"all stay; candidates: {result.counts['candidates']:,}"


def family() -> Iterator[tuple[str, str]]:
    """Twenty thousand editions of one text: two of them have a similarity of about .8."""
    generator = random.Random(SEED)
    base = unique_words(generator, 300)
    for place in range(20_000):
        edition = list(base)
        for index in generator.sample(range(300), 3):
            edition[index] = unique_words(generator, 1)[0]
        yield f"{place:06d}", " ".join(edition)


def check_family(documents: dict[str, str], result: Result) -> str:
    check_removed(documents, result, 2_000)
    kept = len(result.kept_ids())
    assert result.counts["large_components"] == [20_000]
    assert kept <= 20, kept
    return f"{kept} stay; 2,000 removed ones compared"


def chain() -> Iterator[tuple[str, str]]:
    """A window that moves over a long text: neighbours are near duplicates, those thirty steps away are not."""
    words = unique_words(random.Random(SEED), 20_000 * 2 + 200)
    return ((f"{place:06d}", " ".join(words[2 * place : 2 * place + 200])) for place in range(20_000))


def check_chain(documents: dict[str, str], result: Result) -> str:
    """Compared with all, the first of every stretch stays, and the next that is too far from it."""
    check_removed(documents, result, 2_000)
    count = 196  # shingles of each
    reach = max(step for step in range(98) if (count - 2 * step) / (count + 2 * step) >= SCHEME.threshold)
    wanted, kept = -(-20_000 // (reach + 1)), len(result.kept_ids())
    assert result.counts["large_components"] == [20_000]
    assert wanted <= kept <= 1.1 * wanted, (kept, wanted)
    return f"{kept:,} stay, {wanted:,} if each were compared with all; 2,000 removed ones compared"


CASES: dict[str, tuple[Callable[[], Documents], Callable[[dict[str, str], Result], str]]] = {
    "under five words, without words, empty": (short, check_short),
    "one of 200 MB beside short ones": (huge, check_huge),
    "two of 200 MB, nearly equal": (huge_twice, check_huge_twice),
    "a million identical": (identical, check_identical),
    "a million short ones, all unique": (all_unique, check_all_unique),
    "Chinese, Japanese, Thai, Lao, Khmer, Burmese": (unspaced, check_unspaced),
    "a bucket of half the corpus, hardly anything in common": (one_bucket, check_one_bucket),
    "half the corpus with common boilerplate (Jaccard .68)": (boilerplate, check_boilerplate),
    "5,000 long pages of a template (Jaccard .67)": (template, check_template),
    "a component of 20,000 editions of a text": (family, check_family),
    "a component of 20,000 in a chain": (chain, check_chain),
}
