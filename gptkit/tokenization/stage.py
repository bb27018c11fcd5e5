"""`gptkit tokenize`: from documents to token shards, with a training and a validation split."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gptkit.bpe.take import take_tokenizer
from gptkit.data import manifest as manifests
from gptkit.data.files import atomic_path, check_free_space, sha256_file
from gptkit.data.layouts import LAYOUTS
from gptkit.data.manifest import Manifest, Plan, Shard
from gptkit.data.portions import Corpus, open_corpus
from gptkit.engine.stage import Runtime, Stage
from gptkit.errors import InputError
from gptkit.tokenization.assemble import assemble
from gptkit.tokenization.encode import Encoded, encode
from gptkit.tokenization.learn import learn
from gptkit.tokenization.report import NAME, write_report
from gptkit.tokenization.settings import TokenizeSettings
from gptkit.tokenization.splits import SPLITS

VERSION = 2


def run(sources: Sequence[str], output: Path, settings: TokenizeSettings, runtime: Runtime) -> Manifest | None:
    """Learns a vocabulary (or takes one) and encodes the documents of `[NAME=]PATH` inputs. None with --dry-run.

    Raises GptkitError and UsageError as `open_corpus` does, and where the tokenizer is none, nothing
    is left to train on or the disk is too full.
    """
    given = taken(settings)
    corpus = open_corpus(sources, runtime.limit)
    inputs = [known_by_plan(entry) for entry in corpus.digests] + tokenizer_input(given)
    with Stage("tokenize", VERSION, settings, inputs, output, runtime) as stage:
        what = f"{corpus.documents:,} documents of {corpus.weight / 1e6:,.1f} MB, on {runtime.pool.workers} workers"
        if stage.finished or not stage.begin(what):
            return stage.finished
        where = ", ".join(sources)
        if corpus.documents == 0:
            raise InputError(f"{where}: holds no documents")
        check_free_space(output, corpus.weight)  # ids twice, in parts and in shards, each half the bytes of the text
        chosen = [None] * len(corpus.portions)
        path, learned = make_tokenizer(stage, corpus, chosen, given, settings)
        encoded = encode(stage, corpus, chosen, path, sha256_file(path), settings)
        return close(stage, encoded, path, learned, corpus.documents, settings, where)


def known_by_plan(entry: dict[str, Any]) -> dict[str, Any]:
    """An input as the plan names it: a mixture by the digest of its plan, which decides its text.

    So a mixture that is encoded without its text being written has the same digest (see `mixture_digest`).
    """
    path = Path(entry.get("path", "")) / manifests.NAME
    if not path.is_file():
        return entry
    plan = manifests.parse_manifest(path).plan
    return {**entry, "digest": mixture_digest(plan)} if plan.stage == "mix" else entry


def mixture_digest(plan: Plan) -> str:
    """What stands for a mixture among the inputs of the plan."""
    return plan.digest()


def taken(settings: TokenizeSettings) -> bytes | None:
    """The tokenizer that is given, as tokenizer.json; None where one is to be learned.

    Raises GptkitError where it is none, or the layout cannot hold the vocabulary that is to be learned.
    """
    if settings.tokenizer is None:
        LAYOUTS[settings.layout].check(settings.vocab_size or 0, settings.shard_tokens)
        return None
    return take_tokenizer(settings.tokenizer, settings.pattern, settings.end_of_text)


def tokenizer_input(given: bytes | None) -> list[dict[str, Any]]:
    """A given tokenizer as an input of the plan."""
    return [] if given is None else [{"name": "tokenizer", "digest": hashlib.sha256(given).hexdigest()}]


def make_tokenizer(
    stage: Stage, corpus: Corpus, chosen: Sequence[Path | None], given: bytes | None, settings: TokenizeSettings
) -> tuple[Path, dict[str, Any]]:
    """Writes tokenizer.json: the given one, or one that is learned from the chosen documents.

    Gives its path, and what learning found: for a given one nothing.
    """
    path, learned = stage.out / "tokenizer.json", {}
    if given is None:
        file = stage.scratch / "learned.json"
        learned = {"learned": learn(stage, corpus.portions, chosen, settings, file)}
        given = file.read_bytes()
    if not path.exists():
        with atomic_path(path) as temporary:
            temporary.write_bytes(given)
    return path, learned


def close(
    stage: Stage,
    encoded: Encoded,
    tokenizer: Path,
    learned: dict[str, Any],
    documents_in: int,
    settings: TokenizeSettings,
    where: str,
) -> Manifest:
    """Makes the shards and the report of encoded documents, and closes the stage. `learned` enters the counts.

    Raises InputError where all documents were held out.
    """
    if not encoded.parts["train"]:
        raise InputError(
            f"{where}: all of its {documents_in:,} documents were held out; lower --validation {settings.validation}"
        )
    layout = LAYOUTS[settings.layout]
    shards = assemble(stage, encoded.parts, layout, settings.shard_tokens, encoded.dtype)
    write_report(stage.out / NAME, encoded, tokenizer)
    used = Shard.describe(stage.out, tokenizer, kind="tokenizer")
    facts: dict[str, Any] = {
        "layout": layout.name,
        "dtype": encoded.dtype,
        "vocab_size": encoded.vocab_size,
        "end_of_text": encoded.end_of_text,
        "tokenizer": used.sha256,
        "documents": {split: encoded.documents(split) for split in SPLITS},
        "tokens": {split: encoded.tokens(split) for split in SPLITS},
        "bytes": encoded.bytes,
    }
    documents, tokens, size = (sum(facts[name].values()) for name in ("documents", "tokens", "bytes"))
    counts = {
        "documents_in": documents_in,
        "documents_out": documents,
        "bytes_out": size,
        "tokens": tokens,
        "bytes_per_token": round(size / max(1, tokens - documents), 3),
        **learned,
    }
    return stage.close([used, *shards], counts, facts, beside=[NAME])
