import errno
import hashlib
import json
import os
import re
import resource
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptkit.data.arrays import load_array, save_array
from gptkit.data.files import atomic_path, check_free_space, read_json, safe_name, sha256_file, sha256_json, write_json
from gptkit.errors import GptkitError

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=20,
)


def test_a_file_appears_whole(tmp_path):
    target = tmp_path / "deep/er/file"
    with atomic_path(target) as path:
        path.write_text("whole")
        assert not target.exists()
        assert path.parent == target.parent  # else the rename could cross disks
    assert target.read_text() == "whole"
    assert os.listdir(target.parent) == ["file"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
def test_an_error_leaves_nothing_new(tmp_path, error):
    target = tmp_path / "file"
    target.write_text("before")

    def write():
        with atomic_path(target) as path:
            path.write_text("half")
            raise error

    with pytest.raises(error):
        write()
    assert target.read_text() == "before"
    assert os.listdir(tmp_path) == ["file"]


def test_a_full_disk_is_said_with_the_name_of_the_file(tmp_path):
    full = errno.ENOSPC

    def write():
        with atomic_path(tmp_path / "file"):
            raise OSError(full, os.strerror(full))  # as writing to an open file raises it

    with pytest.raises(OSError, match="No space left") as caught:
        write()
    assert (caught.value.errno, caught.value.filename) == (full, str(tmp_path / "file"))


def test_an_array_that_cannot_be_written_says_why(tmp_path):
    code = (
        "import resource, sys, numpy, pathlib; from gptkit.data.arrays import save_array;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        "save_array(pathlib.Path(sys.argv[1]), numpy.arange(1000))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a.npy"], capture_output=True, text=True)
    assert "File too large" in done.stderr.splitlines()[-1]
    assert str(tmp_path / "a.npy") in done.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", [(0,), (7,), (3, 2)])
@pytest.mark.parametrize("dtype", ["<u2", "<f8", [("key", "<u8"), ("size", "<i8")]])
def test_arrays_are_those_that_numpy_writes(tmp_path, shape, dtype):
    array = np.ones(shape, dtype)
    save_array(tmp_path / "ours.npy", array)
    np.save(tmp_path / "numpy.npy", array)
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "numpy.npy").read_bytes()
    assert np.array_equal(load_array(tmp_path / "ours.npy"), array)


def test_a_write_that_is_cut_short_leaves_nothing_new(tmp_path):
    target = tmp_path / "file"

    def write():
        with atomic_path(target) as path:
            path.write_bytes(bytes(100_000))

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path) == []


@given(value=JSON)
def test_json_comes_back(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "value.json"
    write_json(path, value)
    assert read_json(path) == value


def test_equal_values_give_equal_bytes(tmp_path):
    write_json(tmp_path / "a", {"x": 1, "y": [2]})
    write_json(tmp_path / "b", {"y": [2], "x": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (
        sha256_json({"x": 1, "y": [2]})
        == sha256_json({"y": [2], "x": 1})
        == hashlib.sha256(b'{"x":1,"y":[2]}').hexdigest()
    )


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[1,"])
def test_broken_json_is_one_clear_line(tmp_path, data):
    (tmp_path / "x.json").write_bytes(data)
    with pytest.raises(GptkitError, match=r"x\.json: cannot be read as JSON"):
        read_json(tmp_path / "x.json")
    with pytest.raises(GptkitError, match="no such file"):
        read_json(tmp_path / "y.json")
    with pytest.raises(GptkitError, match="cannot be read as JSON"):
        read_json(tmp_path)


def test_deeply_nested_json_is_one_clear_line(tmp_path):
    (tmp_path / "x.json").write_text("[" * 100_000)
    with pytest.raises(GptkitError, match=r"x\.json: cannot be read as JSON"):
        read_json(tmp_path / "x.json")


def test_checksums_are_sha256sums(tmp_path):
    (tmp_path / "x").write_bytes(os.urandom(300_000))
    printed = subprocess.run(["sha256sum", str(tmp_path / "x")], capture_output=True, text=True, check=True).stdout
    assert printed.split()[0] == sha256_file(tmp_path / "x")


def test_free_space(tmp_path):
    check_free_space(tmp_path / "not/yet/there", 1)
    with pytest.raises(GptkitError, match=r"not/there: about 1,000,000,000,000 MB are needed and [\d,]+ MB are free"):
        check_free_space(tmp_path / "not/there", 10**18)


@given(st.text())
def test_safe_names_are_one_plain_path_component(name):
    safe = safe_name(name)
    assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", safe)
    assert safe_name(safe) == safe
    assert json.dumps(safe) == f'"{safe}"'
