"""llama2.c's files, against its computation written out in numpy and its encoder in Python."""

import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from torch.nn import functional

from gptkit.errors import GptkitError
from gptkit.model.cache import Cache
from gptkit.model.convert import convert
from gptkit.model.exchange.llama import LLAMA
from gptkit.model.exchange.llama2c import read_llama2c
from gptkit.model.exchange.llama2c_tokenizer import read_llama2c_tokenizer
from gptkit.model.folder import assemble, load_model
from gptkit.model.text import Codec

# where the script that gets small genuine models has put them
MODELS = Path(os.environ.get("GPTKIT_MODELS") or Path(__file__).parents[3] / "models")
STORIES = MODELS / "stories15M" / "stories15M.bin"
needs_stories = pytest.mark.skipif(not STORIES.is_file(), reason="GPTKIT_MODELS names no folder with stories15M")
STORY = (
    "Once upon a time, there was a little boy named Tim. Tim liked to play with his red ball in the park. One day he "
    "saw a big dog. The dog wanted to play too. Tim threw the ball and the dog ran fast to get it. They were very "
    "happy and became good friends. At the end of the day, Tim went home and told his mom about the dog.\n"
)
PIECES = [" ", "a", "b", "c", "é", "\n", "ab", "bc", " a", "abc", " ab", "ca", "aa", "aaa", "  ", "bé", " abc"]
TOKENS = 259 + len(PIECES)
SIZES = {"width": 24, "inner": 20, "layers": 2, "heads": 4, "kv_heads": 2, "vocabulary": TOKENS, "context": 16}
ORDER = "emb an wq wk wv wo fn w1 w2 w3 norm cos sin wcls".split()


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def shapes(width, inner, layers, heads, kv_heads, vocabulary, context):
    shared = width // heads * kv_heads
    half = width // heads // 2
    return {
        "emb": (abs(vocabulary), width),
        "an": (layers, width),
        "wq": (layers, width, width),
        "wk": (layers, shared, width),
        "wv": (layers, shared, width),
        "wo": (layers, width, width),
        "fn": (layers, width),
        "w1": (layers, inner, width),
        "w2": (layers, width, inner),
        "w3": (layers, inner, width),
        "norm": (width,),
        "cos": (context, half),
        "sin": (context, half),
        **({"wcls": (-vocabulary, width)} if vocabulary < 0 else {}),
    }


def made(sizes, theta=10_000.0):
    draw = np.random.default_rng(1)
    weights = {name: 0.3 * draw.standard_normal(shape) for name, shape in shapes(**sizes).items()}
    half = weights["cos"].shape[1]
    angles = np.outer(np.arange(sizes["context"]), theta ** -(np.arange(half) / half))
    return {**weights, "cos": np.cos(angles), "sin": np.sin(angles)}


def write(path, sizes, weights):
    numbers = [weights[name].astype("<f4").tobytes() for name in ORDER if name in weights]
    path.write_bytes(struct.pack("<7i", *sizes.values()) + b"".join(numbers))
    return path


def read(path):
    """The genuine file, by the layout that run.c maps it with."""
    data = path.read_bytes()
    sizes = dict(zip(SIZES, struct.unpack_from("<7i", data), strict=True))
    weights, place = {}, 28
    for name, shape in shapes(**sizes).items():
        count = int(np.prod(shape))
        weights[name] = np.frombuffer(data, "<f4", count, place).reshape(shape).astype(float)
        place += 4 * count
    return sizes, weights


def logits(ids, sizes, weights):
    """As run.c's forward computes, for all places at once, in float64."""
    width, heads, kv_heads = sizes["width"], sizes["heads"], sizes["kv_heads"]
    head = width // heads
    count = len(ids)

    def norm(x, weight):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * weight

    def turned(x):
        even, odd = x[..., 0::2], x[..., 1::2]
        cos, sin = weights["cos"][:count, None], weights["sin"][:count, None]
        return np.stack([even * cos - odd * sin, even * sin + odd * cos], axis=-1).reshape(x.shape)

    x = weights["emb"][ids]
    for n in range(sizes["layers"]):
        h = norm(x, weights["an"][n])
        q = turned((h @ weights["wq"][n].T).reshape(count, heads, head))
        k = turned((h @ weights["wk"][n].T).reshape(count, kv_heads, head))
        v = (h @ weights["wv"][n].T).reshape(count, kv_heads, head)
        k, v = np.repeat(k, heads // kv_heads, axis=1), np.repeat(v, heads // kv_heads, axis=1)
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(head)
        scores = np.where(np.tril(np.ones((count, count), bool)), scores, -np.inf)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        x = x + np.einsum("hqk,khd->qhd", shares, v).reshape(count, width) @ weights["wo"][n].T
        h = norm(x, weights["fn"][n])
        gate = h @ weights["w1"][n].T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ weights["w3"][n].T)) @ weights["w2"][n].T
    return norm(x, weights["norm"]) @ weights.get("wcls", weights["emb"]).T


def ours(path, ids):
    config, tensors = read_llama2c(path)
    with torch.no_grad():
        return assemble(LLAMA, config, tensors, path)(torch.tensor([ids]))[0].double().numpy()


@pytest.mark.parametrize("changed", [{}, {"kv_heads": 4}, {"kv_heads": 1, "heads": 2}, {"vocabulary": -TOKENS}])
def test_a_checkpoint_computes_what_run_c_computes(tmp_path, changed):
    sizes = {**SIZES, **changed}
    weights = made(sizes)
    ids = np.random.default_rng(0).integers(0, TOKENS, 16).tolist()
    expected = logits(ids, sizes, weights)
    assert expected.std() > 0.3
    np.testing.assert_allclose(ours(write(tmp_path / "model.bin", sizes, weights), ids), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[:-1], "it is damaged"),
        (lambda data: data + b"\0", "it is damaged"),
        (lambda data: data[:20], "it is 20 bytes long"),
        (lambda data: b"", "it is 0 bytes long"),
        (lambda data: struct.pack("<I", 0x616B3432) + struct.pack("<i", 2) + data, "is of version 2"),
        (lambda data: b"PK\x03\x04" + data, "holds pickled weights"),
        (lambda data: b"\x80\x02" + data, "holds pickled weights"),
        (lambda data: struct.pack("<7i", 24, 20, 2, 0, 2, 9, 16) + data[28:], "heads is 0"),
        (lambda data: struct.pack("<7i", 24, 20, 2, 4, 3, 9, 16) + data[28:], "cannot share 3"),
        (lambda data: struct.pack("<7i", 24, 20, 2, 4, 0, 9, 16) + data[28:], "kv_heads is -1"),
        (lambda data: struct.pack("<7i", 20, 20, 2, 4, 2, 9, 16) + data[28:], "cannot be turned in pairs"),
        (lambda data: struct.pack("<7i", *[2**31 - 1] * 7) + data[28:], "is no checkpoint of llama2.c|damaged"),
        (lambda data: struct.pack("<7i", 2**30, 2**30, 2**30, 1, 1, 2**30, 2**30) + data[28:], "it is damaged"),
        (lambda data: np.random.default_rng(0).bytes(len(data)), "is no checkpoint of llama2.c|damaged"),
    ],
)
def test_a_damaged_checkpoint_is_one_clear_line(tmp_path, damage, reason):
    path = write(tmp_path / "model.bin", SIZES, made(SIZES))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(GptkitError, match=reason) as caught:
        read_llama2c(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("theta", [500_000.0, np.nan])
def test_other_rotary_positions_are_refused(tmp_path, theta):
    path = write(tmp_path / "model.bin", SIZES, made(SIZES, theta))
    with pytest.raises(GptkitError, match="not those of base 10,000"):
        read_llama2c(path)


# --- tokenizer.bin ---


def scored(pieces):
    first = [b"<unk>", b"\n<s>\n", b"\n</s>\n", *(f"<0x{byte:02X}>".encode() for byte in range(256))]
    return [(0.0, piece) for piece in first] + [(-float(n), piece.encode()) for n, piece in enumerate(pieces)]


def write_tokenizer(path, vocabulary):
    parts = [struct.pack("<fi", score, len(piece)) + piece for score, piece in vocabulary]
    path.write_bytes(struct.pack("<i", max(len(piece) for _, piece in vocabulary)) + b"".join(parts))
    return path


def read_tokenizer(path, count):
    data, place, vocabulary = path.read_bytes(), 4, []
    for _ in range(count):
        score, length = struct.unpack_from("<fi", data, place)
        vocabulary.append((score, data[place + 8 : place + 8 + length]))
        place += 8 + length
    return vocabulary


def encoded(text, vocabulary):
    """As run.c's encode, without the token that begins a text: characters, then always the best pair."""
    known = {piece: index for index, (_, piece) in enumerate(vocabulary) if index >= 259}
    ids = []
    for character in (" " + text if text else "").encode().decode():
        raw = character.encode()
        ids += [known[raw]] if raw in known else [byte + 3 for byte in raw]
    while True:
        best = None
        for place in range(len(ids) - 1):
            if min(ids[place : place + 2]) >= 259:
                whole = known.get(vocabulary[ids[place]][1] + vocabulary[ids[place + 1]][1])
                if whole is not None and (best is None or vocabulary[whole][0] > best[0]):
                    best = vocabulary[whole][0], place, whole
        if best is None:
            return ids
        ids[best[1] : best[1] + 2] = [best[2]]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A small tokenizer.bin, and what is made of it."""
    path = write_tokenizer(tmp_path_factory.mktemp("small") / "tokenizer.bin", scored(PIECES))
    return path, Tokenizer.from_str(json.dumps(read_llama2c_tokenizer(path, TOKENS)))


@given(text=st.text("abc é\nd🙂", max_size=30))
def test_a_tokenizer_gives_the_ids_of_run_c(small, text):
    path, tokenizer = small
    found = tokenizer.encode(text, add_special_tokens=False).ids
    assert found == encoded(text, read_tokenizer(path, TOKENS))
    assert tokenizer.decode(found) == text


def test_a_text_begins_with_the_first_token(small):
    assert small[1].encode("a").ids[0] == 1
    assert [small[1].id_to_token(index) for index in (0, 1, 2, 3, 258)] == ["<unk>", "<s>", "</s>", "<0x00>", "<0xFF>"]


@pytest.mark.parametrize(
    ("damage", "count"),
    [
        (lambda data: data, TOKENS - 1),
        (lambda data: data, TOKENS + 1),
        (lambda data: data[:-1], TOKENS),
        (lambda data: data + b"x", TOKENS),
        (lambda data: data.replace(b"<0x41>", b"<0x42>"), TOKENS),
        (lambda data: data[:-2] + b"\xff\xff", TOKENS),
        (lambda data: data[:-2] + b"ca", TOKENS),
        (lambda data: data[:8] + struct.pack("<i", -5) + data[12:], TOKENS),
        (lambda data: data[:8] + struct.pack("<i", 2**31 - 1) + data[12:], TOKENS),
        (lambda data: b"", TOKENS),
        (lambda data: b"", 2**40),
    ],
)
def test_a_damaged_tokenizer_is_one_clear_line(tmp_path, damage, count):
    path = write_tokenizer(tmp_path / "tokenizer.bin", scored([*PIECES[:-1], "xy"]))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(GptkitError, match=r"is no tokenizer.bin of llama2.c") as caught:
        read_llama2c_tokenizer(path, count)
    assert "\n" not in str(caught.value)


# --- the genuine checkpoint ---


@pytest.fixture(scope="module")
def stories(tmp_path_factory):
    """stories15M in the form of Llama, read by us and by transformers."""
    transformers = pytest.importorskip("transformers")
    output = tmp_path_factory.mktemp("stories") / "stories15M"
    convert(STORIES, output)
    return load_model(output), transformers.AutoModelForCausalLM.from_pretrained(output).eval()


@needs_stories
def test_genuine_ids_are_those_of_run_c(stories):
    vocabulary = read_tokenizer(STORIES.with_name("tokenizer.bin"), 32_000)
    codec = Codec(stories[0].tokenizer_path)
    for text in (STORY, "", "naïve 日本語 🙂", "def f(x):\n\treturn x**2\n", "a  b   c     d        e", "   ", "\x00"):
        assert codec.encode(text) == encoded(text, vocabulary), text
        assert codec.decode(codec.encode(text)) == text


@needs_stories
def test_genuine_logits_and_loss(stories):
    loaded, theirs = stories
    ids = [1, *Codec(loaded.tokenizer_path).encode(STORY)]
    with torch.no_grad():
        mine, other = loaded.model(torch.tensor([ids]))[0], theirs(torch.tensor([ids])).logits[0]
    torch.testing.assert_close(mine, other, rtol=0, atol=1e-4)
    plain = logits(ids, *read(STORIES))
    np.testing.assert_allclose(mine.numpy(), plain, rtol=0, atol=1e-3)
    losses = [
        functional.cross_entropy(each[:-1].double(), torch.tensor(ids[1:])).item()
        for each in (mine, other, torch.from_numpy(plain))
    ]
    assert losses[0] < 2  # nats a token: it knows such stories
    assert max(losses) - min(losses) < 1e-3


@needs_stories
def test_a_genuine_greedy_story(stories):
    loaded, theirs = stories
    cache = Cache(loaded.config)
    ids, new = [1], [1]
    with torch.no_grad():
        for _ in range(100):
            new = [int(loaded.model(torch.tensor([new]), cache)[0, -1].argmax())]
            ids += new
        told = theirs.generate(torch.tensor([[1]]), max_new_tokens=100, do_sample=False, eos_token_id=None)[0].tolist()
    assert ids == told
    story = Codec(loaded.tokenizer_path).decode(ids)
    assert story.startswith(
        "Once upon a time, there was a little girl named Lily. She loved to play outside in the sun"
    )
