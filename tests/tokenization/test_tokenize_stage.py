"""`gptkit tokenize` as a stage: what it writes, and that only the documents and the settings decide it."""

import collections
import itertools
import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from gptkit.data.manifest import read_manifest
from gptkit.data.tokens import open_tokens
from gptkit.engine.pool import Pool
from gptkit.engine.progress import Progress
from gptkit.engine.stage import Runtime
from gptkit.errors import GptkitError, InputError
from gptkit.tokenization import assemble, encode
from gptkit.tokenization.settings import TokenizeSettings
from gptkit.tokenization.stage import run

END = "<|endoftext|>"
ODD = [
    "plain text",
    "",
    f"a literal {END} in a page, and {END}{END}",
    "tabs\t\tand\r\nnewlines\n\n  ",
    "Ünïcödé 日本語 \U0001f600\u0301 \u200b",
    "\x00\x01\x7f",
    "x" * 5_000,
    "don't we'll I'M 12345 1.5e-3",
]


def tokenizer_json(path, size=300, end=None):
    """Byte-level BPE with a few merges and end-of-text."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pairs = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("i", "n"), ("e", "r")]
    vocabulary = {piece: place for place, piece in enumerate(letters + ["".join(pair) for pair in pairs])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([END])
    config = json.loads(tokenizer.to_str())
    if end is not None:
        config["added_tokens"][0]["id"] = end
    path.write_text(json.dumps(config))
    return path


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return tokenizer_json(tmp_path_factory.mktemp("tokenizer") / "tokenizer.json")


def write(path, rows, **columns):
    schema = [("id", pa.string()), ("text", pa.string()), ("mix_epoch", pa.int32())]
    schema += [(name, pa.string()) for name in rows[0] if name not in ("id", "text", "mix_epoch")]
    pq.write_table(pa.Table.from_pylist(rows, pa.schema(schema)), path, row_group_size=20)
    return path


@pytest.fixture(scope="module")
def rows():
    source = open(textwrap.__file__).read() + open(json.decoder.__file__).read()
    texts = [source[at : at + 400] for at in range(0, len(source), 400)] + ODD
    return [{"id": f"d{place}", "text": text, "mix_epoch": 0} for place, text in enumerate(texts)]


@pytest.fixture(scope="module")
def documents(rows, tmp_path_factory):
    """With the first twenty drawn a second time."""
    repeated = [{**row, "mix_epoch": 1} for row in rows[:20]]
    return write(tmp_path_factory.mktemp("documents") / "in.parquet", rows + repeated)


@pytest.fixture
def small_portions(monkeypatch):
    """Several tasks a phase from little text."""
    monkeypatch.setattr("gptkit.data.portions.PORTION_BYTES", 10_000)


def texts_of(folder, split):
    tokenizer = Tokenizer.from_file(str(folder.tokenizer_path))
    end = folder.manifest.facts["end_of_text"]
    found = []
    for shard in folder.shards(split):
        for place in range(len(shard)):
            ids = shard.document(place).tolist()
            assert ids[-1] == end
            assert end not in ids[:-1]
            found.append(tokenizer.decode(ids[:-1]))
    return found


def test_every_document_comes_back_in_its_order(documents, rows, tokenizer, tmp_path, runtime, small_portions):
    settings = TokenizeSettings(tokenizer=str(tokenizer), validation=0, shard_tokens=5_000)
    manifest = run([str(documents)], tmp_path / "out", settings, runtime)
    folder = open_tokens(tmp_path / "out")
    assert texts_of(folder, "train") == [row["text"] for row in rows] + [row["text"] for row in rows[:20]]
    facts = manifest.facts
    assert facts["documents"] == {"train": len(rows) + 20, "validation": 0}
    assert facts["bytes"]["train"] == sum(len(text.encode()) for text in texts_of(folder, "train"))
    assert manifest.counts["bytes_per_token"] == pytest.approx(
        facts["bytes"]["train"] / (facts["tokens"]["train"] - len(rows) - 20), abs=1e-3
    )


def test_ids_are_those_of_tokenizers(documents, rows, tokenizer, tmp_path, runtime):
    run([str(documents)], tmp_path / "out", TokenizeSettings(tokenizer=str(tokenizer), validation=0), runtime)
    theirs = Tokenizer.from_file(str(tokenizer))
    theirs.encode_special_tokens = True
    [shard] = open_tokens(tmp_path / "out").shards("train")
    for place, row in enumerate(rows):
        assert shard.document(place)[:-1].tolist() == theirs.encode(row["text"], add_special_tokens=False).ids


def test_a_held_out_document_stands_once_and_never_in_training(documents, rows, tokenizer, tmp_path, runtime):
    manifest = run(
        [str(documents)], tmp_path / "out", TokenizeSettings(tokenizer=str(tokenizer), validation=0.2), runtime
    )
    folder = open_tokens(tmp_path / "out")
    held_out, trained = texts_of(folder, "validation"), texts_of(folder, "train")
    assert len(held_out) == len(set(held_out)) > 5
    assert not set(held_out) & set(trained)
    assert set(held_out) | set(trained) == {row["text"] for row in rows}
    repeated = {row["text"] for row in rows[:20]} & set(trained)
    counted = collections.Counter(trained)
    assert all(counted[text] == 2 for text in repeated)
    assert len(repeated) > 5
    assert manifest.counts["documents_in"] == len(rows) + 20
    assert manifest.counts["documents_out"] == len(held_out) + len(trained) < len(rows) + 20


@pytest.mark.parametrize("layout", ["megatron", "nanogpt", "llmc", "datatrove"])
def test_every_layout_has_the_same_documents(documents, tokenizer, tmp_path, runtime, small_portions, layout):
    plain = TokenizeSettings(tokenizer=str(tokenizer), validation=0.1)
    run([str(documents)], tmp_path / "plain", plain, runtime)
    settings = TokenizeSettings(tokenizer=str(tokenizer), validation=0.1, layout=layout, shard_tokens=7_000)
    manifest = run([str(documents)], tmp_path / "out", settings, runtime)
    folder = open_tokens(tmp_path / "out")
    assert manifest.facts["layout"] == layout
    assert len(folder.shards("train")) == (1 if layout == "nanogpt" else pytest.approx(6, abs=2))
    for split in ("train", "validation"):
        assert texts_of(folder, split) == texts_of(open_tokens(tmp_path / "plain"), split)


def test_shards_are_filled_as_far_as_documents_fit(documents, tokenizer, tmp_path, runtime, small_portions):
    settings = TokenizeSettings(tokenizer=str(tokenizer), validation=0, shard_tokens=1_000)
    run([str(documents)], tmp_path / "out", settings, runtime)
    shards = open_tokens(tmp_path / "out").shards("train")
    assert len(shards) > 20
    for shard, after in itertools.pairwise(shards):
        assert len(shard.tokens) <= 1_000 or len(shard) == 1
        assert len(shard.tokens) + len(after.document(0)) > 1_000
    assert max(len(shard.tokens) for shard in shards) > 4_000  # of the one long document


def cuts(lengths, most, tmp_path):
    """Documents of each shard, where each inner list of lengths is a part."""
    parts = []
    for number, those in enumerate(lengths):
        part = encode.Part(tmp_path / f"{number}", len(those), sum(those))
        np.save(part.lengths, np.array(those, np.int32))
        parts.append(part)
    found = []
    for spans in assemble.cut(parts, most):
        assert all(span.tokens == sum(lengths[int(span.part.stem.name)][span.first : span.last]) for span in spans)
        assert all(span.start == sum(lengths[int(span.part.stem.name)][: span.first]) for span in spans)
        found.append([length for span in spans for length in lengths[int(span.part.stem.name)][span.first : span.last]])
    return found


def test_where_shards_are_cut(tmp_path):
    lengths = [[3, 3, 4], [1, 20, 1, 1], [10], [9, 1, 1]]
    assert cuts(lengths, 10, tmp_path) == [[3, 3, 4], [1], [20], [1, 1], [10], [9, 1], [1]]
    assert cuts(lengths, 1, tmp_path) == [[each] for part in lengths for each in part]
    assert cuts(lengths, None, tmp_path) == [[each for part in lengths for each in part]]
    assert cuts([], 10, tmp_path) == []


def test_equal_digests_for_any_number_of_workers(documents, tokenizer, tmp_path, small_portions):
    digests = set()
    for workers in (0, 1, 2):
        pool = Pool(workers)
        try:
            settings = TokenizeSettings(tokenizer=str(tokenizer), validation=0.1, shard_tokens=6_000)
            manifest = run([str(documents)], tmp_path / str(workers), settings, Runtime(pool, Progress(quiet=True)))
        finally:
            pool.close()
        digests.add(manifest.digest)
    assert len(digests) == 1


def test_the_order_of_the_inputs_does_not_matter(rows, tokenizer, tmp_path, runtime):
    paths = [write(tmp_path / "a.parquet", rows[:30]), write(tmp_path / "b.parquet", rows[30:60])]
    settings = TokenizeSettings(tokenizer=str(tokenizer))
    found = [
        run([str(path) for path in those], tmp_path / f"out{turn}", settings, runtime)
        for turn, those in enumerate((paths, paths[::-1]))
    ]
    assert found[0].digest == found[1].digest
    assert found[0].counts["documents_in"] == 60


def test_empty_documents_are_just_end_of_text(tokenizer, tmp_path, runtime):
    path = write(tmp_path / "in.parquet", [{"id": f"{n}", "text": "" if n else None, "mix_epoch": 0} for n in range(4)])
    manifest = run([str(path)], tmp_path / "out", TokenizeSettings(tokenizer=str(tokenizer), validation=0), runtime)
    [shard] = open_tokens(tmp_path / "out").shards("train")
    assert shard.tokens.tolist() == [manifest.facts["end_of_text"]] * 4
    assert manifest.facts["bytes"]["train"] == 0


def test_a_large_vocabulary_takes_32_bits(documents, tmp_path, runtime):
    path = tokenizer_json(tmp_path / "large.json", end=70_000)
    manifest = run([str(documents)], tmp_path / "out", TokenizeSettings(tokenizer=str(path)), runtime)
    assert manifest.facts["dtype"] == "uint32"
    shard = open_tokens(tmp_path / "out").shards("train")[0]
    assert shard.tokens.dtype == np.uint32
    assert shard.document(0)[-1] == 70_000
    with pytest.raises(GptkitError, match="--layout nanogpt holds ids below 65,536"):
        run([str(documents)], tmp_path / "no", TokenizeSettings(tokenizer=str(path), layout="nanogpt"), runtime)
    assert not (tmp_path / "no").exists()


def test_a_document_that_no_index_can_hold(documents, tokenizer, tmp_path, runtime, monkeypatch):
    monkeypatch.setattr(encode, "LONGEST", 1_000)
    with pytest.raises(GptkitError, match="a document has more than 1,000 tokens"):
        run([str(documents)], tmp_path / "out", TokenizeSettings(tokenizer=str(tokenizer)), runtime)


def test_when_all_documents_are_held_out(rows, tokenizer, tmp_path, runtime):
    path = write(tmp_path / "in.parquet", rows[:3])
    with pytest.raises(InputError, match="all of its 3 documents were held out"):
        run([str(path)], tmp_path / "out", TokenizeSettings(tokenizer=str(tokenizer), validation=0.999999), runtime)
    assert not (tmp_path / "out").exists()


def test_limit_and_dry_run(documents, tokenizer, tmp_path):
    settings = TokenizeSettings(tokenizer=str(tokenizer), validation=0)
    manifest = run([str(documents)], tmp_path / "out", settings, Runtime(Pool(0), Progress(quiet=True), limit=17))
    assert manifest.facts["documents"]["train"] == 17
    dry = Runtime(Pool(0), Progress(quiet=True), dry_run=True)
    assert run([str(documents)], tmp_path / "dry", settings, dry) is None
    assert not (tmp_path / "dry").exists()


def test_a_wrong_encoder_stops_the_run(documents, tokenizer, tmp_path, runtime, monkeypatch):
    """Ids that spell another text are found whatever document they are of."""

    class Wrong(encode.Encoder):
        def encode(self, texts):
            ids, starts = super().encode(texts)
            ids = np.array(ids)
            if len(ids) > 100:
                ids[-50] ^= 1
            return ids, starts

    monkeypatch.setattr(encode, "_encoder", lambda path, end, digest: Wrong(path, end))
    with pytest.raises(GptkitError, match="do not spell it"):
        run([str(documents)], tmp_path / "out", TokenizeSettings(tokenizer=str(tokenizer)), runtime)


def test_the_report(rows, tokenizer, tmp_path, runtime):
    tagged = [{**row, "mix_source": "ab"[n % 2], "language": "en" if n % 3 else "de"} for n, row in enumerate(rows)]
    path = write(tmp_path / "in.parquet", tagged)
    run([str(path)], tmp_path / "out", TokenizeSettings(tokenizer=str(tokenizer), validation=0.1), runtime)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    theirs = Tokenizer.from_file(str(tokenizer))
    theirs.encode_special_tokens = True
    ids = [theirs.encode(row["text"], add_special_tokens=False).ids for row in rows]
    seen = collections.Counter(token for document in ids for token in document)
    vocabulary = report["vocabulary"]
    assert (vocabulary["used"], vocabulary["size"]) == (len(seen), 262)
    assert vocabulary["never_used"] == 261 - len(seen)
    ten = sum(count for _, count in seen.most_common(10)) / sum(seen.values())
    assert vocabulary["share_of_most_frequent"]["10"] == pytest.approx(ten, abs=1e-4)
    assert vocabulary["longest"][0]["token"] == " the"
    rarest = vocabulary["rarest"][0]
    assert rarest["occurrences"] == min(seen.values()) == seen[rarest["id"]]
    for place, name in enumerate("ab"):
        part = range(place, len(rows), 2)
        size = sum(len(rows[n]["text"].encode()) for n in part)
        tokens = sum(len(ids[n]) for n in part)
        assert report["sources"][name] == {
            "documents": len(part),
            "bytes": size,
            "tokens": tokens,
            "bytes_per_token": pytest.approx(size / tokens, abs=1e-4),
        }
    german = range(0, len(rows), 3)  # the sample is all of so little text
    tokens, characters = sum(len(ids[n]) for n in german), sum(len(rows[n]["text"]) for n in german)
    assert (report["languages"]["de"]["tokens"], report["languages"]["de"]["characters"]) == (tokens, characters)
    assert report["languages"]["de"]["tokens_per_character"] == pytest.approx(tokens / characters, abs=1e-4)
    assert 1 < report["languages"]["en"]["tokens_per_word"] < 20


def test_a_mixture_is_known_by_its_plan(rows, tokenizer, tmp_path, runtime):
    """So that it has the same digest where its text is never written."""
    from gptkit.mixture.settings import MixSettings
    from gptkit.mixture.stage import run as mix

    write(tmp_path / "in.parquet", rows)
    mixed = mix([f"a=1:{tmp_path / 'in.parquet'}"], tmp_path / "mix", MixSettings(bytes=20_000), runtime)
    manifest = run([str(tmp_path / "mix")], tmp_path / "out", TokenizeSettings(tokenizer=str(tokenizer)), runtime)
    assert manifest.plan.inputs[0]["digest"] == mixed.plan.digest() != mixed.digest


def test_a_tokenizer_or_a_size_is_needed():
    with pytest.raises(ValueError, match="--vocab-size"):
        TokenizeSettings()
    with pytest.raises(ValueError, match="at least 257"):
        TokenizeSettings(vocab_size=256)


@pytest.mark.parametrize("empty", [{"special": ("<a>", "")}, {"end_of_text": ""}])
def test_special_tokens_have_names(empty):
    with pytest.raises(ValueError, match="one of them is empty"):
        TokenizeSettings(vocab_size=300, **empty)


def test_what_can_never_be_learned_leaves_no_folder(documents, tmp_path, runtime):
    """So that the command with another token is not refused because of it."""
    with pytest.raises(GptkitError, match="the text itself has made a token 'e'"):
        run([str(documents)], tmp_path / "out", TokenizeSettings(vocab_size=300, end_of_text="e"), runtime)
    assert not (tmp_path / "out").exists()


def test_learned_from_the_training_documents(documents, tmp_path, runtime):
    manifest = run([str(documents)], tmp_path / "out", TokenizeSettings(vocab_size=300, validation=0.2), runtime)
    assert manifest.facts["vocab_size"] == 300
    again = TokenizeSettings(tokenizer=str(tmp_path / "out" / "tokenizer.json"), validation=0.2)
    given = run([str(documents)], tmp_path / "given", again, runtime)
    assert given.facts == manifest.facts
    assert [shard.sha256 for shard in given.of_kind("train")] == [shard.sha256 for shard in manifest.of_kind("train")]


COMMAND = [sys.executable, "-m", "gptkit", "tokenize"]


def test_goes_on_after_a_kill_with_another_number_of_workers(documents, tokenizer, tmp_path, runtime, small_portions):
    """Killed where the first portions are encoded."""
    settings = TokenizeSettings(tokenizer=str(tokenizer), validation=0.1, shard_tokens=6_000)
    whole = run([str(documents)], tmp_path / "whole", settings, runtime)
    small = "import gptkit.data.portions as p; p.PORTION_BYTES = 10_000; import gptkit.cli.main as m\n"
    slow = small + (
        "import gptkit.tokenization.encode as e, time; first = e.encode_portion\n"
        "def slow(task):\n    found = first(task); time.sleep(.3); return found\n"
        "e.encode_portion = slow\n"
    )
    options = [str(documents), "-o", str(tmp_path / "out"), "--tokenizer", str(tokenizer), "--validation", "0.1"]
    options += ["--shard-tokens", "6000"]
    process = subprocess.Popen(
        [sys.executable, "-c", slow + "m.main()", "tokenize", *options, "--workers", "0"], stderr=subprocess.DEVNULL
    )
    done = tmp_path / "out" / ".work" / "done" / "encode"
    while len(list(done.glob("*.json"))) < 2 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = len(list(done.glob("*.json")))
    assert 2 <= finished < 6
    again = [sys.executable, "-c", small + "m.main()", "tokenize", *options, "--workers", "2"]
    said = subprocess.run(again, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert f"encode: going on; {finished} of" in said.stderr
    assert read_manifest(tmp_path / "out").digest == whole.digest
    assert not (tmp_path / "out" / ".work").exists()


def test_a_full_disk_is_one_line(rows, tokenizer, tmp_path):
    if os.geteuid() != 0 or not sys.platform.startswith("linux"):
        pytest.skip("a small file system can only be mounted by root on Linux")
    path = write(tmp_path / "in.parquet", [{**row, "id": f"{turn}-{row['id']}"} for turn in range(20) for row in rows])
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("this machine does not let a file system be mounted")
    try:
        command = [*COMMAND, str(path), "-o", str(disk / "out"), "--tokenizer", str(tokenizer), "--workers", "0"]
        said = subprocess.run(command, capture_output=True, text=True)
        assert said.returncode == 1
        assert "MB are needed and" in said.stderr.splitlines()[-1]
        unchecked = "import gptkit.tokenization.stage as s, gptkit.cli.main as m; s.check_free_space = lambda *a: None; m.main()"
        said = subprocess.run([sys.executable, "-c", unchecked, *command[3:]], capture_output=True, text=True)
        assert said.returncode == 1
        assert "No space left" in said.stderr.splitlines()[-1]
        assert "Traceback" not in said.stderr
        assert not list(disk.rglob("*.bin"))
    finally:
        subprocess.run(["umount", disk], check=True)
