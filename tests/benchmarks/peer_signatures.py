"""MinHash signatures of word 5-grams as other libraries make them. Runs among the peers (see peers.py).

    peer_signatures.py LIBRARY DOCUMENTS.parquet PERMUTATIONS

Prints one JSON object: seconds from texts in memory to signatures, by way of working; the best of
three runs of each, of datatrove one.
"""

import argparse
import json
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

from measure import best, one_core

one_core()

import pyarrow as pa
import pyarrow.parquet as pq

NGRAM = 5
BATCH = 500  # documents, so that lists of strings stay small
WORD = re.compile(r"\w+")


def shingles(text: str) -> list[str]:
    """The word n-grams of a text, lower-cased; where it has fewer words, one of them all."""
    words = WORD.findall(text.lower())
    if len(words) < NGRAM:
        return [" ".join(words)] if words else []
    return [" ".join(window) for window in zip(*(words[start:] for start in range(NGRAM)), strict=False)]


def batches(texts: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(texts), BATCH):
        yield texts[start : start + BATCH]


def daft(table: pa.Table, permutations: int) -> dict[str, float]:
    """daft's minhash: texts as they are (less work: it splits at spaces only), and normalised by daft first."""
    import daft
    from daft.functions import minhash, normalize

    daft.set_runner_native(num_threads=1)
    plain = daft.col("text")
    normal = normalize(plain, remove_punct=True, lowercase=True, white_space=True)
    frame = daft.from_arrow(table.select(["text"]))

    def signing(column: Any, function: str) -> Callable[[], object]:
        signed = minhash(column, num_hashes=permutations, ngram_size=NGRAM, seed=1, hash_function=function)
        return lambda: frame.select(signed.alias("signature")).to_arrow()

    return {
        "daft minhash (murmurhash3), not normalised": best(signing(plain, "murmurhash3")),
        "daft minhash (xxhash3_64), not normalised": best(signing(plain, "xxhash3_64")),
        "daft normalize + minhash (murmurhash3)": best(signing(normal, "murmurhash3")),
        "daft normalize + minhash (xxhash3_64)": best(signing(normal, "xxhash3_64")),
    }


def rensa(table: pa.Table, permutations: int) -> dict[str, float]:
    """RMinHash and CMinHash in batches, as the README has it, over n-grams joined in Python."""
    from rensa import CMinHash, RMinHash

    texts = table.column("text").to_pylist()

    def signing(kind: Any) -> Callable[[], object]:
        def sign() -> None:
            for batch in batches(texts):
                kind.from_token_sets([shingles(text) for text in batch], num_perm=permutations, seed=1)

        return sign

    def only_shingles() -> None:
        for batch in batches(texts):
            for text in batch:
                shingles(text)

    return {
        "rensa RMinHash, n-grams in Python": best(signing(RMinHash)),
        "rensa CMinHash, n-grams in Python": best(signing(CMinHash)),
        "(those n-grams alone)": best(only_shingles),
    }


def datasketch(table: pa.Table, permutations: int) -> dict[str, float]:
    """datasketch's bulk of MinHashes (affine32, SHA-1) over the same n-grams."""
    from datasketch import MinHash

    texts = table.column("text").to_pylist()

    def sign() -> None:
        for batch in batches(texts):
            MinHash.bulk(
                ([shingle.encode() for shingle in shingles(text)] for text in batch), num_perm=permutations, seed=1
            )

    return {"datasketch MinHash.bulk, n-grams in Python": best(sign)}


def datatrove(table: pa.Table, permutations: int) -> dict[str, float]:
    """The signatures of datatrove's first stage, nothing read or written; words are split by its splitter (spaCy)."""
    import tempfile

    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature

    texts = table.column("text").to_pylist()
    config = MinhashConfig(n_grams=NGRAM, num_buckets=permutations // 8, hashes_per_bucket=8)
    with tempfile.TemporaryDirectory() as folder:
        stage = MinhashDedupSignature(folder, config)
    stage.get_shingles("Load the splitter and its tables, once.")
    given: list[Any] = []

    def shingle() -> None:
        given[:] = [stage.get_shingles(text) for text in texts]

    def sign() -> None:
        for each in given:
            if each.size:
                stage.get_signature(each)

    words, signatures = best(shingle, 1), best(sign, 1)
    return {"datatrove MinhashDedupSignature": words + signatures, "(its signatures from hashed n-grams)": signatures}


def main() -> None:
    libraries: dict[str, Callable[[pa.Table, int], dict[str, float]]] = {
        each.__name__: each for each in (daft, rensa, datasketch, datatrove)
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library", choices=libraries)
    parser.add_argument("documents", help="Parquet with a column `text`")
    parser.add_argument("permutations", type=int)
    arguments = parser.parse_args()
    table = pq.read_table(arguments.documents, columns=["text"])
    print(json.dumps(libraries[arguments.library](table, arguments.permutations)), flush=True)
    os._exit(0)  # daft's threads may crash the interpreter while it shuts down


if __name__ == "__main__":
    main()
