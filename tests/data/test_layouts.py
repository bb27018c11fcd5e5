"""Each layout read back by a reader written here from the format's description, and by ours."""

import itertools
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptkit.data.layouts import LAYOUTS, dtype_for, layout_of
from gptkit.data.tokens import read_shard, write_shard
from gptkit.errors import GptkitError

END = 7


def write(folder, layout, texts, dtype="uint16", split="train", number=0):
    flat = [np.array(text, dtype) for text in texts] or [np.empty(0, dtype)]
    lengths = np.array([len(text) for text in texts], np.int32)
    return write_shard(folder, LAYOUTS[layout], split, number, lengths, flat, dtype)


def split_at_end(ids):
    texts, text = [], []
    for token in ids:
        text.append(token)
        if token == END:
            texts.append(text)
            text = []
    return texts + ([text] if text else [])


def unpack(data, dtype):
    letter = {"uint16": "H", "uint32": "I"}[dtype]
    return list(struct.unpack(f"<{len(data) // struct.calcsize(letter)}{letter}", data))


def megatron(path, dtype):
    index = path.with_suffix(".idx").read_bytes()
    assert index[:9] == b"MMIDIDX\x00\x00"
    version, code, sequences, documents = struct.unpack("<QBQQ", index[9:34])
    assert (version, code) == (1, {"uint16": 8, "uint32": 4}[dtype])
    lengths = struct.unpack_from(f"<{sequences}i", index, 34)
    offsets = struct.unpack_from(f"<{sequences}q", index, 34 + 4 * sequences)
    assert struct.unpack(f"<{documents}q", index[34 + 12 * sequences :]) == tuple(range(sequences + 1))
    data, width = path.read_bytes(), 2 if dtype == "uint16" else 4
    assert len(data) == width * sum(lengths)
    return [unpack(data[at : at + width * n], dtype) for n, at in zip(lengths, offsets, strict=True)]


def nanogpt(path, dtype):
    return split_at_end(np.fromfile(path, np.uint16).tolist())


def llmc(path, dtype):
    data = path.read_bytes()
    header = struct.unpack("<256i", data[:1024])
    assert header[:2] == {"uint16": (20240520, 1), "uint32": (20240801, 7)}[dtype]
    assert not any(header[3:])
    ids = unpack(data[1024:], dtype)
    assert len(ids) == header[2]
    return split_at_end(ids)


def datatrove(path, dtype):
    ends = struct.unpack(
        f"<{path.with_suffix('.ds.index').stat().st_size // 8}Q", path.with_suffix(".ds.index").read_bytes()
    )
    ids = unpack(path.read_bytes(), dtype)
    name, tokens, _ = path.with_suffix(".ds.metadata").read_text().split("\n")
    assert (name.split("|")[-1], int(tokens)) == ("2" if dtype == "uint16" else "4", len(ids))
    return [ids[start:end] for start, end in itertools.pairwise((0, *ends))]


READERS = {"megatron": megatron, "nanogpt": nanogpt, "llmc": llmc, "datatrove": datatrove}


def texts(largest):
    token = st.integers(0, largest).filter(lambda token: token != END)
    return st.lists(st.lists(token, max_size=20).map(lambda text: [*text, END]), min_size=1, max_size=12)


@pytest.mark.parametrize("layout", READERS)
@given(data=st.data())
def test_others_and_we_read_what_is_written(tmp_path_factory, layout, data):
    dtype = data.draw(st.sampled_from(["uint16"] if layout == "nanogpt" else ["uint16", "uint32"]))
    expected = data.draw(texts(2**16 - 1 if dtype == "uint16" else 2**31 - 1))
    folder = tmp_path_factory.getbasetemp() / layout
    shards = write(folder, layout, expected, dtype)
    path = folder / shards[0].name
    assert READERS[layout](path, dtype) == expected
    assert layout_of(path).name == layout
    shard = read_shard(path, end_of_text=END)
    assert [shard.document(place).tolist() for place in range(len(shard))] == expected
    assert shard.lengths.tolist() == [len(text) for text in expected]
    assert shard.tokens.dtype == dtype
    assert shards[0].kind == "train"
    assert all(shard.bytes == (folder / shard.name).stat().st_size for shard in shards)


@pytest.mark.parametrize("layout", READERS)
def test_a_shard_without_documents(tmp_path, layout):
    path = tmp_path / write(tmp_path, layout, [])[0].name
    shard = read_shard(path, end_of_text=END)
    assert (len(shard), len(shard.tokens)) == (0, 0)


def test_names_are_those_others_look_for():
    names = {
        name: [layout.path(split, number) for split in ("train", "validation") for number in (0, 1)][:3]
        for name, layout in LAYOUTS.items()
    }
    assert names == {
        "megatron": ["train-00000.bin", "train-00001.bin", "validation-00000.bin"],
        "nanogpt": ["train.bin", "train.bin", "val.bin"],
        "llmc": ["tokens_train_000001.bin", "tokens_train_000002.bin", "tokens_val_000000.bin"],
        "datatrove": ["train/00000_tokens.ds", "train/00001_tokens.ds", "validation/00000_tokens.ds"],
    }


@pytest.mark.parametrize(
    ("tokens", "shown"), [(5, "5.00 T"), (123, "123 T"), (1500, "1.50 kT"), (53_597_274, "53.6 MT")]
)
def test_datatroves_metadata(tokens, shown):
    """As humanize.metric writes the count, which datatrove calls."""
    content = LAYOUTS["datatrove"].beside(np.array([tokens], np.int32), "uint16")[".ds.metadata"][1].decode()
    assert content == f"tokenizer.json|2\n{tokens}\n{shown}"


def test_the_narrowest_dtype():
    assert (dtype_for(256), dtype_for(65536), dtype_for(65537)) == ("uint16", "uint16", "uint32")


def test_what_a_layout_cannot_hold_is_one_line():
    with pytest.raises(GptkitError, match="nanogpt holds ids below 65,536"):
        LAYOUTS["nanogpt"].check(65_537, 100)
    with pytest.raises(GptkitError, match="lower --shard-tokens"):
        LAYOUTS["llmc"].check(300, 1 << 31)
    with pytest.raises(GptkitError, match="a document has more"):
        LAYOUTS["llmc"].header(1 << 31, "uint16")
    for name in ("megatron", "datatrove", "llmc"):
        LAYOUTS[name].check(1 << 20, 100)


def patch(path, at, data):
    raw = bytearray(path.read_bytes())
    raw[at : at + len(data)] = data
    path.write_bytes(bytes(raw))


DAMAGE = {
    "llmc": [
        lambda path: patch(path, 4, b"\x09"),
        lambda path: patch(path, 8, struct.pack("<i", 5)),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes()[:100]),
        lambda path: path.unlink(),
    ],
    "datatrove": [
        lambda path: patch(path.with_suffix(".ds.index"), 0, struct.pack("<Q", 6)),
        lambda path: patch(path.with_suffix(".ds.index"), 16, struct.pack("<Q", 1 << 63)),
        lambda path: path.with_suffix(".ds.index").write_bytes(b"123"),
        lambda path: path.with_suffix(".ds.index").unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
    ],
    "nanogpt": [lambda path: path.write_bytes(b"123"), lambda path: path.unlink()],
}


@pytest.mark.parametrize(("layout", "damage"), [(layout, each) for layout, those in DAMAGE.items() for each in those])
def test_damage_is_refused(tmp_path, layout, damage):
    path = tmp_path / write(tmp_path, layout, [[1, 2, END], [3, END], [END]])[0].name
    read_shard(path, LAYOUTS[layout], END)
    damage(path)
    with pytest.raises(GptkitError, match=path.stem):
        read_shard(path, LAYOUTS[layout], END)


def test_a_file_that_breaks_off_within_a_document(tmp_path):
    np.array([1, END, 2, 3], np.uint16).tofile(tmp_path / "x.bin")
    shard = read_shard(tmp_path / "x.bin", end_of_text=END)
    assert [shard.document(place).tolist() for place in range(len(shard))] == [[1, END], [2, 3]]
    with pytest.raises(GptkitError, match="which id ends a document"):
        len(read_shard(tmp_path / "x.bin"))


def test_what_does_not_fit_together_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="add up"):
        write_shard(
            tmp_path, LAYOUTS["megatron"], "train", 0, np.array([2], np.int32), [np.zeros(3, np.uint16)], "uint16"
        )
    with pytest.raises(ValueError, match="uint32 for a shard of uint16"):
        write_shard(
            tmp_path, LAYOUTS["megatron"], "train", 0, np.array([1], np.int32), [np.zeros(1, np.uint32)], "uint16"
        )
    assert not list(tmp_path.iterdir())
