"""One tokenizer in each of its forms gives one tokenizer.json; what is damaged gives one line."""

import base64
import contextlib
import hashlib
import json
import os
import random
import shutil
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from gptkit.bpe.encoder import Encoder
from gptkit.bpe.patterns import parts
from gptkit.bpe.published import ENCODINGS, llama3_special
from gptkit.bpe.ranks import merges_of, read_ranks
from gptkit.bpe.take import take_tokenizer
from gptkit.data.vocabulary import byte_characters
from gptkit.errors import GptkitError

SHARED = Path(os.environ.get("GPTKIT_SHARED") or Path(__file__).parents[3] / "shared") / "data" / "bpe"
END = "<|endoftext|>"
TABLE = byte_characters()
TEXT = "the cat sat on the mat, and the hat of the bat; it's the 1234 cats' (mats)\n\n  thatched hats\n" * 3


def raw(token):
    return bytes(TABLE[character] for character in token)


def rank_file(vocabulary):
    lines = [(index, raw(token)) for token, index in vocabulary.items() if token != END]
    return b"".join(base64.b64encode(token) + b" %d\n" % index for index, token in sorted(lines))


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    """A small tokenizer, learned here, in each form: tokenizer.json, two pairs of files, ranks, folders of them."""
    folder = tmp_path_factory.mktemp("forms")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = [character for character, _ in sorted(TABLE.items())]
    trainer = trainers.BpeTrainer(vocab_size=290, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([TEXT], trainer)
    tokenizer.add_special_tokens([END])
    for name in ("whole", "gpt2", "roberta", "ranks", "ranks_llama"):
        (folder / name).mkdir()
    tokenizer.save(str(folder / "whole" / "tokenizer.json"))
    model = json.loads(tokenizer.to_str())["model"]
    vocabulary = model["vocab"] | {END: tokenizer.token_to_id(END)}
    merges = "".join(" ".join(merge) + "\n" for merge in model["merges"])
    for name, first, second in (("gpt2", "encoder.json", "vocab.bpe"), ("roberta", "vocab.json", "merges.txt")):
        (folder / name / first).write_text(json.dumps(vocabulary))
        (folder / name / second).write_text("#version: 0.2\n" + merges, encoding="utf-8")
    (folder / "ranks" / "mine.tiktoken").write_bytes(rank_file(vocabulary))
    (folder / "ranks_llama" / "tokenizer.model").write_bytes(rank_file(vocabulary))
    return folder


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("whole/tokenizer.json", None),
        ("whole", None),
        ("gpt2", None),
        ("gpt2/vocab.bpe", None),
        ("gpt2/encoder.json", "gpt2"),
        ("roberta/merges.txt", None),
        ("roberta", None),
        ("ranks/mine.tiktoken", "gpt2"),
        ("ranks", "gpt2"),
        ("ranks_llama", "gpt2"),
        ("ranks_llama/tokenizer.model", "gpt2"),
    ],
)
def test_every_form_gives_the_same_file(forms, tmp_path, name, pattern):
    content = take_tokenizer(str(forms / name), pattern, END)
    assert content == take_tokenizer(str(forms / "whole"))
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    assert take_tokenizer(str(path)) == content
    theirs = Tokenizer.from_file(str(forms / "whole" / "tokenizer.json"))
    ours = Tokenizer.from_file(str(path))
    assert ours.encode(TEXT + END).ids == theirs.encode(TEXT + END).ids
    assert ours.decode(ours.encode(TEXT).ids) == TEXT


def test_a_pattern_is_taken_for_ranks(forms):
    for pattern in ("cl100k", "o200k", "llama3"):
        config = json.loads(take_tokenizer(str(forms / "ranks"), pattern, END))
        assert config["pre_tokenizer"] == parts(pattern)["pre_tokenizer"]
    for pattern in (None, "gpt1"):
        with pytest.raises(GptkitError, match=r"mine\.tiktoken: does not say how text is split; name its --pattern"):
            take_tokenizer(str(forms / "ranks"), pattern)


def test_gpt1_is_known_by_its_words(tmp_path):
    vocabulary = {"<unk>": 0, "a": 1, "b": 2, "a</w>": 3, "b</w>": 4, "ab</w>": 5}
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b</w>\n")
    content = take_tokenizer(str(tmp_path), "gpt2", END)
    (tmp_path / "tokenizer.json").write_bytes(content)
    assert take_tokenizer(str(tmp_path / "tokenizer.json")) == content
    encoder = Encoder(tmp_path / "tokenizer.json")
    ids, starts = encoder.encode(pa.array(["AB ba é", "<|endoftext|>", ""]))
    assert ids[: starts[1]].tolist() == [5, 2, 3, 0]
    assert (encoder.end_of_text, encoder.vocab_size) == (6, 7)
    assert 6 not in ids


def test_end_of_text(forms, tmp_path):
    path = tmp_path / "tokenizer.json"

    def take(end_of_text, name="whole"):
        path.write_bytes(take_tokenizer(str(forms / name), "gpt2", end_of_text))
        return Encoder(path, end_of_text)

    assert (take(None).end_of_text, take(None).vocab_size) == (290, 291)
    assert (take("<|im_end|>").end_of_text, take("<|im_end|>").vocab_size) == (291, 292)  # behind the last id
    assert take("at").end_of_text == Tokenizer.from_file(str(forms / "whole" / "tokenizer.json")).token_to_id("at")
    with pytest.raises(GptkitError, match="no token for the byte 0x21"):  # its text would need it
        take("!")
    with pytest.raises(GptkitError, match="has no special tokens; add one that ends a document: --end-of-text"):
        take(None, "ranks")
    config = json.loads((forms / "whole" / "tokenizer.json").read_text())
    config["added_tokens"][0]["content"] = "<|im_end|>"
    path.write_text(json.dumps(config))
    with pytest.raises(GptkitError, match=r"which token ends a document; .* --end-of-text \('<\|im_end\|>'\)"):
        take_tokenizer(str(path))


@pytest.mark.skipif(not SHARED.is_dir(), reason="GPTKIT_SHARED names no folder with data/bpe")
def test_gpt2_is_known_by_its_ranks(tmp_path):
    vocabulary = json.loads((SHARED / "encoder.json").read_text())
    ranks = rank_file(vocabulary)
    assert hashlib.sha256(ranks).hexdigest() == ENCODINGS["r50k_base"].sha256
    (tmp_path / "any name").write_bytes(ranks)
    taken = take_tokenizer(str(tmp_path / "any name"))
    assert taken == take_tokenizer(str(SHARED))
    config = json.loads(taken)
    assert config["model"]["vocab"] == vocabulary
    lines = (SHARED / "vocab.bpe").read_text(encoding="utf-8").splitlines()[1:]
    assert [" ".join(merge) for merge in config["model"]["merges"]] == lines
    (tmp_path / "cl100k_base.tiktoken").write_bytes(b"".join(ranks.splitlines(True)[:-20]))
    with pytest.raises(GptkitError, match="is not the published cl100k_base"):
        take_tokenizer(str(tmp_path / "cl100k_base.tiktoken"))


def test_merges_of_ranks():
    letters = {bytes([byte]): byte for byte in range(256)}
    ranks = letters | {b"ab": 256, b"bc": 257, b"abc": 258, b"xyz": 259}
    # "abc" is made of ab + c, never of a + bc; nothing makes "xyz"
    assert merges_of(ranks) == ([(b"a", b"b"), (b"b", b"c"), (b"ab", b"c")], False)
    assert merges_of(letters | {b"aa": 256, b"aaa": 257, b"aaaa": 258})[0] == [
        (b"a", b"a"),
        (b"aa", b"a"),
        (b"aa", b"aa"),
    ]


def test_llama3_special_tokens():
    special = llama3_special()
    assert list(special.values()) == list(range(128_000, 128_256))
    assert special["<|end_of_text|>"] == 128_001
    assert special["<|eot_id|>"] == 128_009
    assert special["<|reserved_special_token_4|>"] == 128_008
    assert special["<|reserved_special_token_250|>"] == 128_255


def line(token, rank):
    return base64.b64encode(token) + b" " + rank + b"\n"


ALL = b"".join(line(bytes([byte]), b"%d" % byte) for byte in range(256))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no token for the byte 0x00"),
        (ALL[:-9], "no token for the byte 0xff|line 256"),
        (ALL + b"!!!! 256\n", "line 257"),
        (ALL + line(b"ab", b"-1"), "line 257"),
        (ALL + line(b"ab", b"1e3"), "line 257"),
        (ALL + line(b"ab", b"9" * 5_000), "line 257"),
        (ALL + line(b"a" * 2_000, b"256"), "line 257"),
        (ALL + line(b"a", b"256"), "a token for the second time"),
        (ALL + line(b"ab", b"255"), "a rank twice"),
        (ALL + line(b"ab", b"99999999"), "or one above"),
        (ALL + b"".join(line(b"%999d" % number, b"%d" % (256 + number)) for number in range(1_100)), "too long"),
    ],
)
def test_damaged_ranks(content, reason):
    with pytest.raises(GptkitError, match=reason):
        read_ranks(content, "x.tiktoken")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("tokenizer.json", b"{", "is no JSON"),
        ("tokenizer.json", b"[" * 100_000, "is no JSON"),
        ("tokenizer.json", b"\xff\xfe", "is no JSON"),
        ("tokenizer.json", b"[]", "only BPE tokenizers"),
        ("tokenizer.json", b'{"model": {"type": "Unigram", "vocab": [["a", 1]]}}', "only BPE tokenizers"),
        ("tokenizer.json", b'{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": 5}}', "is no tokenizer"),
        ("tokenizer.json", b'{"model": {"type": "BPE", "vocab": {"a": 99999999999}, "merges": []}}', "ids reach from"),
        ("encoder.json", b"[1]", "is no vocabulary"),
        ("encoder.json", b'{"a": "b"}', "is no vocabulary"),
        ("encoder.json", b'{"a": 0}', r"vocab\.bpe: no such file"),
        ("merges.txt", b"a b\n", r"vocab\.json: no such file"),
        ("x.model", b"\x0a\x0b\x0c", "SentencePiece"),
        ("x.tiktoken", b"what is this", "line 1"),
        ("x.txt", b"what is this", "is no JSON and no rank file"),
    ],
)
def test_what_is_no_tokenizer(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(GptkitError, match=reason) as error:
        take_tokenizer(str(tmp_path / name), "gpt2", END)
    assert "\n" not in str(error.value)


def test_files_that_do_not_belong_together(forms, tmp_path):
    shutil.copytree(forms / "gpt2", tmp_path / "gpt2")
    (tmp_path / "gpt2" / "encoder.json").write_text('{"a": 0, "b": 1, "<|endoftext|>": 2}')
    with pytest.raises(GptkitError, match=r"vocab\.bpe: line 2 merges .* do not belong together"):
        take_tokenizer(str(tmp_path / "gpt2"))


def test_a_huge_file_is_not_read(tmp_path):
    with open(tmp_path / "tokenizer.json", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(GptkitError, match="more than any tokenizer"):
        take_tokenizer(str(tmp_path))


def test_what_is_not_there(tmp_path, monkeypatch):
    with pytest.raises(GptkitError, match=r"x\.json: no such file"):
        take_tokenizer(str(tmp_path / "x.json"))
    with pytest.raises(GptkitError, match="holds no tokenizer"):
        take_tokenizer(str(tmp_path))
    huggingface_hub = pytest.importorskip("huggingface_hub")

    def offline(*_, **__):
        raise OSError("no route\nto the hub")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", offline)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    with pytest.raises(GptkitError, match=r"no model of this name can be had from the hub \(no route\)$"):
        take_tokenizer("nobody/nothing")


def test_a_name_on_the_hub(forms, monkeypatch):
    huggingface_hub = pytest.importorskip("huggingface_hub")

    siblings = [SimpleNamespace(rfilename=name) for name in ("merges.txt", "vocab.json", "README.md")]
    info = SimpleNamespace(siblings=siblings)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *_, **__: info)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda _, file, **__: str(forms / "roberta" / file))
    assert take_tokenizer("somebody/something") == take_tokenizer(str(forms / "whole"))
    info.siblings = siblings[:1]
    with pytest.raises(GptkitError, match=r"this model of the hub has no tokenizer\.json"):
        take_tokenizer("somebody/something")


def test_damage_gives_one_line(forms, tmp_path):
    draw = random.Random(5)
    for name in ("whole/tokenizer.json", "gpt2/encoder.json", "gpt2/vocab.bpe", "ranks/mine.tiktoken"):
        folder = tmp_path / name.split("/")[0]
        shutil.copytree(forms / name.split("/")[0], folder, dirs_exist_ok=True)
        sound = (forms / name).read_bytes()
        for _ in range(40):
            damaged = bytearray(sound)
            for _ in range(draw.randint(1, 3)):
                place = draw.randrange(len(damaged))
                damaged[place : place + draw.randint(0, 4)] = draw.randbytes(draw.randint(0, 4))
            (folder / name.split("/")[1]).write_bytes(
                damaged if draw.random() < 0.8 else sound[: draw.randrange(len(sound))]
            )
            with contextlib.suppress(GptkitError):  # anything else is a failure
                content = take_tokenizer(str(folder), "gpt2", END)
                (tmp_path / "tokenizer.json").write_bytes(content)
                Encoder(tmp_path / "tokenizer.json", END)
        shutil.copy(forms / name, folder / name.split("/")[1])
