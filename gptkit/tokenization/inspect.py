"""What `gptkit tokens inspect` and `verify` say of token shards of any layout."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from gptkit.data.files import read_json
from gptkit.data.layouts import layout_of
from gptkit.data.manifest import verify as verify_checksums
from gptkit.data.tokens import TokenFolder, TokenShard, open_tokens, read_shard
from gptkit.data.vocabulary import token_bytes
from gptkit.errors import GptkitError
from gptkit.tokenization.report import NAME
from gptkit.tokenization.splits import SPLITS

CHUNK = 1 << 22  # ids looked at together


def inspect(path: Path) -> dict[str, Any]:
    """The facts of a folder with its report, or of one shard. Raises GptkitError where it is neither."""
    if path.is_file():
        shard = find_shard(path)
        known = {"documents": len(shard)} if shard.indexed is not None or shard.end_of_text is not None else {}
        said = {"layout": layout_of(path).name, "dtype": shard.tokens.dtype.name, "tokens": len(shard.tokens), **known}
        return {"path": str(path), "facts": said}
    folder = open_tokens(path)
    facts = folder.manifest.facts
    found: dict[str, Any] = {"path": str(path), "digest": folder.manifest.digest, "facts": facts}
    found["shards"] = {split: len(folder.manifest.of_kind(split)) for split in SPLITS}
    documents, tokens, size = (sum(facts[name].values()) for name in ("documents", "tokens", "bytes"))
    found["bytes_per_token"] = round(size / max(1, tokens - documents), 3)
    if (path / NAME).is_file():
        found["report"] = read_json(path / NAME)
    return found


def find_shard(path: Path) -> TokenShard:
    """One shard; which id ends a document is looked up in the folder it lies in, if that is one of ours."""
    home = _home(path)
    return read_shard(path, end_of_text=home.manifest.facts["end_of_text"] if home is not None else None)


def _home(path: Path) -> TokenFolder | None:
    """The folder of token shards a file belongs to; datatrove's lie one folder deeper."""
    for folder in (path.parent, path.parent.parent):
        if (folder / "manifest.json").is_file():
            try:
                return open_tokens(folder)
            except GptkitError:
                return None
    return None


def document(path: Path, split: str, index: int) -> dict[str, Any]:
    """The n-th document of a split, or of a shard: its shard, place, ids and text.

    Raises GptkitError where there is none, or no tokenizer to decode it with.
    """
    if path.is_file():
        home, shards = _home(path), [find_shard(path)]
    else:
        home = open_tokens(path)
        shards = home.shards(split)
    if home is None:
        raise GptkitError(f"{path}: no tokenizer.json beside it, with which its ids could be decoded")
    place = index
    for shard in shards:
        if place < len(shard):
            ids = shard.document(place).tolist()
            pieces = token_bytes(home.tokenizer_path)
            if max(ids) >= len(pieces):
                raise GptkitError(f"{shard.path}: holds token {max(ids)}, and the vocabulary has {len(pieces):,}")
            text = b"".join(pieces[token] for token in ids).decode("utf-8", "replace")
            return {"shard": str(shard.path), "index": place, "tokens": len(ids), "ids": ids, "text": text}
        place -= len(shard)
    raise GptkitError(f"{path}: has {index - place:,} documents there; --index starts at 0")


@dataclasses.dataclass
class Verified:
    """What was looked at, by split."""

    shards: int = 0
    documents: int = 0
    tokens: int = 0


def verify(path: Path) -> dict[str, Any]:
    """Reads a folder of token shards whole: checksums, indexes, ids, ends of documents, counts.

    Raises GptkitError at the first thing that is not as it should be.
    """
    folder = open_tokens(path)
    verify_checksums(path, folder.manifest.shards)
    facts = folder.manifest.facts
    found = {split: Verified() for split in SPLITS}
    for split, sums in found.items():
        listed = folder.manifest.of_kind(split)
        for shard, known in zip(folder.shards(split), listed, strict=True):
            documents = _check_ids(shard, facts["vocab_size"], facts["end_of_text"])
            if documents != known.rows:
                raise GptkitError(f"{shard.path}: has {documents:,} documents, and the manifest says {known.rows:,}")
            sums.shards += 1
            sums.documents += documents
            sums.tokens += len(shard.tokens)
        for name in ("documents", "tokens"):
            if getattr(sums, name) != facts[name][split]:
                raise GptkitError(
                    f"{path}: {split} has {getattr(sums, name):,} {name}, and the manifest says {facts[name][split]:,}"
                )
    return {"path": str(path), "digest": folder.manifest.digest} | {
        split: dataclasses.asdict(sums) for split, sums in found.items()
    }


def _check_ids(shard: TokenShard, vocabulary: int, end: int) -> int:
    """The documents of a shard. Raises GptkitError where an id is none of the vocabulary, or a document does not end
    in end-of-text, or has one inside."""
    ends, documents = shard.ends, 0
    for first in range(0, len(shard.tokens), CHUNK):
        ids = np.asarray(shard.tokens[first : first + CHUNK])
        if ids.max() >= vocabulary:
            raise GptkitError(f"{shard.path}: holds token {ids.max()}, and the vocabulary has {vocabulary:,}")
        found = first + 1 + np.flatnonzero(ids == end)
        expected = ends[documents : documents + len(found)]
        if not np.array_equal(found, expected):
            differs = np.flatnonzero(found[: len(expected)] != expected)
            wrong = documents + int(differs[0] if len(differs) else len(expected))
            raise GptkitError(f"{shard.path}: document {wrong:,} does not end where its index says")
        documents += len(found)
    if documents != len(ends):
        raise GptkitError(f"{shard.path}: document {documents:,} does not end in end-of-text")
    return documents
