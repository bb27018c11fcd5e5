"""Bad input is one clear line and exit code 1 or 2, and leaves nothing half-written behind."""

import gzip
import json
import os
import subprocess
import sys

import pytest

PROSE = "It is said that the river has to be crossed with care, and of all those that have tried it, few have come back to tell. "


def gptkit(*arguments, cwd, stdin=""):
    return subprocess.run(
        [sys.executable, "-m", "gptkit", *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
    )


def refused(done, code, *parts):
    lines = [line for line in done.stderr.splitlines() if line.startswith(("gptkit:", "Error:"))]
    assert done.returncode == code, done.stderr
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in lines[0]


@pytest.fixture
def good(tmp_path):
    with open(tmp_path / "good.jsonl", "w") as file:
        for i in range(30):
            file.write(json.dumps({"text": f"Story {i}. " + PROSE * (3 + i % 5) + f"The {i} end."}) + "\n")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["clean", "missing.warc.gz", "-o", "out"], 1, "missing.warc.gz: no such file"),
        (["clean", "empty.jsonl", "-o", "out"], 1, "empty.jsonl: is empty"),
        (["clean", "folder", "-o", "out"], 1, "folder: holds no file that is read here"),
        (["clean", "crawl.wat.gz", "-o", "out"], 1, "crawl.wat.gz: holds metadata only"),
        (["clean", "old.arc", "-o", "out"], 1, "old.arc: is an ARC file"),
        (["clean", "hf:./folder-that-is-not-there", "-o", "out"], 1, "no such folder"),
        (["clean", "hf:@train", "-o", "out"], 2, "hf:NAME"),
        (["clean", "-", "-o", "out"], 1, "standard input is empty"),
        (["clean", "-", "mine=-", "-o", "out"], 2, "only once"),
        (["dedup", "folder", "-o", "out"], 1, "folder: holds no file that is read here"),
        (["dedup", "missing", "-o", "out"], 1, "missing: no such file or folder"),
        (["mix", "a=1:folder", "-o", "out"], 1, "folder: holds no file that is read here"),
        (["mix", "a=heavy:folder", "-o", "out"], 2, "NAME=WEIGHT:PATH"),
        (["tokenize", "folder", "-o", "out"], 2, "--vocab-size"),
        (["tokenize", "folder", "-o", "out", "--vocab-size", "12"], 2, "at least 257"),
        (["train", "--data", "folder", "--model", "gpt-9000", "-o", "out"], 2, "gpt-9000"),
        (["train", "--data", "folder", "-o", "out"], 1, "folder: has no manifest.json"),
        (["eval", "folder", "--tasks", "ending", "--shots", "0,x"], 2, "'x' is not a whole number"),
        (["generate", "folder", "--prompt", "x"], 1, "folder"),
        (["run", "missing.yaml"], 1, "missing.yaml: no such recipe"),
        (["clean", "good.jsonl", "-o", "good.jsonl"], 2, "must lie apart from the input"),
        (["clean", "good.jsonl", "-o", "notes.md"], 1, "notes.md: is a file"),
        (["clean", "folder", "-o", "folder/out"], 1, "holds no file that is read here"),
        (["clean", "good.jsonl", "-o", "folder"], 1, "folder: already holds something else"),
        (["clean", "good.jsonl", "-o", "out", "--language-score", "much"], 2, "'much' is not a number"),
        (["clean", "good.jsonl", "-o", "out", "--rules", "gofer"], 2, "did you mean 'gopher'?"),
        (["clean", "good.jsonl", "-o", "out", "--rules", "gopher,min_words=lots"], 2, "'lots' is no number"),
        (["clean", "good.jsonl", "-o", "out", "--rules", "gpt3"], 2, "needs --quality-model"),
        (["clean", "good.jsonl", "-o", "out", "--quality-model", "folder"], 1, "folder: has no manifest.json"),
        (["clean", "good.jsonl", "-o", "out", "--block-domains", "missing"], 1, "missing"),
        (["explain", "missing.html"], 1, "missing.html: no such file"),
        (["explain", "x", "--in", "folder"], 1, "folder: has no manifest.json"),
        (["remove", "folder", "--ids", "good.jsonl", "-o", "out"], 1, "folder: has no manifest.json"),
        (["quality", "train", "--positive", "good.jsonl", "-o", "out"], 2, "--negative"),
        (["show", "good.parquet"], 1, "good.parquet: no such"),
        (["no-such-command"], 2, "no-such-command"),
    ],
)
def test_one_clear_line(good, arguments, code, part):
    (good / "empty.jsonl").touch()
    for name in ("crawl.wat.gz", "old.arc"):
        (good / name).write_text("x")
    (good / "notes.md").touch()
    (good / "folder").mkdir()
    (good / "folder" / "notes.pdf").write_text("mine")
    before = sorted(good.rglob("*"))
    refused(gptkit(*arguments, cwd=good), code, part)
    assert sorted(good.rglob("*")) == before


def test_an_output_folder_is_not_written_over_by_other_settings(good):
    assert gptkit("clean", "good.jsonl", "-o", "out", cwd=good).returncode == 0
    refused(
        gptkit("clean", "good.jsonl", "-o", "out", "--language-score", "0.8", cwd=good),
        1,
        "language_score: 0.65 there, 0.8 now",
        "--overwrite",
    )
    again = gptkit("clean", "good.jsonl", "-o", "out", "--language-score", "0.8", "--overwrite", "--json", cwd=good)
    assert json.loads(again.stdout)["plan"]["settings"]["language_score"] == 0.8


def test_broken_lines_are_counted_and_the_rest_is_done(good):
    with open(good / "good.jsonl", "ab") as file:
        file.write(b'{"text": "cut off\n{"text": "\xff\xfe"}\n')
    done = gptkit("clean", "good.jsonl", "-o", "out", "--json", cwd=good)
    refused(done, 1, "2 damaged places skipped", "out/damaged")
    counts = json.loads(done.stdout)["counts"]
    assert (counts["documents_in"], counts["damaged"]) == (30, 2)
    assert len((good / "out" / "damaged" / "good-00000.jsonl").read_text().splitlines()) == 2
    assert gptkit("dedup", "out", "-o", "dedup", cwd=good).returncode == 0


def test_standard_input_is_a_file_like_any_other(good):
    lines = (good / "good.jsonl").read_text().replace('"text"', '"body"')
    arguments = ("clean", "-", "-o", "out", "--text-column", "body", "--json")
    done = gptkit(*arguments, cwd=good, stdin=lines)
    assert done.returncode == 0, done.stderr
    assert [shard["source"] for shard in json.loads(done.stdout)["shards"]][:1] == ["stdin"]
    assert "up to date" in gptkit(*arguments, cwd=good, stdin=lines).stderr


def test_a_gzip_file_that_ends_early(good):
    packed = gzip.compress((good / "good.jsonl").read_bytes())
    (good / "cut.jsonl.gz").write_bytes(packed[:-30])
    done = gptkit("clean", "cut.jsonl.gz", "-o", "out", "--json", cwd=good)
    refused(done, 1, "1 damaged place skipped", "cut.jsonl.gz", "ends inside its gzip data")
    assert not (good / "out" / ".work").exists()
    (good / "stub.jsonl.gz").write_bytes(packed[:12])
    refused(gptkit("clean", "stub.jsonl.gz", "-o", "other", cwd=good), 1, "nothing could be read")
    assert not (good / "other").exists()


def test_a_tokenizer_that_does_not_belong_to_the_tokens(good):
    assert gptkit("clean", "good.jsonl", "-o", "clean", "--rules", "gopher-quality", cwd=good).returncode == 0
    assert (
        gptkit("tokenize", "clean", "-o", "tokens", "--vocab-size", "300", "--validation", "0.2", cwd=good).returncode
        == 0
    )
    path = good / "tokens" / "tokenizer.json"
    text = path.read_text()
    path.write_text(text.replace("<|endoftext|>", "<|endoftxet|>"))  # the same size, other bytes
    refused(gptkit("train", "--data", "tokens", "-o", "model", cwd=good), 1, "tokenizer")
    assert not (good / "model").exists()


def test_a_full_disk(good):
    if os.geteuid() != 0 or not sys.platform.startswith("linux"):
        pytest.skip("a small file system can only be mounted by root on Linux")
    disk = good / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("this machine does not let a file system be mounted")
    try:
        with open(good / "good.jsonl", "a") as file:
            for i in range(3000):
                file.write(json.dumps({"text": f"{i * 7919 % 3001} {i}. {PROSE} {os.urandom(40).hex()}"}) + "\n")
        done = gptkit("clean", "good.jsonl", "-o", disk / "out", cwd=good)
        assert done.returncode == 1
        refused(done, 1, "")
        assert not list(disk.rglob("*.parquet"))
    finally:
        subprocess.run(["umount", disk], check=True)


def test_an_output_may_not_touch_its_input(good):
    assert gptkit("clean", "good.jsonl", "-o", "clean", "--rules", "gopher-quality", cwd=good).returncode == 0
    before = {path: path.stat().st_mtime_ns for path in good.rglob("*")}
    refused(gptkit("dedup", "clean", "-o", "clean", "--overwrite", cwd=good), 2, "apart from the input")
    refused(gptkit("dedup", "clean", "-o", "clean/inner", cwd=good), 2, "apart from the input")
    refused(
        gptkit("clean", "clean/good-00000.parquet", "-o", "clean", "--overwrite", cwd=good), 2, "apart from the input"
    )
    assert {path: path.stat().st_mtime_ns for path in good.rglob("*")} == before


def test_a_changed_shard_is_noticed_by_the_stage_that_reads_it(good):
    assert gptkit("clean", "good.jsonl", "-o", "clean", "--rules", "gopher-quality", cwd=good).returncode == 0
    path = good / "clean" / "good-00000.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    refused(gptkit("dedup", "clean", "-o", "dedup", cwd=good), 1, "good-00000.parquet", "checksum")
    refused(gptkit("stats", "clean", cwd=good), 1, "good-00000.parquet", "checksum")


@pytest.mark.parametrize("command", [["clean"], ["dedup"], ["mix"]])
def test_secrets_in_addresses_are_not_printed(good, command):
    address = "https://user:pa@ss@127.0.0.1:9/a.jsonl.gz?sig=secret"
    source = f"x=1:{address}" if command == ["mix"] else address
    done = gptkit(*command, source, "-o", "out", cwd=good)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert not any(word in done.stderr + done.stdout for word in ("pa@ss", "secret", "user:"))
    assert "127.0.0.1:9/a.jsonl.gz" in done.stderr
