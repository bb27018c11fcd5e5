import json
import subprocess
import sys
import textwrap
import unicodedata

import pytest
from click.testing import CliRunner

from gptkit.cli import generate, train
from gptkit.errors import GptkitError, UsageError

ARGUMENTS = "--model nano --context 32 --batch-tokens 128 --steps 2 --dtype fp32 --threads 1 --validate-tokens 300"


@pytest.fixture(scope="module")
def model(token_folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("command") / "model"
    arguments = ["--data", str(token_folder.folder), *ARGUMENTS.split(), "-o", str(output)]
    result = CliRunner().invoke(train.command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "nano: " in result.stderr
    assert "bits per byte" in result.stderr
    return output


def invoke(*arguments, stdin=None):
    return CliRunner().invoke(generate.command, [str(part) for part in arguments], input=stdin, catch_exceptions=False)


def test_train_prints_its_manifest(model, token_folder):
    arguments = ["--data", str(token_folder.folder), *ARGUMENTS.split(), "-o", str(model), "--json"]
    result = CliRunner().invoke(train.command, arguments, catch_exceptions=False)
    assert json.loads(result.stdout)["facts"]["steps"] == 2


def test_generate_is_repeatable_and_safe_for_a_terminal(model):
    first = invoke(model, "--prompt", "def ", "--max-tokens", 60, "--seed", 3)
    assert first.stdout
    assert first.stdout == invoke(model, "--prompt", "-", "--max-tokens", 60, "--seed", 3, stdin=b"def ").stdout
    assert first.stdout != invoke(model, "--prompt", "def ", "--max-tokens", 60, "--seed", 4).stdout
    assert not {c for c in first.stdout if unicodedata.category(c) == "Cc"} - {"\n", "\t"}


def test_samples_as_json_are_one_a_line(model):
    result = invoke(model, "--prompt", "x", "--max-tokens", 5, "--count", 3, "--json")
    samples = [json.loads(line) for line in result.stdout.splitlines()]
    assert [sample["seed"] for sample in samples] == [0, 1, 2]
    assert {sample["prompt"] for sample in samples} == {"x"}


def test_json_is_ascii(model):
    result = invoke(model, "--prompt", "é\u2028\x9b", "--max-tokens", 1, "--json")
    assert result.stdout.isascii()
    assert json.loads(result.stdout)["prompt"] == "é\u2028\x9b"


def test_next_to_temperature_0_is_greedy(model):
    greedy, next_to_it = (invoke(model, "--max-tokens", 9, "--temperature", how).stdout for how in ("0", "1e-40"))
    assert greedy == next_to_it


@pytest.mark.parametrize("flag", ["--temperature", "--top-p"])
def test_what_is_no_number_is_wrong_usage(model, flag):
    with pytest.raises(UsageError, match=f"{flag} is nan"):
        invoke(model, flag, "nan")
    with pytest.raises(UsageError, match="--temperature is inf"):
        invoke(model, "--temperature", "inf")


@pytest.mark.parametrize("seed", [-1, 2**63, 99999999999999999999])
def test_seeds_have_a_range(model, token_folder, tmp_path, seed):
    result = invoke(model, "--seed", seed)
    assert result.exit_code == 2
    assert "--seed" in result.stderr
    arguments = ["--data", str(token_folder.folder), "-o", str(tmp_path / "m"), "--seed", str(seed)]
    with pytest.raises(UsageError, match=f"seed is {seed}"):
        CliRunner().invoke(train.command, arguments, catch_exceptions=False)


def test_the_highest_seed_can_be_drawn_from(model):
    assert invoke(model, "--seed", 2**63 - 1, "--count", 2, "--max-tokens", 2).exit_code == 0


def test_without_a_prompt_a_document_begins(model):
    assert invoke(model, "--max-tokens", 5).exit_code == 0


def test_control_characters_are_left_out():
    assert generate.printable("a\x1b[31m\r\n\tb\x00\x9bc\x7fé日") == "a[31m\n\tbcé日"


def test_a_folder_that_is_no_model_is_one_line(token_folder):
    with pytest.raises(GptkitError, match=r"no config\.json"):
        invoke(token_folder.folder, "--prompt", "x")


def test_training_needs_only_what_a_gpu_node_has(token_folder, tmp_path):
    code = """
        import sys
        for name in ("pyarrow", "numba", "datasets", "scipy", "sklearn", "orjson", "xxhash"):
            sys.modules[name] = None  # as if it were not installed
        from gptkit.cli.main import main
        main()
    """
    arguments = ["train", "--data", str(token_folder.folder), *ARGUMENTS.split(), "-o", str(tmp_path / "m"), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)["facts"]
    assert facts["steps"] == 2
    assert facts["reference"]


def test_impossible_settings_are_usage_errors(token_folder, tmp_path):
    arguments = ["--data", str(token_folder.folder), "-o", str(tmp_path / "m"), "--keep", "0"]
    with pytest.raises(UsageError, match="keep is 0"):
        CliRunner().invoke(train.command, arguments, catch_exceptions=False)
