"""Takes a tokenizer in any of the forms that others publish."""

import hashlib
import re
from pathlib import Path
from typing import Any

import orjson

from gptkit.bpe.hub import download
from gptkit.bpe.patterns import WORD_END
from gptkit.bpe.published import ENCODINGS, LLAMA3_TOKENS, OTHER_NAMES, llama3_special
from gptkit.bpe.ranks import is_rank_file, merges_of, read_ranks
from gptkit.bpe.tokenizer_json import MARKED, canonical, compose, spelled
from gptkit.bpe.trial import try_out
from gptkit.data.vocabulary import check_vocabulary
from gptkit.errors import GptkitError

LARGEST_FILE = 1 << 28  # bytes; published ones have up to 40 million
PAIRS = (("encoder.json", "vocab.bpe"), ("vocab.json", "merges.txt"))
WHOLE = "tokenizer.json"
LLAMA3 = "tokenizer.model"
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
FORMS = f"{WHOLE}, {' + '.join(PAIRS[0])}, {' + '.join(PAIRS[1])}, or one .tiktoken file"


def take_tokenizer(name: str, pattern: str | None = None, end_of_text: str | None = None) -> bytes:
    """The content of a tokenizer.json, the same for one tokenizer whichever form it came in (as far as that goes).

    name: a tokenizer.json; one of GPT-2's encoder.json and vocab.bpe (or vocab.json and merges.txt), beside which
    the other lies; a rank file of tiktoken, as Llama 3's tokenizer.model; a folder that has one of those; else a
    name on the Hugging Face hub. pattern: how text is split (gptkit.bpe.patterns), for files of which that is not
    known: published rank files are known by their content; a vocabulary and merges are GPT-1's where words end
    in </w>, else as GPT-2's where nothing is said. end_of_text: the special token that ends a document; made one where it is none.
    Nothing is unpickled or executed. Raises GptkitError, in one line, for all that is no such tokenizer.
    """
    content = _found(name, pattern, end_of_text)
    try_out(orjson.loads(content), content, name)
    return content


def _found(name: str, pattern: str | None, end_of_text: str | None) -> bytes:
    path = Path(name)
    if path.is_dir():
        return _folder(path, pattern, end_of_text)
    if path.exists():
        return _file(path, pattern, end_of_text)
    if not HUB_NAME.fullmatch(name) or name.endswith((".json", ".tiktoken", ".model", ".bpe", ".txt")):
        raise GptkitError(f"{name}: no such file")
    return _file(download(name, ((WHOLE,), *PAIRS)), pattern, end_of_text)


def _folder(path: Path, pattern: str | None, end_of_text: str | None) -> bytes:
    for first in (WHOLE, PAIRS[0][0], PAIRS[1][0], LLAMA3):
        if (path / first).is_file():
            return _file(path / first, pattern, end_of_text)
    ranks = sorted(path.glob("*.tiktoken"))
    if len(ranks) != 1:
        raise GptkitError(f"{path}: holds no tokenizer: it needs {FORMS}")
    return _file(ranks[0], pattern, end_of_text)


def _file(path: Path, pattern: str | None, end_of_text: str | None) -> bytes:
    for vocabulary, merges in PAIRS:
        if path.name in (vocabulary, merges):
            config = _pair(path.with_name(vocabulary), path.with_name(merges), pattern)
            return canonical(config, str(path), end_of_text)
    content = _read(path)
    if path.suffix == ".tiktoken" or is_rank_file(content):
        return canonical(_ranks(content, path, pattern), str(path), end_of_text)
    if path.suffix == ".model":
        raise GptkitError(
            f"{path}: is a SentencePiece model; save it as tokenizer.json with transformers, and give that"
        )
    return canonical(_whole(content, path), str(path), end_of_text)


def _whole(content: bytes, path: Path) -> Any:
    """A tokenizer.json that tokenizers reads."""
    from tokenizers import Tokenizer

    config = _json(content, path)
    check_vocabulary(config, path)
    try:
        Tokenizer.from_buffer(content)
    except Exception as error:  # the library raises plain Exception
        raise GptkitError(f"{path}: is no tokenizer ({error})") from None
    return config


def _pair(vocabulary_path: Path, merges_path: Path, pattern: str | None) -> dict[str, Any]:
    """A vocabulary (JSON) and its merges (a line each, with a line of the version before them)."""
    vocabulary = _json(_read(vocabulary_path), vocabulary_path)
    if (
        not isinstance(vocabulary, dict)
        or not vocabulary
        or not all(type(index) is int for index in vocabulary.values())
    ):
        raise GptkitError(f"{vocabulary_path}: is no vocabulary: a JSON object of tokens and their ids")
    try:
        lines = _read(merges_path).decode().split("\n")
    except UnicodeDecodeError as error:
        raise GptkitError(f"{merges_path}: is no UTF-8 ({error})") from None
    merges: list[tuple[str, str]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or (number == 1 and line.startswith("#version")):
            continue
        first, _, second = line.rstrip("\r").partition(" ")
        unknown = next((token for token in (first, second, first + second) if token not in vocabulary), None)
        if unknown is not None:
            raise GptkitError(
                f"{merges_path}: line {number} merges {unknown!r}, which {vocabulary_path.name} has no token for; "
                "they do not belong together, or one is damaged"
            )
        merges.append((first, second))
    if any(token.endswith(WORD_END) for token in vocabulary):
        pattern = "gpt1"
    elif pattern in (None, "gpt1"):
        pattern = "gpt2"
    made = {first + second for first, second in merges}
    special = {token: index for token, index in vocabulary.items() if token not in made and MARKED.fullmatch(token)}
    return compose(vocabulary, merges, pattern, special)


def _ranks(content: bytes, path: Path, pattern: str | None) -> dict[str, Any]:
    """A rank file: how text is split is known of published ones, of others `pattern` says it."""
    ranks = read_ranks(content, str(path))
    found = hashlib.sha256(content).hexdigest()
    known = next((encoding for encoding in ENCODINGS.values() if encoding.sha256 == found), None)
    title, special = OTHER_NAMES.get(path.stem, path.stem), {}
    if known:
        pattern, special = known.pattern, known.special
    elif path.name == LLAMA3 and len(ranks) == LLAMA3_TOKENS:
        pattern, special = "llama3", llama3_special()
    elif title in ENCODINGS:
        raise GptkitError(
            f"{path}: is not the published {title} (its SHA-256 differs): it is damaged, or another tokenizer, "
            "which needs another name and its --pattern"
        )
    elif pattern is None or pattern == "gpt1":
        raise GptkitError(f"{path}: does not say how text is split; name its --pattern, such as cl100k")
    merges, complete = merges_of(ranks)
    vocabulary = {spelled(token): rank for token, rank in ranks.items()}
    pairs = [(spelled(first), spelled(second)) for first, second in merges]
    return compose(vocabulary, pairs, pattern, special, ignore_merges=not complete)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise GptkitError(f"{path}: has {path.stat().st_size:,} bytes, more than any tokenizer")
        return path.read_bytes()
    except FileNotFoundError:
        raise GptkitError(f"{path}: no such file") from None
    except OSError as error:
        raise GptkitError(f"{path}: cannot be read ({error.strerror})") from None


def _json(content: bytes, path: Path) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise GptkitError(f"{path}: is no JSON and no rank file ({error})") from None
