import json
import shutil

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from gptkit.data.files import sha256_file
from gptkit.errors import GptkitError
from gptkit.model.config import ModelConfig
from gptkit.model.folder import load_model, save_model
from gptkit.model.text import Codec
from gptkit.model.transformer import Transformer

TEXT = "The quick brown fox — naïve 日本 🙂 jumps.\n\tdef f(x): return x**2\n" * 20


@pytest.fixture(scope="module")
def tokenizer_path(tmp_path_factory):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=alphabet, special_tokens=["<|endoftext|>"], show_progress=False
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(path))
    return path


@pytest.fixture(scope="module")
def config(tokenizer_path):
    return ModelConfig(Codec(tokenizer_path).vocab_size, context=16, layers=2, heads=2, width=24)


@pytest.fixture
def folder(tmp_path, config, tokenizer_path):
    save_model(tmp_path / "model", Transformer(config, seed=2), tokenizer_path)
    return tmp_path / "model"


def transformers_gpt2():
    return pytest.importorskip("transformers").GPT2LMHeadModel


def test_transformers_reads_our_folder_with_equal_logits(folder, config):
    theirs, info = transformers_gpt2().from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert theirs.config.eos_token_id == theirs.config.bos_token_id == 0
    ours = load_model(folder).model
    ids = torch.randint(config.vocab_size, (2, 16), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(ours(ids), theirs.eval()(ids).logits, rtol=0, atol=1e-4)


@pytest.mark.parametrize("parts", [1, 2])
def test_we_read_a_folder_of_transformers_with_equal_logits(tmp_path, config, tokenizer_path, parts):
    from transformers import GPT2Config

    shape = GPT2Config(
        vocab_size=config.vocab_size, n_positions=16, n_embd=24, n_layer=2, n_head=2, initializer_range=0.3
    )
    torch.manual_seed(0)
    theirs = transformers_gpt2()(shape).eval()
    theirs.save_pretrained(tmp_path, max_shard_size="5GB" if parts == 1 else "30KB")
    assert len(list(tmp_path.glob("*.safetensors"))) >= parts
    shutil.copy(tokenizer_path, tmp_path)
    loaded = load_model(tmp_path)
    ids = torch.randint(config.vocab_size, (2, 16), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = theirs(ids).logits
        assert logits.std() > 0.3  # so that the comparison means something
        torch.testing.assert_close(loaded.model(ids), logits, rtol=0, atol=1e-4)


def test_saving_what_was_loaded_gives_equal_bytes(folder, tmp_path, tokenizer_path):
    first = load_model(folder)
    save_model(tmp_path / "again", first.model, tokenizer_path)
    again = load_model(tmp_path / "again")
    assert first.fingerprint == again.fingerprint
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_the_fingerprint_follows_the_weights(folder, tmp_path, config, tokenizer_path):
    save_model(tmp_path / "other", Transformer(config, seed=3), tokenizer_path)
    assert load_model(folder).fingerprint != load_model(tmp_path / "other").fingerprint


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda f: (f / "config.json").unlink(), "no config.json"),
        (lambda f: (f / "tokenizer.json").unlink(), "no tokenizer.json"),
        (lambda f: (f / "model.safetensors").unlink(), "no model.safetensors"),
        (lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-9]), "is damaged"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\xff" * 30), "is damaged"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "is no tokenizer"),
        (lambda f: (f / "config.json").write_text("{"), "cannot be read as JSON"),
        (lambda f: change(f, model_type="bert"), "these are supported: gpt2"),
        (lambda f: change(f, n_layer=3), "h.2.attn.c_attn.bias is missing"),
        (lambda f: change(f, n_layer=10**9), "not those of the 1000000000 layers"),
        (lambda f: change(f, n_layer=1), "h.1.attn.c_attn.bias is too much"),
        (lambda f: change(f, n_positions=17), r"wpe.weight has shape \[16, 24\]"),
        (lambda f: change(f, n_head=5), "5 heads"),
        (lambda f: change(f, n_embd="wide"), "width"),
        (lambda f: change(f, n_inner=7), r"c_fc.bias has shape \[96\] in the weights and \[7\]"),
        (lambda f: change(f, activation_function="relu"), "activation_function"),
        (lambda f: change(f, tie_word_embeddings=False), "tie_word_embeddings"),
    ],
)
def test_a_damaged_folder_is_one_clear_line(folder, damage, reason):
    damage(folder)
    with pytest.raises(GptkitError, match=reason) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def change(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_tokenizer_of_another_size_is_refused(tmp_path, tokenizer_path, config):
    other = ModelConfig(config.vocab_size - 1, 16, 1, 2, 8)
    save_model(tmp_path / "small", Transformer(other), tokenizer_path)
    with pytest.raises(GptkitError, match="do not belong together"):
        load_model(tmp_path / "small")
    padded = ModelConfig(384, 16, 1, 2, 8)  # the next multiple of 128, as others round up to
    save_model(tmp_path / "padded", Transformer(padded), tokenizer_path)
    assert load_model(tmp_path / "padded").config.vocab_size == 384


def test_another_tokenizer_than_the_manifests_is_refused(folder):
    manifest = {"facts": {"tokenizer": sha256_file(folder / "tokenizer.json")}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    load_model(folder)
    other = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = other["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]  # as many tokens, and others
    (folder / "tokenizer.json").write_text(json.dumps(other))
    with pytest.raises(GptkitError, match="is not the tokenizer this model was trained with") as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)
    (folder / "manifest.json").write_text("[]")  # not ours: says nothing
    load_model(folder)


def test_an_unfinished_training_names_its_checkpoint(tmp_path):
    (tmp_path / ".work" / "checkpoints").mkdir(parents=True)
    with pytest.raises(GptkitError, match="no checkpoint yet"):
        load_model(tmp_path)
    for step in (100, 200):
        (tmp_path / ".work" / "checkpoints" / f"step-{step:06d}").mkdir()
    with pytest.raises(GptkitError, match="step-000200"):
        load_model(tmp_path)
    with pytest.raises(GptkitError, match="no such folder"):
        load_model(tmp_path / "none")


def test_pickled_weights_are_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(GptkitError, match="pickled"):
        load_model(folder)


def test_special_tokens_in_text_are_text(tokenizer_path):
    codec = Codec(tokenizer_path)
    assert codec.end_of_text == 0
    ids = codec.encode("a<|endoftext|>b")
    assert codec.end_of_text not in ids
    assert codec.decode(ids) == "a<|endoftext|>b"
    assert codec.decode([0, *ids, 0]) == "a<|endoftext|>b"


@pytest.mark.parametrize("text", ["", " leading", TEXT, "\x00\x1b[1m", "a\r\nb", "日本🙂é"])
def test_text_comes_back(tokenizer_path, text):
    codec = Codec(tokenizer_path)
    assert codec.decode(codec.encode(text)) == text


def test_broken_text_is_encoded_too(tokenizer_path):
    codec = Codec(tokenizer_path)
    assert codec.decode(codec.encode("a\ud800b")) == "a?b"
