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
from gptkit.mixture.settings import MixSettings
from gptkit.mixture.sources import shares
from gptkit.mixture.stage import run


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


def test_digests_do_not_depend_on_workers(tmp_path, sources):
    a, b = sources
    digests = set()
    for workers in (0, 2):
        pool = Pool(workers)
        runtime = Runtime(pool, Progress(quiet=True))
        digests.add(
            run([f"one=1:{a}", f"two=2:{b}"], tmp_path / f"out{workers}", MixSettings(bytes=20_000), runtime).digest
        )
        pool.close()
    assert len(digests) == 1


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


@given(
    st.lists(st.tuples(st.floats(0.01, 100), st.integers(1, 10**9)), min_size=1, max_size=6),
    st.one_of(st.none(), st.integers(1, 10**10)),
)
def test_shares_add_up_to_the_budget(sources, budget):
    weights, sizes = zip(*sources, strict=True)
    total, taken = shares(weights, sizes, budget)
    asked = [share.epochs * size + share.rest for share, size in zip(taken, sizes, strict=True)]
    assert abs(sum(asked) - total) <= len(sources)
    assert all(abs(part - total * weight / sum(weights)) <= 1 for part, weight in zip(asked, weights, strict=True))
    if budget is None:
        assert all(part <= size + 1 for part, size in zip(asked, sizes, strict=True))


@pytest.mark.parametrize("argument", ["x", "x=y:z", "x=-1:z", "x=0:z", "x=nan:z", "x=1", "=1:z", "x=inf:z"])
def test_the_form_of_a_source_is_checked(argument, tmp_path, runtime):
    with pytest.raises(UsageError, match="NAME=WEIGHT:PATH"):
        run([argument], tmp_path / "out", MixSettings(), runtime)


def test_a_source_without_text_is_refused(tmp_path, runtime):
    pq.write_table(pa.Table.from_pylist([{"id": "a", "text": ""}]), tmp_path / "e.parquet")
    with pytest.raises(GptkitError, match="holds no text"):
        run([f"e=1:{tmp_path}/e.parquet"], tmp_path / "out", MixSettings(), runtime)
    assert not (tmp_path / "out").exists()
