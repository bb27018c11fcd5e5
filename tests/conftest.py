"""Fixtures that several rooms' tests share."""

import os

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the command line sets it, before torch is loaded

import importlib
import inspect
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from gptkit.data.files import sha256_file
from gptkit.data.layouts import LAYOUTS, dtype_for
from gptkit.data.manifest import Shard
from gptkit.data.tokens import TokenFolder, open_tokens, write_shard
from gptkit.data.vocabulary import END_OF_TEXT
from gptkit.engine.pool import Pool
from gptkit.engine.progress import Progress
from gptkit.engine.stage import Runtime, Stage
from gptkit.tasks.settings import MakeTasksSettings

# kernels compile in the first example; where tests decide, they are the same each time
settings.register_profile("gptkit", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("gptkit")

MODULES = "argparse ast asyncio collections csv datetime decimal difflib email heapq http.client inspect json logging optparse pathlib pickle random re shutil socket sqlite3 statistics string subprocess tarfile textwrap threading unittest unittest.mock urllib.request zipfile".split()
VOCABULARY = 512
HELD_OUT = 5  # every fifth document


def documents() -> list[str]:
    """A few hundred small documents: docstrings of the standard library."""
    found = {}
    for name in MODULES:
        module = importlib.import_module(name)
        for _, member in sorted(vars(module).items(), key=lambda item: item[0]):
            text = inspect.getdoc(member) if inspect.isroutine(member) or inspect.isclass(member) else None
            if text and len(text) > 200:
                found.setdefault(text, None)
    return list(found)


@pytest.fixture
def runtime() -> Runtime:
    """Everything in this process, and silent."""
    return Runtime(Pool(0), Progress(quiet=True))


@pytest.fixture(scope="session")
def token_folder(tmp_path_factory: pytest.TempPathFactory) -> TokenFolder:
    """A small folder of token shards, as `gptkit tokenize` writes it, with a byte-level BPE of 512."""
    texts = documents()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    end = tokenizer.token_to_id(END_OF_TEXT)
    held_out = texts[::HELD_OUT]
    splits = {"train": [text for text in texts if text not in held_out], "validation": held_out}
    output = tmp_path_factory.mktemp("token_folder") / "tokens"
    # only the name of the stage and the facts matter to those who read the folder
    with Stage("tokenize", 1, MakeTasksSettings(), [], output, Runtime(Pool(0), Progress(quiet=True))) as stage:
        stage.begin("a token folder for tests")
        return _close(stage, tokenizer, end, splits, output)


def _close(stage: Stage, tokenizer: Tokenizer, end: int, splits: dict[str, list[str]], output: Path) -> TokenFolder:
    size = tokenizer.get_vocab_size()
    tokenizer.save(str(stage.out / "tokenizer.json"))
    shards = [Shard.describe(stage.out, stage.out / "tokenizer.json", kind="tokenizer")]
    facts = {
        "layout": "megatron",
        "dtype": dtype_for(size),
        "vocab_size": size,
        "end_of_text": end,
        "tokenizer": sha256_file(stage.out / "tokenizer.json"),
        "tokens": {},
        "documents": {},
        "bytes": {},
    }
    for split, texts in splits.items():
        ids = [[*tokenizer.encode(text).ids, end] for text in texts]
        lengths = np.array([len(document) for document in ids], np.int32)
        flat = np.concatenate([np.array(document, facts["dtype"]) for document in ids])
        shards += write_shard(stage.out, LAYOUTS["megatron"], split, 0, lengths, [flat], facts["dtype"])
        facts["tokens"][split] = int(lengths.sum())
        facts["documents"][split] = len(texts)
        facts["bytes"][split] = sum(len(text.encode()) for text in texts)
    stage.close(shards, {}, facts)
    return open_tokens(output)
