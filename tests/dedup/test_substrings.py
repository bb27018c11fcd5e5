import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gptkit.dedup import substrings
from gptkit.dedup.settings import DedupSettings
from gptkit.dedup.substrings import memory_needed, run
from gptkit.engine.pool import Pool
from gptkit.engine.progress import Progress
from gptkit.engine.stage import Runtime
from gptkit.errors import GptkitError

SPAN = 20


def write(path, texts, **columns):
    rows = {"id": [f"{path.stem}{place}" for place in range(len(texts))], "text": texts, **columns}
    pq.write_table(pa.table(rows), path, row_group_size=7)
    return str(path)


def rows(manifest, output, kind="documents"):
    return [row for shard in manifest.of_kind(kind) for row in pq.read_table(output / shard.name).to_pylist()]


def settings(**values):
    return DedupSettings(unit="substring", **{"span_characters": SPAN, **values})


def planted(seed, documents=30):
    """Texts of which many share passages; nothing else in them is as long."""
    generator = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyzäöü語言 \n"

    def noise(low, high):
        return "".join(generator.choices(letters, k=generator.randrange(low, high)))

    passages = [noise(15, 60) for _ in range(8)]
    texts = []
    for _ in range(documents):
        parts = [noise(0, 50)]
        for _ in range(generator.randrange(3)):
            parts += [generator.choice(passages), noise(0, 50)]
        texts.append("".join(parts))
    return texts


def repeated(texts, keep_first=True):
    """For each document the characters that go, a bool each, by comparing everything."""
    holders = {}
    for document, text in enumerate(texts):
        for place in range(len(text) - SPAN + 1):
            holders.setdefault(text[place : place + SPAN], []).append(document)
    goes = [np.zeros(len(text), bool) for text in texts]
    for document, text in enumerate(texts):
        for place in range(len(text) - SPAN + 1):
            held = holders[text[place : place + SPAN]]
            if held[0] != document or (not keep_first and held[-1] != document):
                goes[document][place : place + SPAN] = True
    return goes, holders


@pytest.mark.parametrize("keep_first", [True, False])
def test_what_goes_is_what_brute_force_finds(tmp_path, runtime, monkeypatch, keep_first):
    monkeypatch.setattr("gptkit.data.portions.PORTION_BYTES", 500)
    texts = planted(keep_first)
    goes, holders = repeated(texts, keep_first)
    # the order of documents is that of the sources' names
    sources = [write(tmp_path / "b.parquet", texts[20:]), write(tmp_path / "a.parquet", texts[:20])]
    manifest = run(sources, tmp_path / "out", settings(keep_first=keep_first), runtime)
    assert len(manifest.of_kind("documents")) > 3
    names = [f"a{place}" for place in range(20)] + [f"b{place}" for place in range(10)]
    found = [np.zeros(len(text), bool) for text in texts]
    removed = rows(manifest, tmp_path / "out", "removed")
    for row in removed:
        document = names.index(row["id"])
        assert row["source"] == row["id"][0]
        found[document][row["start"] : row["end"]] = True
        span = texts[document][row["start"] : row["end"]]
        assert row["text"] == span
        assert row["first_id"] == names[holders[span[:SPAN]][0]]
        assert row["first_source"] == row["first_id"][0]
    assert all(np.array_equal(ours, expected) for ours, expected in zip(found, goes, strict=True))
    assert sum(map(sum, goes)) == manifest.counts["characters_removed"] > 100
    assert manifest.counts["spans_removed"] == len(removed)
    kept = {row["id"]: row["text"] for row in rows(manifest, tmp_path / "out")}
    for name, text, gone in zip(names, texts, goes, strict=True):
        left = "".join(character for character, cut in zip(text, gone, strict=True) if not cut)
        assert kept.get(name, "").split() == kept.get(name, "").strip().split()
        assert "".join(kept.get(name, "").split()) == "".join(left.split())
        assert gone.any() or kept[name] == text
    assert manifest.counts["documents_in"] == 30
    assert manifest.counts["rejected"] == {"emptied": 30 - len(kept)}
    assert manifest.counts["bytes_out"] == sum(len(text.encode()) for text in kept.values())


def test_a_document_of_nothing_else_goes_and_further_columns_stay(tmp_path, runtime):
    shared = "It was a bright cold day in April."
    texts = [f"One.\n\n{shared} Two.", f"Three. {shared}", shared, "", "Four."]
    source = write(tmp_path / "in.parquet", texts, score=list(range(5)))
    manifest = run([source], tmp_path / "out", settings(), runtime)
    kept = [(row["text"], row["score"]) for row in rows(manifest, tmp_path / "out")]
    assert kept == [(texts[0], 0), ("Three.", 1), ("", 3), ("Four.", 4)]
    assert manifest.counts["rejected"] == {"emptied": 1}
    first = rows(manifest, tmp_path / "out", "removed")[0]
    assert first == {
        "id": "in1",
        "source": "in",
        "start": 7,
        "end": 7 + len(shared),
        "first_id": "in0",
        "first_source": "in",
        "text": shared,
    }


def test_spans_of_words_are_equal_in_their_words(tmp_path, runtime):
    texts = [
        "So: One, two; three - FOUR five. End",
        "And one two three four five six",
        "one two three",
        "語語語語語 語語語語語語",
    ]
    source = write(tmp_path / "in.parquet", texts)
    chosen = settings(span_characters=0, span_words=5)
    manifest = run([source], tmp_path / "out", chosen, runtime)
    assert [row["text"] for row in rows(manifest, tmp_path / "out")] == [texts[0], "And six", texts[2], texts[3]]
    (row,) = rows(manifest, tmp_path / "out", "removed")
    assert (row["text"], row["first_id"]) == ("one two three four five", "in0")


def test_any_workers_and_memory_give_the_same(tmp_path, runtime, monkeypatch):
    monkeypatch.setattr("gptkit.data.portions.PORTION_BYTES", 500)
    sources = [write(tmp_path / f"{name}.parquet", planted(name)) for name in "abc"]
    one = run(sources, tmp_path / "one", settings(), runtime)
    other = run(list(reversed(sources)), tmp_path / "two", settings(), Runtime(Pool(2), Progress(quiet=True)))
    # no more memory than there must be
    monkeypatch.setattr(substrings, "memory_needed", lambda *_: settings().for_workers(0).memory)
    monkeypatch.setattr(substrings, "SPARE", 0)
    monkeypatch.setattr(substrings.spans, "mark_repeats", counted := Counted(substrings.spans.mark_repeats))
    parted = run(sources, tmp_path / "parted", settings(), runtime)
    assert counted.calls > 3
    assert one.digest == other.digest == parted.digest


def test_names_of_sources_may_have_dots(tmp_path, runtime):
    texts = {name: planted(name) for name in ("a", "b")}
    found = []
    for folder, names in (("plain", ("ax", "ay")), ("dotted", ("a.x", "a.y"))):
        (tmp_path / folder).mkdir()
        sources = [
            write(tmp_path / folder / f"{name}.parquet", part) for name, part in zip(names, texts.values(), strict=True)
        ]
        output = tmp_path / folder / "out"
        manifest = run(sources, output, settings(), runtime)
        shards = [pq.read_table(output / shard.name).column("text") for shard in manifest.of_kind("documents")]
        found.append([text for shard in shards for text in shard.to_pylist()])
    assert found[0] == found[1]


class Counted:
    def __init__(self, function):
        self.function = function
        self.calls = 0

    def __call__(self, *arguments):
        self.calls += 1
        return self.function(*arguments)


def test_too_much_text_is_refused_with_the_memory_it_needs(tmp_path, runtime, monkeypatch):
    monkeypatch.setattr(substrings, "memory_needed", lambda size, *_: 100_000 * size)
    chosen = settings(memory=100_000_000)
    with monkeypatch.context() as before:
        before.setattr(substrings, "read_text", None)
        with pytest.raises(GptkitError, match=r"need 3\d\d MB, and --memory is 100 MB") as refused:
            run([write(tmp_path / "in.parquet", ["x" * 999 + "y"])], tmp_path / "out", chosen, runtime)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()
    source = str(tmp_path / "equal.parquet")
    pq.write_table(
        pa.table({"text": ["It was a bright cold day in April."] * 600}), source
    )  # stored once: it looks small
    with pytest.raises(GptkitError, match=r"need 2,040 MB"):
        run([source], tmp_path / "out", chosen, runtime)
    manifest = run([source], tmp_path / "other", settings(memory=3_000_000_000), runtime)
    assert manifest.counts["documents_out"] == 1


def test_memory_needed_grows_with_the_text():
    chosen = DedupSettings(unit="substring")
    assert 2.3 < memory_needed(10**9, 10**5, chosen) / 1e9 < 2.5
    assert memory_needed(10**9, 10**5, DedupSettings(unit="substring", span_characters=0)) < 4e9


@pytest.mark.parametrize("texts", [[], [""], ["", " \n\n "], ["alone, and not short at all"]])
def test_nothing_to_find(tmp_path, runtime, texts):
    source = write(tmp_path / "in.parquet", pa.array(texts, pa.string()))
    manifest = run([source], tmp_path / "out", settings(), runtime)
    assert [row["text"] for row in rows(manifest, tmp_path / "out")] == texts
    assert manifest.counts["spans_removed"] == 0


def test_limit_dry_run_and_bad_input(tmp_path, runtime):
    source = write(tmp_path / "in.parquet", ["the same, and not short at all"] * 20)
    dry = Runtime(Pool(0), Progress(quiet=True), dry_run=True)
    assert run([source], tmp_path / "out", settings(), dry) is None
    assert not (tmp_path / "out").exists()
    limited = Runtime(Pool(0), Progress(quiet=True), limit=9)
    manifest = run([source], tmp_path / "out", settings(), limited)
    assert manifest.counts["documents_in"] == 9
    assert manifest.counts["rejected"] == {"emptied": 8}
    with pytest.raises(ValueError, match="--normalise means nothing with --unit substring"):
        settings(normalise=True)
    (tmp_path / "in.txt").write_text("no table")
    with pytest.raises(GptkitError, match="is not documents in Parquet"):
        run([str(tmp_path / "in.txt")], tmp_path / "other", settings(), runtime)
