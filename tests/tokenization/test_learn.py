"""Learned vocabularies against those of tokenizers' BpeTrainer, from the same documents."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ftfy
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import documents as docstrings
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, pre_tokenizers, trainers

from gptkit.bpe.gpt1 import prepare
from gptkit.bpe.patterns import EXPRESSIONS, parts
from gptkit.data.arrays import save_array
from gptkit.data.documents import EPOCH_COLUMN
from gptkit.data.identity import hash_ids
from gptkit.data.portions import open_corpus
from gptkit.engine.pool import Pool
from gptkit.engine.progress import Progress
from gptkit.engine.stage import Runtime, Stage
from gptkit.errors import GptkitError, InputError
from gptkit.kernels.word_counts import WordCounts
from gptkit.sampling.array_draws import draws64
from gptkit.tokenization import words
from gptkit.tokenization.learn import learn
from gptkit.tokenization.settings import TokenizeSettings
from gptkit.tokenization.splits import assign

ALPHABET = pre_tokenizers.ByteLevel.alphabet()
STRANGE = (
    "Ⅷ ١٢٣ 1234567 CamelCase HTTPServer'S don't DON'T I'ſ ½ naïve NAÏVE e\u0301tude 中文字符 ひらがな ǅ \u0301A "
    "a  b   c\n\n  d\r\n\te /// ...\n\n!!!/\n \u3000x\xa0y 😀😀 &amp; <b> &lt; â€œquotedâ€\x9d ﬁne “curly” \x00 \u200b"
)

Learn = Callable[..., tuple[dict[str, Any], dict[str, Any]]]


def texts() -> list[str]:
    """Small documents, and strange ones between them."""
    plain = docstrings()[:150]
    return [STRANGE, *plain, "", *(STRANGE[place:] for place in range(0, len(STRANGE), 9))]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A Parquet file of several row groups, which are portions of their own once they are cut so."""
    found = texts()
    table = pa.table({"id": [f"d{number}" for number in range(len(found))], "text": found})
    (tmp_path / "in").mkdir()
    for number in range(3):
        pq.write_table(table[number::3], tmp_path / "in" / f"{number}.parquet", row_group_size=16)
    return tmp_path / "in"


@pytest.fixture
def learned(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Learn:
    """Learns with some settings; gives the facts and the tokenizer.json."""
    monkeypatch.setattr("gptkit.data.portions.PORTION_BYTES", 20_000)
    numbers = iter(range(100))

    def run(workers: int = 0, chosen: list[Path | None] | None = None, **values: Any) -> tuple[dict, dict]:
        settings = TokenizeSettings(**{"validation": 0.0, "vocab_size": 600, **values})
        found = open_corpus([str(corpus)])
        assert len(found.portions) > 3
        pool = Pool(workers)
        folder = tmp_path / f"out{next(numbers)}"
        try:
            with Stage("tokenize", 1, settings, found.digests, folder, Runtime(pool, Progress())) as stage:
                stage.begin("learn")
                path = stage.out / "tokenizer.json"
                facts = learn(stage, found.portions, chosen or [None] * len(found.portions), settings, path)
                Tokenizer.from_file(str(path))
                config = json.loads(path.read_text())
                for token in config["added_tokens"]:  # they stand in the vocabulary too
                    assert config["model"]["vocab"].pop(token["content"]) == token["id"]
                return facts, config
        finally:
            pool.close()

    return run


def trained(texts: list[str], pattern: str, size: int, min_frequency: int = 0, special: list[str] | None = None) -> Any:
    """The tokenizer.json of BpeTrainer."""
    config = {
        "version": "1.0",
        "added_tokens": [],
        **parts(pattern),
        "model": {"type": "BPE", "vocab": {}, "merges": []},
    }
    if pattern == "gpt1":
        config["model"]["end_of_word_suffix"] = "</w>"
    tokenizer = Tokenizer.from_str(json.dumps(config))
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=min_frequency,
        show_progress=False,
        special_tokens=special or [],
        **({"end_of_word_suffix": "</w>"} if pattern == "gpt1" else {"initial_alphabet": ALPHABET}),
    )
    tokenizer.train_from_iterator(texts, trainer)
    return json.loads(tokenizer.to_str())["model"]


@pytest.mark.parametrize("pattern", EXPRESSIONS)
@pytest.mark.parametrize("min_frequency", [0, 7])
def test_merges_are_the_trainers(learned: Learn, pattern: str, min_frequency: int) -> None:
    facts, config = learned(pattern=pattern, min_frequency=min_frequency, special=("<|a|>", "<|b|>"))
    theirs = trained(texts(), pattern, 597, min_frequency)
    assert config["model"]["merges"] == theirs["merges"]
    assert config["model"]["vocab"] == theirs["vocab"]
    assert [(token["content"], token["id"]) for token in config["added_tokens"]] == [
        (token, len(theirs["vocab"]) + place) for place, token in enumerate(["<|endoftext|>", "<|a|>", "<|b|>"])
    ]
    assert (facts["merges"], facts["vocab_size"]) == (len(theirs["merges"]), len(theirs["vocab"]) + 3)
    assert facts["bytes"] == sum(len(text.encode()) for text in texts())
    assert facts["documents"] == len(texts())
    assert facts["words_left_out"] == 0


def test_gpt1s_merges_are_the_trainers(learned: Learn) -> None:
    facts, config = learned(pattern="gpt1", vocab_size=700)
    vocabulary = config["model"]["vocab"]
    first = [token for token in vocabulary if len(token.removesuffix("</w>")) == 1]
    # the trainer numbers the last characters of words by chance, unless it meets them as special tokens
    theirs = trained([ftfy.fix_text(text) for text in texts()], "gpt1", 699, special=["<unk>", *first])
    assert config["model"]["merges"] == theirs["merges"]
    assert vocabulary == theirs["vocab"]
    assert vocabulary["<unk>"] == 0
    assert [token["content"] for token in config["added_tokens"]] == ["<|endoftext|>"]
    assert facts["vocab_size"] == 700
    assert {name: config["model"][name] for name in ("unk_token", "end_of_word_suffix")} == {
        "unk_token": "<unk>",
        "end_of_word_suffix": "</w>",
    }


@given(
    st.lists(
        st.sampled_from([*STRANGE.split(" "), *"\n\n<&", "plain", "&eacute;", "&lt;", "\r", "x" * 99]), max_size=12
    )
)
def test_gpt1s_text_is_ftfys(pieces: list[str]) -> None:
    found = [" ".join(pieces), "\n".join(pieces)]
    assert prepare(found) == [ftfy.fix_text(text) for text in found]


@pytest.mark.parametrize("pattern", ["o200k", "gpt1"])
def test_workers_do_not_matter(learned: Learn, pattern: str) -> None:
    assert learned(pattern=pattern, learn_bytes=20_000) == learned(pattern=pattern, learn_bytes=20_000, workers=2)


def test_a_sample_is_the_shortest_prefix_by_draw(learned: Learn) -> None:
    facts, config = learned(learn_bytes=30_000, validation=0.2, seed=5)
    found = texts()
    hashes = hash_ids(pa.array([f"d{number}" for number in range(len(found))]))
    settings = TokenizeSettings(vocab_size=600, validation=0.2, seed=5)
    training = np.flatnonzero(assign(hashes, np.zeros(len(found), np.int32), settings) == 0)
    keyed = hashes[training] ^ hash_ids(pa.array(["in"]))  # the source's name
    order = training[np.argsort(draws64(keyed, 5, "learn"))]
    sizes = np.cumsum([len(found[place].encode()) for place in order])
    taken = order[: np.searchsorted(sizes, 30_000) + 1]
    assert facts["documents"] == len(taken) < len(training) < len(found)
    assert facts["bytes"] == sizes[len(taken) - 1] >= 30_000
    assert config["model"]["merges"] == trained([found[place] for place in taken], "gpt2", 599)["merges"]


def test_all_that_is_there_is_learned_from_where_more_is_asked_for(learned: Learn) -> None:
    assert learned(learn_bytes=10**12) == learned(learn_bytes=0)


def test_only_chosen_documents_and_first_epochs_are_learned_from(learned: Learn, corpus: Path, tmp_path: Path) -> None:
    """A mixture that takes a document twice teaches nothing else than one that takes it once."""
    for path in corpus.iterdir():
        table = pq.read_table(path)
        twice = pa.concat_tables([table, table.slice(0, 20)])
        epochs = pa.array([0] * len(table) + [1] * 20, pa.int32())
        pq.write_table(twice.append_column(EPOCH_COLUMN, epochs), path, row_group_size=16)
    found = texts()
    everything = learned(learn_bytes=10**12)
    assert everything[0]["documents"] == len(found)
    assert everything[1]["model"]["merges"] == trained(found, "gpt2", 599)["merges"]

    portions = open_corpus([str(corpus)]).portions
    paths: list[Path | None] = [tmp_path / f"chosen{number}.npy" for number in range(len(portions))]
    for path, portion in zip(paths, portions, strict=True):
        assert path is not None
        save_array(path, np.arange(portion.documents) % 2 == 0)
    half = learned(chosen=paths, learn_bytes=0)
    assert 0 < half[0]["documents"] < len(found)
    assert half == learned(chosen=paths, learn_bytes=10**12)


def test_the_rarest_words_are_left_out_where_memory_is_short(learned: Learn, capfd: pytest.CaptureFixture[str]) -> None:
    everything, _ = learned()
    facts, config = learned(learn_memory=900_000)
    assert (facts, config) == learned(learn_memory=900_000, workers=2)
    assert facts["words"] < everything["words"] <= facts["words"] + facts["words_left_out"]
    assert f"no room for {facts['words_left_out']:,} rare words" in capfd.readouterr().err
    assert facts["words_left_out"] <= facts["occurrences_left_out"] < 3 * facts["words_left_out"]
    assert config["model"]["merges"][:5] == learned()[1]["model"]["merges"][:5]
    with pytest.raises(GptkitError, match="--learn-memory 1 has no room"):
        learned(learn_memory=1)


def test_the_table_itself_stays_within_the_memory(tmp_path: Path) -> None:
    stems = []
    for number in range(4):
        part = WordCounts()
        content = np.frombuffer(
            bytearray(b"".join(b"%08d" % (number * 9_000 + word) for word in range(9_000))), np.uint8
        )
        part.add_words(content, np.arange(0, 8 * 9_001, 8), np.where(np.arange(9_000) < 100, 9 + number, 1))
        stems.append(tmp_path / f"w{number}")
        words.save_words(stems[-1], part)
    found, left_out = words.combined(stems, 1_000_000)
    assert found.nbytes <= 3_000_000
    assert len(found) + left_out.words == 36_000
    assert left_out.words == left_out.occurrences  # none of the frequent ones
    assert np.count_nonzero(found.counts > 1) == 400


def test_a_text_with_few_tokens_makes_a_small_vocabulary(
    learned: Learn, corpus: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for number in range(5):
        pq.write_table(pa.table({"id": [f"x{number}"], "text": ["abab" * 6_000]}), corpus / f"{number}.parquet")
    facts, config = learned(vocab_size=300)
    assert facts["vocab_size"] == 257 + facts["merges"] < 300
    assert config["model"]["merges"][0] == ["a", "b"]
    assert f"no more than {facts['vocab_size']} of 300 tokens" in capfd.readouterr().err


@pytest.mark.parametrize("pattern", ["gpt2", "gpt1"])
def test_special_tokens_that_the_text_makes_are_refused(learned: Learn, pattern: str) -> None:
    name = "the" if pattern == "gpt2" else "the</w>"
    with pytest.raises(InputError, match=f"the text itself has made a token '{name}'"):
        learned(pattern=pattern, special=(name,), vocab_size=800)
    with pytest.raises(GptkitError, match="is given twice"):
        learned(special=("<|endoftext|>",))


def test_another_end_of_text_is_the_last_but_the_special_tokens(learned: Learn) -> None:
    config = learned(end_of_text="</s>", special=("<pad>",))[1]
    assert [(token["content"], token["id"]) for token in config["added_tokens"]] == [("</s>", 598), ("<pad>", 599)]


def test_a_vocabulary_without_room_for_the_alphabet_is_refused(learned: Learn) -> None:
    with pytest.raises(GptkitError, match=r"--vocab-size 20: the text has \d+ different symbols"):
        learned(pattern="gpt1", vocab_size=20)
