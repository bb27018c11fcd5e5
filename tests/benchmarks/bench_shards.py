"""Token shards of every layout, read by the libraries they are for: every document must have the ids that tokenizers gives.

    python tests/benchmarks/bench_shards.py [--documents 2000]

Documents: a sample of text/mixed. Small and large vocabulary: GPT-2's, and the same with a special
token at 100,000, for which ids take 32 bits (nanoGPT's layout has no such form).

Prints Markdown. Needs the data folder (GPTKIT_SHARED, or ../shared beside the repository) and the environment of
peers-shards.txt (peers.py makes it; GPTKIT_PEERS_SHARDS names another).
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import corpora
import numpy as np
import peers
from measure import table
from tokenizers import Tokenizer

from gptkit.bpe.take import take_tokenizer

BPE = "bpe/encoder.json"
LAYOUTS = {
    "megatron": "Megatron-core IndexedDataset",
    "nanogpt": "nanoGPT np.memmap",
    "llmc": "llm.c header and np.fromfile",
    "datatrove": "datatrove DatatroveFolderDataset",
}
LARGE = 100_000


def expected(texts: list[str], tokenizer: Path, end: int) -> dict[str, Any]:
    """What the reader of the training split must find."""
    encoder = Tokenizer.from_file(str(tokenizer))
    encoder.encode_special_tokens = True
    found = hashlib.sha256()
    for text in texts:
        ids = [*encoder.encode(text, add_special_tokens=False).ids, end]
        found.update(hashlib.sha256(np.array(ids, "<u4")).digest())
    return {"documents": len(texts), "sha256": found.hexdigest()}


def tokenize(documents: Path, tokenizer: Path, layout: str, output: Path) -> None:
    """Writes the shards: several of a layout that may have them."""
    command = [sys.executable, "-m", "gptkit", "tokenize", str(documents), "-o", str(output), "--layout", layout]
    command += ["--tokenizer", str(tokenizer), "--validation", "0", "--shard-tokens", "1000000", "--quiet"]
    subprocess.run(command, check=True)
    subprocess.run(
        [sys.executable, "-m", "gptkit", "tokens", "verify", str(output), "--json"],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=2_000)
    rows = corpora.sample(list(corpora.rows(corpora.MIXED)), parser.parse_args().documents)
    texts = [row["text"] for row in rows]
    config = json.loads(take_tokenizer(str(corpora.data(BPE))))
    [end] = [token for token in config["added_tokens"] if token["content"] == "<|endoftext|>"]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        documents = corpora.write([{"id": row["id"], "text": row["text"]} for row in rows], Path(folder) / "in.parquet")
        for dtype in ("uint16", "uint32"):
            if dtype == "uint32":
                config["added_tokens"].append({**end, "id": LARGE, "content": "<|large|>"})
            tokenizer = Path(folder) / f"{dtype}.json"
            tokenizer.write_text(json.dumps(config))
            wanted = expected(texts, tokenizer, end["id"])
            for layout, reader in LAYOUTS.items():
                if layout == "nanogpt" and dtype == "uint32":
                    continue
                output = Path(folder) / f"{layout}-{dtype}"
                tokenize(documents, tokenizer, layout, output)
                read = peers.run("peer_shards.py", layout, output, peers="peers-shards")
                found.append(
                    (
                        reader,
                        dtype,
                        read["train"]["documents"],
                        read["train"] == wanted,
                    )
                )
    print(f"{len(texts):,} documents, {corpora.size(texts):.1f} MB of text\n")
    print(
        table(
            ("read by", "ids", "documents", "all equal to tokenizers'"),
            [(*row[:2], f"{row[2]:,}", str(row[3])) for row in found],
        )
    )
    if not all(row[3] for row in found):
        raise SystemExit("a document differs")


if __name__ == "__main__":
    main()
