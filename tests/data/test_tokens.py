import dataclasses
import json
import struct

import numpy as np
import pytest

from gptkit.data.layouts import LAYOUTS
from gptkit.data.manifest import NAME, Manifest, read_manifest
from gptkit.data.tokens import open_tokens, read_shard, write_shard
from gptkit.errors import GptkitError


def megatron(stem):
    """Reads a pair as Megatron's description says, without numpy or any code of ours: the documents."""
    index = stem.with_suffix(".idx").read_bytes()
    assert index[:9] == b"MMIDIDX\x00\x00"
    version, code, sequences, documents = struct.unpack("<QBQQ", index[9:34])
    assert version == 1
    width, letter = {1: (1, "B"), 2: (1, "b"), 3: (2, "h"), 4: (4, "i"), 5: (8, "q"), 8: (2, "H")}[code]
    at = 34
    lengths = struct.unpack_from(f"<{sequences}i", index, at)
    at += 4 * sequences
    offsets = struct.unpack_from(f"<{sequences}q", index, at)
    at += 8 * sequences
    document_indices = struct.unpack_from(f"<{documents}q", index, at)
    assert at + 8 * documents == len(index)
    assert list(document_indices) == list(range(sequences + 1))
    data = stem.with_suffix(".bin").read_bytes()
    assert len(data) == width * sum(lengths)
    return [list(struct.unpack_from(f"<{n}{letter}", data, offset)) for n, offset in zip(lengths, offsets, strict=True)]


def write(folder, documents):
    ids = np.array([token for document in documents for token in document], np.uint16)
    lengths = np.array([len(document) for document in documents], np.int32)
    [shard, _] = write_shard(folder, LAYOUTS["megatron"], "shard", 0, lengths, [ids], "uint16")
    return (folder / shard.name).with_suffix("")


def patch(path, at, data):
    raw = bytearray(path.read_bytes())
    raw[at : at + len(data)] = data
    path.write_bytes(bytes(raw))


LENGTHS, OFFSETS = 34, 34 + 4 * 3  # where they begin in the index of three documents


@pytest.mark.parametrize(
    "damage",
    [
        lambda stem: patch(stem.with_suffix(".idx"), 0, b"X"),
        lambda stem: patch(stem.with_suffix(".idx"), 9, struct.pack("<Q", 2)),
        lambda stem: patch(stem.with_suffix(".idx"), 17, b"\x05"),
        lambda stem: patch(stem.with_suffix(".idx"), 17, b"\x04"),
        lambda stem: patch(stem.with_suffix(".idx"), 18, struct.pack("<Q", 2**62)),
        lambda stem: patch(stem.with_suffix(".idx"), 26, struct.pack("<Q", 2**63)),
        lambda stem: patch(stem.with_suffix(".idx"), LENGTHS, struct.pack("<ii", -1, 6)),
        lambda stem: patch(stem.with_suffix(".idx"), OFFSETS, struct.pack("<q", 2**40)),
        lambda stem: patch(stem.with_suffix(".idx"), OFFSETS + 8, struct.pack("<q", -2)),
        lambda stem: stem.with_suffix(".idx").write_bytes(stem.with_suffix(".idx").read_bytes()[:-1]),
        lambda stem: stem.with_suffix(".idx").write_bytes(stem.with_suffix(".idx").read_bytes() + b"\0"),
        lambda stem: stem.with_suffix(".idx").write_bytes(b""),
        lambda stem: stem.with_suffix(".idx").unlink(),
        lambda stem: stem.with_suffix(".bin").write_bytes(b"123"),
        lambda stem: stem.with_suffix(".bin").unlink(),
    ],
)
def test_damaged_shards_are_refused(tmp_path, damage):
    stem = write(tmp_path, [[1, 2], [3, 4, 5], [6]])
    read_shard(stem.with_suffix(".bin"))
    damage(stem)
    with pytest.raises(GptkitError, match="shard"):
        read_shard(stem.with_suffix(".bin"), LAYOUTS["megatron"])


def test_a_folder_of_token_shards(token_folder):
    again = open_tokens(token_folder.folder)
    for split in ("train", "validation"):
        shards = again.shards(split)
        assert sum(len(shard) for shard in shards) == again.manifest.facts["documents"][split]
        assert sum(len(shard.tokens) for shard in shards) == again.manifest.facts["tokens"][split]
        end = again.manifest.facts["end_of_text"]
        for shard in shards:
            documents = megatron(shard.path.with_suffix(""))
            assert all(document.index(end) == len(document) - 1 for document in documents)
    assert again.shards("test") == []


def copy(token_folder, tmp_path):
    for path in token_folder.folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_another_tokenizer_is_refused(token_folder, tmp_path):
    folder = copy(token_folder, tmp_path)
    text = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(text.replace("BPE", "bpe"))
    with pytest.raises(GptkitError, match="tokenizer"):
        open_tokens(folder)


def test_another_stages_output_is_refused(token_folder, tmp_path):
    folder = copy(token_folder, tmp_path)
    manifest = read_manifest(folder)
    plan = dataclasses.replace(manifest.plan, stage="mix")
    (folder / NAME).write_text(json.dumps(Manifest(plan, manifest.shards, manifest.facts, {}, {}).as_json()))
    with pytest.raises(GptkitError, match="holds the output of 'mix', not token shards"):
        open_tokens(folder)
