"""The draw against an oracle in plain Python: sort everything, take one document after the other."""

import hashlib
from fractions import Fraction

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash
from tokenizers import Tokenizer

from gptkit.engine.pool import Pool
from gptkit.engine.progress import Progress
from gptkit.engine.stage import Runtime
from gptkit.mixture import scatter
from gptkit.mixture.settings import MixSettings
from gptkit.mixture.stage import run

MASK = 2**64 - 1
PARTS = {"b": (3, 60, 25), "a": (1, 90, 40), "c": (2, 30, 70)}  # weight, documents, characters


def draw(identity, *key):
    """A document's keyed draw: SplitMix64's finaliser over the hash of its id and that of the key."""
    text = "\x1f".join(map(str, key)).encode()
    mixed = xxhash.xxh3_64_intdigest(identity.encode()) + int.from_bytes(
        hashlib.blake2b(text, digest_size=8).digest(), "little"
    )
    mixed &= MASK
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & MASK
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & MASK
    return mixed ^ mixed >> 31


def oracle(documents, sizes, wanted, seed):
    """(source, id, epoch) of the whole mixture in its order. documents, sizes: by source; wanted: by source."""
    found = []
    for source in sorted(documents):
        epoch, left = 0, wanted[source]
        while left > 0:
            order = sorted(
                range(len(documents[source])),
                key=lambda place: (draw(documents[source][place], seed, "draw", source, epoch), place),
            )
            whole = left >= sum(sizes[source])
            for place in order:
                if not whole and left <= 0:
                    break
                left -= sizes[source][place]
                identity = documents[source][place]
                found.append((draw(identity, seed, "order", source, epoch), source, place, epoch, identity))
            epoch += 1
    return [(source, identity, epoch) for _, source, _, epoch, identity in sorted(found)]


def text_of(name, number, length):
    return " ".join([name, str(number)] * (1 + (length + number * 7 % 13) // 4))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    for name, (_, count, length) in PARTS.items():
        rows = [{"id": f"{name}{number}", "text": text_of(name, number, length)} for number in range(count)]
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet", row_group_size=23)
    return folder


@pytest.mark.parametrize("unit", ["documents", "bytes", "tokens"])
@pytest.mark.parametrize("times", [0.3, 2.7])
@pytest.mark.parametrize("partitions", [1, 7])
def test_the_mixture_is_the_oracles(folder, token_folder, tmp_path, runtime, monkeypatch, unit, times, partitions):
    monkeypatch.setattr(scatter, "PARTITION_BYTES", 20_000 // partitions)
    tokenizer = Tokenizer.from_file(str(token_folder.tokenizer_path))
    measures = {
        "documents": lambda text: 1,
        "bytes": len,
        "tokens": lambda text: len(tokenizer.encode(text).ids) + 1,
    }
    texts = {name: [text_of(name, n, length) for n in range(count)] for name, (_, count, length) in PARTS.items()}
    sizes = {name: [measures[unit](text) for text in known] for name, known in texts.items()}
    budget = int(times * sum(map(sum, sizes.values())))
    settings = MixSettings(
        **{unit: budget}, unit=unit, seed=5, tokenizer=str(token_folder.tokenizer_path) if unit == "tokens" else None
    )
    arguments = [f"{name}={weight}:{folder / name}.parquet" for name, (weight, *_) in PARTS.items()]
    manifest = run(arguments, tmp_path / "out", settings, runtime)
    counts = manifest.counts["sources"]
    wanted = {name: counts[name]["wanted"] for name in PARTS}
    assert sum(wanted.values()) == budget
    for name, (weight, *_) in PARTS.items():
        assert abs(wanted[name] - Fraction(budget * weight, 6)) < 1
        assert 0 <= counts[name]["drawn"] - wanted[name] < max(sizes[name])
    ids = {name: [f"{name}{number}" for number in range(count)] for name, (_, count, _) in PARTS.items()}
    expected = oracle(ids, sizes, wanted, 5)
    rows = [row for shard in manifest.shards for row in pq.read_table(tmp_path / "out" / shard.name).to_pylist()]
    assert [(row["mix_source"], row["id"], row["mix_epoch"]) for row in rows] == expected
    assert all(row["text"] in texts[row["mix_source"]] and row["source"] == row["mix_source"] for row in rows)
    for name in PARTS:
        drawn = [sizes[name][int(identity[1:])] for source, identity, _ in expected if source == name]
        assert (counts[name]["drawn"], counts[name]["drawn_documents"]) == (sum(drawn), len(drawn))
        assert counts[name]["epochs"] == pytest.approx(sum(drawn) / sum(sizes[name]))
    assert manifest.counts["documents_out"] == len(rows)


def test_a_document_belongs_to_every_epoch_that_is_whole(folder, tmp_path, runtime):
    manifest = run([f"a=3x:{folder}/a.parquet", f"c=0.5x:{folder}/c.parquet"], tmp_path / "out", MixSettings(), runtime)
    assert manifest.counts["sources"]["a"]["drawn_documents"] == 270
    assert manifest.counts["sources"]["a"]["epochs"] == 3
    assert manifest.counts["sources"]["c"]["epochs"] == pytest.approx(0.5, abs=0.04)


def test_documents_of_one_id_give_exact_shares_too(tmp_path, runtime):
    pq.write_table(pa.table({"id": ["x"] * 1000, "text": ["same"] * 1000}), tmp_path / "one.parquet")
    pq.write_table(pa.table({"id": ["x"] * 500, "text": [""] * 499 + ["y"]}), tmp_path / "two.parquet")
    settings = MixSettings(unit="documents", documents=1001)
    arguments = [f"one=2:{tmp_path}/one.parquet", f"two=1:{tmp_path}/two.parquet"]
    manifest = run(arguments, tmp_path / "out", settings, runtime)
    assert {name: part["drawn_documents"] for name, part in manifest.counts["sources"].items()} == {
        "one": 667,
        "two": 334,
    }


def test_the_digest_depends_on_no_order_and_no_number_of_workers(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(scatter, "PARTITION_BYTES", 5_000)
    arguments = [f"{name}={weight}:{folder / name}.parquet" for name, (weight, *_) in PARTS.items()]
    digests = set()
    for workers in (0, 1, 2):
        pool = Pool(workers)
        turned = arguments if workers else arguments[::-1]
        out = tmp_path / f"out{workers}"
        digests.add(run(turned, out, MixSettings(bytes=30_000), Runtime(pool, Progress(quiet=True))).digest)
        pool.close()
    assert len(digests) == 1


@pytest.mark.parametrize("phase", ["measure_portion", "select_source", "scatter", "gather"])
def test_a_stopped_run_goes_on_to_the_same_digest(folder, tmp_path, runtime, monkeypatch, phase):
    from gptkit.mixture import draw as draw_module
    from gptkit.mixture import stage as stage_module

    monkeypatch.setattr(scatter, "PARTITION_BYTES", 5_000)
    arguments = [f"{name}={weight}:{folder / name}.parquet" for name, (weight, *_) in PARTS.items()]
    settings = MixSettings(bytes=30_000)
    straight = run(arguments, tmp_path / "straight", settings, runtime)
    module = draw_module if phase in ("measure_portion", "select_source") else stage_module
    real, calls = getattr(module, phase), []

    def stops(task):
        calls.append(task)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(task)

    monkeypatch.setattr(module, phase, stops)
    with pytest.raises(KeyboardInterrupt):
        run(arguments, tmp_path / "out", settings, runtime)
    monkeypatch.setattr(module, phase, real)
    assert run(arguments, tmp_path / "out", settings, runtime).digest == straight.digest
