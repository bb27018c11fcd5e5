"""Tokenizers with a regular expression of their own."""

import json

import pyarrow as pa
import pytest
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from gptkit.bpe import trial
from gptkit.bpe.encoder import Encoder
from gptkit.bpe.take import take_tokenizer
from gptkit.errors import GptkitError


def write(folder, expression, **model):
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer = Tokenizer(models.BPE({character: number for number, character in enumerate(sorted(alphabet))}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(expression), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.add_special_tokens(["<|endoftext|>"])
    config = json.loads(tokenizer.to_str())
    config["model"] |= model
    (folder / "tokenizer.json").write_text(json.dumps(config))
    return folder / "tokenizer.json"


def test_a_sound_expression_is_taken(tmp_path):
    path = write(tmp_path, r"[a-z]+|\s+|[^a-z\s]+")
    assert json.loads(take_tokenizer(str(path)))["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]


@pytest.mark.parametrize("expression", [r"(x+x+)+y", r"a+b"], ids=["exponential", "quadratic"])
def test_an_expression_that_may_run_for_ever_is_one_line(tmp_path, monkeypatch, expression):
    monkeypatch.setattr(trial, "SECONDS", 2.5)
    path = write(tmp_path, expression)
    with pytest.raises(GptkitError, match="its regular expression") as error:
        take_tokenizer(str(path))
    assert "\n" not in str(error.value)


def test_dropout_is_left_out_where_text_is_encoded(tmp_path):
    path = write(tmp_path, r"\s+", dropout=0.5, merges=[["a", "b"]], vocab=None)
    config = json.loads(path.read_text())
    config["model"]["vocab"] = {c: n for n, c in enumerate([*sorted(pre_tokenizers.ByteLevel.alphabet()), "ab"])}
    config["added_tokens"][0]["id"] = 257
    path.write_text(json.dumps(config))
    encoder = Encoder(path)
    ids, _ = encoder.encode(pa.array(["ab" * 200]))
    assert ids.tolist() == [256] * 200
