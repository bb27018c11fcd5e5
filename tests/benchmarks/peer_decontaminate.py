"""datatrove's decontamination filter. Runs in the environment of the peers (see peers.py).

    peer_decontaminate.py DOCUMENTS.parquet PROTECTED.jsonl

Prints one JSON object: the seconds its look-up took, and the ids of the documents it would drop.
The index is made with datatrove's own words and hashes; its indexer itself needs lighteval.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["DATATROVE_COLORIZE_LOGS"] = "0"

import numpy as np
import pyarrow.parquet as pq
from datatrove.data import Document
from datatrove.pipeline.decont.n_grams import NGramsDecontConfig, NGramsDecontFilter
from datatrove.utils.text import ngrams, simplify_text
from loguru import logger
from measure import now

N = 13


def main(documents: str, protected: str) -> None:
    logger.remove()
    rows = pq.read_table(documents).to_pylist()
    with tempfile.TemporaryDirectory() as folder:
        filter = NGramsDecontFilter(folder, NGramsDecontConfig(n_grams=N))
        hashes = set()
        with open(protected, encoding="utf-8") as lines:
            for line in lines:
                words = filter.tokenizer.word_tokenize(
                    simplify_text(json.loads(line)["text"], filter.config.norm_config)
                )
                hashes |= {filter.hash_func(" ".join(gram)) for gram in ngrams(words, N)}
        index = np.array(sorted(hashes), filter.config.hash_config.np_descr)
        index.tofile(Path(folder) / "protected.index.hashes")
        filter.filter(Document(text="loads the index and the words' model", id=""))
        texts = [Document(text=row["text"], id=row["id"]) for row in rows]
        started = now()
        dropped = [text.id for text in texts if filter.filter(text) is not True]
        print(json.dumps({"seconds": now() - started, "dropped": dropped, "grams": len(index)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
