"""Reads task files: lm-eval's YAML schema, of which nothing is run as code.

Follows lm-eval 0.4.13 (EleutherAI/lm-evaluation-harness, `lm_eval/config/task.py`).
"""

import dataclasses
import difflib
from pathlib import Path
from typing import Any

import yaml

from gptkit.data.files import sha256_file, sha256_json
from gptkit.errors import GptkitError
from gptkit.tasks.templates import Template

# what each kind of task can be scored by, with the aggregation it has; the first are its default
METRICS = {
    "multiple_choice": {"acc": "mean", "acc_norm": "mean", "acc_bytes": "mean", "acc_tokens": "mean"},
    "loglikelihood": {"perplexity": "perplexity", "acc": "mean"},
}
DEFAULT_METRICS = 2
OTHER_OUTPUT_TYPES = ("loglikelihood_rolling", "generate_until")
# fields that change nothing here: others use them to label or to plan
WITHOUT_EFFECT = {
    "task_alias",
    "tag",
    "dataset_name",
    "num_fewshot",  # --shots decides
    "should_decontaminate",  # gptkit decontaminate protects every task it is given
}
READ = {
    "task",
    "dataset_path",
    "dataset_kwargs",
    "training_split",
    "validation_split",
    "test_split",
    "fewshot_split",
    "fewshot_config",
    "description",
    "doc_to_text",
    "doc_to_target",
    "doc_to_choice",
    "doc_to_decontamination_query",
    "target_delimiter",
    "fewshot_delimiter",
    "output_type",
    "metric_list",
    "metadata",
}
SAMPLERS = ("default", "first_n")


@dataclasses.dataclass(frozen=True)
class Task:
    """A task file that has been read; its data have not."""

    name: str
    path: Path
    output_type: str  # a key of METRICS
    files: dict[str, tuple[Path, ...]]  # split → JSONL files
    split: str  # what is evaluated
    fewshot_split: str  # where demonstrations come from
    samples: tuple[dict[str, Any], ...] | None  # demonstrations written in the task file, instead of a split
    sampler: str  # default: drawn for each item; first_n: the first ones
    description: Template
    doc_to_text: Template | int
    doc_to_target: Template | int
    doc_to_choice: Template | tuple[str, ...] | None
    target_delimiter: str
    fewshot_delimiter: str
    metrics: tuple[str, ...]
    metadata: dict[str, Any]
    query: Template | None = None  # doc_to_decontamination_query: what of an item may not be in the training data

    def digest(self) -> str:
        """SHA-256 over the task file and its data: equal digests mean equal items and prompts."""
        files = {path for paths in self.files.values() for path in paths}
        return sha256_json([sha256_file(self.path), *sorted(sha256_file(path) for path in files)])


def read_task(path: Path, data_dir: Path | None = None) -> Task:
    """Reads a task file.

    Data files are looked for beside the task file and then in `data_dir`, and may not leave the
    folder they were found in. Raises GptkitError naming the file and the field.
    """
    config = read_yaml(path)
    return _Reader(path, config).task(data_dir)


def read_yaml(path: Path) -> dict[str, Any]:
    """Reads a YAML file that holds a mapping, with the safe loader. Raises GptkitError where it is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise GptkitError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise GptkitError(f"{path}: cannot be read ({error})") from None
    try:
        value = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}: line {mark.line + 1}" if mark else str(path)
        if "!function" in (error.problem or ""):
            field = text.splitlines()[mark.line].partition(":")[0].strip(" -") if mark else ""
            raise GptkitError(f"{where}: {field}: !function would run code and is refused") from None
        raise GptkitError(f"{where}: is no YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise GptkitError(f"{path}: is no YAML: {error}") from None
    if not isinstance(value, dict):
        raise GptkitError(f"{path}: holds no fields")
    return value


class _Reader:
    """One task file's fields, each read with its own error."""

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self.path = path
        self.config = {key: value for key, value in config.items() if value is not None}

    def error(self, field: str, what: str) -> GptkitError:
        return GptkitError(f"{self.path}: {field}: {what}")

    def task(self, data_dir: Path | None) -> Task:
        self.check_names()
        output_type = self.output_type()
        files = self.files(data_dir)
        samples, sampler, fewshot_split = self.fewshot(files)
        choice = self.config.get("doc_to_choice")
        if output_type == "multiple_choice" and choice is None:
            raise self.error("doc_to_choice", "is missing, and a multiple_choice task needs it")
        if isinstance(choice, dict):
            choice = list(choice.values())
        if isinstance(choice, list) and not all(isinstance(part, str) for part in choice):
            raise self.error("doc_to_choice", "is no list of texts (quote true, no and numbers)")
        return Task(
            name=self.text("task"),
            path=self.path,
            output_type=output_type,
            files=files,
            split=self.first_split(files, "test_split", "validation_split"),
            fewshot_split=fewshot_split,
            samples=samples,
            sampler=sampler,
            description=Template(self.text("description", ""), f"{self.path}: description"),
            doc_to_text=self.template("doc_to_text"),
            doc_to_target=self.template("doc_to_target"),
            doc_to_choice=tuple(choice)
            if isinstance(choice, list)
            else choice and self.as_template("doc_to_choice", choice),
            target_delimiter=self.text("target_delimiter", " "),
            fewshot_delimiter=self.text("fewshot_delimiter", "\n\n"),
            metrics=self.metrics(output_type),
            metadata=self.mapping("metadata"),
            query=self.as_template("doc_to_decontamination_query", self.config["doc_to_decontamination_query"])
            if "doc_to_decontamination_query" in self.config
            else None,
        )

    def check_names(self) -> None:
        for field in self.config:
            if field in READ or field in WITHOUT_EFFECT:
                continue
            near = difflib.get_close_matches(str(field), READ, 1)
            raise self.error(str(field), f"is not supported{f'; did you mean {near[0]}?' if near else ''}")

    def text(self, field: str, default: str | None = None) -> str:
        value = self.config.get(field, default)
        if value is None:
            raise self.error(field, "is missing")
        if not isinstance(value, str):
            raise self.error(field, f"is {value!r} and must be text")
        return value

    def mapping(self, field: str) -> dict[str, Any]:
        value = self.config.get(field, {})
        if not isinstance(value, dict):
            raise self.error(field, f"is {value!r} and must be a mapping")
        return value

    def template(self, field: str) -> Template | int:
        value = self.config.get(field)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        return self.as_template(field, self.text(field))

    def as_template(self, field: str, value: Any) -> Template:
        if not isinstance(value, str):
            raise self.error(field, f"is {value!r} and must be text")
        return Template(value, f"{self.path}: {field}")

    def output_type(self) -> str:
        value = self.text("output_type", "generate_until")  # lm-eval's default
        if value not in METRICS:
            known = "is not supported yet" if value in OTHER_OUTPUT_TYPES else "is no output type"
            raise self.error("output_type", f"{value} {known}; supported: {', '.join(METRICS)}")
        return value

    def files(self, data_dir: Path | None) -> dict[str, tuple[Path, ...]]:
        if self.text("dataset_path") != "json":
            raise self.error(
                "dataset_path", f"is {self.config['dataset_path']!r}; only json, with local files, is read"
            )
        options = self.mapping("dataset_kwargs")
        if unknown := options.keys() - {"data_files"}:
            raise self.error(f"dataset_kwargs.{min(unknown)}", "is not supported")
        listed = options.get("data_files")
        if isinstance(listed, str | list):
            listed = {"train": listed}  # as the datasets library names it
        if not isinstance(listed, dict) or not listed:
            raise self.error("dataset_kwargs.data_files", "must name the JSONL file of each split")
        return {
            str(split): tuple(
                self.data_file(name, data_dir) for name in (names if isinstance(names, list) else [names])
            )
            for split, names in listed.items()
        }

    def data_file(self, name: Any, data_dir: Path | None) -> Path:
        field = "dataset_kwargs.data_files"
        if not isinstance(name, str) or "://" in name or Path(name).is_absolute():
            raise self.error(field, f"{name!r} must be a path relative to the task file")
        folders = [self.path.parent, *([data_dir] if data_dir else [])]
        for folder in folders:
            path = folder / name
            if not path.resolve().is_relative_to(folder.resolve()):
                raise self.error(field, f"{name!r} leaves the folder {folder}")
            if path.is_file():
                return path
        hint = "" if data_dir else "; if it lies elsewhere, name its folder with --data-dir"
        raise self.error(field, f"{name!r} is not in {' or '.join(map(str, folders))}{hint}")

    def first_split(self, files: dict[str, tuple[Path, ...]], *fields: str) -> str:
        for field in fields:
            if field in self.config:
                return self.known_split(files, field, self.config[field])
        raise self.error(fields[0], f"is missing (or {', '.join(fields[1:])})")

    def known_split(self, files: dict[str, tuple[Path, ...]], field: str, split: Any) -> str:
        if split not in files:
            raise self.error(field, f"{split!r} is none of the splits of data_files: {', '.join(files)}")
        return str(split)

    def fewshot(self, files: dict[str, tuple[Path, ...]]) -> tuple[tuple[dict[str, Any], ...] | None, str, str]:
        config = {key: value for key, value in self.mapping("fewshot_config").items() if value is not None}
        if unknown := config.keys() - {"split", "samples", "sampler"}:
            raise self.error(f"fewshot_config.{min(unknown)}", "is not supported")
        sampler = config.get("sampler", "default")
        if sampler not in SAMPLERS:
            raise self.error("fewshot_config.sampler", f"is {sampler!r}; known: {', '.join(SAMPLERS)}")
        if "split" in config:
            split = self.known_split(files, "fewshot_config.split", config["split"])
        else:
            split = self.first_split(files, "fewshot_split", "training_split", "validation_split", "test_split")
        samples = config.get("samples")
        if samples is None or "split" in config or "fewshot_split" in self.config:
            return None, sampler, split  # a split comes before samples
        if not isinstance(samples, list) or not all(isinstance(row, dict) for row in samples):
            raise self.error("fewshot_config.samples", "must be a list of items")
        return tuple(samples), sampler, split

    def metrics(self, output_type: str) -> tuple[str, ...]:
        known = METRICS[output_type]
        listed = self.config.get("metric_list")
        if listed is None:
            return tuple(known)[:DEFAULT_METRICS]
        if not isinstance(listed, list) or not listed or not all(isinstance(entry, dict) for entry in listed):
            raise self.error("metric_list", "must be a list of entries with the field metric")
        for entry in listed:
            name = entry.get("metric")
            if name not in known:
                raise self.error("metric_list", f"{name!r} is no metric of {output_type} tasks: {', '.join(known)}")
            if entry.get("aggregation", known[name]) != known[name]:
                raise self.error(
                    "metric_list", f"{name} is aggregated by {known[name]}, not by {entry['aggregation']!r}"
                )
        return tuple(entry["metric"] for entry in listed)
