"""`gptkit models`: the list, and one of them."""

import json

import pytest
from click.testing import CliRunner

from gptkit.cli.models import command
from gptkit.data.files import write_json
from gptkit.errors import UsageError
from gptkit.model.exchange.gpt2 import GPT2
from gptkit.model.presets import NOTES, PRESETS, preset
from gptkit.model.published import PUBLISHED
from gptkit.model.size import parameter_count


def said(*arguments: str) -> str:
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_the_list_has_every_preset_on_a_line():
    lines = said().splitlines()
    assert [line.split()[0] for line in lines if line.split()[0] in PRESETS] == list(PRESETS)
    assert "174.6B" in next(line for line in lines if line.startswith("gpt3-175b"))
    assert {found["model"]: found["parameters"] for found in json.loads(said("--json"))} == {
        name: parameter_count(config) for name, config in PRESETS.items()
    }


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_described(name):
    text = said(name)
    assert text.startswith(f"model            {name}\n")
    assert f"{parameter_count(PRESETS[name]):,}" in text
    assert NOTES.get(name, "") in text
    assert not any("None" in line for line in text.splitlines())


def test_gpt3_as_published():
    found = json.loads(said("gpt3-175b", "--json"))
    parameters = 174_604_259_328
    assert found["parameters"] == parameters
    assert found["flops_per_token"]["training"] == pytest.approx(6 * parameters, rel=0.03)
    assert found["bytes_to_run"]["weights_bf16"] == 2 * parameters
    train = found["bytes_to_train"]
    assert train["weights"] + train["gradients"] + train["adamw"] == 16 * parameters
    assert 12 * parameters < train["weights"] + train["gradients"] + train["muon"] < 12.1 * parameters
    assert (found["published"]["batch_tokens"], found["published"]["learning_rate"]) == (3_200_000, 6e-5)


def test_other_sizes_of_a_preset_and_of_a_folder(tmp_path):
    small = json.loads(said("gpt2", "--vocab-size", "4096", "--context", "256", "--json"))
    assert small["parameters"] == parameter_count(preset("gpt2", 4096, 256))
    write_json(tmp_path / "config.json", GPT2.describe(preset("nano", 500), 0))
    found = json.loads(said(str(tmp_path), "--context", "64", "--json"))
    assert found["parameters"] == parameter_count(preset("nano", 500, 64))


def test_an_unknown_name_is_a_usage_error():
    with pytest.raises(UsageError, match="unknown model 'gpt3-176b'; did you mean gpt3-175b"):
        said("gpt3-176b")


def test_published_settings_are_of_presets():
    assert set(PUBLISHED) <= set(PRESETS)
    assert all(known.paper for known in PUBLISHED.values())
