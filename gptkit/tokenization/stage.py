"""`gptkit tokenize`: from documents to token shards, with a training and a validation split."""

import dataclasses
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gptkit.bpe.encoder import Encoder
from gptkit.data import parquet
from gptkit.data.documents import EPOCH_COLUMN, Documents, ShardTask, open_documents, read_documents
from gptkit.data.files import atomic_path, check_free_space, sha256_file
from gptkit.data.inputs import InputFile
from gptkit.data.manifest import Manifest, Shard
from gptkit.data.tokens import dtype_for, write_shard
from gptkit.engine.stage import Runtime, Stage
from gptkit.errors import GptkitError, InputError
from gptkit.sampling.draws import uniform
from gptkit.tokenization.learn import learn_merges, write_tokenizer
from gptkit.tokenization.settings import TokenizeSettings

VERSION = 1
SPLITS = ("train", "validation")
COLUMNS = pa.schema([("id", pa.string()), ("text", pa.string()), (EPOCH_COLUMN, pa.int32())])


def split_of(identity: str, epoch: int | None, settings: TokenizeSettings) -> str | None:
    """The split of a document: a held-out one stands once in validation; None for its further copies."""
    held_out = uniform(settings.seed, "validation", identity) < settings.validation
    if not held_out:
        return "train"
    return None if epoch else "validation"


@dataclasses.dataclass(frozen=True)
class LearnTask:
    """Documents to learn a vocabulary from."""

    files: tuple[tuple[InputFile, int], ...]
    scratch: Path
    path: Path
    vocab_size: int
    settings: TokenizeSettings


def learn(task: LearnTask) -> dict[str, Any]:
    """Writes tokenizer.json, learned from the first training documents of the mixture."""
    texts = task.scratch / "learn.parquet"
    left = task.settings.learn_bytes
    with parquet.writing(texts, pa.schema([COLUMNS.field("text")])) as file:
        for shard, rows in task.files:
            for batch in read_documents(shard, rows, COLUMNS):
                keep = [
                    split_of(row["id"], row[EPOCH_COLUMN], task.settings) == "train"
                    for row in batch.select(["id", EPOCH_COLUMN]).to_pylist()
                ]
                part = batch.filter(pa.array(keep, pa.bool_())).select(["text"])
                if left > 0:
                    file.write_batch(part)
                left -= part.nbytes
    vocabulary, merges = learn_merges(texts, task.vocab_size)
    with atomic_path(task.path) as temporary:
        write_tokenizer(temporary, vocabulary, merges)
    texts.unlink()
    return {"vocab_size": len(vocabulary) + 1}


@dataclasses.dataclass(frozen=True)
class EncodeTask(ShardTask):
    """A shard of documents that becomes one token shard for each split."""

    tokenizer: Path
    out: Path
    number: int
    settings: TokenizeSettings


def encode_shard(task: EncodeTask) -> dict[str, Any]:
    """Writes the shards of both splits (a split without documents gets none) and gives their counts."""
    task.file.check()
    encoder = Encoder(task.tokenizer)
    ids: dict[str, list[np.ndarray]] = {split: [] for split in SPLITS}
    lengths: dict[str, list[np.ndarray]] = {split: [] for split in SPLITS}
    size: Counter[str] = Counter()
    for batch in read_documents(task.file, task.rows, COLUMNS):
        rows = batch.select(["id", EPOCH_COLUMN]).to_pylist()
        splits = np.array([split_of(row["id"], row[EPOCH_COLUMN], task.settings) or "" for row in rows])
        for split in SPLITS:
            texts = [text or "" for text in batch.column("text").filter(pa.array(splits == split)).to_pylist()]
            if not texts:
                continue
            flat, counts = encoder.encode(texts)
            ids[split].append(np.insert(flat, np.cumsum(counts), encoder.end_of_text))
            lengths[split].append(counts + 1)
            size[split] += sum(len(text.encode()) for text in texts)
    result: dict[str, Any] = {}
    for split in SPLITS:
        if not ids[split]:
            continue
        all_ids, all_lengths = np.concatenate(ids[split]), np.concatenate(lengths[split])
        if all_lengths.max() > np.iinfo(np.int32).max:
            raise GptkitError(f"{task.label}: a document has more than 2³¹ tokens, which Megatron's index cannot hold")
        write_shard(task.out / f"{split}-{task.number:05d}", all_ids, all_lengths, dtype_for(encoder.vocab_size))
        result[split] = {"documents": len(all_lengths), "tokens": len(all_ids), "bytes": size[split]}
    return result


def run(source: str, output: Path, settings: TokenizeSettings, runtime: Runtime) -> Manifest | None:
    """Learns a vocabulary (or takes one) and encodes the documents of `source`. None with --dry-run."""
    tokenizer = Path(settings.tokenizer) if settings.tokenizer is not None else None
    documents = open_documents(source)
    inputs = [documents.as_input()]
    if tokenizer is not None:
        if not tokenizer.is_file():
            raise GptkitError(f"{tokenizer}: no such file")
        Encoder(tokenizer)
        inputs.append({"name": "tokenizer", "digest": sha256_file(tokenizer)})
    with Stage("tokenize", VERSION, settings, inputs, output, runtime) as stage:
        chosen = documents.limited(runtime.limit)
        total = sum(rows for _, rows in chosen)
        what = f"{total:,} documents in {len(chosen)} shards, {documents.bytes / 1e6:,.1f} MB, on {runtime.pool.workers} workers"
        if stage.finished or not stage.begin(what):
            return stage.finished
        if total == 0:
            raise InputError(f"{source}: holds no documents")
        check_free_space(output, 3 * documents.bytes)
        path = stage.out / "tokenizer.json"
        if tokenizer is None:
            (learned,) = stage.phase(
                "learn", learn, [LearnTask(tuple(chosen), stage.scratch, path, settings.vocab_size or 0, settings)]
            )
            if learned["vocab_size"] != settings.vocab_size:
                runtime.progress.say(f"tokenize: the text makes no more than {learned['vocab_size']:,} tokens")
        elif not path.exists():
            with atomic_path(path) as temporary:
                shutil.copyfile(tokenizer, temporary)
        tasks = [
            EncodeTask(file, rows, path, stage.out, number, settings) for number, (file, rows) in enumerate(chosen)
        ]
        results = stage.phase("encode", encode_shard, tasks)
        if not any("train" in result for result in results):
            raise InputError(
                f"{source}: all of its {total:,} documents were held out; lower --validation {settings.validation}"
            )
        return stage.close(*_describe(stage, path, results, documents))


def _describe(
    stage: Stage, path: Path, results: list[dict[str, Any]], documents: Documents
) -> tuple[list[Shard], dict[str, Any], dict[str, Any]]:
    """The shards, counts and facts of a finished run."""
    encoder = Encoder(path)
    shards = [Shard.describe(stage.out, path, kind="tokenizer")]
    totals = {split: Counter({"documents": 0, "tokens": 0, "bytes": 0}) for split in SPLITS}
    for number, result in enumerate(results):
        for split, counts in result.items():
            stem = f"{split}-{number:05d}"
            shards.append(Shard.describe(stage.out, stage.out / f"{stem}.bin", counts["documents"], kind=split))
            shards.append(Shard.describe(stage.out, stage.out / f"{stem}.idx", counts["documents"], kind="index"))
            totals[split].update(counts)
    facts: dict[str, Any] = {
        "dtype": dtype_for(encoder.vocab_size),
        "vocab_size": encoder.vocab_size,
        "end_of_text": encoder.end_of_text,
        "tokenizer": sha256_file(path),
        **{key: {split: totals[split][key] for split in SPLITS} for key in ("documents", "tokens", "bytes")},
    }
    encoded = sum(facts["documents"].values())
    counts = {
        "documents_in": sum(rows for _, rows in documents.limited(stage.runtime.limit)),
        "documents_out": encoded,
        "bytes_out": sum(facts["bytes"].values()),
        "tokens": sum(facts["tokens"].values()),
        "bytes_per_token": round(sum(facts["bytes"].values()) / max(1, sum(facts["tokens"].values()) - encoded), 3),
    }
    return shards, counts, facts
