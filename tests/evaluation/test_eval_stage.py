import dataclasses
import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from gptkit.cli.eval import command
from gptkit.data.manifest import read_manifest
from gptkit.data.tokens import TokenFolder
from gptkit.engine.pool import Pool
from gptkit.engine.progress import Progress
from gptkit.engine.stage import Runtime
from gptkit.errors import GptkitError, UsageError
from gptkit.evaluation.runner import Runner
from gptkit.evaluation.settings import EvalSettings
from gptkit.evaluation.stage import run
from gptkit.model.config import ModelConfig
from gptkit.model.folder import save_model
from gptkit.model.transformer import Transformer
from gptkit.tasks.settings import MakeTasksSettings
from gptkit.tasks.stage import run as make_tasks
from gptkit.tasks.task import read_task


@pytest.fixture(scope="module")
def model(token_folder: TokenFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    model = Transformer(ModelConfig(token_folder.manifest.facts["vocab_size"], 256, 1, 2, 16))
    with torch.no_grad():
        model.embedding.weight.mul_(10)
    save_model(folder, model, token_folder.tokenizer_path)
    return folder


@pytest.fixture(scope="module")
def tasks(token_folder: TokenFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks") / "made"
    settings = MakeTasksSettings(demonstrations=10, longest=200, items=30)
    make_tasks(token_folder.folder, folder, settings, Runtime(Pool(0), Progress(quiet=True)))
    return folder


def settings(tasks_dir: Path, **changes: Any) -> EvalSettings:
    return EvalSettings(
        **({"tasks": ("last_word", "ending"), "tasks_dir": str(tasks_dir), "shots": (0, 1, 3)} | changes)
    )


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(command, [*map(str, arguments), "--workers", "1"])


def bad_task(folder: Path) -> Path:
    (folder / "bad.yaml").write_text("task: bad\ndataset_path: json\noutput_type: guess\n")
    return folder / "bad.yaml"


def test_the_table_has_a_row_for_each_metric(model: Path, tasks: Path) -> None:
    result = invoke(model, "--tasks", "last_word,ending", "--tasks-dir", tasks, "--shots", "0,2")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0][:5] == ["task", "shots", "shown", "items", "metric"]
    rows = [(line[0], line[1]) for line in lines if line and line[0] in ("last_word", "ending")]
    assert rows == [("last_word", "0")] * 2 + [("last_word", "2")] * 2 + [("ending", "0")] * 3 + [("ending", "2")] * 3


def test_json_is_data_alone(model: Path, tasks: Path) -> None:
    result = invoke(model, "--tasks", tasks / "ending.yaml", "--shots", "40", "--limit", "5", "--json")
    assert isinstance(result.exception, GptkitError)
    assert "40 demonstrations were asked for" in str(result.exception)
    assert json.loads(result.stdout) == {"results": [], "failed": [str(result.exception)]}
    result = invoke(model, "--tasks", tasks / "ending.yaml", "--shots", "9", "--limit", "5", "--json")
    [found] = json.loads(result.stdout)["results"]
    assert found["items"] == 5
    assert found["demonstrations_min"] <= found["demonstrations_mean"] < 9
    assert found["metrics"]["acc"]["random"] == 0.25


def test_a_stage_writes_results_items_and_manifest(model: Path, tasks: Path, tmp_path: Path, runtime: Runtime) -> None:
    report = run(model, tmp_path / "out", settings(tasks), runtime)
    assert report.manifest == read_manifest(tmp_path / "out")
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["results"] == report.results
    assert [(found["task"], found["shots"]) for found in report.results] == [
        (task, shots) for task in ("last_word", "ending") for shots in (0, 1, 3)
    ]
    items = [json.loads(line) for line in (tmp_path / "out" / "items.jsonl").read_text().splitlines()]
    for found in report.results:
        own = [item for item in items if (item["task"], item["shots"]) == (found["task"], found["shots"])]
        assert [item["item"] for item in own] == list(range(found["items"]))
        assert sum(item["right"]["acc"] for item in own) / len(own) == found["metrics"]["acc"]["value"]
        assert sum(len(item["demonstrations"]) for item in own) / len(own) == found["demonstrations_mean"]
    for fewer, more in ((0, 1), (1, 3)):
        pairs = [[item["demonstrations"] for item in items if item["shots"] == shots] for shots in (fewer, more)]
        assert all(many[: len(few)] == few for few, many in zip(*pairs, strict=True))


def test_the_same_evaluation_has_the_same_digest_and_is_not_done_twice(
    model: Path, tasks: Path, tmp_path: Path, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(model, tmp_path / "a", settings(tasks), runtime)
    second = run(model, tmp_path / "b", settings(tasks), runtime)
    assert first.manifest is not None
    assert second.manifest is not None
    assert first.manifest.digest == second.manifest.digest
    monkeypatch.setattr(Runner, "run", None)
    assert run(model, tmp_path / "a", settings(tasks), runtime).results == first.results


def test_scores_do_not_depend_on_the_batch(model: Path, tasks: Path, runtime: Runtime) -> None:
    small, large = (run(model, None, settings(tasks, batch_tokens=n), runtime).results for n in (300, 30_000))
    for one, other in zip(small, large, strict=True):
        for name, metric in one["metrics"].items():
            assert metric["value"] == pytest.approx(other["metrics"][name]["value"], rel=1e-4)


def test_a_stopped_run_goes_on(
    model: Path, tasks: Path, tmp_path: Path, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(model, tmp_path / "whole", settings(tasks), runtime)
    true_run, calls = Runner.run, []

    def stopping(self: Runner, shots: int, progress: Progress) -> Any:
        calls.append((self.task.name, shots))
        if len(calls) == 5:
            raise KeyboardInterrupt
        return true_run(self, shots, progress)

    monkeypatch.setattr(Runner, "run", stopping)
    with pytest.raises(KeyboardInterrupt):
        run(model, tmp_path / "out", settings(tasks), runtime)
    report = run(model, tmp_path / "out", settings(tasks), runtime)
    assert calls[4:] == [("ending", 1), ("ending", 1), ("ending", 3)]
    assert report.manifest is not None
    assert whole.manifest is not None
    assert report.manifest.digest == whole.manifest.digest


def test_a_bad_task_does_not_stop_the_others(model: Path, tasks: Path, tmp_path: Path) -> None:
    bad = bad_task(tmp_path)
    out = tmp_path / "out"
    arguments = (model, "--tasks", f"{bad},last_word", "--tasks-dir", tasks, "--shots", "0,1", "-o", out)
    for _ in range(2):  # also when it is up to date
        result = invoke(*arguments)
        assert isinstance(result.exception, GptkitError)
        assert result.exception.exit_code == 1
        assert "\n" not in str(result.exception)
        assert "last_word" in result.stdout
    assert json.loads((out / "results.json").read_text())["failed"] == ["bad"]
    alone = invoke(model, "--tasks", bad)
    assert str(alone.exception).startswith(f"{bad}: output_type: guess is no output type")


def test_a_mended_task_makes_another_result(model: Path, tasks: Path, tmp_path: Path, runtime: Runtime) -> None:
    bad = bad_task(tmp_path)
    chosen = settings(tasks, tasks=(str(bad), "last_word"), shots=(0,))
    run(model, tmp_path / "out", chosen, runtime)
    bad.write_text((tasks / "last_word.yaml").read_text())
    for path in tasks.glob("last_word.*.jsonl"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(GptkitError, match="another result"):
        run(model, tmp_path / "out", chosen, runtime)
    assert len(run(model, tmp_path / "out", chosen, dataclasses.replace(runtime, overwrite=True)).results) == 2


@pytest.mark.parametrize("shots", ["0,x", "-1", "1,1", ""])
def test_wrong_shots_are_wrong_usage(model: Path, shots: str) -> None:
    result = invoke(model, "--tasks", "sst2", "--shots", shots)
    code = result.exception.exit_code if isinstance(result.exception, GptkitError) else result.exit_code
    assert code == 2


def test_what_cannot_be_run_is_one_line(model: Path, tasks: Path, tmp_path: Path, runtime: Runtime) -> None:
    with pytest.raises(UsageError, match="--tasks"):
        run(model, None, EvalSettings(), runtime)
    with pytest.raises(UsageError, match="did you mean ending"):
        run(model, None, settings(tasks, tasks=("endings",)), runtime)
    with pytest.raises(GptkitError, match="no such folder"):
        run(tmp_path / "none", None, settings(tasks), runtime)
    with pytest.raises(GptkitError, match="--device abacus"):
        run(model, None, settings(tasks, device="abacus"), runtime)


def test_a_tokenizer_of_another_model_is_refused(model: Path, tasks: Path, tmp_path: Path, runtime: Runtime) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((model / name).read_bytes())
    tokenizer = json.loads((model / "tokenizer.json").read_text())
    end = tokenizer["model"]["vocab"].popitem()
    tokenizer["model"]["vocab"] |= {end[0]: end[1], "zzzz": 5000}
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(GptkitError, match="do not belong together"):
        run(tmp_path, None, settings(tasks), runtime)


def test_a_dry_run_writes_and_prints_nothing(model: Path, tasks: Path, tmp_path: Path, runtime: Runtime) -> None:
    dry = dataclasses.replace(runtime, dry_run=True)
    assert run(model, tmp_path / "out", settings(tasks), dry).results == []
    assert run(model, None, settings(tasks), dry).results == []
    assert not (tmp_path / "out").exists()


def test_an_evaluation_needs_only_what_a_gpu_node_has(model: Path, tasks: Path) -> None:
    code = """
        import sys
        for name in ("pyarrow", "numba", "datasets", "scipy", "sklearn", "orjson", "xxhash"):
            sys.modules[name] = None  # as if it were not installed
        from gptkit.cli.main import main
        main()
    """
    arguments = ["eval", str(model), "--tasks", str(tasks), "--limit", "3", "--json", "--workers", "1"]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert {found["task"] for found in json.loads(done.stdout)["results"]} == {"last_word", "ending"}


def overlap_report(folder: Path, task: Path, dirty: list[int], count: int) -> Path:
    """What gptkit decontaminate writes, as far as it is read."""
    folder.mkdir()
    read = read_task(task)
    lines = [json.dumps({"task": read.name, "item": item, "dirty": item in dirty}) + "\n" for item in range(count)]
    (folder / "overlap.jsonl").write_text("".join(lines))
    (folder / "overlap.json").write_text(json.dumps({"sets": [{"name": read.name, "digest": read.digest()}]}))
    return folder


def test_clean_and_dirty_items_are_scored_by_themselves(
    model: Path, tasks: Path, tmp_path: Path, runtime: Runtime
) -> None:
    plain = run(model, tmp_path / "plain", settings(tasks, shots=(0,)), runtime)
    items = [json.loads(line) for line in (tmp_path / "plain" / "items.jsonl").read_text().splitlines()]
    right = [item["right"]["acc"] for item in items if item["task"] == "ending"]
    overlap = overlap_report(tmp_path / "overlap", tasks / "ending.yaml", [1, 4], len(right))
    split = run(model, tmp_path / "split", settings(tasks, shots=(0,), overlap=str(overlap)), runtime)
    last_word, ending = split.results
    assert last_word == plain.results[0]  # the report has no items of it
    assert ending["metrics"] == plain.results[1]["metrics"]
    assert (ending["dirty"]["items"], ending["clean"]["items"]) == (2, len(right) - 2)
    assert ending["dirty"]["metrics"]["acc"]["value"] == (right[1] + right[4]) / 2
    assert ending["clean"]["metrics"]["acc"]["value"] == pytest.approx(
        (sum(right) - right[1] - right[4]) / (len(right) - 2)
    )
    assert split.manifest is not None
    assert plain.manifest is not None
    assert split.manifest.digest != plain.manifest.digest
    table = invoke(
        model, "--tasks", "ending,last_word", "--tasks-dir", tasks, "--overlap", overlap, "--limit", "4", "--shots", "2"
    )
    assert table.exit_code == 0, table.output
    rows = [line.strip() for line in table.stdout.splitlines() if line.split()[:1] == ["ending"]]
    assert len(rows) == 3
    assert all("(3)" in row and row.endswith("(1)") for row in rows)


def test_an_overlap_report_of_other_data_is_refused(model: Path, tasks: Path, tmp_path: Path) -> None:
    overlap = overlap_report(tmp_path / "overlap", tasks / "ending.yaml", [], 30)
    digests = json.loads((overlap / "overlap.json").read_text())
    digests["sets"][0]["digest"] = "0" * 64
    (overlap / "overlap.json").write_text(json.dumps(digests))
    result = invoke(model, "--tasks", tasks / "ending.yaml", "--overlap", overlap)
    assert isinstance(result.exception, GptkitError)
    assert "was made with another version of the task ending" in str(result.exception)
    result = invoke(model, "--tasks", tasks / "ending.yaml", "--overlap", tmp_path / "nowhere")
    assert isinstance(result.exception, GptkitError)
    assert "nowhere" in str(result.exception)
