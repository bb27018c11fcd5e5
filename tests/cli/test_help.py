"""Help is quick: it loads nothing heavy."""

import importlib.metadata
import subprocess
import sys

import pytest

from gptkit.cli.main import COMMANDS

HEAVY = "torch numpy numba pyarrow rich datasets tokenizers scipy sklearn matplotlib ftfy yaml jinja2 fsspec aiohttp".split()
SCRIPT = """
import sys
from gptkit.cli.main import main
try:
    main()
except SystemExit as end:
    code = end.code
loaded = [name for name in {heavy!r} if name in sys.modules]
print(loaded, file=sys.stderr)
sys.exit(code or (1 if loaded else 0))
"""


def run(*arguments):
    script = SCRIPT.format(heavy=HEAVY)
    return subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)


def test_help_of_the_program():
    result = run("--help")
    assert result.returncode == 0, result.stderr
    for name in COMMANDS:
        assert f"  {name} " in result.stdout
    assert "Examples:" in result.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command(name):
    result = run(name, "--help")
    assert result.returncode == 0, result.stderr
    assert "Examples:" in result.stdout
    commands = [line for line in result.stdout.split("Examples:")[1].splitlines() if "gptkit " in line]
    assert 1 <= len(commands) <= 3
    assert any(f"gptkit {name} " in line for line in commands)


def test_version():
    result = run("--version")
    assert result.returncode == 0
    assert importlib.metadata.version("gptkit") in result.stdout


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["nonsense"], "nonsense"),
        (["sample"], "OUTPUT"),
        (["sample", "x", "--target", "few"], "'few' is not a whole number"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments, word):
    result = run(*arguments)
    assert result.returncode == 2
    assert word in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
