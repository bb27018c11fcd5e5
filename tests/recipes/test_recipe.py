import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from gptkit.engine.pool import Pool
from gptkit.engine.progress import Progress
from gptkit.engine.stage import Runtime
from gptkit.errors import GptkitError
from gptkit.recipes.recipe import find_recipe, read_recipe
from gptkit.recipes.run import run_recipe
from gptkit.sampling.asks import read_ask

CHAIN = """
output: out
stages:
  clean: {run: clean, inputs: [docs.jsonl, "talk=more.jsonl"], rules: [gopher-quality, min_words=5]}
  dedup: {run: dedup, inputs: clean}
  mix: {run: mix, inputs: ["docs=0.7:dedup#docs", "talk=0.3:dedup#talk"], bytes: 60000}
  tokens: {run: tokenize, inputs: mix, vocab-size: 400, validation: 0.1}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    import pydoc_data.topics

    texts = [part for topic in pydoc_data.topics.topics.values() for part in topic.split("\n\n\n") if len(part) > 200]
    for name, start in (("docs.jsonl", 0), ("more.jsonl", 1)):
        with open(tmp_path / name, "w") as file:
            for text in texts[start::2]:
                file.write(json.dumps({"text": text}) + "\n")
    (tmp_path / "chain.yaml").write_text(CHAIN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def runtime(workers=0, **changes):
    return Runtime(Pool(workers), Progress(quiet=True), overwrite=True, **changes)


def digests(manifests):
    return {name: manifest.digest for name, manifest in manifests.items()}


def test_a_second_run_does_nothing_and_a_changed_setting_only_what_follows_it(folder):
    first = run_recipe(read_recipe("chain.yaml"), runtime())
    stamps = {name: os.stat(f"out/{name}/manifest.json").st_mtime_ns for name in first}
    assert digests(run_recipe(read_recipe("chain.yaml"), runtime())) == digests(first)
    assert {name: os.stat(f"out/{name}/manifest.json").st_mtime_ns for name in first} == stamps
    (folder / "chain.yaml").write_text(CHAIN.replace("60000", "50000"))
    second = digests(run_recipe(read_recipe("chain.yaml"), runtime()))
    assert [name for name in first if second[name] != first[name].digest] == ["mix", "tokens"]
    assert os.stat("out/dedup/manifest.json").st_mtime_ns == stamps["dedup"]


def test_commands_by_hand_give_the_recipes_digests(folder):
    expected = digests(run_recipe(read_recipe("chain.yaml"), runtime()))
    commands = [
        "clean docs.jsonl talk=more.jsonl -o clean --rules gopher-quality,min_words=5",
        "dedup clean -o dedup",
        "mix docs=0.7:dedup#docs talk=0.3:dedup#talk -o mix --bytes 60kB",
        "tokenize mix -o tokens --vocab-size 400 --validation 0.1",
    ]
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", "gptkit", *command.split(), "--json", "--workers", "2"],
            capture_output=True,
            check=True,
        )
        manifest = json.loads(done.stdout)
        name = manifest["plan"]["stage"].replace("tokenize", "tokens")
        assert manifest["digest"] == expected[name]


def test_a_dry_run_writes_nothing(folder):
    assert run_recipe(read_recipe("chain.yaml"), runtime(dry_run=True)) == {}
    assert not os.path.exists("out")


def test_killed_at_random_moments_it_ends_with_the_same_digests(folder):
    undisturbed = digests(run_recipe(read_recipe("chain.yaml"), runtime()))
    os.rename("out", "undisturbed")
    command = [sys.executable, "-m", "gptkit", "run", "chain.yaml", "--json", "--workers", "2"]
    generator = random.Random(5)
    kills = 0
    for _ in range(4):
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(generator.uniform(0.3, 2.5))
        if process.poll() is None:
            kills += 1
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert kills
    done = subprocess.run(command, capture_output=True, check=True)
    assert {name: manifest["digest"] for name, manifest in json.loads(done.stdout).items()} == undisturbed


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("stages: [", "is not YAML"),
        ("just text", "'stages'"),
        ("output: x", "'stages'"),
        ("stages: {}", "'stages'"),
        ("output: /abs\nstages: {a: {run: sample}}", "below the current one"),
        ("output: ../up\nstages: {a: {run: sample}}", "below the current one"),
        ("stages: {a: {run: nothing}}", "stage 'a': 'run' must be one of"),
        ("stages: {a: {run: dedup}}", "stage 'a': has 0 inputs and needs 1"),
        ("stages: {a: {run: dedup, inputs: x, band: 3}}", "unknown setting 'band'; did you mean 'bands'"),
        ("stages: {a: {run: dedup, inputs: x, bands: many}}", "--bands: 'many' is not a whole number"),
        ("stages: {'../a': {run: sample}}", "a name is made of"),
        ("stages: {a: {run: sample, limit: 0}}", "'limit' is a number"),
        ("extra: 1\nstages: {a: {run: sample}}", "unknown key 'extra'"),
        ("stages: {a: {run: tokenize, inputs: x, vocab_size: 100}}", "at least 257"),
        ("stages: {a: {run: dedup, inputs: b}, b: {run: clean, inputs: x}}", "stage that does not come before it"),
        ("stages: {a: {run: [clean]}}", "'run' must be one of"),
        ("stages: " + "[" * 5000, "is not YAML"),
        ("!!python/object/apply:os.system ['true']", "is not YAML"),
    ],
)
def test_a_broken_recipe_is_one_clear_line(tmp_path, content, line):
    (tmp_path / "r.yaml").write_text(content)
    with pytest.raises(GptkitError, match=line) as caught:
        read_recipe(str(tmp_path / "r.yaml"))
    assert "r.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["quickstart", "commoncrawl"])
def test_the_recipes_that_come_with_gptkit_are_sound(name):
    recipe = read_recipe(name)
    assert recipe.steps[-1].name == "scores"
    assert find_recipe(name).name == f"{name}.yaml"


def test_the_mixture_of_gpt3_asks_for_what_the_paper_prints():
    recipe = read_recipe("gpt3-mixture")
    mix = recipe.steps[0]
    asks = {ask.name: (ask.weight, ask.epochs) for ask, _ in map(read_ask, mix.inputs)}
    assert asks == {
        "commoncrawl": (0.60, 0.44),
        "webtext2": (0.22, 2.9),
        "books1": (0.08, 1.9),
        "books2": (0.08, 0.43),
        "wikipedia": (0.03, 3.4),
    }
    assert mix.settings.budget == 300 * 10**9
    assert mix.settings.counted_in == "tokens"


def test_a_source_with_weight_and_epochs_may_be_an_earlier_stage(tmp_path):
    (tmp_path / "r.yaml").write_text(
        'output: out\nstages: {a: {run: clean, inputs: x}, m: {run: mix, inputs: ["d=0.08,1.9x:a#d", "e=3x:a", "f=1e-3:a"]}}'
    )
    mix = read_recipe(str(tmp_path / "r.yaml")).steps[1]
    assert mix.inputs == ["d=0.08,1.9x:out/a#d", "e=3x:out/a", "f=1e-3:out/a"]


def test_an_unknown_recipe_is_named():
    with pytest.raises(GptkitError, match="no such recipe"):
        read_recipe("nothing-of-that-name")
