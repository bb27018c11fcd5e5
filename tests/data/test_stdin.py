import io
import sys
import tempfile
from pathlib import Path

import pytest

from gptkit.data.inputs import find_inputs
from gptkit.data.stdin import spooled
from gptkit.errors import GptkitError, UsageError


@pytest.fixture
def pipe(tmp_path, monkeypatch):
    """Puts bytes on standard input, and temporary files below tmp_path."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return lambda data: monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_what_is_piped_in_is_a_file_for_as_long_as_it_is_needed(pipe, tmp_path):
    digests = []
    for _ in range(2):
        pipe(b'{"text": "x"}\n')
        with spooled(["-", "other.jsonl"]) as arguments:
            assert arguments[1] == "other.jsonl"
            found = find_inputs(arguments[:1])
            assert (found.files[0].source, found.files[0].relative) == ("stdin", "stdin.jsonl")
            assert Path(found.files[0].path).read_bytes() == b'{"text": "x"}\n'
            digests.append([digest["digest"] for digest in found.digests])
        assert list(tmp_path.iterdir()) == []
    assert digests[0] == digests[1]


def test_it_can_be_given_a_name(pipe):
    pipe(b'{"text": "x"}\n')
    with spooled(["mine=-"]) as arguments:
        assert find_inputs(arguments).files[0].source == "mine"


def test_other_inputs_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with spooled(["a=b.jsonl", "c"]) as arguments:
        assert arguments == ["a=b.jsonl", "c"]


def test_what_cannot_be_read_is_one_line(pipe, tmp_path, monkeypatch):
    pipe(b"")
    with pytest.raises(GptkitError, match="standard input is empty"), spooled(["-"]):
        pass
    pipe(b"x")
    with pytest.raises(UsageError, match="only once"), spooled(["-", "a=-"]):
        pass
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    with pytest.raises(UsageError, match="pipe it in"), spooled(["-"]):
        pass
    assert list(tmp_path.iterdir()) == []
