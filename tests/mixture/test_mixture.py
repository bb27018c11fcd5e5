import dataclasses
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptkit.engine.pool import Pool
from gptkit.engine.progress import Progress
from gptkit.engine.stage import Runtime
from gptkit.errors import GptkitError, UsageError
from gptkit.mixture import scatter
from gptkit.mixture.settings import MixSettings
from gptkit.mixture.stage import run
from gptkit.mixture.table import readable


def write(path, name, count, length):
    rows = [{"id": f"{name}{i}", "text": f"{name}{i} " + "x" * (length + i % 7), "extra": i} for i in range(count)]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.fixture
def sources(tmp_path):
    return write(tmp_path / "a.parquet", "a", 300, 40), write(tmp_path / "b.parquet", "b", 100, 90)


def rows_of(manifest, output):
    return [row for shard in manifest.shards for row in pq.read_table(output / shard.name).to_pylist()]


def test_shares_are_within_one_document_and_nothing_repeats_early(tmp_path, sources, runtime):
    a, b = sources
    manifest = run([f"one=1:{a}", f"two=3:{b}"], tmp_path / "out", MixSettings(bytes=30_000), runtime)
    rows = rows_of(manifest, tmp_path / "out")
    drawn = Counter()
    for row in rows:
        drawn[row["source"]] += len(row["text"].encode())
    assert 7_500 <= drawn["one"] < 7_500 + 60
    assert 22_500 <= drawn["two"] < 22_500 + 110
    for name in ("one", "two"):
        times = Counter(row["id"] for row in rows if row["source"] == name)
        assert max(times.values()) - (min(times.values()) if len(times) == (300 if name == "one" else 100) else 0) <= 1
        for identity, count in times.items():
            epochs = sorted(row["mix_epoch"] for row in rows if row["id"] == identity and row["source"] == name)
            assert epochs == list(range(count))
    assert rows[0]["extra"] is not None
    order = [row["id"] for row in rows]
    assert order != sorted(order)


def test_names_of_sources_may_have_dots(tmp_path, sources, runtime):
    a, b = sources
    manifest = run([f"my.a=1:{a}", f"my.b=1:{b}"], tmp_path / "out", MixSettings(), runtime)
    rows = rows_of(manifest, tmp_path / "out")
    assert {row["source"] for row in rows} == {"my.a", "my.b"}
    assert all(row["text"].startswith(row["source"][-1]) for row in rows)


def test_by_default_no_source_repeats_and_one_is_used_up(tmp_path, sources, runtime):
    a, b = sources
    manifest = run([f"one=1:{a}", f"two=1:{b}"], tmp_path / "out", MixSettings(), runtime)
    epochs = [part["epochs"] for part in manifest.counts["sources"].values()]
    assert max(epochs) == pytest.approx(1, abs=0.02)
    assert max(Counter(row["id"] for row in rows_of(manifest, tmp_path / "out")).values()) == 1


def test_another_seed_is_another_mixture(tmp_path, sources, runtime):
    a, _ = sources
    found = [
        [
            row["id"]
            for row in rows_of(
                run([f"one=1:{a}"], tmp_path / f"o{seed}", MixSettings(bytes=5_000, seed=seed), runtime),
                tmp_path / f"o{seed}",
            )
        ]
        for seed in (0, 1)
    ]
    assert set(found[0]) != set(found[1])


@pytest.mark.parametrize(
    "argument", ["x", "x=y:z", "x=-1:z", "x=0:z", "x=nan:z", "x=1", "=1:z", "x=inf:z", "x=1,2:z", "x=1x,2x:z"]
)
def test_the_form_of_a_source_is_checked(argument, tmp_path, runtime):
    with pytest.raises(UsageError, match="NAME=WEIGHT:PATH"):
        run([argument], tmp_path / "out", MixSettings(), runtime)


def test_a_source_without_text_is_refused(tmp_path, runtime):
    pq.write_table(pa.Table.from_pylist([{"id": "a", "text": ""}]), tmp_path / "e.parquet")
    with pytest.raises(GptkitError, match="holds no text"):
        run([f"e=1:{tmp_path}/e.parquet"], tmp_path / "out", MixSettings(), runtime)
    assert not (tmp_path / "out").exists()


def test_a_source_without_documents_is_refused(tmp_path, runtime):
    pq.write_table(
        pa.table({"id": pa.array([], pa.string()), "text": pa.array([], pa.string())}), tmp_path / "e.parquet"
    )
    with pytest.raises(GptkitError, match="holds no documents for source 'e'; leave it out"):
        run([f"e=1:{tmp_path}/e.parquet"], tmp_path / "out", MixSettings(), runtime)


def test_documents_without_text_count_where_documents_are_counted(tmp_path, runtime, token_folder):
    pq.write_table(pa.table({"id": ["a", "b", "c"], "text": ["", None, ""]}), tmp_path / "e.parquet")
    manifest = run([f"e=1:{tmp_path}/e.parquet"], tmp_path / "out", MixSettings(unit="documents"), runtime)
    assert manifest.counts["documents_out"] == 3
    settings = MixSettings(tokens=2, tokenizer=str(token_folder.tokenizer_path))
    manifest = run([f"e=1:{tmp_path}/e.parquet"], tmp_path / "tokens", settings, runtime)
    assert manifest.counts["documents_out"] == 2  # each is an end-of-text


@pytest.mark.parametrize(
    ("arguments", "changes", "reason"),
    [
        (["x=1:{a}", "x=2:{b}"], {}, "two sources are named 'x'"),
        (["x=1:{a}", "y=2x:{b}"], {}, "source 'y' was not given a weight"),
        (["x=1:{a}", "y=1,2x:{b}"], {"by": "epochs"}, "source 'x' was not given epochs"),
        (["x=1:{a}#z"], {}, "has no source 'z'; it has a"),
        (["x=1:{a}x"], {}, "no such file"),
        (["x=1:{a}"], {"tokenizer": "/no/tokenizer.json"}, "/no/tokenizer.json: no such file"),
    ],
)
def test_what_cannot_be_mixed_is_one_line(tmp_path, sources, runtime, arguments, changes, reason):
    a, b = sources
    with pytest.raises(GptkitError, match=reason) as caught:
        run([argument.format(a=a, b=b) for argument in arguments], tmp_path / "out", MixSettings(**changes), runtime)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"bytes": 1, "documents": 1, "unit": "bytes"}, "give one budget: either --bytes or --documents"),
        ({"documents": 5}, "weights are shares of bytes here; add --unit documents"),
        ({"bytes": 5, "tokenizer": "t"}, "weights are shares of tokens here; add --unit bytes"),
        ({"tokens": 5}, "give --tokenizer"),
        ({"unit": "tokens"}, "give --tokenizer"),
        ({"bytes": 0}, "at least 1"),
        ({"temperature": 0.0}, "above 0"),
    ],
)
def test_settings_that_make_no_sense(values, reason):
    with pytest.raises(ValueError, match=reason):
        MixSettings(**values)


def test_a_limit_takes_the_first_documents_of_each_source(tmp_path, sources, runtime):
    a, b = sources
    limited = dataclasses.replace(runtime, limit=30)
    manifest = run([f"x=1x:{a}", f"y=1x:{b}"], tmp_path / "out", MixSettings(), limited)
    ids = {row["id"] for row in rows_of(manifest, tmp_path / "out")}
    assert ids == {f"{name}{number}" for name in "ab" for number in range(30)}


def test_a_dry_run_prints_the_table_and_writes_nothing(tmp_path, sources, capsys):
    a, b = sources
    runtime = Runtime(Pool(0), Progress(), dry_run=True)
    assert run([f"x=1,9x:{a}", f"y=3,2x:{b}"], tmp_path / "out", MixSettings(bytes=100_000), runtime) is None
    out, said = capsys.readouterr()
    assert out == ""
    assert not (tmp_path / "out").exists()
    assert "x" in said
    assert "75.0%" in said
    assert "warning: y: is read 7.74 times" in said
    assert "warning: x: 9 epochs were asked for and 1.75 follow" in said


def test_portions_that_are_read_in_slices_give_the_same_shards(tmp_path, sources, runtime, monkeypatch):
    a, b = sources
    monkeypatch.setattr(scatter, "PARTITION_BYTES", 9_000)
    first = run([f"x=2x:{a}", f"y=1x:{b}"], tmp_path / "one", MixSettings(), runtime)
    assert len(first.shards) == 5
    monkeypatch.setattr(scatter, "PORTION_BYTES", 2_000)
    monkeypatch.setattr("gptkit.data.parquet.ROWS", 17)
    assert run([f"x=2x:{a}", f"y=1x:{b}"], tmp_path / "two", MixSettings(), runtime).digest == first.digest


def test_row_groups_are_small_enough_to_be_read_alone(tmp_path, sources, runtime, monkeypatch):
    a, _ = sources
    monkeypatch.setattr(scatter, "GROUP_BYTES", 1_000)
    manifest = run([f"x=1:{a}"], tmp_path / "out", MixSettings(), runtime)
    path = tmp_path / "out" / manifest.shards[0].name
    groups = pq.ParquetFile(path).num_row_groups
    assert groups > 10
    sizes = [sum(map(len, pq.ParquetFile(path).read_row_group(n)["text"].to_pylist())) for n in range(groups)]
    assert max(sizes) <= 1_000


def test_columns_of_all_sources_are_kept(tmp_path, runtime):
    one = pa.table({"id": ["1"], "text": ["a"], "tags": [["p", "q"]], "n": pa.array([1], pa.int32()), "mix_epoch": [7]})
    pq.write_table(one, tmp_path / "one.parquet")
    pq.write_table(pa.table({"text": ["b"], "n": pa.array([2], pa.int32()), "url": ["u"]}), tmp_path / "two.parquet")
    arguments = [f"x=1x:{tmp_path}/one.parquet", f"y=1x:{tmp_path}/two.parquet"]
    rows = rows_of(run(arguments, tmp_path / "out", MixSettings(), runtime), tmp_path / "out")
    found = {row["text"]: (row["tags"], row["n"], row["url"], row["mix_epoch"], row["mix_source"]) for row in rows}
    assert found == {"a": (["p", "q"], 1, None, 0, "x"), "b": (None, 2, "u", 0, "y")}


def test_a_mixture_can_be_mixed_again(tmp_path, sources, runtime):
    a, b = sources
    run([f"x=1x:{a}", f"y=1x:{b}"], tmp_path / "first", MixSettings(), runtime)
    manifest = run([f"m=2x:{tmp_path}/first"], tmp_path / "second", MixSettings(), runtime)
    times = Counter((row["mix_source"], row["mix_epoch"]) for row in rows_of(manifest, tmp_path / "second"))
    assert times == {("m", 0): 400, ("m", 1): 400}


@given(st.integers(0, 10**15))
def test_counts_are_readable(number):
    text = readable(number)
    scale = {"k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}.get(text[-1], 1)
    assert float(text.rstrip("kMBT")) * scale == pytest.approx(number, rel=0.005)
    assert len(text) <= 5
    assert [readable(n) for n in (950, 410_000_000_000, 999_999, 12_340)] == ["950", "410B", "1M", "12.3k"]
