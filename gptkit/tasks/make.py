"""Makes two tasks of held-out documents: the last word of a passage, and the sentence that follows it.

After LAMBADA (Paperno et al. 2016) and StoryCloze (Mostafazadeh et al. 2016), for the text a model
was trained on the like of.
"""

import dataclasses
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from gptkit.data.files import atomic_path
from gptkit.data.tokens import open_tokens
from gptkit.data.vocabulary import token_bytes
from gptkit.errors import GptkitError
from gptkit.tasks.passages import Ending, LastWord, endings, last_words, sentences
from gptkit.tasks.settings import MakeTasksSettings

CHOICES = 4
MOST_FOR_DEMONSTRATIONS = 0.25  # of the documents
NEIGHBOURS = 50  # endings of nearly the same length that a wrong one is drawn from
SPLITS = ("test", "fewshot")
Cut = TypeVar("Cut", LastWord, Ending)

LAST_WORD_TASK = """\
# {made}
task: last_word
dataset_path: json
dataset_kwargs:
  data_files:
    test: last_word.test.jsonl
    fewshot: last_word.fewshot.jsonl
test_split: test
fewshot_split: fewshot
output_type: loglikelihood
doc_to_text: context
doc_to_target: "{{{{' ' + word}}}}"
target_delimiter: ""
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
  - metric: perplexity
    aggregation: perplexity
    higher_is_better: false
metadata:
  version: 1.0
"""
ENDING_TASK = """\
# {made}
task: ending
dataset_path: json
dataset_kwargs:
  data_files:
    test: ending.test.jsonl
    fewshot: ending.fewshot.jsonl
test_split: test
fewshot_split: fewshot
output_type: multiple_choice
doc_to_text: context
doc_to_target: label
doc_to_choice: endings
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
  - metric: acc_norm
    aggregation: mean
    higher_is_better: true
  - metric: acc_tokens
    aggregation: mean
    higher_is_better: true
metadata:
  version: 1.0
"""


@dataclasses.dataclass(frozen=True)
class MakeTask:
    """The work of the stage, as the engine runs it."""

    tokens: Path
    out: Path
    settings: MakeTasksSettings
    limit: int | None  # documents


@dataclasses.dataclass(frozen=True)
class Document:
    """A held-out document and what was cut out of it."""

    id: str
    last_words: list[LastWord]
    endings: list[Ending]


def make_tasks(task: MakeTask) -> dict[str, Any]:
    """Writes the two tasks below `task.out`; gives the number of documents and of items by file name."""
    settings = task.settings
    documents = _read(task.tokens, settings, task.limit)
    shown, tested = _separate(documents, settings)
    rows: dict[str, list[dict[str, Any]]] = {}
    for split, part, most in (("fewshot", shown, settings.demonstrations), ("test", tested, settings.items)):
        rows[f"last_word.{split}.jsonl"] = _last_word_rows(part, most, settings.seed)
        rows[f"ending.{split}.jsonl"] = _ending_rows(part, most, settings.seed)
    if empty := [name for name, items in rows.items() if not items]:
        raise GptkitError(
            f"{task.tokens}: {empty[0]} would be empty: {len(documents)} held-out documents are too few or too short; "
            "hold out more text with --validation of gptkit tokenize"
        )
    for name, items in rows.items():
        with atomic_path(task.out / name) as path, open(path, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(item, ensure_ascii=False) + "\n" for item in items)
    for name, text in (("last_word.yaml", LAST_WORD_TASK), ("ending.yaml", ENDING_TASK)):
        with atomic_path(task.out / name) as path:
            path.write_text(text.format(made="Made by gptkit make-tasks of held-out documents."), encoding="utf-8")
    return {"documents": len(documents), "items": {name: len(items) for name, items in rows.items()}}


def _read(tokens: Path, settings: MakeTasksSettings, limit: int | None) -> list[Document]:
    """The first held-out documents of a token folder, decoded and cut. A repeated text is left out."""
    folder = open_tokens(tokens)
    pieces = token_bytes(folder.tokenizer_path)
    most = min(settings.documents, limit or settings.documents)
    documents: list[Document] = []
    seen: set[str] = set()
    for shard in folder.shards("validation"):
        for place in range(min(len(shard), most - len(documents))):
            text = _text(shard.document(place), pieces)
            if text in seen:
                continue
            seen.add(text)
            cut = sentences(text)
            documents.append(
                Document(
                    f"{shard.path.stem}:{place}",
                    last_words(cut, settings.shortest, settings.longest),
                    endings(cut, settings.shortest, settings.longest, settings.longest_ending),
                )
            )
    return documents


def _text(ids: np.ndarray, pieces: Sequence[bytes]) -> str:
    return b"".join(pieces[token] for token in ids.tolist()).decode("utf-8", "replace")


def _separate(documents: Sequence[Document], settings: MakeTasksSettings) -> tuple[list[Document], list[Document]]:
    """Documents for demonstrations, as many as are needed and may be taken, and those for test items."""
    order = sorted(documents, key=lambda document: _draw(settings.seed, "split", document.id))
    most = max(1, int(len(documents) * MOST_FOR_DEMONSTRATIONS))
    words = cut = taken = 0
    while taken < min(most, len(order)) and min(words, cut) < settings.demonstrations:
        words += len(order[taken].last_words)
        cut += len(order[taken].endings)
        taken += 1
    return order[:taken], order[taken:]


def _last_word_rows(documents: Sequence[Document], most: int, seed: int) -> list[dict[str, Any]]:
    chosen = _choose(((document.id, document.last_words) for document in documents), most, seed)
    return [{"id": name, "context": cut.context, "word": cut.word} for name, cut in chosen]


def _ending_rows(documents: Sequence[Document], most: int, seed: int) -> list[dict[str, Any]]:
    """Passages with four endings, of which three follow passages of other documents.

    Wrong endings are of nearly the right one's length, so that length gives nothing away. Right
    ones stand equally often at each place.
    """
    chosen = _choose(((document.id, document.endings) for document in documents), most, seed)
    by_length = sorted(chosen, key=lambda item: (len(item[1].ending), item[0]))
    rows: list[dict[str, Any]] = []
    for place, (name, cut) in enumerate(by_length):
        wrong = _wrong_endings(by_length, place, seed)
        if len(wrong) == CHOICES - 1:
            rows.append({"id": name, "context": cut.context, "right": cut.ending, "wrong": wrong})
    rows.sort(key=lambda row: _draw(seed, "place", row["id"]))
    for number, row in enumerate(rows):
        label, right, wrong = number % CHOICES, row.pop("right"), row.pop("wrong")
        row["endings"] = [*wrong[:label], right, *wrong[label:]]
        row["label"] = label
    return rows


def _wrong_endings(by_length: Sequence[tuple[str, Ending]], place: int, seed: int) -> list[str]:
    name, cut = by_length[place]
    document = _document(name)
    # the neighbours widen until they offer enough endings of other documents
    for reach in (NEIGHBOURS // 2, len(by_length)):
        near = by_length[max(0, place - reach) : place + reach + 1]
        others = [
            (other, found.ending)
            for other, found in near
            if _document(other) != document and found.ending != cut.ending
        ]
        others.sort(key=lambda item: _draw(seed, "wrong", name, item[0]))
        wrong = list(dict.fromkeys(ending for _, ending in others))[: CHOICES - 1]
        if len(wrong) == CHOICES - 1:
            break
    return wrong


def _choose(documents: Iterable[tuple[str, Sequence[Cut]]], most: int, seed: int) -> list[tuple[str, Cut]]:
    """At most `most` (name, passage), each text once: one of every document, then a second of each, and so on."""
    ranked = []
    for document, cuts in documents:
        named = [(f"{document}:{place}", cut) for place, cut in enumerate(cuts)]
        named.sort(key=lambda item: _draw(seed, "item", item[0]))
        ranked += [(rank, _draw(seed, "item", name), name, cut) for rank, (name, cut) in enumerate(named)]
    ranked.sort(key=lambda item: item[:3])
    times: dict[tuple[str, ...], int] = defaultdict(int)
    chosen: list[tuple[str, Cut]] = []
    for _, _, name, cut in ranked:
        text = tuple(part.lower() for part in dataclasses.astuple(cut))
        times[text] += 1
        if times[text] == 1 and len(chosen) < most:
            chosen.append((name, cut))
    return chosen


def _document(name: str) -> str:
    return name.rpartition(":")[0]


def _draw(*key: object) -> float:
    """A number in [0, 1) that depends on nothing but the key."""
    return random.Random(":".join(map(str, key))).random()
