"""`gptkit dedup` as a user types it: any workers, order and memory; killed and run again; bad input."""

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from gptkit.cli.dedup import command
from gptkit.data.manifest import read_manifest
from gptkit.errors import GptkitError
from gptkit.recipes.recipe import read_recipe
from gptkit.recipes.run import run_recipe

WORDS = [f"word{i}" for i in range(3000)]
SOURCES = ("books", "forum", "news", "web", "wiki")
KILLS = 10


def texts(seed, count=40):
    """Texts of which many are equal or nearly so, also to those of other seeds."""
    found = []
    for number in range(count):
        words = random.Random(number % 17).choices(WORDS, k=60)
        generator = random.Random(f"{seed} {number}")
        for place in range(60):
            if generator.random() < generator.choice([0, 0, 0.01, 0.03]):
                words[place] = generator.choice(WORDS)
        found.append(" ".join(words))
    return found


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in SOURCES:
        of_source = texts(name)
        table = pa.table({"id": [f"{name}-{n}" for n in range(len(of_source))], "text": of_source})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    return tmp_path


def line(output, *options, order=SOURCES):
    inputs = [f"{name}.parquet" for name in order]
    return [sys.executable, "-m", "gptkit", "dedup", *inputs, "-o", output, "--quiet", *options]


def test_the_same_digest_for_any_workers_order_and_memory(folder):
    for output, options, order in [
        ("a", ["--workers", "0"], SOURCES),
        ("b", ["--workers", "1", "--memory", "500MB"], SOURCES[::-1]),
        ("c", ["--workers", "2", "--memory", "2GB"], (*SOURCES[2:], *SOURCES[:2])),
    ]:
        subprocess.run(line(output, "--save-signatures", *options, order=order), check=True, timeout=120)
    first = read_manifest(Path("a"))
    assert first.counts["rejected"]["near"] > 20
    assert first.counts["rejected"]["exact"] > 20
    assert read_manifest(Path("b")).digest == first.digest == read_manifest(Path("c")).digest


def test_ten_kills_end_in_the_same_digest(folder):
    subprocess.run(line("whole", "--index", "one", "--workers", "0"), check=True, timeout=120)
    work, kills = folder / "out" / ".work", 0
    generator = random.Random(7)
    for target in sorted(generator.sample(range(1, 90), KILLS)):
        options = ["--index", "other", "--workers", generator.choice("02")]
        process = subprocess.Popen(line("out", *options), start_new_session=True)
        started = time.monotonic()
        while process.poll() is None and time.monotonic() - started < 60:
            if len(list(_files(work))) >= target:  # it is that far
                time.sleep(generator.choice([0, 0.001, 0.01]))
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, 9)
                kills += 1
                break
            time.sleep(0.001)
        process.wait()
    subprocess.run(line("out", "--index", "other", "--workers", "0"), check=True, timeout=120)
    assert read_manifest(Path("out")).digest == read_manifest(Path("whole")).digest
    assert kills >= 5
    assert not work.exists()
    (one,), (other,) = (list(Path(name).iterdir()) for name in ("one", "other"))
    assert one.name == other.name
    assert [path.read_bytes() for path in sorted(one.iterdir())] == [
        path.read_bytes() for path in sorted(other.iterdir())
    ]


def _files(work):
    for _, _, names in os.walk(work):
        yield from names


def test_what_is_printed(folder):
    options = ["--json", "--threshold", "0.8"]
    done = CliRunner().invoke(command, ["web.parquet", "wiki.parquet", "-o", "out", "--workers", "0", *options])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["digest"] == read_manifest(Path("out")).digest
    assert "found, by Jaccard similarity" in done.stderr


def test_a_dry_run_writes_nothing(folder):
    before = sorted(path.name for path in folder.iterdir())
    done = CliRunner().invoke(command, ["web.parquet", "wiki.parquet", "-o", "out", "--dry-run", "--workers", "0"])
    assert done.exit_code == 0
    assert "would make out: 80 documents" in done.stderr
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing.parquet"], 1, "missing.parquet: no such file"),
        (["missing"], 1, "missing: no such file or folder"),
        (["empty.parquet"], 1, "empty.parquet: is empty"),
        (["notes.parquet"], 1, "notes.parquet: has no column 'text'; it has id, body"),
        (["numbers.parquet"], 1, "its column 'text' is int64, not a string"),
        (["broken.parquet"], 1, "broken.parquet: cannot be read as Parquet"),
        (["lines.jsonl"], 1, "lines.jsonl: is not documents in Parquet; gptkit clean makes them"),
        (["web.parquet", "web.parquet"], 2, "another input is named 'web' too"),
        (["web.parquet", "--prefer", "wiki"], 2, "--prefer: no source is named 'wiki'; there are web"),
        (["web.parquet", "--protect", "wiki"], 2, "--protect: no source is named 'wiki'"),
        (["web.parquet", "--keep", "highest"], 1, "--keep highest: no document has the column 'quality'"),
        (["web.parquet", "--keep", "newest"], 1, "--keep newest: no document has the column 'date'"),
        (["web.parquet", "--keep", "best"], 2, "best"),
        (["web.parquet", "--keep-column", "date"], 2, "--keep-column goes with"),
        (["web.parquet", "--against", "missing.parquet"], 1, "missing.parquet: no such file"),
        (["web.parquet", "--index", "wiki.parquet"], 1, "is a file; --index names a folder"),
        (["web.parquet", "--index", "i", "--no-near"], 2, "--no-near"),
        (["web.parquet", "--threshold", "0"], 2, "--threshold 0 is not above 0"),
        (["web.parquet", "--threshold", "high"], 2, "--threshold"),
        (["web.parquet", "--bands", "0"], 2, "--bands must be at least 1"),
        (["web.parquet", "--bands", "2000", "--rows", "20"], 2, "10,000 permutations"),
        (["web.parquet", "--memory", "1kB"], 1, "is too little for"),
        (["web.parquet", "--memory", "much"], 2, "--memory"),
        (["web.parquet", "--seed", "-1"], 2, "--seed"),
        (["web.parquet", "--ngram", "1.5"], 2, "--ngram"),
        (["."], 2, "the output must lie apart from the input"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line_and_leaves_nothing(folder, arguments, code, message):
    (folder / "empty.parquet").touch()
    (folder / "broken.parquet").write_bytes(b"PAR1" + bytes(100) + b"PAR1")
    (folder / "lines.jsonl").write_text('{"text": "a"}\n')
    pq.write_table(pa.table({"id": ["a"], "body": ["b"]}), "notes.parquet")
    pq.write_table(pa.table({"id": ["a"], "text": [1]}), "numbers.parquet")
    if arguments == ["."]:
        for name in ("empty", "broken", "notes", "numbers"):
            (folder / f"{name}.parquet").unlink()
        (folder / "lines.jsonl").unlink()
    done = CliRunner().invoke(command, [*arguments, "-o", "out", "--workers", "0"])
    if isinstance(done.exception, GptkitError):
        assert done.exception.exit_code == code
        said = str(done.exception)
        assert "\n" not in said
    else:
        assert isinstance(done.exception, SystemExit), done.exception
        assert done.exit_code == code
        said = done.stderr
    assert message in said
    assert not (folder / "out").exists()


def test_a_failure_in_a_worker_is_one_line_too(folder):
    content = bytearray((folder / "news.parquet").read_bytes())
    content[300:400] = bytes(100)
    (folder / "news.parquet").write_bytes(content)
    done = subprocess.run(line("out", "--workers", "2"), capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.count("news.parquet: is damaged") == 1
    assert len(done.stderr.strip().splitlines()) == 1


RECIPE = """
output: made
stages:
  heldout: {run: dedup, inputs: wiki.parquet, near: false}
  dedup: {run: dedup, inputs: [crawl=web.parquet, news.parquet], against: heldout, prefer: news, threshold: 0.8}
"""


def test_a_recipe_with_two_inputs_and_a_reference(folder, runtime):
    (folder / "recipe.yaml").write_text(RECIPE)
    made = run_recipe(read_recipe("recipe.yaml"), runtime)
    assert set(made) == {"heldout", "dedup"}
    counts = made["dedup"].counts
    assert set(counts["sources"]) == {"crawl", "news"}
    assert counts["for_reference_or_index"] > 10
    assert counts["documents_in"] == 80
    table = pq.read_table(folder / "made/dedup/clusters/news-00000.parquet")
    assert "reference" in table.column("kept_in").to_pylist()
    assert "wiki" in table.column("kept_source").to_pylist()
    again = run_recipe(read_recipe("recipe.yaml"), runtime)
    assert {name: manifest.digest for name, manifest in again.items()} == {
        name: manifest.digest for name, manifest in made.items()
    }
