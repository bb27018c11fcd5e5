import contextlib
import struct

import fasttext
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gptkit.clean.fasttext_model import read_model
from gptkit.clean.language import Detector
from gptkit.errors import GptkitError

DIMENSIONS = 16
WORDS = ["</s>", "the", "und", "née", "猫"]
TEXT = "the cat und née\t猫 __label__a __label__zz x the"


def centroids(generator, dimensions, width):
    """A product quantiser: its sizes, and 256 centroids for each part of a vector."""
    parts = -(-dimensions // width)
    last = dimensions - (parts - 1) * width
    values = generator.normal(size=256 * dimensions).astype("<f4")
    return struct.pack("<4i", dimensions, parts, width, last) + values.tobytes(), parts


def matrix(generator, rows, quantised, norms=False, width=2):
    if not quantised:
        return (
            struct.pack("<?2q", False, rows, DIMENSIONS)
            + generator.normal(size=rows * DIMENSIONS).astype("<f4").tobytes()
        )
    quantiser, parts = centroids(generator, DIMENSIONS, width)
    codes = generator.integers(0, 256, rows * parts, np.uint8).tobytes()
    data = struct.pack("<??2qi", True, norms, rows, DIMENSIONS, len(codes)) + codes + quantiser
    if norms:
        data += generator.integers(0, 256, rows, np.uint8).tobytes() + centroids(generator, 1, 1)[0]
    return data


def model_bytes(seed=0, low=2, high=4, hashes=60, pruned=40, labels=5, norms=True, width=2, **changes):
    """A small random model as fastText writes it."""
    generator = np.random.default_rng(seed)
    fields = {"magic": 793712314, "version": 12, "dimensions": DIMENSIONS, "word_ngrams": 1, "loss": 1, "kind": 3}
    fields |= changes
    head = ("magic", "version", "dimensions")
    data = struct.pack("<3i", *(fields[name] for name in head)) + struct.pack("<4i", 5, 5, 1, 5)
    data += struct.pack("<3i", fields["word_ngrams"], fields["loss"], fields["kind"])
    data += struct.pack("<4id", hashes, low, high, 100, 1e-4)
    data += struct.pack("<3i2q", len(WORDS) + labels, len(WORDS), labels, 1_000, pruned)
    for word in WORDS:
        data += word.encode() + struct.pack("<bqb", 0, 10, 0)
    for label, count in enumerate(sorted(generator.integers(1, 50, labels).tolist(), reverse=True)):
        data += f"__label__{chr(97 + label)}".encode() + struct.pack("<bqb", 0, count, 1)
    places = generator.permutation(pruned)
    buckets = np.stack([generator.permutation(hashes)[:pruned], places], axis=1)
    data += buckets.astype("<i4").tobytes()
    return data + matrix(generator, len(WORDS) + pruned, True, norms, width) + matrix(generator, labels, False)


def written(path, data):
    path.write_bytes(data)
    return path


@settings(max_examples=30)
@given(
    seed=st.integers(0, 1_000),
    low=st.integers(1, 3),
    more=st.integers(0, 3),
    labels=st.integers(2, 40),
    norms=st.booleans(),
    width=st.sampled_from([1, 2, 3, 16]),
    texts=st.lists(st.text(st.sampled_from("the undée猫\t\0<>/s"), max_size=30), min_size=1, max_size=5),
)
def test_a_model_answers_as_in_fasttext(tmp_path_factory, seed, low, more, labels, norms, width, texts):
    data = model_bytes(seed, low, low + more, labels=labels, norms=norms, width=width)
    path = written(tmp_path_factory.mktemp("model") / "model.ftz", data)
    texts = [*texts, TEXT]
    oracle = fasttext.load_model(str(path))
    names, probability = Detector(read_model(path)).detect(pa.array([text.lower() for text in texts]), 1_000)
    for text, name, score in zip(texts, names.to_pylist(), probability, strict=True):
        ((label,), (expected,)) = oracle.predict(text.lower())
        assert f"__label__{name}" == label
        assert score == pytest.approx(min(expected, 1), abs=1e-5)


def test_a_file_that_ends_too_early_is_refused_wherever_it_ends(tmp_path):
    data = model_bytes()
    ends = [*range(400), *range(400, len(data), 97), len(data) - 1]
    for end in ends:
        with pytest.raises(
            GptkitError, match=r"model\.ftz: not a fastText model that can be used, or damaged: [^\n]+$"
        ):
            read_model(written(tmp_path / "model.ftz", data[:end]))
    with pytest.raises(GptkitError, match="bytes are left"):
        read_model(written(tmp_path / "model.ftz", data + b"\0"))


@settings(max_examples=300)
@given(place=st.integers(-400, 1_200), value=st.integers(0, 255))
@example(place=-321, value=127)  # the high byte of a number of dimensions
@example(place=-329, value=127)  # of rows
def test_a_changed_byte_gives_a_model_or_one_line(tmp_path_factory, place, value):
    data = bytearray(model_bytes())
    data[place] = value
    with contextlib.suppress(GptkitError):
        model = read_model(written(tmp_path_factory.getbasetemp() / "changed.ftz", bytes(data)))
        Detector(model).detect(pa.array([TEXT]), 1_000)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"magic": 1}, "does not begin"),
        ({"version": 11}, "does not begin"),
        ({"kind": 1}, "no classifier"),
        ({"loss": 3}, "hierarchical softmax"),
        ({"word_ngrams": 2}, "n-grams of characters"),
        ({"low": 0}, "n-grams of characters"),
        ({"dimensions": 8}, "sizes"),
        ({"hashes": 1 << 30, "pruned": 0}, "sizes"),
        ({"labels": 1}, "dictionary"),
    ],
)
def test_another_kind_of_model_is_refused(tmp_path, changes, message):
    build = {"hashes": 60, "pruned": 40} | changes
    if build["hashes"] > 60:  # its buckets would have to be drawn from as many
        data = bytearray(model_bytes(pruned=0))
        data[40:44] = struct.pack("<i", build["hashes"])
    else:
        data = model_bytes(**changes)
    with pytest.raises(GptkitError, match=message):
        read_model(written(tmp_path / "model.ftz", bytes(data)))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(GptkitError, match="cannot be read: No such file"):
        read_model(tmp_path / "no.ftz")
