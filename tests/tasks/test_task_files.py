import json
from pathlib import Path

import pytest
import yaml

from gptkit.errors import GptkitError, UsageError
from gptkit.tasks.find import SHIPPED, find_tasks
from gptkit.tasks.items import read_items
from gptkit.tasks.task import read_task

TASK = {
    "task": "colours",
    "dataset_path": "json",
    "dataset_kwargs": {"data_files": {"test": "test.jsonl", "train": ["a.jsonl", "b.jsonl"]}},
    "test_split": "test",
    "training_split": "train",
    "output_type": "multiple_choice",
    "doc_to_text": "The {{thing}} is",
    "doc_to_target": "label",
    "doc_to_choice": ["red", "green"],
}
ROWS = [{"thing": "rose", "label": 0}, {"thing": "leaf", "label": 1}]


def write(folder: Path, changes: dict | None = None, rows: list | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    for name in ("test", "a", "b"):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows or ROWS))
    value = {key: item for key, item in (TASK | (changes or {})).items() if item != "absent"}
    (folder / "colours.yaml").write_text(yaml.safe_dump(value, sort_keys=False))
    return folder / "colours.yaml"


def test_fields_and_their_defaults(tmp_path: Path) -> None:
    task = read_task(write(tmp_path))
    assert (task.name, task.split, task.fewshot_split, task.sampler) == ("colours", "test", "train", "default")
    assert (task.target_delimiter, task.fewshot_delimiter, task.description.source) == (" ", "\n\n", "")
    assert task.metrics == ("acc", "acc_norm")
    assert [path.name for path in task.files["train"]] == ["a.jsonl", "b.jsonl"]
    assert len(read_items(task, "train")) == 4
    assert len(read_items(task, "train", limit=3)) == 3


def test_validation_is_evaluated_where_there_is_no_test(tmp_path: Path) -> None:
    path = write(tmp_path, {"test_split": None, "validation_split": "test", "training_split": None})
    task = read_task(path)
    assert (task.split, task.fewshot_split) == ("test", "test")


def test_a_string_stands_for_a_split_named_train(tmp_path: Path) -> None:
    task = read_task(write(tmp_path, {"dataset_kwargs": {"data_files": "test.jsonl"}, "test_split": "train"}))
    assert list(task.files) == ["train"]


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"task": "absent"}, "task", "is missing"),
        ({"task": 5}, "task", "must be text"),
        ({"dataset_path": "piqa"}, "dataset_path", "only json"),
        ({"dataset_kwargs": {}}, "dataset_kwargs.data_files", "JSONL file of each split"),
        ({"dataset_kwargs": {"data_files": {"test": "../secret"}}}, "dataset_kwargs.data_files", "leaves the folder"),
        ({"dataset_kwargs": {"data_files": {"test": "/etc/passwd"}}}, "dataset_kwargs.data_files", "relative"),
        ({"dataset_kwargs": {"data_files": {"test": "http://x/y.jsonl"}}}, "dataset_kwargs.data_files", "relative"),
        ({"dataset_kwargs": {"data_files": {"test": "none.jsonl"}}}, "dataset_kwargs.data_files", "--data-dir"),
        ({"dataset_kwargs": {"trust_remote_code": True}}, "dataset_kwargs.trust_remote_code", "not supported"),
        ({"test_split": "exam"}, "test_split", "'exam' is none of the splits"),
        ({"test_split": "absent"}, "test_split", "is missing"),
        ({"output_type": "generate_until"}, "output_type", "not supported yet"),
        ({"output_type": "absent"}, "output_type", "not supported yet"),
        ({"output_type": "guess"}, "output_type", "no output type"),
        ({"doc_to_choice": "absent"}, "doc_to_choice", "needs it"),
        ({"doc_to_choice": [True, False]}, "doc_to_choice", "no list of texts"),
        ({"doc_to_text": "{% if %}"}, "doc_to_text", "is no template"),
        ({"doc_to_txt": "x"}, "doc_to_txt", "did you mean doc_to_text"),
        ({"metric_list": [{"metric": "bleu"}]}, "metric_list", "'bleu' is no metric"),
        ({"metric_list": [{"metric": "acc", "aggregation": "median"}]}, "metric_list", "aggregated by mean"),
        ({"fewshot_config": {"sampler": "balanced"}}, "fewshot_config.sampler", "known: default, first_n"),
        ({"fewshot_config": {"doc_to_text": "x"}}, "fewshot_config.doc_to_text", "not supported"),
        ({"fewshot_split": "nowhere"}, "fewshot_split", "none of the splits"),
        ({"target_delimiter": 1}, "target_delimiter", "must be text"),
    ],
)
def test_a_bad_task_is_one_line_with_file_and_field(tmp_path: Path, changes: dict, field: str, words: str) -> None:
    path = write(tmp_path / "task", changes)
    (tmp_path / "secret").write_text("{}")
    with pytest.raises(GptkitError) as error:
        read_task(path)
    assert str(error.value).startswith(f"{path}: {field}: ")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_functions_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_text(path.read_text() + "process_docs: !function utils.run\n")
    with pytest.raises(GptkitError, match="process_docs: !function would run code and is refused"):
        read_task(path)


@pytest.mark.parametrize("text", ["a: [", "- 1", "", "a: !!python/object/apply:os.system [ls]", "a: 'x"])
def test_what_is_no_yaml_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(GptkitError) as error:
        read_task(tmp_path / "x.yaml")
    assert str(tmp_path / "x.yaml") in str(error.value)
    assert "\n" not in str(error.value)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "task")
    (tmp_path / "secret").write_text("{}")
    (tmp_path / "task" / "test.jsonl").unlink()
    (tmp_path / "task" / "test.jsonl").symlink_to(tmp_path / "secret")
    with pytest.raises(GptkitError, match="leaves the folder"):
        read_task(path)


def test_data_may_lie_in_the_data_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "task")
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "task" / "test.jsonl").rename(data / "test.jsonl")
    with pytest.raises(GptkitError, match="--data-dir"):
        read_task(path)
    assert read_task(path, data).files["test"] == (data / "test.jsonl",)


@pytest.mark.parametrize(
    ("line", "words"),
    [("{", "line 2: is no JSON"), ("[1]", "line 2: is no JSON object"), ("[" * 100_000, "line 2: is no JSON")],
)
def test_a_broken_line_of_data_is_named(tmp_path: Path, line: str, words: str) -> None:
    task = read_task(write(tmp_path))
    (tmp_path / "test.jsonl").write_text(json.dumps(ROWS[0]) + "\n" + line + "\n")
    with pytest.raises(GptkitError, match=words):
        read_items(task, "test")


def test_an_empty_split_is_named(tmp_path: Path) -> None:
    task = read_task(write(tmp_path))
    (tmp_path / "test.jsonl").write_text("\n")
    with pytest.raises(GptkitError, match="'test' holds no items"):
        read_items(task, "test")


def test_the_digest_follows_the_content_and_not_the_place(tmp_path: Path) -> None:
    here, there = read_task(write(tmp_path / "here")), read_task(write(tmp_path / "there"))
    assert here.digest() == there.digest()
    (tmp_path / "there" / "b.jsonl").write_text(json.dumps(ROWS[0]))
    assert here.digest() != there.digest()


def test_tasks_are_found_by_name_file_and_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "mine")
    renamed = path.rename(path.with_name("other_name.yaml"))
    assert find_tasks(["colours"], tmp_path / "mine") == [renamed]
    assert find_tasks([str(renamed)]) == [renamed]
    assert find_tasks([str(tmp_path / "mine"), "colours"], tmp_path) == [renamed]
    assert [found.name for found in find_tasks(["sst2"])] == ["sst2.yaml"]
    with pytest.raises(UsageError, match="did you mean colours"):
        find_tasks(["color"], tmp_path / "mine")
    with pytest.raises(UsageError, match="no such file"):
        find_tasks(["none.yaml"])
    with pytest.raises(UsageError, match="--tasks-dir"):
        find_tasks(["sst2"], tmp_path / "nowhere")


def test_the_shipped_tasks_are_sound(tmp_path: Path) -> None:
    [folder] = [folder for folder in SHIPPED if folder.is_dir()]
    paths = sorted(folder.glob("*.yaml"))
    assert len(paths) >= 8
    for path in paths:
        for names in yaml.safe_load(path.read_text())["dataset_kwargs"]["data_files"].values():
            (tmp_path / names).parent.mkdir(exist_ok=True)
            (tmp_path / names).write_text("{}\n")
        assert read_task(path, tmp_path).name == path.stem
