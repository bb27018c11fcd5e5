"""A mixture that is encoded in one pass, against the two stages one after the other."""

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gptkit.engine.pool import Pool
from gptkit.engine.progress import Progress
from gptkit.engine.stage import Runtime, Stage
from gptkit.errors import UsageError
from gptkit.recipes.recipe import read_recipe
from gptkit.recipes.run import run_recipe
from gptkit.tokenization import order

RECIPE = """
output: out
stages:
  mix: {run: mix, inputs: ["docs=0.7:docs.parquet", "talk=0.3:talk.parquet"], bytes: BYTES, JOIN}
  tokens: {run: tokenize, inputs: mix, SETTINGS}
"""
LEARNED = "vocab_size: 400, validation: 0.2, learn_bytes: 60000, shard_tokens: 20000"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    import pydoc_data.topics

    texts = [part for topic in pydoc_data.topics.topics.values() for part in topic.split("\n\n") if part]
    for name, start in (("docs", 0), ("talk", 1)):
        rows = [{"id": f"{number}", "text": text, "language": "en"} for number, text in enumerate(texts[start::9])]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"{name}.parquet", row_group_size=40)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder, name, joined, size=100_000, settings=LEARNED):
    text = RECIPE.replace("BYTES", str(size)).replace("JOIN", f"join: {str(joined).lower()}")
    (folder / f"{name}.yaml").write_text(text.replace("SETTINGS", settings).replace("output: out", f"output: {name}"))
    return read_recipe(f"{name}.yaml")


def run(recipe, workers=0, **changes):
    pool = Pool(workers)
    try:
        return run_recipe(recipe, Runtime(pool, Progress(quiet=True), **changes))
    finally:
        pool.close()


@pytest.mark.parametrize("size", [60_000, 1_000_000], ids=["part of an epoch", "some epochs"])
@pytest.mark.parametrize("settings", [LEARNED, LEARNED.replace("0.2", "0")], ids=["held out", "nothing held out"])
def test_one_pass_gives_what_two_give(folder, monkeypatch, size, settings):
    monkeypatch.setattr("gptkit.data.portions.PORTION_BYTES", 30_000)
    two = run(write(folder, "two", False, size, settings))["tokens"]
    monkeypatch.setattr(order, "PARTITION_TOKENS", 5_000)
    one = run(write(folder, "one", True, size, settings))
    assert list(one) == ["tokens"]
    assert one["tokens"].digest == two.digest
    assert one["tokens"].counts == two.counts
    assert not (folder / "one" / "mix").exists()
    assert {path.name for path in (folder / "one" / "tokens").iterdir()} == {
        path.name for path in (folder / "two" / "tokens").iterdir()
    }
    reports = [json.loads((folder / name / "tokens" / "report.json").read_text()) for name in ("one", "two")]
    assert reports[0]["vocabulary"] == reports[1]["vocabulary"]
    assert reports[0]["sources"] == reports[1]["sources"]


def test_workers_change_nothing_and_a_second_run_does_nothing(folder, monkeypatch):
    monkeypatch.setattr("gptkit.data.portions.PORTION_BYTES", 30_000)
    recipe = write(folder, "one", True)
    first = run(recipe)["tokens"]
    stamp = os.stat("one/tokens/manifest.json").st_mtime_ns
    assert run(recipe)["tokens"].digest == first.digest
    assert os.stat("one/tokens/manifest.json").st_mtime_ns == stamp
    assert run(write(folder, "two", True), workers=2)["tokens"].digest == first.digest


@pytest.mark.parametrize("phase", ["select", "place", "count", "encode", "order", "assemble"])
@pytest.mark.parametrize("then", [True, False], ids=["joined again", "then in two"])
def test_goes_on_after_a_stop(folder, monkeypatch, phase, then):
    expected = run(write(folder, "whole", True))["tokens"].digest
    original = Stage.phase

    def stopping(stage, name, *arguments):
        found = original(stage, name, *arguments)
        if name == phase:
            raise KeyboardInterrupt
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Stage, "phase", stopping)
        recipe = write(folder, "stopped", True)
        with pytest.raises(KeyboardInterrupt):
            run(recipe)
    assert (folder / "stopped" / "tokens" / ".work").exists()
    assert run(write(folder, "stopped", then))["tokens"].digest == expected


def test_two_passes_that_were_stopped_are_not_gone_on_with_in_one(folder, monkeypatch):
    expected = run(write(folder, "whole", True))["tokens"].digest
    with monkeypatch.context() as patched:
        patched.setattr("gptkit.tokenization.stage.close", _stop)
        recipe = write(folder, "stopped", False)
        with pytest.raises(KeyboardInterrupt):
            run(recipe)
    assert run(write(folder, "stopped", True))["tokens"].digest == expected


def _stop(*arguments):
    raise KeyboardInterrupt


def test_a_dry_run_shows_the_mixture_and_writes_nothing(folder, capsys):
    recipe = write(folder, "dry", True)
    run_recipe(recipe, Runtime(Pool(0), Progress(quiet=False), dry_run=True))
    said = capsys.readouterr().err
    assert "talk" in said
    assert f"would make {Path('dry/tokens')}" in said
    assert not (folder / "dry").exists()


@pytest.mark.parametrize(
    ("changed", "to"),
    [
        ("run: tokenize, inputs: mix", "run: tokenize, inputs: [mix, docs.parquet]"),
        ("run: tokenize, inputs: mix", "run: tokenize, limit: 5, inputs: mix"),
        (
            "  tokens: {run: tokenize, inputs: mix",
            "  other: {run: dedup, inputs: mix}\n  tokens: {run: tokenize, inputs: other",
        ),
        ("join: true", "join: 3"),
    ],
    ids=["two inputs", "a limit", "another reader", "no truth"],
)
def test_what_cannot_be_joined_is_one_line(folder, changed, to):
    write(folder, "bad", True)
    text = (folder / "bad.yaml").read_text()
    assert changed in text
    (folder / "bad.yaml").write_text(text.replace(changed, to))
    with pytest.raises(UsageError, match="join"):
        read_recipe("bad.yaml")


def test_what_an_earlier_mixture_wrote_beside_the_documents_does_not_count(folder):
    for name, epoch in (("docs", 0), ("talk", 3)):
        table = pq.read_table(f"{name}.parquet")
        table = table.append_column("mix_epoch", pa.array([epoch] * len(table), pa.int32()))
        pq.write_table(table.append_column("mix_source", pa.array(["older"] * len(table))), f"{name}.parquet")
    two, one = (run(write(folder, name, joined))["tokens"] for name, joined in (("two", False), ("one", True)))
    assert one.digest == two.digest
    report = json.loads((folder / "one" / "tokens" / "report.json").read_text())
    assert set(report["sources"]) == {"docs", "talk"}
