"""From Parquet to token shards with another library, on one thread. Runs in the environment of the peers (see peers.py).

    peer_tokenize.py LIBRARY DOCUMENTS.parquet TOKENIZER FOLDER

LIBRARY: gigatoken (in memory: the documents are loaded before the clock starts, nothing is written),
tiktoken, tokenizers, datatrove. TOKENIZER: a tokenizer.json; for tiktoken a folder with GPT-2's
encoder.json and vocab.bpe. Every document is followed by end-of-text. Prints one JSON object: seconds
(imports and the loading of the tokenizer left out), documents, tokens.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["DATATROVE_COLORIZE_LOGS"] = "0"

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measure import now

END_OF_TEXT = "<|endoftext|>"
BATCH = 1_000  # documents


def gigatoken(documents: str, tokenizer: Path, folder: Path) -> dict[str, Any]:
    """The library's own rate: texts in memory, ids in memory."""
    import awkward
    import gigatoken as library

    column = pq.read_table(documents, columns=["text"]).column("text").cast(pa.large_string()).combine_chunks()
    starts = np.frombuffer(column.buffers()[1], np.int64)[: len(column) + 1]
    content = np.frombuffer(column.buffers()[2], np.uint8)[: starts[-1]]
    layout = awkward.contents.ListOffsetArray(
        awkward.index.Index64(starts),
        awkward.contents.NumpyArray(content, parameters={"__array__": "byte"}),
        parameters={"__array__": "bytestring"},
    )
    texts = awkward.Array(layout)
    encoder = library.Tokenizer.from_json(tokenizer.read_bytes())
    started = now()
    rows = encoder.encode_batch(texts, parallel=False)
    seconds = now() - started
    return {"seconds": seconds, "documents": len(rows), "tokens": len(rows.layout.content.data) + len(rows)}


def _write(rows: Any, end: int, folder: Path) -> dict[str, Any]:
    """Ids as uint16 with end-of-text behind each document, and the documents' lengths beside them."""
    lengths = []
    with open(folder / "train.bin", "wb") as file:
        for ids in rows:
            np.array([*ids, end], np.uint16).tofile(file)
            lengths.append(len(ids) + 1)
    np.array(lengths, np.int32).tofile(folder / "train.lengths")
    return {"documents": len(lengths), "tokens": sum(lengths)}


def _batches(documents: str) -> Any:
    for batch in pq.ParquetFile(documents).iter_batches(BATCH, columns=["text"]):
        yield batch.column("text").to_pylist()


def tiktoken(documents: str, tokenizer: Path, folder: Path) -> dict[str, Any]:
    import tiktoken as library
    from tiktoken.load import data_gym_to_mergeable_bpe_ranks

    ranks = data_gym_to_mergeable_bpe_ranks(str(tokenizer / "vocab.bpe"), str(tokenizer / "encoder.json"))
    pattern = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
    encoder = library.Encoding(
        "gpt2", pat_str=pattern, mergeable_ranks=ranks, special_tokens={END_OF_TEXT: 50256}, explicit_n_vocab=50257
    )
    started = now()
    counts = _write((encoder.encode_ordinary(text) for texts in _batches(documents) for text in texts), 50256, folder)
    return {"seconds": now() - started, **counts}


def tokenizers(documents: str, tokenizer: Path, folder: Path) -> dict[str, Any]:
    from tokenizers import Tokenizer

    encoder = Tokenizer.from_file(str(tokenizer))
    encoder.encode_special_tokens = True
    started = now()
    rows = (
        encoding.ids
        for texts in _batches(documents)
        for encoding in encoder.encode_batch_fast(texts, add_special_tokens=False)
    )
    counts = _write(rows, encoder.token_to_id(END_OF_TEXT), folder)
    return {"seconds": now() - started, **counts}


def datatrove(documents: str, tokenizer: Path, folder: Path) -> dict[str, Any]:
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.tokens import DocumentTokenizer
    from loguru import logger

    logger.remove()
    parent, name = os.path.split(os.path.abspath(documents))
    steps = [
        ParquetReader(parent, glob_pattern=name),
        DocumentTokenizer(
            str(folder), tokenizer_name_or_path=str(tokenizer), eos_token=END_OF_TEXT, shuffle_documents=False
        ),
    ]
    started = now()
    LocalPipelineExecutor(steps, tasks=1, workers=1, logging_dir=str(folder / "logs")).run()
    seconds = now() - started
    (index,) = folder.glob("*.ds.index")
    ends = np.fromfile(index, np.uint64)
    return {"seconds": seconds, "documents": len(ends), "tokens": int(ends[-1])}


LIBRARIES = {each.__name__: each for each in (gigatoken, tiktoken, tokenizers, datatrove)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library", choices=LIBRARIES)
    parser.add_argument("documents")
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    print(json.dumps(LIBRARIES[arguments.library](arguments.documents, arguments.tokenizer, arguments.folder)))


if __name__ == "__main__":
    main()
