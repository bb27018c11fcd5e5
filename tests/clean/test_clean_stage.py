import json
import os
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from gptkit.clean.settings import CleanSettings
from gptkit.clean.stage import run
from gptkit.engine.pool import Pool
from gptkit.engine.progress import Progress
from gptkit.engine.stage import Runtime

SHARED = Path(os.environ.get("GPTKIT_SHARED") or Path(__file__).parents[3] / "shared") / "data"
needs_pages = pytest.mark.skipif(not (SHARED / "web").is_dir(), reason="GPTKIT_SHARED names no folder with data/web")

PROSE = "It is said that the river has to be crossed with care, and of all those who have tried it, few came back with a tale. "


def rows_of(manifest, output, kind="documents"):
    return [row for shard in manifest.of_kind(kind) for row in pq.read_table(output / shard.name).to_pylist()]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_each_rejection_has_a_rule_a_value_and_a_limit(tmp_path, runtime):
    german = "Der Fluss ist mit Vorsicht zu überqueren, und von allen, die es versucht haben, kamen wenige zurück. " * 4
    texts = {
        "good": PROSE * 3,
        "short": "too short to keep",
        "german": german,
        "empty": "",
        "mended": "donâ€™t " + PROSE * 3,
    }
    source = write(
        tmp_path / "in.jsonl", [{"id": name, "text": text, "stars": len(name)} for name, text in texts.items()]
    )
    manifest = run([source], tmp_path / "out", CleanSettings(keep_rejected=True), runtime)
    kept = {row["id"]: row for row in rows_of(manifest, tmp_path / "out")}
    assert set(kept) == {"good", "mended"}
    assert kept["mended"]["text"].startswith("don't ")
    assert (kept["good"]["language"], kept["good"]["stars"], kept["good"]["source"]) == ("en", 4, "in")
    rejected = {row["id"]: row for row in rows_of(manifest, tmp_path / "out", "rejected")}
    assert {name: row["rule"] for name, row in rejected.items()} == {
        "short": "words",
        "german": "language_de",
        "empty": "empty",
    }
    assert (rejected["short"]["value"], rejected["short"]["limit"]) == (4, 50)
    assert rejected["german"]["text"] == german
    assert manifest.counts["rejected"] == {"empty": 1, "language_de": 1, "words": 1}
    assert manifest.counts["documents_in"] == 5


def test_several_languages_or_any_can_be_kept(tmp_path, runtime):
    german = "Der Fluss ist mit Vorsicht zu überqueren, und von allen, die es versucht haben, kamen wenige zurück. " * 4
    source = write(tmp_path / "in.jsonl", [{"id": "de", "text": german}, {"id": "en", "text": PROSE * 3}])
    for languages, expected in ((("de",), ["de"]), (("de", "en"), ["de", "en"]), (("any",), ["de", "en"])):
        output = tmp_path / "-".join(languages)
        settings = CleanSettings(language=languages, min_stop_words=0)
        assert [row["id"] for row in rows_of(run([source], output, settings, runtime), output)] == expected


def test_repeated_ids_are_numbered_in_input_order(tmp_path, runtime):
    source = write(tmp_path / "in.jsonl", [{"id": name, "text": f"{i} {PROSE * 3}"} for i, name in enumerate("abacaa")])
    manifest = run([source], tmp_path / "out", CleanSettings(), runtime)
    assert [row["id"] for row in rows_of(manifest, tmp_path / "out")] == ["a", "b", "a#2", "c", "a#3", "a#4"]
    assert manifest.counts["repeated_ids"] == 3


def test_a_limit_takes_the_first_documents(tmp_path):
    source = write(tmp_path / "in.jsonl", [{"id": str(i), "text": f"{i} {PROSE * 3}"} for i in range(20)])
    limited = Runtime(Pool(0), Progress(quiet=True), limit=7)
    manifest = run([source], tmp_path / "out", CleanSettings(), limited)
    assert [row["id"] for row in rows_of(manifest, tmp_path / "out")] == [str(i) for i in range(7)]
    assert manifest.counts["documents_in"] == 7


@needs_pages
def test_real_pages_give_the_same_digest_for_any_number_of_workers(tmp_path):
    pages = [str(SHARED / "web" / "articles.warc.gz"), str(SHARED / "duplicates" / "bbc.jsonl.zst")]
    digests = set()
    for workers in (1, 2):
        pool = Pool(workers)
        manifest = run(pages, tmp_path / str(workers), CleanSettings(), Runtime(pool, Progress(quiet=True)))
        pool.close()
        digests.add(manifest.digest)
    assert len(digests) == 1
    assert manifest.counts["documents_in"] == 65 + 2225
    sources = Counter(row["source"] for row in rows_of(manifest, tmp_path / "2"))
    assert sources["articles"] > 30  # the others are Lorem ipsum or not English
    assert sources["bbc"] > 2_100


@needs_pages
def test_damaged_archives_cost_only_what_is_damaged(tmp_path, runtime):
    settings = CleanSettings(language=("any",), min_words=0, min_stop_words=0, min_alpha_words=0, max_word_length=100)
    found = {}
    for name in ("made-flipped-byte.warc.gz", "made-truncated.warc.gz", "example.warc.gz"):
        manifest = run([str(SHARED / "web" / "damaged" / name)], tmp_path / name, settings, runtime)
        found[name] = (manifest.counts["documents_in"], manifest.counts["damaged"])
    assert found["made-flipped-byte.warc.gz"] == (5, 1)
    assert found["made-truncated.warc.gz"] == (4, 1)
    assert found["example.warc.gz"][1] == 0


@needs_pages
def test_a_genuine_crawl_file(tmp_path, runtime):
    settings = CleanSettings(language=("any",), min_stop_words=0)
    manifest = run([str(SHARED / "web" / "commoncrawl.warc.gz")], tmp_path / "out", settings, runtime)
    (row,) = rows_of(manifest, tmp_path / "out")
    assert row["url"] == "https://an.wikipedia.org/wiki/Escopete"
    assert "Escopete" in row["text"]
