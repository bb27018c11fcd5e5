"""`gptkit convert`: what it writes, what it leaves alone, and what it says."""

import json
import struct
import subprocess
import sys

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, pre_tokenizers

from gptkit.cli.main import program
from gptkit.errors import GptkitError, UsageError
from gptkit.model.config import Mixture, ModelConfig
from gptkit.model.folder import load_model, save_model
from gptkit.model.transformer import Transformer

VOCABULARY = 262
SHAPE = {"positions": "rope", "norm": "rms", "activation": "swiglu", "bias": False}
CONFIGS = {
    "gpt2": ModelConfig(VOCABULARY, 16, 1, 2, 8),
    "openai-gpt": ModelConfig(VOCABULARY, 16, 1, 2, 8, norm_first=False),
    "llama": ModelConfig(VOCABULARY, 16, 1, 2, 8, **SHAPE),
    "mixtral": ModelConfig(VOCABULARY, 16, 1, 2, 8, mixture=Mixture(3), **SHAPE),
    "gptkit": ModelConfig(VOCABULARY, 16, 1, 2, 8, activation="relu2"),
}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {"<|endoftext|>": 0, **{c: i for i, c in enumerate([*alphabet, "he", "in", "on", "an", "er"], 1)}}
    made = Tokenizer(models.BPE(words, []))
    made.add_special_tokens(["<|endoftext|>"])
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    made.save(str(path))
    return path


@pytest.fixture
def model(tmp_path, tokenizer):
    """Makes a folder of a model."""

    def make(kind="llama", name="model"):
        save_model(tmp_path / name, Transformer(CONFIGS[kind], seed=1), tokenizer)
        return tmp_path / name

    return make


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint of llama2.c and its tokenizer."""
    sizes = (8, 12, 1, 2, 1, VOCABULARY, 16)
    width, inner, _, _, _, vocabulary, context = sizes
    count = vocabulary * width + 2 * width + width * (width + 4 + 4 + width) + 3 * inner * width + width
    angles = np.outer(np.arange(context), 10_000.0 ** -np.array([0, 0.5]))
    numbers = [np.random.default_rng(0).standard_normal(count), np.cos(angles), np.sin(angles)]
    data = b"".join(each.astype("<f4").tobytes() for each in numbers)
    (tmp_path / "tiny.bin").write_bytes(struct.pack("<7i", *sizes) + data)
    pieces = [b"<unk>", b"\n<s>\n", b"\n</s>\n", *(f"<0x{byte:02X}>".encode() for byte in range(256)), b" ", b"a", b"b"]
    written = b"".join(struct.pack("<fi", 0.0, len(piece)) + piece for piece in pieces)
    (tmp_path / "tokenizer.bin").write_bytes(struct.pack("<i", 6) + written)
    return tmp_path / "tiny.bin"


def convert(*arguments):
    result = CliRunner().invoke(program, ["convert", *map(str, arguments)], standalone_mode=False)
    if result.exception:
        raise result.exception
    return result


def refused(*arguments, match, kind=GptkitError):
    with pytest.raises(kind, match=match) as caught:
        convert(*arguments)
    assert "\n" not in str(caught.value)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_all_files_of_a_folder_and_what_is_said(model, tmp_path):
    source = model()
    (source / "generation_config.json").write_text('{"temperature": 0.6}')
    (source / "tokenizer_config.json").write_text("{}")
    (source / "notes.md").write_text("mine")
    before = contents(source)
    result = convert(source, "-o", tmp_path / "out")
    names = ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    assert sorted(contents(tmp_path / "out")) == names
    assert contents(tmp_path / "out").items() <= before.items()
    assert contents(source) == before
    assert result.stdout == ""
    for part in (*names, "llama, 3,", "llama, fp32"):
        assert part in result.stderr


def test_as_json(model, tmp_path):
    result = convert(model("mixtral"), "-o", tmp_path / "out", "--dtype", "bf16", "--json")
    said = json.loads(result.stdout)
    assert (said["source_type"], said["output_type"], said["dtype"]) == ("mixtral", "mixtral", "bf16")
    assert said["files"] == {path.name: path.stat().st_size for path in (tmp_path / "out").iterdir()}
    assert {each.dtype for each in load_file(tmp_path / "out" / "model.safetensors").values()} == {torch.bfloat16}
    assert json.loads((tmp_path / "out" / "config.json").read_text())["torch_dtype"] == "bfloat16"


@pytest.mark.parametrize("kind", CONFIGS)
def test_there_and_back_gives_equal_bytes(model, tmp_path, kind):
    source = model(kind)
    convert(source, "-o", tmp_path / "ours", "--to", "gptkit")
    assert json.loads((tmp_path / "ours" / "config.json").read_text())["model_type"] == "gptkit"
    if kind == "gptkit":
        refused(tmp_path / "ours", "-o", tmp_path / "back", match="write it with --to gptkit", kind=UsageError)
        assert not (tmp_path / "back").exists()
        return
    convert(tmp_path / "ours", "-o", tmp_path / "back")
    assert contents(tmp_path / "back") == contents(source)


def test_ids_of_special_tokens_stay(model, tmp_path):
    source = model()
    change(source, bos_token_id=3, eos_token_id=[4, 5], pad_token_id=6)
    convert(source, "-o", tmp_path / "ours", "--to", "gptkit")
    convert(tmp_path / "ours", "-o", tmp_path / "back")
    said = json.loads((tmp_path / "back" / "config.json").read_text())
    assert [said[f"{name}_token_id"] for name in ("bos", "eos", "pad")] == [3, [4, 5], 6]


def change(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_checkpoint_of_llama2c(checkpoint, tmp_path):
    result = convert(checkpoint, "-o", tmp_path / "out")
    assert "llama2.c" in result.stderr
    loaded = load_model(tmp_path / "out")
    assert loaded.special_ids == {"bos_token_id": 1, "eos_token_id": 1}
    assert sorted(contents(tmp_path / "out")) == ["config.json", "model.safetensors", "tokenizer.json"]


def test_a_tokenizer_of_ones_own(checkpoint, model, tokenizer, tmp_path):
    convert(checkpoint, "-o", tmp_path / "a", "--tokenizer", tokenizer)
    assert (tmp_path / "a" / "tokenizer.json").read_bytes() == tokenizer.read_bytes()
    source = model()
    (source / "tokenizer.json").unlink()
    (source / "tokenizer_config.json").write_text("{}")
    refused(source, "-o", tmp_path / "b", match="has no tokenizer.json")
    convert(source, "-o", tmp_path / "b", "--tokenizer", tokenizer)
    assert (tmp_path / "b" / "tokenizer.json").read_bytes() == tokenizer.read_bytes()
    assert not (tmp_path / "b" / "tokenizer_config.json").exists()  # it was the other one's
    convert(source, "-o", tmp_path / "c", "--tokenizer", checkpoint.with_name("tokenizer.bin"))
    assert (tmp_path / "c" / "tokenizer.json").read_bytes() != tokenizer.read_bytes()
    checkpoint.with_name("tokenizer.bin").unlink()
    refused(checkpoint, "-o", tmp_path / "d", match="name one, or a tokenizer.json, with --tokenizer", kind=UsageError)
    refused(checkpoint, "-o", tmp_path / "d", "--tokenizer", checkpoint, match="is no tokenizer.bin")
    refused(checkpoint, "-o", tmp_path / "d", "--tokenizer", tmp_path / "none.json", match="no such file")
    refused(source, "-o", tmp_path / "d", "--tokenizer", tmp_path / "none.bin", match="no such file")
    other = json.loads(tokenizer.read_text())
    other["model"]["vocab"]["on and on"] = 400
    (tmp_path / "other.json").write_text(json.dumps(other))
    refused(source, "-o", tmp_path / "d", "--tokenizer", tmp_path / "other.json", match="do not belong together")
    assert not (tmp_path / "d").exists()


def test_nothing_is_overwritten_unless_told(model, tmp_path):
    first, second = model("llama", "first"), model("gpt2", "second")
    out = tmp_path / "out"
    convert(first, "-o", out)
    for name in ("model-00001-of-00002.safetensors", "model.safetensors.index.json", "generation_config.json"):
        (out / name).write_bytes(b"of another one before")
    before = contents(out)
    refused(second, "-o", out, match="already holds a model; name another folder, or give --overwrite")
    assert contents(out) == before
    convert(second, "-o", out, "--overwrite")
    assert contents(out) == contents(second)
    (out / "notes.md").write_text("mine")
    before = contents(out)
    refused(first, "-o", out, "--overwrite", match=r"already holds something else \(notes.md\)")
    assert contents(out) == before


def test_bad_input_leaves_the_output_alone(model, tmp_path):
    source, out = model(), tmp_path / "out"
    convert(source, "-o", out)
    before = contents(out)
    change(source, hidden_act="gelu")
    refused(source, "-o", out, "--overwrite", match="hidden_act is 'gelu'")
    refused(tmp_path / "none", "-o", out, "--overwrite", match="none: no such folder")
    refused(source / "config.json", "-o", out, "--overwrite", match=r"is no checkpoint of llama2.c|damaged")
    (tmp_path / "pytorch_model.bin").write_bytes(b"PK\x03\x04" + bytes(100))
    refused(tmp_path / "pytorch_model.bin", "-o", out, "--overwrite", match="pickled weights, which are never loaded")
    big = Transformer(CONFIGS["llama"])
    with torch.no_grad():
        big.embedding.weight.fill_(1e5)
    save_model(tmp_path / "big", big, source / "tokenizer.json")
    refused(tmp_path / "big", "-o", out, "--overwrite", "--dtype", "fp16", match="too large for float16; use bf16")
    assert contents(out) == before


def test_the_output_lies_apart_from_the_input(model, checkpoint, tokenizer, tmp_path):
    source = model()
    before = contents(source)
    for output in (source, source.parent, source / ".." / source.name):
        refused(source, "-o", output, "--overwrite", match="must lie apart from the input", kind=UsageError)
    refused(source, "-o", tokenizer.parent, "--tokenizer", tokenizer, "--overwrite", match="apart", kind=UsageError)
    refused(checkpoint, "-o", checkpoint, match="must lie apart", kind=UsageError)
    refused(source, "-o", checkpoint, match="is a file; name a folder")
    assert contents(source) == before


def test_the_program_says_it_in_one_line(model, tmp_path):
    source = model()
    change(source, model_type="bert\x1b[31m")
    run = [sys.executable, "-m", "gptkit", "convert", str(source), "-o", str(tmp_path / "out")]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert "these are supported: gpt2, openai-gpt, llama, mixtral, gpt_oss, gptkit" in done.stderr
    assert "\x1b" not in done.stderr
