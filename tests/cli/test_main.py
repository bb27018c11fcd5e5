import subprocess
import sys

import click
import pytest

from gptkit.cli import main as program
from gptkit.errors import GptkitError, UsageError


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (GptkitError("a: is broken"), 1, "gptkit: a: is broken\n"),
        (UsageError("a: unknown"), 2, "gptkit: a: unknown\n"),
        (FileNotFoundError(2, "No such file or directory", "x.txt"), 1, "gptkit: x.txt: No such file or directory\n"),
        (OSError(28, "No space left on device"), 1, "gptkit: No space left on device\n"),
        (KeyboardInterrupt(), 130, "gptkit: stopped; the same command goes on where this one was\n"),
        (GptkitError("a\x1b[31m\nb"), 1, "gptkit: a [31m b\n"),
    ],
)
def test_failures_are_one_line_and_an_exit_code(monkeypatch, capsys, error, code, line):
    @click.command()
    def failing():
        raise error

    monkeypatch.setattr(program, "program", failing)
    monkeypatch.setattr(sys, "argv", ["gptkit"])
    with pytest.raises(SystemExit) as end:
        program.main()
    assert end.value.code == code
    out, err = capsys.readouterr()
    assert (out, err.removeprefix("\n")) == ("", line)  # click ends the line that holds ^C


def test_a_bug_keeps_its_traceback(monkeypatch):
    @click.command()
    def failing():
        raise RuntimeError("a bug")

    monkeypatch.setattr(program, "program", failing)
    monkeypatch.setattr(sys, "argv", ["gptkit"])
    with pytest.raises(RuntimeError, match="a bug"):
        program.main()


def test_a_reader_that_goes_away_is_no_error_worth_a_word():
    script = "from gptkit.cli import main as m; import click, sys\n@click.command()\ndef c():\n    [click.echo('x' * 1000) for _ in range(10000)]\nm.program = c; sys.argv = ['gptkit']; m.main()"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        process.wait(10)
