"""BPE learned by another library. Runs in gptkit's own environment, which has them.

    peer_learn.py LIBRARY DOCUMENTS.parquet PATTERN SIZE RESULT.json

LIBRARY: tokenizers (BpeTrainer; the texts are loaded before the clock starts) or gigatoken (train_bpe, which
reads the file itself and knows GPT-2's pattern only). RAYON_NUM_THREADS says on how many threads. RESULT.json
gets one object: seconds, the peak of memory in MB, the merges as pairs of strings.
"""

import argparse
import json
import resource
from pathlib import Path

import pyarrow.parquet as pq
from measure import now

from gptkit.bpe.patterns import parts
from gptkit.data.vocabulary import byte_characters


def tokenizers(documents: str, pattern: str, size: int) -> tuple[float, list[list[str]]]:
    from tokenizers import Tokenizer, pre_tokenizers, trainers

    model = {"type": "BPE", "vocab": {}, "merges": []}
    learner = Tokenizer.from_str(json.dumps({"version": "1.0", "added_tokens": [], "model": model, **parts(pattern)}))
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    texts = pq.read_table(documents, columns=["text"]).column("text").to_pylist()
    started = now()
    learner.train_from_iterator(texts, trainer)
    return now() - started, json.loads(learner.to_str())["model"]["merges"]


def gigatoken(documents: str, pattern: str, size: int) -> tuple[float, list[list[str]]]:
    import gigatoken as library

    spelled = {byte: character for character, byte in byte_characters().items()}
    started = now()
    _, merges = library.train_bpe(library.ParquetFileSource([documents]), size, [])
    seconds = now() - started
    return seconds, [["".join(spelled[byte] for byte in part) for part in pair] for pair in merges]


LIBRARIES = {each.__name__: each for each in (tokenizers, gigatoken)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library", choices=LIBRARIES)
    parser.add_argument("documents")
    parser.add_argument("pattern")
    parser.add_argument("size", type=int)
    parser.add_argument("result", type=Path)
    arguments = parser.parse_args()
    seconds, merges = LIBRARIES[arguments.library](arguments.documents, arguments.pattern, arguments.size)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    arguments.result.write_text(json.dumps({"seconds": seconds, "peak": peak, "merges": merges}))


if __name__ == "__main__":
    main()
