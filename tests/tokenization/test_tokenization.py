import json
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from gptkit.data.tokens import open_tokens
from gptkit.errors import GptkitError
from gptkit.bpe.encoder import Encoder
from gptkit.tokenization.learn import learn_merges, write_tokenizer
from gptkit.tokenization.settings import TokenizeSettings
from gptkit.tokenization.stage import run

ODD = [
    "plain text",
    "",
    "a literal <|endoftext|> in a page, and <|endoftext|><|endoftext|>",
    "tabs\t\tand\r\nnewlines\n\n  ",
    "Ünïcödé 日本語 \U0001f600\u0301 \u200b",
    "\x00\x01\x7f",
    "x" * 5_000,
    "don't we'll I'M 12345 1.5e-3",
]


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    import textwrap

    path = tmp_path_factory.mktemp("documents") / "in.parquet"
    source = textwrap.__doc__ + open(textwrap.__file__).read() + open(json.decoder.__file__).read()
    texts = [source[i : i + 400] for i in range(0, len(source), 400)] + ODD
    rows = [{"id": f"d{i}", "text": text, "mix_epoch": 0} for i, text in enumerate(texts)]
    rows += [{**row, "mix_epoch": 1} for row in rows[:20]]
    pq.write_table(
        pa.Table.from_pylist(rows, pa.schema([("id", pa.string()), ("text", pa.string()), ("mix_epoch", pa.int32())])),
        path,
    )
    return path, rows


@pytest.fixture(scope="module")
def tokens(documents, tmp_path_factory):
    from gptkit.engine.pool import Pool
    from gptkit.engine.progress import Progress
    from gptkit.engine.stage import Runtime

    output = tmp_path_factory.mktemp("tokens") / "out"
    run(
        str(documents[0]),
        output,
        TokenizeSettings(vocab_size=600, validation=0.2),
        Runtime(Pool(0), Progress(quiet=True)),
    )
    return open_tokens(output)


def reference(folder):
    tokenizer = Tokenizer.from_file(str(folder.tokenizer_path))
    tokenizer.encode_special_tokens = True
    return tokenizer


def test_ids_equal_tokenizers_with_special_tokens_encoded_as_text(documents, tokens):
    expected = {tuple(reference(tokens).encode(row["text"], add_special_tokens=False).ids) for row in documents[1]}
    end = tokens.manifest.facts["end_of_text"]
    found = [
        shard.document(i).tolist()
        for split in ("train", "validation")
        for shard in tokens.shards(split)
        for i in range(len(shard))
    ]
    assert all(ids[-1] == end and end not in ids[:-1] for ids in found)
    assert {tuple(ids[:-1]) for ids in found} == expected


def test_text_comes_back_from_the_shards(documents, tokens):
    tokenizer = reference(tokens)
    texts = {
        tokenizer.decode(shard.document(i)[:-1].tolist())
        for split in ("train", "validation")
        for shard in tokens.shards(split)
        for i in range(len(shard))
    }
    assert texts == {row["text"] for row in documents[1]}


def test_a_held_out_document_stands_once_and_never_in_training(documents, tokens):
    facts = tokens.manifest.facts
    texts = {row["id"]: row["text"] for row in documents[1]}
    tokenizer = reference(tokens)
    held_out = [
        tokenizer.decode(shard.document(i)[:-1].tolist())
        for shard in tokens.shards("validation")
        for i in range(len(shard))
    ]
    trained = {
        tokenizer.decode(shard.document(i)[:-1].tolist()) for shard in tokens.shards("train") for i in range(len(shard))
    }
    assert len(held_out) == len(set(held_out)) == facts["documents"]["validation"] > 5
    assert not set(held_out) & trained
    assert facts["bytes"]["validation"] == sum(len(text.encode()) for text in held_out)
    assert len(held_out) + len(trained) == len(set(texts.values()))


def test_the_index_is_megatrons(tokens):
    """Read by the format's description, without the project's reader."""
    path = tokens.shards("train")[0].path
    raw = path.with_suffix(".idx").read_bytes()
    assert raw[:9] == b"MMIDIDX\x00\x00"
    version, code, sequences, documents = struct.unpack("<QBQQ", raw[9:34])
    assert (version, code, documents) == (1, 8, sequences + 1)
    lengths = np.frombuffer(raw, "<i4", sequences, 34)
    pointers = np.frombuffer(raw, "<i8", sequences, 34 + 4 * sequences)
    indices = np.frombuffer(raw, "<i8", documents, 34 + 12 * sequences)
    assert len(raw) == 34 + 12 * sequences + 8 * documents
    assert indices.tolist() == list(range(documents))
    flat = np.memmap(path, "<u2", "r")  # as nanoGPT reads it
    assert pointers.tolist() == (2 * np.cumsum([0, *lengths[:-1]])).tolist()
    assert (flat[np.cumsum(lengths) - 1] == tokens.manifest.facts["end_of_text"]).all()
    assert len(flat) == tokens.manifest.facts["tokens"]["train"]


def test_learned_merges_equal_tokenizers(documents, tmp_path):
    texts = [row["text"] for row in documents[1]]
    pq.write_table(pa.table({"text": texts}), tmp_path / "t.parquet")
    _, merges = learn_merges(tmp_path / "t.parquet", 700)
    theirs = Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    theirs.train_from_iterator(
        texts,
        trainers.BpeTrainer(vocab_size=699, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False),
    )
    expected = json.loads(theirs.to_str())["model"]["merges"]
    write_tokenizer(tmp_path / "tokenizer.json", *learn_merges(tmp_path / "t.parquet", 700))
    assert len(merges) == 699 - 256
    assert json.loads((tmp_path / "tokenizer.json").read_text())["model"]["merges"] == expected


def test_a_given_tokenizer_is_taken_as_it_is(documents, tokens, tmp_path, runtime):
    manifest = run(
        str(documents[0]),
        tmp_path / "again",
        TokenizeSettings(tokenizer=str(tokens.tokenizer_path), validation=0.2),
        runtime,
    )
    assert manifest.facts == tokens.manifest.facts
    assert [shard.sha256 for shard in manifest.shards] == [shard.sha256 for shard in tokens.manifest.shards]


def test_a_large_vocabulary_is_written_in_32_bits(documents, tokens, tmp_path, runtime):
    config = json.loads(tokens.tokenizer_path.read_text())
    config["added_tokens"][0]["id"] = 70_000
    (tmp_path / "large.json").write_text(json.dumps(config))
    manifest = run(
        str(documents[0]), tmp_path / "out", TokenizeSettings(tokenizer=str(tmp_path / "large.json")), runtime
    )
    assert manifest.facts["dtype"] == "uint32"
    shard = open_tokens(tmp_path / "out").shards("train")[0]
    assert shard.document(0)[-1] == 70_000


def test_a_tokenizer_without_end_of_text_is_refused(tokens, tmp_path):
    config = json.loads(tokens.tokenizer_path.read_text())
    config["added_tokens"] = []
    (tmp_path / "t.json").write_text(json.dumps(config))
    with pytest.raises(GptkitError, match="endoftext"):
        Encoder(tmp_path / "t.json")


def test_a_tokenizer_that_cannot_spell_a_byte_is_refused(tokens, tmp_path):
    config = json.loads(tokens.tokenizer_path.read_text())
    del config["model"]["vocab"]["Ġ"]  # the space
    config["model"]["merges"] = []
    (tmp_path / "t.json").write_text(json.dumps(config))
    with pytest.raises(GptkitError, match="no token for the byte 0x20"):
        Encoder(tmp_path / "t.json")


def test_a_damaged_tokenizer_is_one_line(tokens, tmp_path):
    config = json.loads(tokens.tokenizer_path.read_text())
    config["model"]["merges"] = ["not in it"]
    (tmp_path / "t.json").write_text(json.dumps(config))
    with pytest.raises(GptkitError, match="is no tokenizer") as caught:
        Encoder(tmp_path / "t.json")
    assert "\n" not in str(caught.value)


def test_a_tokenizer_or_a_size_is_needed():
    with pytest.raises(ValueError, match="--vocab-size"):
        TokenizeSettings()
    with pytest.raises(ValueError, match="at least 257"):
        TokenizeSettings(vocab_size=256)
