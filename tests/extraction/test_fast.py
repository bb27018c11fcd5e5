"""The fast extractor: the same text however pages come, and models that are damaged or foreign."""

import io
import os
import random
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gptkit
from gptkit.errors import GptkitError
from gptkit.extraction.fast import FastExtractor
from gptkit.extraction.model import FAVORS, OWN, load, own_model
from gptkit.kernels import jit
from gptkit.kernels.html_blocks import Limits

sys.path.append(str(Path(__file__).parents[1] / "kernels"))

from html_corpus import HOSTILE, SNIPPETS, hostile

LIMITS = Limits(bytes=100_000, elements=8_000, blocks=2_000)
EXTRACTOR = FastExtractor(limits=LIMITS)
PARAGRAPH = "<p>A paragraph of some length, with commas and a full stop. It goes on, so that it looks like text."
ARTICLE = f"<nav><a href=/>Home</a><a href=/x>More</a></nav><article><h1>Title</h1>{PARAGRAPH * 4}</article><footer>©"
PAGES = st.sampled_from([*SNIPPETS, *(ARTICLE.replace("Title", str(n)) for n in range(5))]) | st.sampled_from(
    list(HOSTILE)
).map(lambda name: hostile(name, 3_000).decode())


def test_the_text_of_an_article():
    text, stopped = EXTRACTOR.texts([ARTICLE.encode()])
    assert text[0].count("A paragraph of some length") == 4
    assert "Home" not in text[0]
    assert stopped == [""]


def test_no_pages_and_empty_pages():
    assert EXTRACTOR.texts([]) == ([], [])
    assert EXTRACTOR.texts([b"", b"<p>", b""]) == ([""] * 3, [""] * 3)


@given(st.lists(PAGES, max_size=12), st.sampled_from(FAVORS))
def test_a_batch_gives_what_its_pages_give_alone(pages, favor):
    content = [page.encode() for page in pages]
    texts, stopped = EXTRACTOR.texts(content, favor)
    alone = [EXTRACTOR.texts([page], favor) for page in content]
    assert texts == [text for (text,), _ in alone]
    assert stopped == [stop for _, (stop,) in alone]


@given(PAGES, st.sampled_from(FAVORS))
def test_reading_choosing_and_joining_give_the_same_text(page, favor):
    read = EXTRACTOR.read(page.encode())
    _, keep, _ = EXTRACTOR.choose(read, favor)
    assert EXTRACTOR.texts([page.encode()], favor)[0] == [EXTRACTOR.join(read, keep)]


def test_more_text_than_there_is_room_for_at_once():
    extractor = FastExtractor(limits=Limits(bytes=1_500, elements=100, blocks=100))
    pages = [ARTICLE.replace("Title", str(number)).encode() for number in range(50)]
    texts, _ = extractor.texts(pages)
    assert texts == [extractor.texts([page])[0][0] for page in pages]
    assert sum(map(len, texts)) > len(extractor._out)


def test_recall_keeps_no_less_than_precision():
    page = EXTRACTOR.read(ARTICLE.encode())
    kept = [EXTRACTOR.choose(page, favor)[1] for favor in FAVORS]
    assert (kept[0] >= kept[1]).all()
    assert (kept[1] >= kept[2]).all()


@pytest.mark.parametrize("limit", ["bytes", "elements", "blocks"])
def test_a_limit_is_told(limit):
    extractor = FastExtractor(limits=Limits(**{"bytes": 900, "elements": 90, "blocks": 90, limit: 10}))
    assert extractor.texts([b"<p>ab" * 20, b"<p>x"])[1] == [limit, ""]


def test_elements_that_are_too_deep_are_told():
    extractor = FastExtractor(limits=Limits(bytes=900, elements=90, blocks=90, depth=3))
    pages = [b"<div>" * depth + b"x" for depth in (3, 4)]
    assert extractor.texts(pages)[1] == [extractor.read(page).stopped for page in pages] == ["", "depth"]
    assert extractor.read(pages[1] + b"<p>y" * 99).stopped == "blocks"


# Models


def arrays():
    with np.load(OWN) as stored:
        return dict(stored)


def write(path, fields):
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in fields.items():
            stream = io.BytesIO()
            np.lib.format.write_array(stream, np.asanyarray(array))
            archive.writestr(f"{name}.npy", stream.getvalue())
    return path


def test_a_model_is_written_and_read(tmp_path):
    own_model().save(tmp_path / "a.npz")
    load(tmp_path / "a.npz").save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    again = load(tmp_path / "b.npz")
    assert all(np.array_equal(*pair) for pair in zip(again.arrays, own_model().arrays, strict=True))


CHANGES = {
    "a child beyond the nodes": lambda found: found["nodes"].__setitem__(0, 65_535 << 16),
    "a feature beyond the features": lambda found: found["nodes"].__setitem__(0, found["nodes"][0] | 255),
    "a root beyond the nodes": lambda found: found["roots"].__setitem__(0, len(found["nodes"])),
    "a root before the nodes": lambda found: found["roots"].__setitem__(0, -1),
    "a tree of great depth": lambda found: found["depths"].__setitem__(0, 10**9),
    "a depth below zero": lambda found: found["depths"].__setitem__(0, -1),
    "no number for a value": lambda found: found["values"].__setitem__(0, np.nan),
    "no number for a threshold": lambda found: found["thresholds"].__setitem__(0, np.nan),
    "a threshold above one": lambda found: found["thresholds"].__setitem__(0, 2),
    "fewer values": lambda found: found.update(values=found["values"][1:]),
    "fewer depths": lambda found: found.update(depths=found["depths"][1:]),
    "two thresholds": lambda found: found.update(thresholds=found["thresholds"][:2]),
    "no nodes": lambda found: found.update(nodes=found["nodes"][:0], values=found["values"][:0]),
    "nodes in rows": lambda found: found.update(nodes=found["nodes"].reshape(1, -1)),
    "nodes of another kind": lambda found: found.update(nodes=found["nodes"].astype(np.float64)),
    "words for values": lambda found: found.update(values=np.array(["x"] * len(found["values"]))),
    "a number for the roots": lambda found: found.update(roots=np.int64(0)),
    "a missing array": lambda found: found.pop("depths"),
    "other features": lambda found: found.update(features=found["features"][::-1]),
    "fewer features": lambda found: found.update(features=found["features"][1:]),
    "a number for the features": lambda found: found.update(features=np.int64(3)),
    "pickled values": lambda found: found.update(values=np.array([print, None], object)),
    "pickled features": lambda found: found.update(features=np.array(list(found["features"]), object)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_foreign_model_is_refused(change, tmp_path):
    found = arrays()
    load(write(tmp_path / "same.npz", found))
    change(found)
    with pytest.raises(GptkitError, match=r"other\.npz: is ") as caught:
        load(write(tmp_path / "other.npz", found))
    assert "\n" not in str(caught.value)


def test_a_damaged_model_is_refused_or_a_model(tmp_path):
    content, path, refused = OWN.read_bytes(), tmp_path / "damaged.npz", 0
    rng = random.Random(0)
    damaged = [content[: rng.randrange(len(content))] for _ in range(40)] + [b"", b"PK", b"x" * 99]
    for _ in range(400):
        place = rng.choice([rng.randrange(len(content)), rng.randrange(200), len(content) - 1 - rng.randrange(500)])
        damaged.append(content[:place] + bytes([rng.randrange(256)]) + content[place + 1 :])
    for data in damaged:
        path.write_bytes(data)
        try:
            load(path)
        except GptkitError:
            refused += 1
    assert refused > len(damaged) // 2


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(GptkitError, match="is no model"):
        load(tmp_path / "none.npz")
    with pytest.raises(GptkitError, match="is no model"):
        load(tmp_path)
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(GptkitError, match="is no model"):
        load(tmp_path / "array.npy")
    (tmp_path / "large.npz").write_bytes(bytes(4_000_001))
    with pytest.raises(GptkitError, match="too large"):
        load(tmp_path / "large.npz")
    write(tmp_path / "bomb.npz", {**arrays(), "other": np.zeros(4_000_001, np.uint8)})
    with pytest.raises(GptkitError, match="too large"):
        load(tmp_path / "bomb.npz")


# What is compiled


def run(folder, code):
    environment = {**os.environ, "PYTHONPATH": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture
def kernels(tmp_path):
    """A package with the project's way to compile and two files: a kernel, and a constant that it imports."""
    package = tmp_path / "small"
    package.mkdir()
    (package / "__init__.py").touch()
    shutil.copy(jit.__file__, package / "jit.py")
    (package / "numbers.py").write_text("NUMBER = 1\n")
    (package / "kernels.py").write_text(
        "from small.jit import kernel\nfrom small.numbers import NUMBER\n\n\n@kernel\ndef number():\n    return NUMBER\n"
    )
    return tmp_path


CODE = "from small.jit import CACHE; from small.kernels import number; print(number(), CACHE, number.stats.cache_hits)"


def test_a_changed_constant_of_another_file_is_seen(kernels):
    first, folder, _ = run(kernels, CODE)[:3]
    again = run(kernels, CODE)
    assert (first, again[:2]) == ("1", ["1", folder])
    assert again[2] != "Counter()"  # read from disk: else this shows nothing
    (kernels / "small" / "numbers.py").write_text("NUMBER = 2\n")
    changed = run(kernels, CODE)
    assert changed[0] == "2"
    assert changed[1] != folder


def test_every_kernels_file_is_in_the_name_of_the_cache():
    assert set(Path(gptkit.__file__).parent.glob("kernels/*.py")) == set(jit.SOURCES)
    assert jit.CACHE.name == jit.SOURCE


@pytest.mark.slow
def test_no_index_is_beyond_its_array():
    script = Path(__file__).parents[1] / "kernels" / "fuzz_html.py"
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1"}
    done = subprocess.run(
        [sys.executable, str(script), "--rounds", "300"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "no fault" in done.stdout
