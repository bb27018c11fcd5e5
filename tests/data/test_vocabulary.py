import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, pre_tokenizers

from gptkit.data.vocabulary import (
    byte_characters,
    bytes_per_token,
    check_vocabulary,
    find_end_of_text,
    no_end_of_text,
    token_bytes,
)
from gptkit.errors import GptkitError


def test_the_byte_table_is_that_of_tokenizers():
    table = byte_characters()
    assert sorted(table.values()) == list(range(256))
    assert set(table) == set(pre_tokenizers.ByteLevel.alphabet())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for code in [*range(0x800), *range(0x800, 0x110000, 997)]:
        if 0xD800 <= code < 0xE000:
            continue
        ((characters, _),) = byte_level.pre_tokenize_str(chr(code))
        assert bytes(table[character] for character in characters) == chr(code).encode()


@given(text=st.text())
def test_the_bytes_of_tokens_add_up_to_the_text(token_folder, text):
    tokenizer = Tokenizer.from_file(str(token_folder.tokenizer_path))
    ids = tokenizer.encode(text).ids
    end = token_folder.manifest.facts["end_of_text"]
    pieces = token_bytes(token_folder.tokenizer_path)
    assert pieces[end] == b""
    if end not in ids:
        assert b"".join(pieces[index] for index in ids) == text.encode()
        assert bytes_per_token(token_folder.tokenizer_path)[ids].sum() == len(text.encode())


def test_the_bytes_of_every_token_are_what_tokenizers_decodes(token_folder):
    tokenizer = Tokenizer.from_file(str(token_folder.tokenizer_path))
    pieces = token_bytes(token_folder.tokenizer_path)
    assert len(pieces) == tokenizer.get_vocab_size()
    for index, piece in enumerate(pieces):
        assert tokenizer.decode([index], skip_special_tokens=True) == piece.decode("utf-8", "replace")


def write(tmp_path, **values):
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(values))
    return path


def test_added_tokens_and_gaps(tmp_path):
    added = [{"id": 5, "content": "<x>", "special": True}, {"id": 7, "content": "ü", "special": False}]
    path = write(tmp_path, model={"type": "BPE", "vocab": {"a": 0, "Ġb": 2}}, added_tokens=added)
    assert token_bytes(path) == [b"a", b"", b" b", b"", b"", b"", b"", "ü".encode()]
    assert bytes_per_token(path).tolist() == [1, 0, 2, 0, 0, 0, 0, 2]
    assert bytes_per_token(path).dtype == "int32"


def test_the_bytes_of_sentencepiece_tokens(tmp_path):
    vocabulary = {"<unk>": 0, "<0x0A>": 1, "<0xff>": 2, "▁a": 3, "▁▁": 4, "é": 5, "<0x0>": 6}
    added = [{"id": 0, "content": "<unk>", "special": True}]
    path = write(tmp_path, model={"type": "BPE", "byte_fallback": True, "vocab": vocabulary}, added_tokens=added)
    assert token_bytes(path) == [b"", b"\n", b"\xff", b" a", b"  ", "é".encode(), b"<0x0>"]


def test_the_bytes_of_gpt1_tokens(tmp_path):
    vocabulary = {"<unk>": 0, "a": 1, "é</w>": 2, "</w>": 3}
    added = [{"id": 0, "content": "<unk>", "special": True}]
    path = write(tmp_path, model={"type": "BPE", "end_of_word_suffix": "</w>", "vocab": vocabulary}, added_tokens=added)
    assert token_bytes(path) == [b"", b"a", "é ".encode(), b" "]


def test_special_tokens_need_no_bytes(tmp_path):
    added = [{"id": 1, "content": "<｜end▁of▁sentence｜>", "special": True}]
    path = write(tmp_path, model={"type": "BPE", "vocab": {"a": 0, "<｜end▁of▁sentence｜>": 1}}, added_tokens=added)
    assert token_bytes(path) == [b"a", b""]


def special(*names):
    tokens = [{"content": name, "id": 10 + place, "special": True} for place, name in enumerate(names)]
    return {"added_tokens": [*tokens, {"content": "plain", "id": 5, "special": False}]}


def test_end_of_text_is_found_by_its_name():
    assert find_end_of_text(special("<s>", "</s>", "<|endoftext|>")) == 12
    assert find_end_of_text(special("<s>", "<|eos|>", "<eos>", "</s>", "<|end_of_text|>")) == 14
    assert find_end_of_text(special("<s>", "<|eos|>", "<eos>")) == 12
    assert find_end_of_text(special("<s>", "<|endoftext|>"), "<s>") == 10
    assert find_end_of_text(special("<s>", "<|endoftext|>"), "plain") is None
    assert find_end_of_text(special("<s>", "</S>")) is None
    assert find_end_of_text({}) is None


def test_what_is_said_without_end_of_text():
    assert "--end-of-text ('<s>', '<t>')" in str(no_end_of_text(special("<s>", "<t>"), "x"))
    assert str(no_end_of_text(special(*map(str, range(20))), "x")).endswith("'7', …)")
    assert "has no special tokens" in str(no_end_of_text({}, "x"))
    assert str(no_end_of_text(special("<s>"), "x", "<t>")) == "x: has no special token '<t>'"


@pytest.mark.parametrize(
    "values",
    [
        {"model": {"type": "WordPiece", "vocab": {"a": 0}}},
        {"model": {"type": "Unigram", "vocab": [["a", 0]]}},
        {"model": {"type": "BPE", "vocab": {"▁a": 0}}},
        {"model": {"type": "BPE", "vocab": {}}},
        {"model": {"type": "BPE", "vocab": {"a": -1}}},
        {"model": {"type": "BPE", "vocab": {"a": 10**12}}},
        {"model": {"type": "BPE", "vocab": {"a": "x"}}},
        {"model": {"type": "BPE", "vocab": {"a": 1.5}}},
        {"model": {"type": "BPE", "vocab": {"a": True}}},
        {"model": {"type": "BPE", "vocab": {"a": 0}}, "added_tokens": [5]},
        {"model": {"type": "BPE", "vocab": {"a": 0}}, "added_tokens": 5},
        {"model": {"type": "BPE", "vocab": {"a": 0}}, "added_tokens": [{"content": "b"}]},
        {"model": {"type": "BPE", "vocab": {"a": 0}}, "added_tokens": [{"id": 1}]},
        {"model": {"type": "BPE", "vocab": {"a": 0}}, "added_tokens": [{"id": "1", "content": "b"}]},
        {"model": None},
        {},
        [],
    ],
)
def test_what_is_no_byte_level_tokenizer(tmp_path, values):
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(values))
    with pytest.raises(GptkitError, match=r"tokenizer\.json"):
        token_bytes(path)


def test_a_prefix_that_makes_tokenizers_end_the_process_is_refused():
    """Its merges cut the second token at the length of the prefix, also within a character."""
    config = {"model": {"type": "BPE", "continuing_subword_prefix": "x", "vocab": {"a": 0, "Ġ": 1, "aĠ": 2}}}
    with pytest.raises(GptkitError, match=r"^t\.json: has a continuing_subword_prefix"):
        check_vocabulary(config, "t.json")
    check_vocabulary({"model": {**config["model"], "continuing_subword_prefix": ""}}, "t.json")
