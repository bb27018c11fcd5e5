"""`gptkit chat` and `gptkit generate` as they are called."""

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import pytest
import torch
from click.testing import CliRunner
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from gptkit.cli import chat, generate
from gptkit.errors import GptkitError, UsageError
from gptkit.model.batch import Batch
from gptkit.model.config import ModelConfig
from gptkit.model.folder import save_model
from gptkit.model.text import Codec
from gptkit.model.transcript import Transcript
from gptkit.model.transformer import Transformer

CONTEXT = 256


@pytest.fixture(scope="module")
def tokenizer_path(tmp_path_factory):
    """Bytes, and an end of text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({piece: number for number, piece in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(path))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tokenizer_path):
    path = tmp_path_factory.mktemp("chat") / "model"
    path.mkdir()
    torch.manual_seed(0)
    save_model(path, Transformer(ModelConfig(257, CONTEXT, 2, 2, 32)), tokenizer_path)
    return path


@pytest.fixture(scope="module")
def parrot(tmp_path_factory, tokenizer_path):
    """A model that always goes on with the same letters: "…:" → " ho\\nUser:" and so on."""
    codec = Codec(tokenizer_path)
    config = ModelConfig(257, CONTEXT, 1, 1, 256, norm="rms", tied=False, bias=False)
    model = Transformer(config)
    circle = codec.encode(": ho\nUser")
    assert len(circle) == len(set(circle))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1.0 if "norm" in name else 0.0)
        for this, following in zip(circle, [*circle[1:], circle[0]], strict=True):
            model.embedding.weight[this, this] = 1
            model.output.weight[following, this] = 1
    path = tmp_path_factory.mktemp("parrot") / "model"
    path.mkdir()
    save_model(path, model, tokenizer_path)
    return path


def talk(folder, said, *options):
    arguments = [str(folder), *map(str, options)]
    return CliRunner().invoke(chat.command, arguments, input=said, catch_exceptions=False)


def write(*arguments, stdin=None):
    return CliRunner().invoke(generate.command, [str(part) for part in arguments], input=stdin, catch_exceptions=False)


def test_answers_end_where_the_user_begins(parrot):
    result = talk(parrot, "hello\n\nagain\n", "--temperature", 0)
    assert result.exit_code == 0
    assert result.stdout == "ho\nho\n"
    assert talk(parrot, "a\n", "--temperature", 0, "--user", "Q", "--max-tokens", 8).stdout == "ho\nUser\n"


def test_the_same_talk_is_repeatable_and_seeds_differ(folder):
    said = "hello\nyes\nno\n"
    first = talk(folder, said, "--max-tokens", 20, "--seed", 3).stdout
    assert first == talk(folder, said, "--max-tokens", 20, "--seed", 3).stdout
    assert first != talk(folder, said, "--max-tokens", 20, "--seed", 4).stdout
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", first)


def test_what_was_read_in_earlier_turns_is_not_read_again(folder, monkeypatch):
    """And the answers are those of a talk that is read anew."""
    unread = []
    whole = Batch.replace

    def counted(batch, ids):
        whole(batch, ids)
        unread.append((len(ids) - batch.read, len(ids)))

    monkeypatch.setattr(Batch, "replace", counted)
    said = "one\ntwo\nthree\n"
    options = ["--max-tokens", 12, "--temperature", 0]
    cached = talk(folder, said, *options).stdout
    assert len(unread) == 2
    assert all(new <= 12 + len("\nUser: three\nAssistant:") + 3 < all_of_it for new, all_of_it in unread[1:])

    def anew(batch, ids):
        batch.__init__(batch.model, [ids])

    monkeypatch.setattr(Batch, "replace", anew)
    assert cached == talk(folder, said, *options).stdout


def test_the_oldest_turns_are_dropped_whole_and_it_is_said_once(parrot):
    result = talk(parrot, "some words to fill it with\n" * 20, "--temperature", 0, "--max-tokens", 40)
    assert result.stdout == "ho\n" * 20
    assert result.stderr.count("the oldest turns are dropped") == 1
    long = talk(parrot, "x" * 300 + "\n", "--temperature", 0)
    assert "only the end" in long.stderr
    assert long.stdout == "ho\n"


def test_a_transcript_drops_turns(tokenizer_path):
    codec = Codec(tokenizer_path)
    transcript = Transcript(codec, "A", "B")
    transcript.add("one", " first ")
    transcript.add("two", "second")
    ids, dropped = transcript.ask("three", 1000)
    assert codec.decode(ids) == "A: one\nB: first\nA: two\nB: second\nA: three\nB:"
    assert dropped == 0
    ids, dropped = transcript.ask("three", len(ids) - 1)
    assert codec.decode(ids) == "A: two\nB: second\nA: three\nB:"
    assert dropped == 1
    ids, dropped = transcript.ask("three", 3)
    assert codec.decode(ids) == "A: three\nB:"
    assert transcript.turns == []


@pytest.mark.parametrize("name", ["", "a\nb"])
def test_names_are_names(folder, name):
    with pytest.raises(UsageError, match="--user"):
        talk(folder, "", "--user", name)


class Terminal:
    """gptkit in a terminal of its own."""

    def __init__(self, *arguments):
        master, slave = pty.openpty()
        command = [sys.executable, "-m", "gptkit", *map(str, arguments)]
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env={**os.environ, "TERM": "dumb"}
        )
        os.close(slave)
        self.master, self.seen = master, ""

    def wait_for(self, text, seconds=60, again=lambda: None):
        """Waits until a text is printed, and does something again every second until then."""
        ends = time.monotonic() + seconds
        while text not in self.seen and time.monotonic() < ends:
            if not select.select([self.master], [], [], 1)[0]:
                again()
                continue
            try:
                self.seen += os.read(self.master, 4096).decode("utf-8", "replace")
            except OSError:  # it has ended
                break
        assert text in self.seen, self.seen
        self.seen = self.seen.split(text, 1)[1]

    def interrupt(self):
        """Ctrl-C. (readline takes no note of one that comes between its prompt and its waiting.)"""
        self.process.send_signal(signal.SIGINT)

    def type(self, text):
        os.write(self.master, text.encode())


def test_ctrl_c_ends_an_answer_and_ctrl_d_the_chat(folder):
    terminal = Terminal("chat", folder, "--max-tokens", 1_000_000, "--device", "cpu")
    terminal.wait_for("User: ")
    terminal.type("hello\r")
    terminal.wait_for("Assistant: ")
    time.sleep(0.5)
    terminal.interrupt()
    terminal.wait_for("User: ", again=terminal.interrupt)
    terminal.wait_for("Ctrl-D ends the chat", again=terminal.interrupt)
    ends = time.monotonic() + 60
    while terminal.process.poll() is None and time.monotonic() < ends:
        with contextlib.suppress(OSError):  # it has just ended
            terminal.type("\x04")
        time.sleep(0.5)
    assert terminal.process.returncode == 0
    assert "Traceback" not in terminal.seen
    os.close(terminal.master)


def test_prompts_of_arguments_files_and_standard_input(folder, tmp_path):
    lines, objects = tmp_path / "prompts.txt", tmp_path / "prompts.jsonl"
    lines.write_text("one\n\ntwo: é\r\n", "utf-8")
    objects.write_text('{"prompt": "one\\ntwo", "n": 1}\n{"prompt": "three"}\n', "utf-8")

    def prompts(*arguments, stdin=None):
        result = write(folder, *arguments, "--max-tokens", 2, "--json", stdin=stdin)
        return [json.loads(line)["prompt"] for line in result.stdout.splitlines()]

    assert prompts("a", "b", "--prompt", "c") == ["a", "b", "c"]
    assert prompts("--prompts", lines) == ["one", "two: é"]
    assert prompts("--prompts", objects) == ["one\ntwo", "three"]
    assert prompts("--prompts", "-", stdin=b"x\ny\n") == ["x", "y"]
    assert prompts("--prompts", "-", stdin=objects.read_bytes()) == ["one\ntwo", "three"]
    assert prompts("--prompt", "-", stdin=b"x\ny\n") == ["x\ny\n"]
    assert prompts() == [""]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", b'{"prompt": 3}\n', "line 1: is no JSON object with a string 'prompt'"),
        ("a.jsonl", b'{"prompt": "x"}\n[\n', "line 2: is no JSON"),
        ("a.txt", b"\n \n", "has no prompt"),
        ("a.txt", b"\xff\n", "not UTF-8"),
    ],
)
def test_files_without_prompts_are_one_line(folder, tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(GptkitError, match=words):
        write(folder, "--prompts", tmp_path / name)


def test_each_text_is_the_same_in_any_batch(folder):
    options = ["--max-tokens", 30, "--count", 2, "--seed", 5, "--json"]
    prompts = ["a", "a much longer prompt than the others", "some", "words"]
    texts = [write(folder, *prompts, *options, "--batch", size).stdout for size in (1, 3, 8)]
    assert texts[0] == texts[1] == texts[2]
    rows = [json.loads(line) for line in texts[0].splitlines()]
    assert [row["seed"] for row in rows] == [5, 6] * 4
    assert len({row["text"] for row in rows}) == 8
    alone = json.loads(write(folder, prompts[0], "--max-tokens", 30, "--seed", 6, "--json").stdout)
    assert alone["text"] == rows[1]["text"]
    plain = write(folder, prompts[0], "--max-tokens", 30, "--seed", 6)
    assert plain.stdout == generate.printable(alone["text"]) + "\n"


def test_stop_strings_and_why_a_text_ended(parrot):
    row = json.loads(write(parrot, "x:", "--temperature", 0, "--stop", "User", "--stop", "zzz", "--json").stdout)
    assert row["text"] == " ho\n"
    assert row["end"] == "stop"
    result = write(parrot, "x:", "--temperature", 0, "--max-tokens", 4)
    assert result.stdout == " ho\n\n"
    assert re.fullmatch(r"prompt: 2 tokens, [\d,]+ tokens/s; new: 4 tokens, [\d,.]+ tokens/s\n", result.stderr)
    row = json.loads(write(parrot, "x:", "--max-tokens", 4, "--temperature", 0, "--json").stdout)
    assert row["end"] == "max-tokens"


def test_beams_find_the_likeliest_text(parrot, folder):
    row = json.loads(write(parrot, "x:", "--beams", 3, "--max-tokens", 9, "--stop", "User", "--json").stdout)
    assert row["text"] == " ho\n"
    assert row["end"] == "stop"
    assert "3 beams" in write(folder, "a", "b", "--beams", 3, "--max-tokens", 5).stderr
    with pytest.raises(UsageError, match="leave --top-k out"):
        write(folder, "--beams", 3, "--top-k", 4)
    with pytest.raises(UsageError, match="--length-penalty is nan"):
        write(folder, "--beams", 3, "--length-penalty", "nan")
