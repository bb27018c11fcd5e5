"""`gptkit tokens`: inspect, verify and export, and that others of our commands read what was exported."""

import json
import shutil
import struct
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from gptkit.cli.main import program
from gptkit.cli.token_report import print_report
from gptkit.data.manifest import read_manifest
from gptkit.data.tokens import open_tokens
from gptkit.errors import GptkitError, UsageError
from gptkit.tokenization.inspect import verify

LAYOUTS = ["megatron", "nanogpt", "llmc", "datatrove"]


def gptkit(*arguments):
    """What a command prints; its errors are raised."""
    result = CliRunner().invoke(
        program, [str(argument) for argument in arguments], catch_exceptions=False, standalone_mode=False
    )
    if result.exception is not None:
        raise result.exception
    return result.stdout


def export(token_folder, output, layout, *options):
    gptkit(
        "tokens", "export", token_folder.folder, "-o", output, "--layout", layout, "--workers", 0, "--quiet", *options
    )
    return output


def documents(folder, split):
    return [shard.document(n).tolist() for shard in folder.shards(split) for n in range(len(shard))]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_export_has_the_same_documents(token_folder, tmp_path, layout):
    first = export(token_folder, tmp_path / "first", layout, "--shard-tokens", 3_000)
    found = json.loads(gptkit("tokens", "verify", first, "--json"))
    for split in ("train", "validation"):
        expected = documents(token_folder, split)
        assert documents(open_tokens(first), split) == expected
        assert found[split]["documents"] == len(expected)
        assert found[split]["tokens"] == sum(map(len, expected))
        assert found[split]["shards"] > 1 or layout == "nanogpt"
    back = export(open_tokens(first), tmp_path / "back", "megatron")
    there = {shard.name: shard.sha256 for shard in token_folder.manifest.shards}
    assert {shard.name: shard.sha256 for shard in read_manifest(back).shards} == there


@pytest.mark.parametrize("layout", LAYOUTS)
def test_training_reads_every_layout(token_folder, tmp_path, layout):
    from gptkit.training.loader import TokenStream

    folder = open_tokens(export(token_folder, tmp_path / "out", layout, "--shard-tokens", 3_000))
    theirs = TokenStream(token_folder.shards("train"), 512)
    ours = TokenStream(folder.shards("train"), 512)
    assert len(ours) == len(theirs)
    assert np.array_equal(ours.read(0, len(ours)), theirs.read(0, len(theirs)))


def test_an_export_that_is_there_is_not_made_again(token_folder, tmp_path):
    out = export(token_folder, tmp_path / "out", "llmc")
    before = (out / "manifest.json").stat().st_mtime_ns
    export(token_folder, out, "llmc")
    assert (out / "manifest.json").stat().st_mtime_ns == before
    with pytest.raises(GptkitError, match="layout: 'llmc' there, 'nanogpt' now"):
        export(token_folder, out, "nanogpt")
    with pytest.raises(UsageError, match="--limit"):
        export(token_folder, tmp_path / "other", "llmc", "--limit", 3)


def test_inspect_prints_facts_and_documents(token_folder):
    found = json.loads(gptkit("tokens", "inspect", token_folder.folder, "--json"))
    assert found["facts"] == token_folder.manifest.facts
    assert found["digest"] == token_folder.manifest.digest
    text = gptkit("tokens", "inspect", token_folder.folder)
    assert f"{token_folder.manifest.facts['tokens']['train']:,}" in text
    [first, *_] = documents(token_folder, "validation")
    shown = json.loads(
        gptkit("tokens", "inspect", token_folder.folder, "--index", 0, "--split", "validation", "--json")
    )
    assert shown["ids"] == first
    assert shown["text"].strip()
    assert shown["text"] in gptkit("tokens", "inspect", token_folder.folder, "--index", 0, "--split", "validation")
    with pytest.raises(GptkitError, match="--index starts at 0"):
        gptkit("tokens", "inspect", token_folder.folder, "--index", 1_000_000)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_inspect_reads_a_single_shard(token_folder, tmp_path, layout):
    folder = open_tokens(export(token_folder, tmp_path / "out", layout))
    path = folder.shards("train")[0].path
    facts = json.loads(gptkit("tokens", "inspect", path, "--json"))["facts"]
    expected = documents(token_folder, "train")
    assert facts["layout"] == layout
    assert (facts["documents"], facts["tokens"]) == (len(expected), sum(map(len, expected)))
    assert json.loads(gptkit("tokens", "inspect", path, "--index", 7, "--json"))["ids"] == expected[7]
    assert json.loads(gptkit("show", path, "--index", 7, "--json"))["tokens"] == str(len(expected[7]))


def test_a_shard_away_from_its_folder(token_folder, tmp_path):
    for name in ("train-00000.bin", "train-00000.idx"):
        shutil.copyfile(token_folder.folder / name, tmp_path / name)
    facts = json.loads(gptkit("tokens", "inspect", tmp_path / "train-00000.bin", "--json"))["facts"]
    assert facts["documents"] == token_folder.manifest.facts["documents"]["train"]
    with pytest.raises(GptkitError, match="no tokenizer"):
        gptkit("tokens", "inspect", tmp_path / "train-00000.bin", "--index", 0)


def corrupted(token_folder, tmp_path, layout, change):
    """A folder whose first training shard was changed, with a manifest that fits it but for what `change` did."""
    out = export(token_folder, tmp_path / "out", layout)
    manifest = read_manifest(out)
    path = open_tokens(out).shards("train")[0].path
    ids = np.fromfile(path, np.uint16)
    change(ids, manifest.facts)
    ids.tofile(path)
    raw = json.loads((out / "manifest.json").read_text())
    import hashlib

    from gptkit.data.manifest import Manifest, Plan, Shard

    for shard in raw["shards"]:
        shard["sha256"] = hashlib.sha256((out / shard["name"]).read_bytes()).hexdigest()
    made = Manifest(
        Plan(**raw["plan"]), [Shard(**shard) for shard in raw["shards"]], raw["facts"], raw["counts"], raw["run"]
    )
    made.write(out / "manifest.json")
    return out


def other_id(ids, facts):
    ids[5] = facts["vocab_size"]


def end_inside(ids, facts):
    ids[5] = facts["end_of_text"]


def no_end(ids, facts):
    ids[-1] = 1


@pytest.mark.parametrize("layout", ["megatron", "nanogpt", "datatrove"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_id, "and the vocabulary has 512"),
        (end_inside, "does not end where its index says|documents, and the manifest says"),
        (no_end, "does not end in end-of-text"),
    ],
)
def test_verify_finds_what_checksums_cannot(token_folder, tmp_path, layout, change, said):
    with pytest.raises(GptkitError, match=said) as caught:
        verify(corrupted(token_folder, tmp_path, layout, change))
    assert "\n" not in str(caught.value)


def test_verify_finds_a_changed_byte(token_folder, tmp_path):
    out = export(token_folder, tmp_path / "out", "llmc")
    path = out / "tokens_train_000001.bin"
    raw = bytearray(path.read_bytes())
    raw[2000] ^= 1
    path.write_bytes(bytes(raw))
    with pytest.raises(GptkitError, match=r"tokens_train_000001\.bin: is damaged"):
        gptkit("tokens", "verify", out)
    raw[8:12] = struct.pack("<i", 1)
    path.write_bytes(bytes(raw))
    with pytest.raises(GptkitError, match="tokens_train_000001"):
        gptkit("tokens", "verify", out)


def test_what_is_no_token_folder_is_refused(tmp_path):
    (tmp_path / "x").mkdir()
    for name in ("verify", "inspect"):
        with pytest.raises(GptkitError, match="not the output of a gptkit stage"):
            gptkit("tokens", name, tmp_path / "x")


def test_a_file_that_holds_no_ids_is_refused(token_folder):
    with pytest.raises(GptkitError, match=r"is no file of ids; those of token shards end in \.bin or \.ds"):
        gptkit("tokens", "inspect", token_folder.folder / "tokenizer.json")


def test_show_prints_a_document_of_a_folder(token_folder):
    shown = json.loads(gptkit("show", token_folder.folder, "--index", 2, "--json"))
    assert shown["text"] == json.loads(gptkit("tokens", "inspect", token_folder.folder, "--index", 2, "--json"))["text"]
    with pytest.raises(UsageError, match="token shards hold no ids"):
        gptkit("show", token_folder.folder, "--id", "x")


def test_the_ids_of_the_vocabulary_add_up(capsys):
    out = Console(file=sys.stdout, width=200)
    numbers = {"used": 5, "size": 12, "never_used": 4, "share_of_most_frequent": {"10": 1.0}}
    print_report({"vocabulary": numbers, "sources": {}, "languages": {}}, out, short=True)
    assert "5 of 12 ids occur, 4 tokens never do, ids without text: 3." in capsys.readouterr().out
