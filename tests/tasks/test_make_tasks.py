import dataclasses
import json
import re
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from gptkit.cli.make_tasks import command
from gptkit.data.manifest import read_manifest
from gptkit.data.tokens import TokenFolder
from gptkit.data.vocabulary import token_bytes
from gptkit.engine.stage import Runtime
from gptkit.errors import GptkitError
from gptkit.tasks.items import read_items
from gptkit.tasks.passages import endings, last_words, sentences
from gptkit.tasks.settings import MakeTasksSettings
from gptkit.tasks.stage import run
from gptkit.tasks.task import read_task
from gptkit.tasks.words import STOP_WORDS, content_words

SETTINGS = MakeTasksSettings(demonstrations=10)


@pytest.fixture(scope="module")
def made(token_folder: TokenFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("made") / "tasks"
    result = CliRunner().invoke(
        command, [str(token_folder.folder), "-o", str(output), "--demonstrations", "10", "--workers", "0"]
    )
    assert result.exit_code == 0, result.output
    return output


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def held_out(folder: TokenFolder) -> list[str]:
    pieces = token_bytes(folder.tokenizer_path)
    [shard] = folder.shards("validation")
    return [b"".join(pieces[token] for token in shard.document(n)).decode() for n in range(len(shard))]


def test_the_tasks_can_be_read(made: Path) -> None:
    for name, kind in (("last_word", "loglikelihood"), ("ending", "multiple_choice")):
        task = read_task(made / f"{name}.yaml")
        assert (task.name, task.output_type) == (name, kind)
        assert len(read_items(task, "test")) == len(rows(made / f"{name}.test.jsonl")) > 5
        assert len(read_items(task, "fewshot")) == len(rows(made / f"{name}.fewshot.jsonl")) > 2


def test_last_words_occur_before_and_are_cut_from_held_out_text(made: Path, token_folder: TokenFolder) -> None:
    texts = [" ".join(text.split()) for text in held_out(token_folder)]
    for row in rows(made / "last_word.test.jsonl") + rows(made / "last_word.fewshot.jsonl"):
        passage = f"{row['context']} {row['word']}"
        assert SETTINGS.shortest <= len(passage) <= SETTINGS.longest
        assert re.fullmatch(r"[^\W\d_]{4,}", row["word"])
        assert row["word"].lower() not in STOP_WORDS
        assert row["word"] in content_words(row["context"])
        assert any(re.search(re.escape(" ".join(passage.split())) + r"\b", text) for text in texts)


def test_endings_follow_their_passage_and_the_others_come_from_elsewhere(made: Path, token_folder: TokenFolder) -> None:
    texts = [" ".join(text.split()) for text in held_out(token_folder)]
    for row in rows(made / "ending.test.jsonl"):
        assert len(set(row["endings"])) == 4
        right = row["endings"][row["label"]]
        place = int(row["id"].split(":")[1])
        assert f"{' '.join(row['context'].split())} {right}" in texts[place]
        for wrong in set(row["endings"]) - {right}:
            assert f"{' '.join(row['context'].split())} {wrong}" not in texts[place]


def test_right_endings_stand_equally_often_at_each_place(made: Path) -> None:
    counts = Counter(row["label"] for row in rows(made / "ending.test.jsonl"))
    assert max(counts.values()) - min(counts[place] for place in range(4)) <= 1


def test_demonstrations_come_from_other_documents_and_no_item_twice(made: Path) -> None:
    for name in ("last_word", "ending"):
        parts = [rows(made / f"{name}.{split}.jsonl") for split in ("test", "fewshot")]
        test, shown = ({row["id"].rpartition(":")[0] for row in part} for part in parts)
        assert not test & shown
        for part in parts:
            contexts = [(row["context"].lower(), row.get("word"), row.get("label")) for row in part]
            assert len(set(contexts)) == len(contexts)


def test_the_same_tokens_give_the_same_tasks(
    made: Path, token_folder: TokenFolder, tmp_path: Path, runtime: Runtime
) -> None:
    again = run(token_folder.folder, tmp_path / "again", SETTINGS, runtime)
    assert again is not None
    assert again.digest == read_manifest(made).digest
    other = run(token_folder.folder, tmp_path / "other", dataclasses.replace(SETTINGS, seed=1), runtime)
    assert other is not None
    assert other.digest != again.digest
    assert run(token_folder.folder, tmp_path / "again", SETTINGS, runtime) == again


def test_too_little_text_is_said(token_folder: TokenFolder, tmp_path: Path, runtime: Runtime) -> None:
    with pytest.raises(GptkitError, match="1 held-out documents are too few"):
        run(token_folder.folder, tmp_path / "out", SETTINGS, dataclasses.replace(runtime, limit=1))
    assert not (tmp_path / "out").exists()


def test_a_dry_run_writes_nothing(token_folder: TokenFolder, tmp_path: Path, runtime: Runtime) -> None:
    assert run(token_folder.folder, tmp_path / "out", SETTINGS, dataclasses.replace(runtime, dry_run=True)) is None
    assert not (tmp_path / "out").exists()


TEXT = """A heading

The lock guards the file. Another sentence stands here, wrapped
over two lines. It is held until the last reader has closed the file.
This sentence ends in something (else). A last one about a file_name.

  >>> x = lock(file)
"""


def test_sentences_keep_lines_and_paragraphs_apart() -> None:
    cut = sentences(TEXT)
    assert [(sentence.before, sentence.text) for sentence in cut] == [
        ("\n\n", "A heading"),
        ("\n\n", "The lock guards the file."),
        (" ", "Another sentence stands here, wrapped over two lines."),
        (" ", "It is held until the last reader has closed the file."),
        ("\n", "This sentence ends in something (else)."),
        (" ", "A last one about a file_name."),
        ("\n\n", ">>> x = lock(file)"),
    ]


def test_a_last_word_is_a_whole_word_that_was_there_before() -> None:
    [found] = last_words(sentences(TEXT), 60, 400)
    assert found.word == "file"
    assert found.context == (
        "The lock guards the file. Another sentence stands here, wrapped over two lines. "
        "It is held until the last reader has closed the"
    )
    assert last_words(sentences(TEXT), 60, 100) == []


def test_an_ending_is_the_next_sentence_of_the_paragraph() -> None:
    first, *_ = endings(sentences(TEXT), 20, 400, 160)
    assert first.context.endswith("The lock guards the file.")
    assert first.ending == "Another sentence stands here, wrapped over two lines."
