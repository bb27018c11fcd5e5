import dataclasses
import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from gptkit.cli import train
from gptkit.data.manifest import Manifest, parse_manifest
from gptkit.errors import GptkitError, UsageError
from gptkit.training import loop
from gptkit.training.settings import TrainSettings
from gptkit.training.sources import held_out_ids, open_sources, training_ids
from gptkit.training.stage import run

SMALL = TrainSettings(
    model="nano", context=32, batch_tokens=128, micro_batch=2, steps=6, dtype="fp32", threads=1,
    validate_every=0, validate_tokens=500, checkpoint_every=2, reference=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def folders(token_folder, tmp_path_factory):
    """Two folders of tokens: they may hold the same, but have different names."""
    copy = tmp_path_factory.mktemp("copy") / "tokens"
    shutil.copytree(token_folder.folder, copy)
    return token_folder.folder, copy


def test_two_folders_train_together_and_the_order_of_their_names_does_not_matter(folders, tmp_path, runtime):
    a, b = folders
    manifest = run([f"a=.6:{a}", f"b=.4:{b}"], tmp_path / "one", SMALL, runtime)
    assert [entry["source"] for entry in manifest.plan.inputs] == ["a", "b"]
    assert set(manifest.facts["validation_by_source"]) == {"a", "b"}
    sources = manifest.counts["sources"]
    assert sum(source["sequences"] for source in sources.values()) == 24
    assert manifest.counts["validation_tokens"] == 500
    assert run([f"b=.4:{b}", f"a=.6:{a}"], tmp_path / "two", SMALL, runtime).digest == manifest.digest
    assert run([f"a=.5:{a}", f"b=.5:{b}"], tmp_path / "three", SMALL, runtime).digest != manifest.digest


def test_a_stopped_run_goes_on_to_the_same_end(folders, tmp_path, runtime, monkeypatch):
    data = [f"a=.7:{folders[0]}", f"b=.3:{folders[1]}"]
    settings = dataclasses.replace(SMALL, reference=False)
    straight = run(data, tmp_path / "straight", settings, runtime)
    real = loop.find_gradients

    def step(model, optimiser, batches, plan, settings, device, number):
        if number == 3:
            raise KeyboardInterrupt
        return real(model, optimiser, batches, plan, settings, device, number)

    monkeypatch.setattr(loop, "find_gradients", step)
    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path / "stopped", settings, runtime)
    monkeypatch.undo()
    assert run(data, tmp_path / "stopped", settings, runtime).digest == straight.digest


def test_held_out_text_is_in_proportion(folders):
    sources = open_sources([f"a=3:{folders[0]}", f"b=1:{folders[1]}"])
    assert [len(ids) for ids in held_out_ids(sources, 400, 32)] == [300, 100]
    there = sum(len(shard.tokens) for shard in sources[0].folder.shards("validation"))
    first, second = held_out_ids(sources, 10**9, 32)
    assert len(first) == there  # all of it, and a third as much of the other
    assert len(second) == pytest.approx(there / 3, abs=1)
    np.testing.assert_array_equal(second, first[: len(second)])
    assert [len(ids) for ids in training_ids(sources, 1000)] == [750, 250]


def test_one_folder_alone_may_be_given_as_it_is(folders):
    (source,) = open_sources([str(folders[0])])
    assert source.plan() == {"name": "tokens", "digest": source.folder.manifest.digest, "path": str(folders[0])}


@pytest.mark.parametrize(
    "arguments", [["{a}", "{b}"], ["a=1:{a}", "{b}"], ["a=2x:{a}", "b=1:{b}"], ["a=0:{a}", "b=1:{b}"]]
)
def test_the_form_is_checked(folders, arguments):
    with pytest.raises(UsageError, match="NAME=WEIGHT:TOKENS"):
        open_sources([argument.format(a=folders[0], b=folders[1]) for argument in arguments])


def test_two_of_one_name(folders):
    with pytest.raises(UsageError, match="two token folders are named 'a'"):
        open_sources([f"a=1:{folders[0]}", f"a=2:{folders[1]}"])


def test_a_weight_too_small_is_one_line(folders, tmp_path, runtime):
    with pytest.raises(UsageError, match="too small"):
        run([f"a=1:{folders[0]}", f"b=1e-9:{folders[1]}"], tmp_path / "model", SMALL, runtime)


def test_folders_of_different_tokenizers_are_refused(folders, tmp_path, monkeypatch):
    from gptkit.training import sources

    real = sources.open_tokens

    def other(path):
        folder = real(path)
        if path == folders[0]:
            return folder
        manifest: Manifest = parse_manifest(path / "manifest.json")
        facts = {**manifest.facts, "tokenizer": "another"}
        return dataclasses.replace(folder, manifest=dataclasses.replace(manifest, facts=facts))

    monkeypatch.setattr(sources, "open_tokens", other)
    with pytest.raises(GptkitError, match="another tokenizer than those of") as caught:
        open_sources([f"a=1:{folders[0]}", f"b=1:{folders[1]}"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", [["--data", "a=.6:{a}", "b=.4:{b}"], ["--data", "a=.6:{a}", "--data", "b=.4:{b}"]])
def test_the_command_takes_several(folders, tmp_path, form):
    words = [word.format(a=folders[0], b=folders[1]) for word in form]
    options = "--model nano --context 32 --batch-tokens 128 --steps 2 --dtype fp32 --threads 1 --validate-tokens 0"
    arguments = [*words, *options.split(), "-o", str(tmp_path / "m"), "--json"]
    result = CliRunner().invoke(train.command, arguments, catch_exceptions=False)
    assert set(json.loads(result.stdout)["counts"]["sources"]) == {"a", "b"}
