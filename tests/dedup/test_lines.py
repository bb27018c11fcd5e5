import random
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gptkit.dedup import records
from gptkit.dedup.lines import run
from gptkit.dedup.settings import DedupSettings
from gptkit.engine.pool import Pool
from gptkit.engine.progress import Progress
from gptkit.engine.stage import Runtime
from gptkit.errors import GptkitError


def write(path, texts, **columns):
    rows = {"id": [f"{path.stem}{place}" for place in range(len(texts))], "text": texts, **columns}
    pq.write_table(pa.table(rows), path, row_group_size=7)
    return str(path)


def rows(manifest, output, kind="documents"):
    return [row for shard in manifest.of_kind(kind) for row in pq.read_table(output / shard.name).to_pylist()]


def settings(unit="line", **values):
    return DedupSettings(unit=unit, **{"min_length": 3, **values})


def planted(seed, paragraphs):
    generator = random.Random(seed)
    known = [f"{'Wört ' * generator.randrange(1, 4)}{place}" for place in range(30)]
    texts = []
    for _ in range(40):
        units = [generator.choice(known) for _ in range(generator.randrange(8))]
        texts.append(("\n\n" if paragraphs else "\n").join(units))
    return texts


def by_brute_force(texts, paragraphs, least, min_count, keep_first):
    parting = "\n\n" if paragraphs else "\n"
    counts = Counter(unit for text in texts for unit in text.split(parting) if unit)
    seen, kept = set(), []
    for text in texts:
        left = []
        for unit in text.split(parting):
            goes = len(unit) >= least and counts[unit] >= min_count and not (keep_first and unit not in seen)
            seen.add(unit)
            if unit and not goes:
                left.append(unit)
        if left or not text:
            kept.append(parting.join(left))
    return kept


@pytest.mark.parametrize("unit", ["line", "paragraph"])
@pytest.mark.parametrize(
    ("min_count", "keep_first", "least"), [(2, True, 0), (2, False, 8), (4, True, 8), (1, False, 12)]
)
def test_what_is_left_is_what_brute_force_leaves(tmp_path, runtime, unit, min_count, keep_first, least):
    texts = planted(f"{unit}{min_count}", unit == "paragraph")
    # two sources: their order by name is the order of documents
    sources = [write(tmp_path / "b.parquet", texts[15:]), write(tmp_path / "a.parquet", texts[:15])]
    chosen = settings(unit, min_count=min_count, keep_first=keep_first, min_length=least)
    manifest = run(sources, tmp_path / "out", chosen, runtime)
    kept = rows(manifest, tmp_path / "out")
    expected = by_brute_force(texts, unit == "paragraph", least, min_count, keep_first)
    assert [row["text"] for row in kept] == expected
    before, after = sum(map(len, texts)), sum(map(len, expected))
    removed = rows(manifest, tmp_path / "out", "removed")
    assert manifest.counts["characters_removed"] == before - after == sum(row["characters"] for row in removed)
    assert manifest.counts["units_removed"] == sum(row["units"] for row in removed)
    assert manifest.counts["rejected"] == {"emptied": len(texts) - len(expected)}
    assert manifest.counts["documents_in"] == len(texts)
    assert manifest.counts["documents_out"] == len(expected)
    assert manifest.counts["bytes_out"] == sum(len(text.encode()) for text in expected)


def test_the_tables_say_what_went_and_what_is_most_frequent(tmp_path, runtime):
    texts = [
        "Home | News\nA first text.",
        "Home | News\nA second text.\nRead more\n" + "x" * 300,
        "x" * 300,
        "Home | News",
    ]
    texts += ["", "Read more\nHome | News\nunique"]
    source = write(tmp_path / "in.parquet", texts, score=list(range(6)))
    manifest = run([source], tmp_path / "out", settings(), runtime)
    kept = rows(manifest, tmp_path / "out")
    assert [(row["id"], row["score"]) for row in kept] == [("in0", 0), ("in1", 1), ("in4", 4), ("in5", 5)]
    assert [row["text"] for row in kept] == [texts[0], "A second text.\nRead more\n" + "x" * 300, "", "unique"]
    assert rows(manifest, tmp_path / "out", "removed") == [
        {"id": "in1", "source": "in", "units": 1, "characters": 12, "first": "Home | News"},
        {"id": "in2", "source": "in", "units": 1, "characters": 300, "first": "x" * 200},
        {"id": "in3", "source": "in", "units": 1, "characters": 11, "first": "Home | News"},
        {"id": "in5", "source": "in", "units": 2, "characters": 22, "first": "Read more"},
    ]
    assert rows(manifest, tmp_path / "out", "repeated") == [
        {"occurrences": 4, "text": "Home | News"},
        {"occurrences": 2, "text": "Read more"},
        {"occurrences": 2, "text": "x" * 200},
    ]
    assert manifest.counts["units"] == 11


def test_normalised_units_are_equal_but_for_case_accents_digits_and_punctuation(tmp_path, runtime):
    texts = ["Page 12: Über uns", "page 345 — uber  uns!", "page: about us"]
    source = write(tmp_path / "in.parquet", texts)
    manifest = run([source], tmp_path / "plain", settings(), runtime)
    assert manifest.counts["documents_out"] == 3
    manifest = run([source], tmp_path / "normalised", settings(normalise=True), runtime)
    assert [row["text"] for row in rows(manifest, tmp_path / "normalised")] == [texts[0], texts[1], texts[2]]
    texts[1] = "page 34 — uber  uns!"  # each digit has a place
    source = write(tmp_path / "in.parquet", texts)
    manifest = run([source], tmp_path / "same", settings(normalise=True), runtime)
    assert [row["text"] for row in rows(manifest, tmp_path / "same")] == [texts[0], texts[2]]


def test_any_workers_and_memory_give_the_same(tmp_path, runtime, monkeypatch):
    monkeypatch.setattr("gptkit.data.portions.PORTION_BYTES", 500)
    sources = [write(tmp_path / f"{name}.parquet", planted(name, False)) for name in "abc"]
    one = run(sources, tmp_path / "one", settings(), runtime)
    assert len(one.of_kind("documents")) > 3
    other = run(list(reversed(sources)), tmp_path / "two", settings(), Runtime(Pool(2), Progress(quiet=True)))
    monkeypatch.setattr("gptkit.dedup.records.RECORD_BYTES", 1_000_000)
    parted = run(sources, tmp_path / "parted", settings(memory=records.WORKER_BYTES + records.LEAST_SHARE), runtime)
    assert one.digest == other.digest == parted.digest


def test_a_stopped_run_keeps_its_parts(tmp_path, runtime, monkeypatch):
    source = write(tmp_path / "in.parquet", planted("kept", False))
    whole = run([source], tmp_path / "whole", settings(), runtime)
    monkeypatch.setattr("gptkit.dedup.records.RECORD_BYTES", 1_000_000)
    with monkeypatch.context() as stop:
        stop.setattr("gptkit.dedup.lines.load_array", lambda path: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run([source], tmp_path / "out", settings(), runtime)
    monkeypatch.setattr("gptkit.dedup.records.RECORD_BYTES", 48)
    assert run([source], tmp_path / "out", settings(), runtime).digest == whole.digest


@pytest.mark.parametrize("texts", [[], [""], ["", " \n\n "], ["alone"]])
def test_nothing_to_find(tmp_path, runtime, texts):
    source = write(tmp_path / "in.parquet", pa.array(texts, pa.string()))
    manifest = run([source], tmp_path / "out", settings(), runtime)
    assert [row["text"] for row in rows(manifest, tmp_path / "out")] == texts
    assert manifest.counts["units_removed"] == 0


def test_limit_dry_run_and_bad_input(tmp_path, runtime):
    source = write(tmp_path / "in.parquet", ["the same"] * 20)
    dry = Runtime(Pool(0), Progress(quiet=True), dry_run=True)
    assert run([source], tmp_path / "out", settings(), dry) is None
    assert not (tmp_path / "out").exists()
    limited = Runtime(Pool(0), Progress(quiet=True), limit=9)
    assert run([source], tmp_path / "out", settings(), limited).counts["documents_in"] == 9
    (tmp_path / "in.txt").write_text("no table")
    with pytest.raises(GptkitError, match="is not documents in Parquet"):
        run([str(tmp_path / "in.txt")], tmp_path / "other", settings(), runtime)
