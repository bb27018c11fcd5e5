"""`--index`: month by month against one run over all, and signatures that datasketch reads and writes."""

import dataclasses
import random
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasketch import LeanMinHash, MinHash

from gptkit.dedup import records
from gptkit.dedup.settings import DedupSettings
from gptkit.dedup.signatures import sign
from gptkit.dedup.stage import run
from gptkit.errors import GptkitError, UsageError

WORDS = [f"word{i}" for i in range(5000)]


def text(seed, length=100):
    return " ".join(random.Random(seed).choices(WORDS, k=length))


def with_other_words(text, places):
    """A text with single words replaced: near, but not equal."""
    words = text.split()
    for place in places:
        words[place] = "another"
    return " ".join(words)


def write(path, texts, **columns):
    ids = [f"{path.stem}{place}" for place in range(len(texts))]
    pq.write_table(pa.table({"id": ids, "text": texts, **columns}), path)
    return str(path)


def kept(manifest, output):
    tables = [pq.read_table(output / shard.name) for shard in manifest.of_kind("documents")]
    return [identity for table in tables for identity in table.column("id").to_pylist()]


def clusters(manifest, output):
    return [row for shard in manifest.of_kind("clusters") for row in pq.read_table(output / shard.name).to_pylist()]


def months(tmp_path):
    """Three crawls, of which each has some of what was in the earlier ones, equal and nearly so."""
    january = [text(f"january {n}") for n in range(12)]
    february = [text(f"february {n}") for n in range(8)]
    february += [*january[:2], with_other_words(january[2], [50]), with_other_words(february[0], [20]), ""]
    march = [with_other_words(january[3], [10]), february[1], with_other_words(february[2], [99]), text("march")]
    march += [with_other_words(february[10], [51]), "", "short text", "short text"]
    return [
        write(tmp_path / f"{name}.parquet", texts)
        for name, texts in (("january", january), ("february", february), ("march", march))
    ]


def entries(folder):
    return sorted(path.name for path in folder.iterdir())


def test_month_by_month_only_what_is_new_stays(tmp_path, runtime):
    january, february, march = months(tmp_path)
    settings = DedupSettings(index=str(tmp_path / "index"))
    first = run([january], tmp_path / "1", settings, runtime)
    assert kept(first, tmp_path / "1") == [f"january{n}" for n in range(12)]
    second = run([february], tmp_path / "2", settings, runtime)
    assert kept(second, tmp_path / "2") == [f"february{n}" for n in range(8)] + ["february12"]
    third = run([march], tmp_path / "3", settings, runtime)
    assert kept(third, tmp_path / "3") == ["march3", "march6"]
    rows = {row["id"]: row for row in clusters(third, tmp_path / "3")}
    named = {identity: (row["kept_id"], row["kept_in"], row["reason"]) for identity, row in rows.items()}
    assert named == {
        "march0": ("january3", "index", "near"),
        "march1": ("february1", "index", "exact"),
        "march2": ("february2", "index", "near"),
        "march4": ("january2", "index", "near"),
        "march5": ("february12", "index", "exact"),
        "march6": ("march6", "input", "kept"),
        "march7": ("march6", "input", "exact"),
    }
    assert {row["kept_source"] for row in rows.values()} == {"january", "february", "march"}
    estimate = rows["march0"]["jaccard"]
    assert estimate * 112 == pytest.approx(round(estimate * 112), abs=1e-4)  # of 112 values, so many are equal
    assert third.counts["for_reference_or_index"] == 5
    assert len(entries(tmp_path / "index")) == 3
    assert third.of_kind("signatures")


def test_the_same_command_again_is_up_to_date_and_adds_nothing(tmp_path, runtime):
    settings = DedupSettings(index=str(tmp_path / "index"))
    inputs = months(tmp_path)
    digests = [run([path], tmp_path / str(n), settings, runtime).digest for n, path in enumerate(inputs)]
    before = entries(tmp_path / "index")
    times = [(tmp_path / str(n) / "manifest.json").stat().st_mtime_ns for n in range(3)]
    assert [run([path], tmp_path / str(n), settings, runtime).digest for n, path in enumerate(inputs)] == digests
    assert [(tmp_path / str(n) / "manifest.json").stat().st_mtime_ns for n in range(3)] == times
    assert run([inputs[1]], tmp_path / "elsewhere", settings, runtime).digest == digests[1]
    assert entries(tmp_path / "index") == before
    shutil.rmtree(tmp_path / "index" / before[2])  # as where the run was stopped before it added its entry
    assert run([inputs[2]], tmp_path / "2", settings, runtime).digest == digests[2]
    assert entries(tmp_path / "index") == before


def test_a_month_of_which_nothing_is_new(tmp_path, runtime):
    settings = DedupSettings(index=str(tmp_path / "index"))
    for name in ("january", "february", "march"):
        path = write(tmp_path / f"{name}.parquet", [text("a"), text("b")])
        manifest = run([path], tmp_path / name, settings, runtime)
    assert kept(manifest, tmp_path / "march") == []
    assert [row["kept_source"] for row in clusters(manifest, tmp_path / "march")] == ["january"] * 2
    assert len(entries(tmp_path / "index")) == 3


@pytest.mark.parametrize(
    "values",
    [
        {"keep": "longest"},
        {"keep": "highest"},
        {"prefer": ("february",)},
        {"protect": ("february",)},
        {"verify": False},
        {"normalise": True},
        {"base_hash": "sha1", "ngram": 3},
        {"threshold": 0.8, "seed": 7},
        {"preset": "gpt3", "threshold": 0.8},
        {"save_signatures": True},
    ],
    ids=str,
)
def test_an_index_goes_with_other_settings(tmp_path, runtime, values):
    first = write(tmp_path / "january.parquet", [text("a"), text("b")], quality=[1.0, 2.0])
    texts = [with_other_words(text("a"), [2]), text("b"), text("c"), with_other_words(text("c"), [50]) + " longer"]
    second = write(tmp_path / "february.parquet", texts, quality=[9.0, 9.0, 1.0, 2.0])
    settings = DedupSettings(index=str(tmp_path / "index"), **values)
    without = DedupSettings(
        index=settings.index, **{name: values[name] for name in values if name not in ("prefer", "protect")}
    )
    run([first], tmp_path / "1", without, runtime)
    manifest = run([second], tmp_path / "2", settings, runtime)
    expected = ["february3"] if settings.keep != "first" else ["february2"]
    if settings.protect:
        expected = [f"february{n}" for n in range(4)]
    assert kept(manifest, tmp_path / "2") == expected


def test_signatures_that_are_saved_are_datasketchs_own(tmp_path, runtime):
    texts = [text(n) for n in range(5)] + [text(0), "", "Two words"]
    path = write(tmp_path / "in.parquet", texts)
    settings = DedupSettings(save_signatures=True, base_hash="sha1", bands=16, rows=4, ngram=3, seed=3)
    manifest = run([path], tmp_path / "out", settings, runtime)
    (shard,), (of_signatures,) = manifest.of_kind("documents"), manifest.of_kind("signatures")
    table, found = (pq.read_table(tmp_path / "out" / one.name) for one in (shard, of_signatures))
    assert of_signatures.rows == len(found) == len(table) == 7
    for name in ("id", "source"):
        assert found.column(name).to_pylist() == table.column(name).to_pylist()
    for content, written in zip(table.column("text").to_pylist(), found.column("signature").to_pylist(), strict=True):
        words = content.lower().split()
        own = MinHash(64, seed=3, scheme="affine32")
        own.update_batch([" ".join(words[n : n + 3]).encode() for n in range(max(1, len(words) - 2))] if words else [])
        lean = LeanMinHash.deserialize(written)
        assert (lean.hashvalues == own.hashvalues).all()
        assert lean.jaccard(own) == 1
    without = run([path], tmp_path / "without", DedupSettings(), runtime)
    assert without.of_kind("signatures") == []
    assert not (tmp_path / "without" / "signatures").exists()


def external(folder, texts, name="theirs", seed=1, permutations=112, ids=None, **columns):
    """An index as a user of datasketch makes it from signatures: ids and LeanMinHashes, nothing else."""
    signatures = sign(pa.array(texts), 5, permutations, seed, "sha1")  # datasketch's own base hash
    leans = []
    for row in signatures:
        lean = LeanMinHash(MinHash(permutations, seed=seed, hashvalues=row, scheme="affine32"))
        content = bytearray(lean.bytesize())
        lean.serialize(content)
        leans.append(bytes(content))
    folder.mkdir(exist_ok=True)
    table = {"id": [f"{name}{n}" for n in range(len(texts))] if ids is None else ids, "signature": leans, **columns}
    pq.write_table(pa.table(table), folder / f"{name}.parquet")


def test_an_index_that_datasketch_wrote(tmp_path, runtime):
    external(tmp_path / "index", [text("a"), "", text("b")])
    path = write(tmp_path / "new.parquet", [text("a"), with_other_words(text("b"), [3]), text("c"), "", text("c")])
    settings = DedupSettings(index=str(tmp_path / "index"), base_hash="sha1")
    manifest = run([path], tmp_path / "out", settings, runtime)
    assert kept(manifest, tmp_path / "out") == ["new2", "new3"]
    rows = {row["id"]: row for row in clusters(manifest, tmp_path / "out")}
    assert (rows["new0"]["kept_id"], rows["new0"]["kept_source"], rows["new0"]["jaccard"]) == ("theirs0", "theirs", 1)
    assert (rows["new1"]["kept_id"], rows["new1"]["reason"]) == ("theirs2", "near")
    again = run([path], tmp_path / "out", settings, runtime)
    assert again.digest == manifest.digest


def test_an_index_of_other_settings_is_refused_in_one_line(tmp_path, runtime):
    first = write(tmp_path / "first.parquet", [text("a"), text("b")])
    run([first], tmp_path / "first", DedupSettings(index=str(tmp_path / "index")), runtime)
    path = write(tmp_path / "in.parquet", [text("c"), text("d")])
    for values, message in [
        ({"seed": 2}, '"seed": 1'),
        ({"bands": 7}, '"permutations": 112'),
        ({"ngram": 3}, '"ngram": 5'),
        ({"normalise": True}, '"normalise": false'),
        ({"base_hash": "sha1"}, '"base_hash": "fast"'),
    ]:
        with pytest.raises(GptkitError, match=message) as error:
            run([path], tmp_path / "out", DedupSettings(index=str(tmp_path / "index"), **values), runtime)
        assert "\n" not in str(error.value)
        assert not (tmp_path / "out" / "manifest.json").exists()
        assert len(entries(tmp_path / "index")) == 1
    for values, message in [({"seed": 2}, "seed 1, where the seed is 2"), ({"rows": 4}, "112 permutations")]:
        external(tmp_path / "theirs", [text("a")])
        with pytest.raises(GptkitError, match=message) as error:
            run(
                [path],
                tmp_path / "other",
                DedupSettings(index=str(tmp_path / "theirs"), base_hash="sha1", **values),
                runtime,
            )
        assert "theirs.parquet" in str(error.value)


def test_the_same_input_with_other_settings_does_not_go_for_itself(tmp_path, runtime):
    path = write(tmp_path / "in.parquet", [text("a"), text("b")])
    index = str(tmp_path / "index")
    run([path], tmp_path / "first", DedupSettings(index=index), runtime)
    with pytest.raises(GptkitError, match="of the same input") as error:
        run([path], tmp_path / "second", DedupSettings(index=index, keep="longest"), runtime)
    assert entries(tmp_path / "index")[0] in str(error.value)
    assert not (tmp_path / "second").exists()
    (tmp_path / "index" / entries(tmp_path / "index")[0]).rename(tmp_path / "taken out")
    manifest = run([path], tmp_path / "second", DedupSettings(index=index, keep="longest"), runtime)
    assert manifest.counts["documents_out"] == 2


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"hash": ["abc"]}, "'hash'"),
        ({"hash": pa.array([b"abc"])}, "'hash'"),
        ({"hash": pa.array([None], pa.binary(16))}, "'hash'"),
        ({"ids": pa.array([7])}, "'id' is int64, not a string"),
    ],
)
def test_columns_of_an_index_that_are_not_what_they_should_be(tmp_path, runtime, columns, message):
    path = write(tmp_path / "in.parquet", [text("a"), text("b")])
    external(tmp_path / "index", [text("a")], **columns)
    with pytest.raises(GptkitError, match=message):
        run([path], tmp_path / "out", DedupSettings(index=str(tmp_path / "index"), base_hash="sha1"), runtime)


def test_signatures_that_do_not_say_their_base_hash_are_taken_for_datasketchs(tmp_path, runtime):
    path = write(tmp_path / "in.parquet", [text("a")])
    external(tmp_path / "index", [text("a")])
    with pytest.raises(GptkitError, match="add --base-hash sha1"):
        run([path], tmp_path / "out", DedupSettings(index=str(tmp_path / "index")), runtime)
    assert not (tmp_path / "out").exists()


def test_what_is_no_index(tmp_path, runtime):
    path = write(tmp_path / "in.parquet", [text("a")])
    with pytest.raises(GptkitError, match="is a file; --index names a folder"):
        run([path], tmp_path / "out", DedupSettings(index=path), runtime)
    (tmp_path / "folder").mkdir()
    write(tmp_path / "folder" / "documents.parquet", ["x"])
    with pytest.raises(GptkitError, match="has no column 'signature'"):
        run([path], tmp_path / "out", DedupSettings(index=str(tmp_path / "folder")), runtime)
    (tmp_path / "folder" / "documents.parquet").write_bytes(b"nothing")
    with pytest.raises(GptkitError, match="cannot be read as Parquet"):
        run([path], tmp_path / "out", DedupSettings(index=str(tmp_path / "folder")), runtime)


def test_a_dry_run_adds_nothing_to_the_index(tmp_path, runtime):
    path = write(tmp_path / "in.parquet", [text("a")])
    settings = DedupSettings(index=str(tmp_path / "index"))
    dry = dataclasses.replace(runtime, dry_run=True)
    assert run([path], tmp_path / "out", settings, dry) is None
    assert not (tmp_path / "index").exists()
    assert not (tmp_path / "out").exists()
    manifest = run([path], tmp_path / "out", settings, runtime)
    shutil.rmtree(tmp_path / "index")
    assert run([path], tmp_path / "out", settings, dry).digest == manifest.digest  # up to date
    assert not (tmp_path / "index").exists()


def test_an_index_lies_apart_from_the_output(tmp_path, runtime):
    path = write(tmp_path / "in.parquet", [text("a")])
    for output, folder in (("out", "out"), ("out", "out/index"), ("out/index", "out")):
        with pytest.raises(UsageError, match="must lie apart"):
            run([path], tmp_path / output, DedupSettings(index=str(tmp_path / folder)), runtime)
    assert not (tmp_path / "out").exists()


def test_large_components_do_not_depend_on_what_else_a_task_resolves(tmp_path, runtime, monkeypatch):
    words = text("large", 30).split()
    spread = [[*words[:n], f"{n}x{turn}", *words[n + 1 :]] for turn in range(380) for n in range(1, 29)]
    path = write(tmp_path / "in.parquet", [" ".join(words) for words in spread] + [with_other_words(text("a"), [1])])
    external(tmp_path / "index", [text("a")], permutations=28)
    settings = {"index": str(tmp_path / "index"), "threshold": 0.5, "bands": 14, "rows": 2, "base_hash": "sha1"}
    whole = run([path], tmp_path / "whole", DedupSettings(**settings), runtime)
    assert whole.counts["large_components"]
    monkeypatch.setattr(records, "LEAST_SHARE", 1)
    small = DedupSettings(**settings, memory=records.WORKER_BYTES + 800_000)
    index = tmp_path / "index"
    for entry in entries(index):
        if entry.startswith("0"):  # of the run before
            shutil.rmtree(index / entry)
    assert run([path], tmp_path / "cut", small, runtime).digest == whole.digest
    assert "in10640" not in kept(whole, tmp_path / "whole")
