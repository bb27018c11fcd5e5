"""Ids equal to those of tokenizers, whatever library gives them; text never makes a special token."""

import json
import os
import random
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from gptkit.bpe.encoder import Encoder
from gptkit.bpe.gpt1 import prepare
from gptkit.bpe.newer_characters import NEWER
from gptkit.bpe.patterns import parts
from gptkit.bpe.probe import MIXED
from gptkit.bpe.tokenizer_json import canonical, special_token
from gptkit.data.vocabulary import byte_characters
from gptkit.errors import GptkitError

SHARED = Path(os.environ.get("GPTKIT_SHARED", Path(__file__).parents[3] / "shared")) / "data"
SPECIAL = ("<|endoftext|>", "<|fim_prefix|>", "<|endofprompt|>")
PATTERNS = ("gpt2", "cl100k", "o200k", "llama3")
KINDS = (*PATTERNS, "llama2", "gpt1")
STEP = 251  # of the code points that are looked at here; tests/benchmarks/bench_encode.py looks at all


def real(name, each):
    path = SHARED / name
    if not path.exists():
        return []
    with zstandard.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line)["text"] for number, line in enumerate(file) if number % each == 0]


def sample():
    return real("text/mixed.jsonl.zst", 200)


def adversarial():
    draw = random.Random(7)
    codes = [code for code in range(0, 0x110000, STEP) if not 0xD800 <= code < 0xE000]
    combining = ["\u0301", "\u0301\u0302\u0303", "a\u0301", " \u0e33", "\u20e3", "\u093f\u0301 x", "\U000e0100"]
    written = [
        f"a {token}{token} b\n{token}" for token in (*SPECIAL, "<s>", "</s>", "<unk>", "<0x0A>", "<|", "endoftext|>")
    ]
    return [
        *(f"a{c}b{c} {c}1{c}{c}" for c in map(chr, codes)),
        *("".join(draw.choices(MIXED, k=draw.randint(1, 40))) for _ in range(1_000)),
        *combining,
        *written,
        *(
            "",
            " ",
            "\n",
            "\0",
            "x" * 20_000,
            "".join(draw.choices("abcdefghij", k=20_000)),
            "日本語" * 5_000,
            " " * 20_000,
        ),
    ]


def byte_level(pattern):
    """GPT-2's vocabulary where it is there (else a small one), split by another pattern."""
    vocabulary, merges = SHARED / "bpe" / "encoder.json", SHARED / "bpe" / "vocab.bpe"
    if vocabulary.exists():
        tokens = json.loads(vocabulary.read_text())
        del tokens[SPECIAL[0]]
        pairs = [line.split() for line in merges.read_text(encoding="utf-8").splitlines()[1:]]
    else:
        tokens = {character: place for place, character in enumerate(pre_tokenizers.ByteLevel.alphabet())}
        pairs = []
    model = {"type": "BPE", "vocab": tokens, "merges": pairs, "ignore_merges": pattern == "llama3"}
    special = [special_token(token, 70_000 + 5 * place) for place, token in enumerate(SPECIAL)]
    return {**parts(pattern), "model": model, "added_tokens": special}


def llama2():
    """As SentencePiece's, with a token for each byte and ▁ for a space."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<unk>", "<s>", "</s>"]
    texts = [*MIXED, "the cat sat on the mat and the hat of the bat"] * 5
    tokens = [*special, *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=500, special_tokens=tokens, show_progress=False)
    )
    config = json.loads(tokenizer.to_str())
    before = {"type": "Prepend", "prepend": "▁"}
    spaces = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    config["normalizer"] = {"type": "Sequence", "normalizers": [before, spaces]}
    config["pre_tokenizer"] = None
    config["added_tokens"] = [token for token in config["added_tokens"] if token["content"] in special]
    return config


def gpt1():
    """Words in lower case, cut into characters, the last of a word marked."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<unk>"], end_of_word_suffix="</w>", show_progress=False, limit_alphabet=150
    )
    tokenizer.train_from_iterator(
        ["the cat sat on the mat , and the hat of the bat ! 123 it's"] * 5 + [*MIXED], trainer
    )
    config = json.loads(tokenizer.to_str()) | parts("gpt1")
    config["added_tokens"].append(special_token("<|endoftext|>", 1 + max(config["model"]["vocab"].values())))
    return config


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def encoder(kind, tmp_path_factory):
    config = {"llama2": llama2, "gpt1": gpt1}.get(kind, lambda: byte_level(kind))()
    path = tmp_path_factory.mktemp(kind) / "tokenizer.json"
    path.write_bytes(canonical(config, kind, None))
    return Encoder(path)


@pytest.fixture(scope="module")
def original(encoder):
    """The tokenizer as it is, told to treat special tokens as text."""
    tokenizer = Tokenizer.from_file(str(encoder.path))
    tokenizer.encode_special_tokens = True
    return tokenizer


def rows(encoder, texts):
    ids, starts = encoder.encode(pa.array(texts, pa.large_string()))
    assert ids.dtype == np.uint32
    assert starts.dtype == np.int64
    assert starts[0] == 0
    assert starts[-1] == len(ids)
    return [part.tolist() for part in np.split(ids, starts[1:-1])]


def expected(original, kind, texts):
    texts = prepare(texts) if kind == "gpt1" else texts
    return [encoding.ids for encoding in original.encode_batch(texts, add_special_tokens=False)]


@pytest.mark.parametrize("source", [sample, adversarial, lambda: real("languages/flores.jsonl.zst", 300)])
def test_ids_are_those_of_tokenizers(encoder, original, kind, source):
    texts = source()
    if not texts:
        pytest.skip("needs the data folder: GPTKIT_SHARED, or ../shared beside the repository")
    found, right = rows(encoder, texts), expected(original, kind, texts)
    assert next((text for text, row, ids in zip(texts, found, right, strict=True) if row != ids), None) is None
    encoder.check(texts[:50], [None] * 50)


def test_who_encodes(encoder, kind):
    assert encoder.fast == (kind != "gpt1")
    assert encoder.spells_text == (kind in PATTERNS)


def test_no_text_makes_a_special_token(encoder, original, kind):
    special = {index for index, token in original.get_added_tokens_decoder().items() if token.special}
    unknown = {original.token_to_id("<unk>")} if kind == "gpt1" else set()
    for row in rows(encoder, adversarial()):
        assert not special.difference(unknown).intersection(row)


def test_batches_may_be_cut_anywhere(encoder):
    texts = adversarial()[-900:]
    whole = rows(encoder, texts)
    column = pa.array(texts, pa.string())
    cut = [encoder.encode(column[begin : begin + 333]) for begin in range(0, len(texts), 333)]
    assert np.concatenate([ids for ids, _ in cut]).tolist() == [index for row in whole for index in row]
    ids, starts = encoder.encode(pa.array([], pa.string()))
    assert len(ids) == 0
    assert starts.tolist() == [0]


def test_ids_spell_their_text(encoder, kind):
    if kind not in PATTERNS:
        with pytest.raises(ValueError, match="do not spell"):
            encoder.mismatch(np.empty(0, np.uint32), np.zeros(1, np.int64), pa.array([], pa.string()))
        return
    texts = [*sample(), *adversarial()]
    column = pa.array(["dropped", *texts], pa.string())[1:]
    ids, starts = encoder.encode(column)
    assert encoder.mismatch(ids, starts, column) is None
    draw = np.random.default_rng(3)
    for row in draw.integers(0, len(ids), 40).tolist():
        document = int(np.searchsorted(starts, row, "right")) - 1
        for wrong in (int(draw.integers(encoder.vocab_size)), encoder.end_of_text, encoder.vocab_size, 2**32 - 1):
            if wrong != ids[row]:
                changed = ids.copy()
                changed[row] = wrong
                assert encoder.mismatch(changed, starts, column) == document
    shifted = starts.copy()
    shifted[5] += 1  # a token moves to the document before
    assert encoder.mismatch(ids, shifted, column) == 4
    with pytest.raises(ValueError, match="not those of the texts"):
        encoder.mismatch(ids[:-1], starts, column)


@given(texts=st.lists(st.text(), max_size=5))
def test_decoding_gives_the_text(encoder, original, kind, texts):
    if kind in PATTERNS:
        assert [original.decode(row, skip_special_tokens=False) for row in rows(encoder, texts)] == [
            *texts
        ] or not texts


def test_gpt1_is_that_of_transformers(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = gpt1()
    path = tmp_path / "tokenizer.json"
    path.write_bytes(canonical(config, "gpt1", None))
    encoder = Encoder(path)
    model = config["model"]
    theirs = transformers.OpenAIGPTTokenizer(vocab=model["vocab"], merges=[tuple(merge) for merge in model["merges"]])
    texts = [*sample()[:20], *adversarial()[:300], "The CAT’s hat &amp; mat", "naïve café ½ ﬁ"]
    texts = [text for text in texts if "<unk>" not in text and "<|endoftext|>" not in text]
    for text, row in zip(texts, rows(encoder, texts), strict=True):
        assert theirs(prepare([text])[0], add_special_tokens=False)["input_ids"] == row


BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


def changed(**fields):
    """A byte-level tokenizer with other fields of the file or of the model."""
    config = byte_level("gpt2")
    for name, value in fields.items():
        (config["model"] if name in ("dropout",) else config)[name] = value
    return config


def split(expression, behavior="Isolated"):
    step = {"type": "Split", "pattern": {"Regex": expression}, "behavior": behavior, "invert": False}
    return {"type": "Sequence", "pretokenizers": [step, BYTES]}


@pytest.mark.parametrize(
    "fields",
    [
        {"pre_tokenizer": BYTES},
        {"pre_tokenizer": split(parts("cl100k")["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"], "Removed")},
        {"pre_tokenizer": split(r"\p{L}+|[^\p{L}]+")},
        {"normalizer": {"type": "NFKC"}},
        {"pre_tokenizer": {**BYTES, "use_regex": True, "add_prefix_space": True}},
        {"normalizer": {"type": "NFC"}},
        *(
            {
                "added_tokens": [
                    special_token(SPECIAL[0], 70_000),
                    {**special_token("<x>", 70_001), "special": False} | flags,
                ]
            }
            for flags in ({}, {"lstrip": True}, {"rstrip": True}, {"single_word": True}, {"normalized": True})
        ),
    ],
)
def test_unusual_features_are_those_of_tokenizers(tmp_path, fields):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(canonical(changed(**fields), "changed", None))
    encoder = Encoder(path)
    original = Tokenizer.from_file(str(path))
    original.encode_special_tokens = True
    texts = [
        "a <x> b",
        "a<x>b",
        "  <x>  <x>\n",
        "<|endoftext|>",
        "e\u0301 x",
        "two  words\u0085\u0085 1",
        "İ don't",
        *adversarial()[:4_000:9],
    ]
    assert rows(encoder, texts) == expected(original, "", texts)


def test_what_merges_make_is_no_special_token(tmp_path):
    """A special token that the merges would make of its text."""
    config = byte_level("gpt2")
    config["added_tokens"] = [special_token("the", config["model"]["vocab"].get("the", 256)), config["added_tokens"][0]]
    path = tmp_path / "tokenizer.json"
    path.write_bytes(canonical(config, "merged", None))
    encoder = Encoder(path)
    (row,) = rows(encoder, ["the the"])
    assert config["added_tokens"][0]["id"] not in row
    assert encoder.mismatch(*encoder.encode(pa.array(["the the"])), pa.array(["the the"])) is None


def test_a_tokenizer_that_loses_bytes_is_none(tmp_path):
    config = byte_level("gpt2")
    path = tmp_path / "tokenizer.json"
    del config["model"]["vocab"]["!"]
    config["model"]["merges"] = []
    path.write_bytes(orjson.dumps(config | {"version": "1.0"}))
    with pytest.raises(GptkitError, match="no token for the byte 0x21"):
        Encoder(path)


def test_the_end_of_text_may_be_named(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(canonical(byte_level("gpt2"), "gpt2", None))
    assert Encoder(path).end_of_text == 70_000
    assert Encoder(path, SPECIAL[2]).end_of_text == 70_010
    assert Encoder(path).vocab_size == 70_011
    with pytest.raises(GptkitError, match="no special token '<x>'"):
        Encoder(path, "<x>")


def revealing(pattern):
    """A tokenizer of bytes and of pairs of an ASCII character and another byte: it merges wherever nothing is split."""
    characters = {byte: character for character, byte in byte_characters().items()}
    tokens = [*characters.values()]
    merges = []
    for ascii_byte in b"aA1! \n'":
        for byte in range(0x80, 0x100):
            pair = (characters[ascii_byte], characters[byte])
            merges += [pair, pair[::-1]]
    tokens += ["".join(merge) for merge in merges]
    model = {"type": "BPE", "vocab": {token: index for index, token in enumerate(tokens)}, "merges": merges}
    return {**parts(pattern), "model": model, "added_tokens": [special_token(SPECIAL[0], len(tokens))]}


def in_context(code):
    c = chr(code)
    return f"a{c}a A{c}A 1{c}1 !{c}! {c} a{c}1{c}A{c}!{c}\n{c}'{c}aA{c}Aa"


def differing(pattern, folder, codes):
    """The characters with which our ids are not those of tokenizers."""
    path = folder / "tokenizer.json"
    path.write_bytes(canonical(revealing(pattern), pattern, None))
    encoder = Encoder(path)
    assert encoder.fast
    texts = [in_context(code) for code in codes]
    found, right = rows(encoder, texts), expected(Tokenizer.from_file(str(path)), pattern, texts)
    return [hex(code) for code, row, ids in zip(codes, found, right, strict=True) if row != ids]


@pytest.mark.parametrize("pattern", ["gpt2", "cl100k", "o200k"])
def test_characters_of_a_newer_unicode(tmp_path, pattern):
    codes = {code for first, last in NEWER for code in (*range(first - 3, first + 40), *range(last - 40, last + 4))}
    codes |= {code for code in range(0x80, 0x110000, 509) if not 0xD800 <= code < 0xE000}
    assert not differing(pattern, tmp_path, sorted(codes))


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["gpt2", "cl100k", "o200k"])
def test_every_character(tmp_path, pattern):
    for begin in range(0, 0x110000, 0x8000):
        codes = [code for code in range(begin, begin + 0x8000) if not 0xD800 <= code < 0xE000]
        assert not differing(pattern, tmp_path, codes)
