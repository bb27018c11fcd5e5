"""Inputs that are hard for `gptkit tokenize`: each with the right answer, seconds and memory."""

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import corpora
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measure import table
from watching import watch

SEED = 7
MILLION = 1_000_000
HUGE = 200_000_000  # bytes
ROWS = 10_000  # of a row group
CHUNK = 1 << 20  # ids decoded at a time
COMPARED = 1_000_000  # characters of the huge document that tokenizers encodes too
LOOK = 0.2  # seconds between two looks at the memory: of many GB a look takes long
KILLS = 10
DISK = "30m"  # the size of the disk that gets full
SPECIAL = ("<|endoftext|>", "<|system|>", "<|user|>", "[MASK]", "</s>")
GPT2 = ("--tokenizer", "GPT2")  # stands for the path of the data folder's tokenizer

Texts = Iterable[str]


@dataclass(frozen=True)
class Run:
    """A run that ended well."""

    output: Path
    seconds: float
    peak: int  # bytes

    @property
    def manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.output / "manifest.json").read_text())
        return found

    def ids(self) -> np.ndarray:
        """All ids of the training split, read as bare numbers."""
        files = sorted(self.output.glob("train-*.bin"))
        return np.concatenate([np.fromfile(path, self.manifest["facts"]["dtype"]) for path in files])

    def documents(self) -> list[np.ndarray]:
        """The ids of each document, without its end-of-text."""
        ids = self.ids()
        ends = np.flatnonzero(ids == self.manifest["facts"]["end_of_text"])
        assert ends[-1] == len(ids) - 1, "the last document has no end"
        return [part[: len(part) - 1] for part in np.split(ids, ends[:-1] + 1)]

    def tokenizer(self) -> Any:
        """The tokenizer that was written, in the tokenizers library; text makes no special token in it."""
        from tokenizers import Tokenizer

        found = Tokenizer.from_file(str(self.output / "tokenizer.json"))
        found.encode_special_tokens = True
        return found


def report(folder: Path) -> None:
    """Prints a row for each case; stops where an answer is wrong."""
    run(write(["words"], folder / "compile.parquet"), folder / "compiled", ("--vocab-size", "300"))
    rows: list[tuple[object, ...]] = []
    for name, (make, options, check) in CASES.items():
        place = folder / make.__name__
        place.mkdir()
        texts = list(make())
        result = run(write(texts, place / "documents.parquet"), place / "tokens", options)
        facts = result.manifest["facts"]
        assert facts["documents"]["train"] == len(texts), name
        tokens, size = facts["tokens"]["train"], corpora.size(texts)
        assert facts["bytes"]["train"] == round(size * 1e6), name
        peak = round(result.peak / 1e6)
        rows.append((name, len(texts), size, tokens, result.seconds, peak, check(texts, result)))
        print(*rows[-1], sep="; ", file=sys.stderr)
        del texts
        shutil.rmtree(place)
    for name, trial in TRIALS.items():
        place = folder / trial.__name__
        place.mkdir()
        rows.append((name, *trial(place)))
        print(*rows[-1], sep="; ", file=sys.stderr)
        shutil.rmtree(place)
    print("## Hard inputs, one worker\n")
    print(table(("documents", "number", "MB", "tokens", "seconds", "peak, MB", "checked"), rows))


def write(texts: Texts, path: Path) -> Path:
    """Writes documents as Parquet; a text's place is its id."""
    schema = pa.schema([("id", pa.string()), ("text", pa.string())])
    with pq.ParquetWriter(path, schema, compression="zstd") as file:
        rest = ((f"{place:07d}", text) for place, text in enumerate(texts))
        while some := list(itertools.islice(rest, ROWS)):
            file.write_table(pa.table([list(column) for column in zip(*some, strict=True)], schema=schema), ROWS)
    return path


def command(documents: Path, output: Path, options: Sequence[str], workers: int = 1) -> list[str]:
    """The command, which holds out nothing."""
    chosen = [str(corpora.data("bpe/encoder.json")) if option == "GPT2" else option for option in options]
    return [
        *(sys.executable, "-m", "gptkit", "tokenize", str(documents), "-o", str(output), "--quiet"),
        *("--validation", "0", "--workers", str(workers), *chosen),
    ]


def run(documents: Path, output: Path, options: Sequence[str], workers: int = 1) -> Run:
    """Runs the command to its end, and gptkit's own check of all it wrote."""
    watched = watch(command(documents, output, options, workers), LOOK)
    subprocess.run([sys.executable, "-m", "gptkit", "tokens", "verify", str(output)], check=True, capture_output=True)
    return Run(output, watched.seconds, watched.peak)


def one_line(words: Sequence[str], code: int) -> str:
    """Runs a command that is to fail; gives the one line it says."""
    done = subprocess.run(words, capture_output=True, text=True)
    lines = done.stderr.strip().splitlines()
    assert done.returncode == code, (done.returncode, done.stderr)
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("gptkit: "), done.stderr
    return lines[0].removeprefix("gptkit: ")


def pieces(tokenizer: Any) -> list[bytes]:
    """The bytes of each id, by the tokenizers library's vocabulary and GPT-2's alphabet of bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    alphabet = {chr(byte): byte for byte in plain}
    alphabet |= {chr(256 + place): byte for place, byte in enumerate(byte for byte in range(256) if byte not in plain)}
    found = [b""] * tokenizer.get_vocab_size()
    for token, index in tokenizer.get_vocab(with_added_tokens=False).items():
        if token not in SPECIAL:
            found[index] = bytes(alphabet[character] for character in token)
    return found


def check_bytes(text: str, ids: np.ndarray, spelled: list[bytes]) -> None:
    """A document of any size, decoded piece by piece."""
    content, place = text.encode(), 0
    for first in range(0, len(ids), CHUNK):
        part = b"".join(map(spelled.__getitem__, ids[first : first + CHUNK].tolist()))
        assert content[place : place + len(part)] == part, f"differs behind byte {place}"
        place += len(part)
    assert place == len(content)


def check_equal(texts: list[str], result: Run) -> str:
    """Ids are those of the tokenizers library, which decodes them to the texts."""
    tokenizer, found = result.tokenizer(), result.documents()
    encoded = tokenizer.encode_batch(texts, add_special_tokens=False)
    assert all(np.array_equal(one.ids, other) for one, other in zip(encoded, found, strict=True))
    assert tokenizer.decode_batch([ids.tolist() for ids in found], skip_special_tokens=False) == texts
    return "ids and texts equal to tokenizers'"


def some_documents(count: int = 2_000) -> list[str]:
    return [row["text"] for row in corpora.sample(list(corpora.rows(corpora.MIXED)), count)]


def large_vocabulary() -> Texts:
    """Documents to learn a large vocabulary from."""
    return some_documents()


def check_large_vocabulary(texts: list[str], result: Run) -> str:
    facts = result.manifest["facts"]
    assert (facts["dtype"], facts["vocab_size"]) == ("uint32", 70_000)
    largest = int(result.ids().max())
    assert largest >= 1 << 16
    options = ("--layout", "nanogpt", "--tokenizer", str(result.output / "tokenizer.json"))
    documents = result.output.parent / "documents.parquet"
    one_line(command(documents, result.output.parent / "nanogpt", options), 1)
    return f"{check_equal(texts, result)}; uint32; in nanoGPT's layout one line"


def empty() -> Texts:
    """Nothing, between something."""
    return ["", "some words", "", "", "more words", ""]


def huge() -> Texts:
    """One of 200 MB."""
    text = "\n".join(row["text"] for row in corpora.rows(corpora.MIXED))
    content = text.encode()
    return [(content * (HUGE // len(content) + 1))[:HUGE].decode(errors="ignore")]


def check_huge(texts: list[str], result: Run) -> str:
    (ids,), tokenizer = result.documents(), result.tokenizer()
    check_bytes(texts[0], ids, pieces(tokenizer))
    start = texts[0][: texts[0].rindex(" ", 0, COMPARED)]  # words are encoded one by one
    begun = tokenizer.encode(start, add_special_tokens=False).ids
    assert ids[: len(begun)].tolist() == begun
    return "decodes; the first MB equal to tokenizers'"


def without_space() -> Texts:
    """200 MB of text whose white space is gone."""
    letters = "".join("".join(row["text"].split()) for row in corpora.rows(corpora.MIXED)).encode()
    return [(letters * (HUGE // len(letters) + 1))[:HUGE].decode(errors="ignore")]


def check_decodes(texts: list[str], result: Run) -> str:
    spelled = pieces(result.tokenizer())
    for text, ids in zip(texts, result.documents(), strict=True):
        check_bytes(text, ids, spelled)
    return "decodes"


def long_word_again() -> Texts:
    """One word of 10 MB five times over."""
    generator = random.Random(SEED)
    word = "".join(generator.choices("abcdefghijklmnopqrstuvwxyz", k=10 * MILLION))
    return [" ".join([word] * 5)]


def million() -> Texts:
    """A million of 20 bytes."""
    return (f"document of {place:08d}" for place in range(MILLION))


def special() -> Iterator[str]:
    """The text of every special token: alone, glued to words, cut, nested and repeated."""
    for token in SPECIAL:
        yield token
        yield f"{token}{token} {token}\n"
        yield f"words{token}words {token[:-1]} {token[1:]}{token[:2]}{token}{token[2:]}"
    yield "".join(SPECIAL) * 1_000
    yield from (
        text[:500] + SPECIAL[place % len(SPECIAL)] + text[500:] for place, text in enumerate(some_documents(500))
    )


def check_special(texts: list[str], result: Run) -> str:
    tokenizer, ids = result.tokenizer(), result.ids()
    for token in SPECIAL[1:]:
        assert not (ids == tokenizer.token_to_id(token)).any(), token
    assert np.count_nonzero(ids == tokenizer.token_to_id(SPECIAL[0])) == len(texts)
    return f"{check_equal(texts, result)}; none made by text"


def no_end_of_text(folder: Path) -> tuple[object, ...]:
    """A tokenizer without end-of-text: one line; with a name for it the token is added."""
    texts = some_documents(200)
    documents = write(texts, folder / "documents.parquet")
    learned = run(documents, folder / "learned", ("--vocab-size", "1000"))
    tokenizer = json.loads((learned.output / "tokenizer.json").read_text())
    bare = folder / "bare.json"
    bare.write_text(json.dumps({**tokenizer, "added_tokens": []}))
    line = one_line(command(documents, folder / "tokens", ("--tokenizer", str(bare))), 1)
    assert "--end-of-text" in line, line
    assert not (folder / "tokens").exists()
    result = run(documents, folder / "tokens", ("--tokenizer", str(bare), "--end-of-text", "<|end|>"))
    check_equal(texts, result)
    tokens = result.manifest["facts"]["tokens"]["train"]
    size, peak = corpora.size(texts), round(result.peak / 1e6)
    return len(texts), size, tokens, result.seconds, peak, "one line; with --end-of-text ids equal to tokenizers'"


def full_disk(folder: Path) -> tuple[object, ...]:
    """A disk that gets full while shards are written: one line. Given room, the same command goes on."""
    generator = random.Random(SEED)
    # rare characters: every byte is a token of two bytes, once in parts and once in shards
    texts = ["".join(map(chr, generator.choices(range(0x20000, 0x2A000), k=62_500))) for _ in range(40)]
    documents = write(texts, folder / "documents.parquet")
    whole = run(documents, folder / "undisturbed", GPT2)
    disk, left = folder / "disk", folder / "left"
    disk.mkdir()
    again = [*command(documents, disk / "tokens", GPT2), "--json"]
    # the file system belongs to this shell and what it starts, and is gone with them
    script = '''disk=$1 left=$2; shift 2; mount -t tmpfs -o size="$SMALL" none "$disk"
        "$@" 2> "$left.said"; echo $? > "$left.code"; find "$disk" -type f > "$left.files"
        mount -o remount,size="$LARGE" "$disk" && "$@"'''
    sizes = {"SMALL": DISK, "LARGE": "1g"}
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", disk, left, *again],
        capture_output=True,
        env=os.environ | sizes,
        check=True,
    )
    code, said, files = (left.with_suffix(f".{name}").read_text() for name in ("code", "said", "files"))
    (line,) = said.splitlines()
    assert int(code) == 1, code
    assert "No space left" in line, line
    outside = [path for path in files.split() if not path.startswith(f"{disk}/tokens/.work/")]
    assert not outside, outside
    assert json.loads(done.stdout)["digest"] == whole.manifest["digest"]
    tokens = whole.manifest["facts"]["tokens"]["train"]
    checked = f"one line ({line.removeprefix('gptkit: ').rsplit(': ')[-1]}); then, with room, the same digest"
    return len(texts), corpora.size(texts), tokens, whole.seconds, round(whole.peak / 1e6), checked


def killed(folder: Path) -> tuple[object, ...]:
    """Ten SIGKILLs at random moments, and the digest of a run without them."""
    texts = some_documents(6_000)
    documents = write(texts, folder / "documents.parquet")
    options = ("--vocab-size", "8000", "--shard-tokens", "500000")
    whole = run(documents, folder / "undisturbed", options, workers=2)
    generator, output, kills, began = random.Random(SEED), folder / "tokens", 0, time.perf_counter()
    while kills < KILLS:
        process = subprocess.Popen(command(documents, output, options, workers=2), stderr=subprocess.DEVNULL)
        try:
            process.wait(generator.uniform(0.3, 0.9 * whole.seconds))
            shutil.rmtree(output)  # it was done: once more from the beginning
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
    result = run(documents, output, options, workers=2)
    seconds = time.perf_counter() - began
    assert result.manifest["digest"] == whole.manifest["digest"]
    names = sorted(path.name for path in output.iterdir())
    assert names == sorted(path.name for path in whole.output.iterdir()), names
    assert all(
        (output / name).read_bytes() == (whole.output / name).read_bytes() for name in names if "manifest" not in name
    )
    tokens = result.manifest["facts"]["tokens"]["train"]
    checked = f"digest and files of the undisturbed run ({whole.seconds:.1f} s)"
    return len(texts), corpora.size(texts), tokens, seconds, round(whole.peak / 1e6), checked


CASES: dict[str, tuple[Callable[[], Texts], Sequence[str], Callable[[list[str], Run], str]]] = {
    "a learned vocabulary of 70,000": (large_vocabulary, ("--vocab-size", "70000"), check_large_vocabulary),
    "empty ones between others": (empty, GPT2, check_equal),
    "one of 200 MB": (huge, GPT2, check_huge),
    "one of 200 MB without white space": (without_space, GPT2, check_decodes),
    "a word of 10 MB five times over": (long_word_again, GPT2, check_decodes),
    "a million of 20 bytes": (million, GPT2, check_equal),
    "the text of special tokens": (
        special,
        ("--vocab-size", "4000", "--special", ",".join(SPECIAL[1:])),
        check_special,
    ),
}
TRIALS: dict[str, Callable[[Path], tuple[object, ...]]] = {
    "a tokenizer without end-of-text": no_end_of_text,
    f"a disk of {DISK.upper()}B that gets full": full_disk,
    f"{KILLS} SIGKILLs at random moments, two workers": killed,
}
