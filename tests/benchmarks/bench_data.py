"""Data preparation against the libraries it replaces: the same work, one core, one run.

    python tests/benchmarks/bench_data.py [DOCUMENTS] [--megabytes 8]

DOCUMENTS is the output of a stage (default: quickstart/clean, which `make demo` makes). Prints a
Markdown table; each line is the best of three for ours and for the peer.
"""

import argparse
import os
import tempfile
from pathlib import Path

from measure import best, one_core

one_core()

import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from gptkit.data.documents import open_documents, read_documents, schema_of
from gptkit.bpe.encoder import Encoder
from gptkit.tokenization.learn import learn_merges, write_tokenizer

VOCABULARY = 8_192


def load(path: str, megabytes: float) -> list[str]:
    documents = open_documents(path)
    schema, texts, size = schema_of(documents.files), [], 0
    for file, rows in zip(documents.files, documents.rows, strict=True):
        for batch in read_documents(file, rows, schema):
            for text in batch.column("text").to_pylist():
                if size < megabytes * 1e6:
                    texts.append(text)
                    size += len(text.encode())
    return texts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("documents", nargs="?", default="quickstart/clean")
    parser.add_argument("--megabytes", type=float, default=8)
    arguments = parser.parse_args()
    if not os.path.exists(arguments.documents):
        parser.error(f"{arguments.documents} is not there; make demo makes it, or name another stage's output")
    texts = load(arguments.documents, arguments.megabytes)
    size = sum(len(text.encode()) for text in texts) / 1e6
    rows = []

    with tempfile.TemporaryDirectory() as folder:
        shard, path = Path(folder) / "t.parquet", Path(folder) / "tokenizer.json"
        pq.write_table(pa.table({"text": texts}), shard)
        ours = best(lambda: write_tokenizer(path, *learn_merges(shard, VOCABULARY)))

        def their_trainer() -> None:
            tokenizer = Tokenizer(models.BPE())
            tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            alphabet = pre_tokenizers.ByteLevel.alphabet()
            tokenizer.train_from_iterator(
                texts, trainers.BpeTrainer(vocab_size=VOCABULARY, initial_alphabet=alphabet, show_progress=False)
            )

        rows.append((f"learn BPE, {VOCABULARY} tokens", "tokenizers", ours, best(their_trainer, 1)))
        encoder, theirs = Encoder(path), Tokenizer.from_file(str(path))
        theirs.encode_special_tokens = True
        rows.append(
            (
                "encode (ours checked against tokenizers)",
                "tokenizers",
                best(lambda: encoder.encode(texts)),
                best(lambda: theirs.encode_batch(texts, add_special_tokens=False)),
            )
        )

    print(f"{len(texts):,} documents, {size:.1f} MB of text, one core\n")
    print("| work | ours MB/s | peer | peer MB/s | ratio |\n|---|---|---|---|---|")
    for work, peer, ours, other in rows:
        print(f"| {work} | {size / ours:.1f} | {peer} | {size / other:.2f} | {other / ours:.1f} |")


if __name__ == "__main__":
    main()
