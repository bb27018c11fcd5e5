import dataclasses
import functools
import gzip
import itertools
import json
import os
import random
import signal
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gptkit.clean.preview import preview
from gptkit.clean.settings import CleanSettings
from gptkit.clean.stage import run
from gptkit.clean.task import clean_task
from gptkit.data.pieces import cut
from gptkit.engine.pool import Pool
from gptkit.engine.progress import Progress
from gptkit.engine.stage import Runtime
from gptkit.errors import GptkitError, InputError
from gptkit.extraction import parsed

SHARED = Path(os.environ.get("GPTKIT_SHARED") or Path(__file__).parents[3] / "shared") / "data"
needs_pages = pytest.mark.skipif(not (SHARED / "web").is_dir(), reason="GPTKIT_SHARED names no folder with data/web")

PROSE = " ".join(
    f"It is said that the river number {n} has to be crossed with care, and of those who have tried it {n * 7} came back."
    for n in range(6)
)
GERMAN = "Der Fluss ist mit Vorsicht zu überqueren, und von allen, die es versucht haben, kamen wenige zurück. "
QUALITY = CleanSettings(rules=("gopher-quality",))
EVERYTHING = CleanSettings(rules=("none",), language=("any",))


def rows_of(manifest, output, kind="documents"):
    return [row for shard in manifest.of_kind(kind) for row in pq.read_table(output / shard.name).to_pylist()]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def numbered(count):
    return [{"id": str(n), "text": f"Document number {n}. {PROSE}"} for n in range(count)]


def test_each_rejection_has_a_rule_a_value_and_a_limit(tmp_path, runtime):
    texts = {
        "good": PROSE,
        "short": "too short to keep",
        "german": GERMAN * 4,
        "empty": "",
        "mended": "donâ€™t " + PROSE,
    }
    source = write(
        tmp_path / "in.jsonl", [{"id": name, "text": text, "stars": len(name)} for name, text in texts.items()]
    )
    settings = dataclasses.replace(QUALITY, keep_rejected=True)
    manifest = run([source], tmp_path / "out", settings, runtime)
    kept = {row["id"]: row for row in rows_of(manifest, tmp_path / "out")}
    assert set(kept) == {"good", "mended"}
    assert kept["mended"]["text"].startswith("don't ")
    assert (kept["good"]["language"], kept["good"]["stars"], kept["good"]["source"]) == ("en", 4, "in")
    rejected = rows_of(manifest, tmp_path / "out", "rejected")
    assert [(row["id"], row["rule"], row["value"], row["limit"], row["detail"]) for row in rejected] == [
        ("short", "min_words", 4, 50, None),
        ("german", "language", pytest.approx(0.99, abs=0.02), None, "de"),
        ("empty", "empty", 0, 1, None),
    ]
    assert rejected[1]["text"] == GERMAN * 4
    assert manifest.counts["rejected"] == {"empty": 1, "min_words": 1, "language": 1}
    assert manifest.counts["documents_in"] == 5
    assert manifest.counts["funnel"]["steps"][0]["documents_in"] == 5
    assert manifest.counts["funnel"]["languages"]["de"] == 1


def test_repeated_ids_are_numbered_in_input_order(tmp_path, runtime):
    source = write(tmp_path / "in.jsonl", [{"id": name, "text": f"{i} {PROSE}"} for i, name in enumerate("abacaa")])
    manifest = run([source], tmp_path / "out", QUALITY, runtime)
    assert [row["id"] for row in rows_of(manifest, tmp_path / "out")] == ["a", "b", "a#2", "c", "a#3", "a#4"]
    assert manifest.counts["repeated_ids"] == 3


@pytest.mark.parametrize("packed", [False, True])
def test_a_limit_takes_the_first_documents(tmp_path, packed):
    source = write(tmp_path / "in.jsonl", numbered(20))
    if packed:
        Path(source + ".gz").write_bytes(gzip.compress(Path(source).read_bytes()))
        source += ".gz"
    limited = Runtime(Pool(0), Progress(quiet=True), limit=7)
    manifest = run([source], tmp_path / "out", QUALITY, limited)
    assert [row["id"] for row in rows_of(manifest, tmp_path / "out")] == [str(i) for i in range(7)]
    assert manifest.counts["documents_in"] == 7


def inputs_of_every_kind(folder, documents):
    """The same documents as files that can be cut and as streams."""
    text = "".join(json.dumps(row) + "\n" for row in documents).encode()
    (folder / "plain.jsonl").write_bytes(text)
    (folder / "packed.jsonl.gz").write_bytes(gzip.compress(text))
    pq.write_table(pa.Table.from_pylist(documents), folder / "table.parquet", row_group_size=20)
    return [str(folder / name) for name in ("plain.jsonl", "packed.jsonl.gz", "table.parquet")]


@pytest.fixture
def small_tasks(monkeypatch):
    """Many tasks and chunks from little text."""
    monkeypatch.setattr("gptkit.clean.stage.cut", functools.partial(cut, task_bytes=20_000))
    monkeypatch.setattr("gptkit.clean.task.TASK_BYTES", 20_000)
    monkeypatch.setattr("gptkit.data.jsonl.BATCH_BYTES", 5_000)


def test_the_order_of_inputs_changes_nothing(tmp_path, small_tasks, runtime):
    sources = inputs_of_every_kind(tmp_path, numbered(100))
    digests = set()
    for name, order in (("there", sources), ("back", sources[::-1])):
        manifest = run(order, tmp_path / name, QUALITY, runtime)
        assert manifest.counts["documents_out"] == 300
        assert len(manifest.of_kind("documents")) > 10
        digests.add(manifest.digest)
        kept = rows_of(manifest, tmp_path / name)
        for source in ("plain", "packed", "table"):
            assert [row["id"] for row in kept if row["source"] == source] == [str(n) for n in range(100)]
    assert len(digests) == 1


def test_a_killed_stream_goes_on_behind_its_last_chunk(tmp_path, small_tasks):
    source = inputs_of_every_kind(tmp_path, numbered(300))[1]

    def once(folder):
        return run([source], folder, QUALITY, Runtime(Pool(0), Progress(quiet=True)))

    expected = once(tmp_path / "whole")
    assert len(expected.of_kind("documents")) >= 10
    random.seed(1)
    for _ in range(6):
        if os.fork() == 0:
            signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            signal.setitimer(signal.ITIMER_REAL, random.uniform(0.01, 0.15))
            once(tmp_path / "killed")
            os._exit(0)
        os.wait()
    assert once(tmp_path / "killed").digest == expected.digest


@pytest.mark.parametrize("limit", [None, 100])
def test_a_stream_that_ended_in_damage_is_not_read_again(tmp_path, small_tasks, monkeypatch, limit):
    lines = [json.dumps(row) for row in numbered(300)] + ["broken"] * 9
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))

    def once(folder, fail_at=None):
        if fail_at is not None:
            count = itertools.count()

            def failing(task):
                if next(count) == fail_at:
                    raise KeyboardInterrupt
                return clean_task(task)

            monkeypatch.setattr("gptkit.clean.stage.clean_task", failing)
        try:
            runtime = Runtime(Pool(0), Progress(quiet=True), limit=limit)
            return run([str(tmp_path / "in.jsonl.gz")], folder, QUALITY, runtime)
        except KeyboardInterrupt:
            return None
        finally:
            monkeypatch.setattr("gptkit.clean.stage.clean_task", clean_task)

    whole = once(tmp_path / "whole")
    tasks = len(whole.of_kind("documents"))
    assert tasks >= 3
    assert whole.counts["damaged"] == (9 if limit is None else 0)
    for stop in (0, 1, tasks - 2, tasks - 1):
        assert once(tmp_path / f"{stop}", stop) is None
        assert once(tmp_path / f"{stop}").digest == whole.digest


def test_texts_that_are_null_are_empty(tmp_path, runtime):
    table = pa.table({"text": [PROSE, None, PROSE + " More."], "_row": [1, 2, 3], "html": ["a", "b", "c"]})
    pq.write_table(table, tmp_path / "in.parquet")
    manifest = run([str(tmp_path / "in.parquet")], tmp_path / "out", QUALITY, runtime)
    assert manifest.counts["rejected"] == {"empty": 1}
    assert [row["_row"] for row in rows_of(manifest, tmp_path / "out")] == [1, 3]


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_wrong_name_of_the_text_is_said_at_once(tmp_path, runtime, ending):
    lines = "".join(json.dumps({"content": PROSE, "n": n}) + "\n" for n in range(2_000)).encode()
    path = tmp_path / f"in.jsonl{ending}"
    path.write_bytes(gzip.compress(lines) if ending else lines)
    with pytest.raises(GptkitError, match="no string 'text'; they have content, n"):
        run([str(path)], tmp_path / "out", QUALITY, runtime)
    settings = dataclasses.replace(QUALITY, text_column="content")
    assert run([str(path)], tmp_path / "out", settings, runtime).counts["documents_out"] == 2_000


@needs_pages
def test_real_pages_give_the_same_digest_for_any_number_of_workers(tmp_path):
    pages = [str(SHARED / "web" / "articles.warc.gz"), str(SHARED / "duplicates" / "bbc.jsonl.zst")]
    digests = set()
    for workers in (1, 2):
        pool = Pool(workers)
        manifest = run(pages, tmp_path / str(workers), QUALITY, Runtime(pool, Progress(quiet=True)))
        pool.close()
        digests.add(manifest.digest)
    assert len(digests) == 1
    assert manifest.counts["documents_in"] == 65 + 2225
    sources = Counter(row["source"] for row in rows_of(manifest, tmp_path / "2"))
    assert sources["articles"] > 30  # the others are Lorem ipsum or not English
    assert sources["bbc"] > 2_000


@needs_pages
def test_damaged_archives_cost_only_what_is_damaged(tmp_path, runtime):
    found = {}
    for name in ("made-flipped-byte.warc.gz", "made-truncated.warc.gz", "example.warc.gz"):
        manifest = run([str(SHARED / "web" / "damaged" / name)], tmp_path / name, EVERYTHING, runtime)
        found[name] = (manifest.counts["documents_in"], manifest.counts["damaged"])
    assert found["made-flipped-byte.warc.gz"] == (5, 1)
    assert found["made-truncated.warc.gz"] == (4, 1)
    assert found["example.warc.gz"][1] == 0


@needs_pages
def test_a_genuine_crawl_file(tmp_path, runtime):
    manifest = run([str(SHARED / "web" / "commoncrawl.warc.gz")], tmp_path / "out", EVERYTHING, runtime)
    (row,) = rows_of(manifest, tmp_path / "out")
    assert row["url"] == "https://an.wikipedia.org/wiki/Escopete"
    assert "Escopete" in row["text"]


def page(text):
    return f"<html><body><article><p>{text}</p></article></body></html>"


def test_a_page_that_ends_its_worker_is_quarantined(tmp_path, monkeypatch):
    """The extractor of the workers, which import everything anew, is real; so a page is needed that it cannot bear."""
    folder = tmp_path / "pages"
    folder.mkdir()
    for n in range(4):
        (folder / f"{n}.html").write_text(page(f"Page {n}. {PROSE}"))
    (folder / "deep.html").write_text("<div>" * (parsed.DEEPEST + 1) + PROSE)
    pool = Pool(1)
    settings = dataclasses.replace(EVERYTHING, extractor="resiliparse")
    manifest = run([str(folder)], tmp_path / "out", settings, Runtime(pool, Progress(quiet=True)))
    pool.close()
    assert manifest.counts["documents_out"] == 4
    (row,) = rows_of(manifest, tmp_path / "out", "rejected")
    assert (row["url"], row["rule"]) == ("deep.html", "extract")
    assert "nested" in row["detail"]


def test_lists_and_models_count_by_what_is_in_them(tmp_path, runtime):
    source = write(
        tmp_path / "in.jsonl", [{"url": f"https://{n}.example/", **row} for n, row in enumerate(numbered(3))]
    )
    digests = []
    for folder, content in (("a", "1.example\n"), ("b", "1.example\n"), ("c", "2.example\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "list").write_text(content)
        settings = dataclasses.replace(EVERYTHING, block_domains=(str(tmp_path / folder / "list"),))
        manifest = run([source], tmp_path / folder / "out", settings, runtime)
        assert manifest.counts["rejected"] == {"url_domain": 1}
        digests.append(manifest.digest)
    assert digests[0] == digests[1] != digests[2]


def test_a_preview_expects_what_a_run_finds(tmp_path, runtime):
    source = write(tmp_path / "in.jsonl", [*numbered(60), *({"id": f"x{n}", "text": "short"} for n in range(60))])
    expected = preview([source], QUALITY, runtime)
    assert expected["documents"] == 120
    assert expected["funnel"]["rules"]["min_words"]["documents"] == 60
    assert expected["documents_out"] == pytest.approx(60, rel=0.5)
    assert expected["seconds"] > 0
    assert not (tmp_path / "out").exists()


def test_nothing_that_can_be_read_is_an_error(tmp_path, runtime):
    source = tmp_path / "in.jsonl"
    source.write_text("no json\n")
    with pytest.raises(InputError, match=r"nothing could be read \(in.jsonl: no JSON"):
        run([str(source)], tmp_path / "out", QUALITY, runtime)
