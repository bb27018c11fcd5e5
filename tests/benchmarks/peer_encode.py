"""The same texts encoded by other libraries, on one thread. Runs in the environment of the peers (see peers.py).

    peer_encode.py agree TEXTS.parquet TOKENIZER.json RANKS IDS.npz     counts texts of other ids
    peer_encode.py rates TEXTS.parquet TOKENIZER.json RANKS SAMPLE      MB/s, the slow ones on so many texts

RANKS: a rank file of tiktoken, or a folder with GPT-2's encoder.json and vocab.bpe. IDS.npz: `ids` of all texts,
and `starts`. tokenizers is told to take special tokens as text, as tiktoken's encode_ordinary does. Prints JSON.
"""

import argparse
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np
import pyarrow.parquet as pq
import tiktoken
from measure import best
from tiktoken.load import data_gym_to_mergeable_bpe_ranks, load_tiktoken_bpe
from tiktoken_ext.openai_public import r50k_pat_str
from tokenizers import Tokenizer

BATCH = 500  # texts
SHOWN = 5  # texts of other ids, by their ends
TAIL = 12  # characters of those
# cl100k_base as tiktoken had it up to 0.7, and as tokenizer.json files have it
CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def published(ranks: Path) -> dict[str, tiktoken.Encoding]:
    """tiktoken's encoding of a rank file, without a download; cl100k_base with both patterns."""
    if ranks.is_dir():
        found = data_gym_to_mergeable_bpe_ranks(str(ranks / "vocab.bpe"), str(ranks / "encoder.json"))
        return {"tiktoken": tiktoken.Encoding("gpt2", pat_str=r50k_pat_str, mergeable_ranks=found, special_tokens={})}
    found = load_tiktoken_bpe(str(ranks))
    patterns = {
        "p50k_base": {"tiktoken": r50k_pat_str},
        "cl100k_base": {"tiktoken": _pattern("cl100k_base"), "tiktoken 0.7's pattern": CL100K},
    }
    patterns["o200k_base"] = {"tiktoken": _pattern("o200k_base")}
    return {
        name: tiktoken.Encoding(ranks.stem, pat_str=pattern, mergeable_ranks=found, special_tokens={})
        for name, pattern in patterns[ranks.stem].items()
    }


def _pattern(name: str) -> str:
    """The pattern of a published encoding; its ranks are not loaded."""
    import tiktoken_ext.openai_public as public

    kept, public.load_tiktoken_bpe = public.load_tiktoken_bpe, lambda *_, **__: {}
    try:
        return public.ENCODING_CONSTRUCTORS[name]()["pat_str"]
    finally:
        public.load_tiktoken_bpe = kept


def batches(texts: list[str]) -> Iterator[list[str]]:
    for begin in range(0, len(texts), BATCH):
        yield texts[begin : begin + BATCH]


def encoders(tokenizer: Path, ranks: Path) -> dict[str, Callable[[list[str]], list[list[int]]]]:
    """A function from texts to ids for each of the slow libraries."""
    theirs = Tokenizer.from_file(str(tokenizer))
    theirs.encode_special_tokens = True

    def by_tokenizers(texts: list[str]) -> list[list[int]]:
        return [row.ids for row in theirs.encode_batch_fast(texts, add_special_tokens=False)]

    by_tiktoken = {
        name: lambda texts, encoding=encoding: [encoding.encode_ordinary(text) for text in texts]
        for name, encoding in published(ranks).items()
    }
    return {"tokenizers": by_tokenizers, **by_tiktoken}


def agree(texts: list[str], tokenizer: Path, ranks: Path, ids: Path) -> dict[str, Any]:
    with np.load(ids) as ours:
        flat, starts = ours["ids"], ours["starts"]
    result = {}
    for name, encode in encoders(tokenizer, ranks).items():
        other: list[str] = []
        place = tokens = 0
        for batch in batches(texts):
            for text, row in zip(batch, encode(batch), strict=True):
                tokens += len(row)
                if not np.array_equal(flat[starts[place] : starts[place + 1]], row):
                    other.append(text[-TAIL:])
                place += 1
        result[name] = {"different": len(other), "tokens": tokens, "ends": other[:SHOWN]}
    return result


def rates(texts: list[str], tokenizer: Path, ranks: Path, sample: int) -> dict[str, float]:
    """MB/s: gigatoken newly loaded, on all texts; the others on the first `sample`."""
    import gigatoken

    content = tokenizer.read_bytes()
    encoded = [text.encode() for text in texts]
    size = sum(map(len, encoded)) / 1e6

    def by_gigatoken() -> None:
        fast.encode_batch(array, parallel=False)

    array = _array(encoded)
    times = []
    for _ in range(3):
        fast = gigatoken.Tokenizer.from_json(content)
        times.append(best(by_gigatoken, 1))
    result = {"gigatoken": size / min(times)}
    part = texts[:sample]
    for name, encode in encoders(tokenizer, ranks).items():
        result[name] = sum(len(text.encode()) for text in part) / 1e6 / best(lambda encode=encode: encode(part), 2)
    return result


def _array(encoded: list[bytes]) -> Any:
    import awkward

    starts = np.cumsum([0, *map(len, encoded)])
    characters = awkward.contents.NumpyArray(
        np.frombuffer(b"".join(encoded), np.uint8), parameters={"__array__": "byte"}
    )
    return awkward.Array(
        awkward.contents.ListOffsetArray(
            awkward.index.Index64(starts), characters, parameters={"__array__": "bytestring"}
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("agree", "rates"))
    parser.add_argument("texts")
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("ranks", type=Path)
    parser.add_argument("last")
    given = parser.parse_args()
    texts = pq.read_table(given.texts, columns=["text"]).column("text").to_pylist()
    if given.what == "agree":
        print(json.dumps(agree(texts, given.tokenizer, given.ranks, Path(given.last))))
    else:
        print(json.dumps(rates(texts, given.tokenizer, given.ranks, int(given.last))))


if __name__ == "__main__":
    main()
