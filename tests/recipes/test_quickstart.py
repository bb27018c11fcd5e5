"""The quickstart as a user meets it. The slow ones take minutes: pytest -m slow tests/recipes/test_quickstart.py"""

import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from gptkit.cli.main import program
from gptkit.recipes.recipe import read_recipe

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "pipelines" / "quickstart.yaml"


def readme_chain():
    """The commands of the README's chain, in order."""
    text = (ROOT / "README.md").read_text()
    block = re.search(r"<!-- the chain by hand -->\n```sh\n(.*?)```", text, re.DOTALL)
    assert block, "the README has no chain by hand"
    return [shlex.split(line) for line in block[1].replace("\\\n", " ").splitlines() if line.strip()]


def test_the_readmes_chain_has_the_recipes_settings(monkeypatch, tmp_path):
    steps = {step.output.name: step for step in read_recipe(str(RECIPE)).steps}
    seen = []
    for words in readme_chain():
        assert words[0] == "gptkit"
        command = program.get_command(None, words[1])
        found = {}
        monkeypatch.setattr(command, "callback", lambda found=found, **values: found.update(values))
        command.main(words[2:], standalone_mode=False)
        output = str(found.get("output"))
        step = steps[output]
        seen.append(output)
        for name, value in vars(step.settings).items():
            expected = Path(value).name if name in step.kind.paths and isinstance(value, str) else value
            assert found[name] == expected, f"{output}: {name}"
        names = [name for name in ("inputs", "sources", "source", "tokens", "model") if name in found]
        given = found[names[0]] if names else ()
        given = given if isinstance(given, tuple) else (given,)
        if step.kind.most != 0:
            assert [str(value) for value in given] == [entry.replace("quickstart/", "") for entry in step.inputs]
    assert seen == list(steps)


def quickstart(folder, steps=None):
    """A copy of the recipe in `folder`, with a shorter training if asked for."""
    recipe = yaml.safe_load(RECIPE.read_text())
    if steps:
        recipe["stages"]["model"] |= {"steps": steps, "model": "nano", "checkpoint_every": 5}
        recipe["stages"]["tasks"]["items"] = 40
    folder.mkdir(exist_ok=True)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    return folder


def run(folder, *arguments):
    command = [sys.executable, "-m", "gptkit", "run", "recipe.yaml", "--json", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def digests(manifests):
    return {name: manifest["digest"] for name, manifest in manifests.items()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The quickstart as it is, from nothing."""
    folder = quickstart(tmp_path_factory.mktemp("whole"))
    return folder, run(folder)


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """The quickstart with a short training, undisturbed."""
    folder = quickstart(tmp_path_factory.mktemp("short"), steps=30)
    return digests(run(folder))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_model_has_learned(whole):
    _, manifests = whole
    assert manifests["dedup"]["counts"]["bytes_out"] >= 5_000_000
    facts = manifests["model"]["facts"]
    assert facts["validation_bits_per_byte"] < facts["reference"]["xz_9"]
    assert facts["validation_bits_per_byte"] < facts["reference"]["byte_5gram"]
    ahead = [
        (metric["value"] - metric["random"]) / metric["stderr"]
        for result in manifests["scores"]["counts"]["results"]
        for metric in result["metrics"].values()
        if metric["random"] is not None and result["items"] >= 500
    ]
    assert max(ahead) >= 3


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_readmes_commands_typed_by_hand_give_the_recipes_digests(whole, tmp_path):
    _, manifests = whole
    for words in readme_chain():
        output = words[words.index("-o") + 1] if "-o" in words else words[2]
        done = subprocess.run([sys.executable, "-m", *words], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        manifest = json.loads((tmp_path / output / "manifest.json").read_text())
        assert manifest["digest"] == manifests[output]["digest"], output


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_ten_times_at_random_moments(short, tmp_path):
    folder = quickstart(tmp_path / "killed", steps=30)
    generator, kills = random.Random(11), 0
    command = [sys.executable, "-m", "gptkit", "run", "recipe.yaml"]
    while kills < 10:
        process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(generator.uniform(0.5, 9))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        else:  # it came to its end between two kills: from the beginning again
            assert process.returncode == 0
            shutil.rmtree(folder / "quickstart")
    assert digests(run(folder)) == short


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_one_worker_gives_the_digests_of_two(short, tmp_path):
    assert digests(run(quickstart(tmp_path / "one", steps=30), "--workers", "1")) == short
