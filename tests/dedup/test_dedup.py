import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasketch import MinHash

from gptkit.dedup.settings import DedupSettings
from gptkit.dedup.signatures import exact_hashes, sign
from gptkit.dedup.stage import run
from gptkit.kernels import minhash
from gptkit.kernels.columns import string_arrays

WORDS = [f"word{i}" for i in range(5000)]


def text(seed, length=300):
    return random.Random(seed).choices(WORDS, k=length)


def edited(words, share, seed):
    generator = random.Random(seed)
    return [generator.choice(WORDS) if generator.random() < share else word for word in words]


def write(path, rows):
    pq.write_table(pa.Table.from_pylist(rows), path)
    return str(path)


def removed(manifest, output):
    return [row for shard in manifest.of_kind("removed") for row in pq.read_table(output / shard.name).to_pylist()]


def kept(manifest, output):
    return [
        row["id"] for shard in manifest.of_kind("documents") for row in pq.read_table(output / shard.name).to_pylist()
    ]


def jaccard(one, other, size=5):
    first, second = ({tuple(words[i : i + size]) for i in range(len(words) - size + 1)} for words in (one, other))
    return len(first & second) / len(first | second)


def test_signatures_of_texts_estimate_the_jaccard_similarity():
    base = text(1, 2000)
    other = edited(base, 0.03, 2)
    rows = sign(pa.array([" ".join(base), " ".join(other)]), 5, 1024, 1)
    exact = jaccard(base, other)
    assert abs((rows[0] == rows[1]).mean() - exact) < 4 * np.sqrt(exact * (1 - exact) / 1024)


def test_signatures_equal_datasketchs_over_our_shingle_hashes():
    texts = ["", "one two", " ".join(text(3, 50)), "Ünïcode wörds, ein paar mehr als fünf davon"]
    content, starts = string_arrays(pa.array(texts))
    hashes, ends = minhash.shingle_hashes(content, starts, minhash.count_words(content, starts), 5)
    ours = sign(pa.array(texts), 5, 112, 1)
    for index in range(len(texts)):
        theirs = MinHash(112, seed=1, hashfunc=int)
        theirs.update_batch(hashes[ends[index] : ends[index + 1]].tolist())
        assert np.array_equal(ours[index], theirs.hashvalues)


def test_exact_hashes_tell_texts_apart():
    found = exact_hashes(pa.array(["a", "b", "a", ""]))
    assert (found[0] == found[2]).all()
    assert len(np.unique(found, axis=0)) == 3


def test_the_first_of_each_cluster_stays_and_each_removed_one_names_it(tmp_path, runtime):
    originals = [text(i) for i in range(40)]
    rows = [{"id": f"o{i}", "text": " ".join(words), "score": i} for i, words in enumerate(originals)]
    rows += [{"id": f"x{i}", "text": " ".join(originals[i]), "score": 0} for i in range(0, 40, 4)]
    rows += [
        {"id": f"n{i}", "text": " ".join([*originals[i][:150], "another", *originals[i][151:]]), "score": 0}
        for i in range(1, 40, 4)
    ]
    rows += [{"id": "empty1", "text": ""}, {"id": "empty2", "text": ""}, {"id": "dots", "text": "..."}]
    manifest = run(write(tmp_path / "in.parquet", rows), tmp_path / "out", DedupSettings(), runtime)
    assert kept(manifest, tmp_path / "out") == [f"o{i}" for i in range(40)] + ["empty1", "dots"]
    by_id = {row["id"]: row for row in removed(manifest, tmp_path / "out")}
    assert all(by_id[f"x{i}"]["kept_id"] == f"o{i}" and by_id[f"x{i}"]["reason"] == "exact" for i in range(0, 40, 4))
    assert all(by_id[f"n{i}"]["kept_id"] == f"o{i}" and by_id[f"n{i}"]["reason"] == "near" for i in range(1, 40, 4))
    assert by_id["empty2"]["kept_id"] == "empty1"
    assert manifest.counts["rejected"] == {"exact": 11, "near": 10}
    table = pq.read_table(tmp_path / "out" / manifest.of_kind("documents")[0].name)
    assert table.column("score").to_pylist()[:3] == [0, 1, 2]  # further columns are kept


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1])
def test_found_pairs_follow_the_s_curve(tmp_path, runtime, share):
    pairs = 150
    rows, similarity = [], []
    for i in range(pairs):
        words = text(f"{share} {i}", 200)
        other = edited(words, share, i)
        similarity.append(jaccard(words, other))
        rows += [{"id": f"{i}a", "text": " ".join(words)}, {"id": f"{i}b", "text": " ".join(other)}]
    manifest = run(write(tmp_path / "in.parquet", rows), tmp_path / "out", DedupSettings(), runtime)
    chances = [1 - (1 - j**8) ** 14 for j in similarity]
    expected, deviation = sum(chances), np.sqrt(sum(p * (1 - p) for p in chances))
    assert abs(manifest.counts["rejected"]["near"] - expected) <= 5 * deviation + 1


def test_without_near_only_equal_texts_go(tmp_path, runtime):
    rows = [{"id": "a", "text": "x y z " * 30}, {"id": "b", "text": "x y z " * 31}, {"id": "c", "text": "x y z " * 30}]
    manifest = run(write(tmp_path / "in.parquet", rows), tmp_path / "out", DedupSettings(near=False), runtime)
    assert kept(manifest, tmp_path / "out") == ["a", "b"]
