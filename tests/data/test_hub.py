import json
from collections import Counter

import pytest

from gptkit.data.inputs import find_inputs
from gptkit.data.pieces import cut, further_columns, read, splits
from gptkit.errors import GptkitError, UsageError

datasets = pytest.importorskip("datasets")

ROWS = [{"id": i, "text": f"text {i}", "stars": i % 5, "deep": {"a": [i]}} for i in range(450)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data set in each of the forms a folder can have."""
    folder = tmp_path_factory.mktemp("sets")
    datasets.disable_progress_bars()
    rows = datasets.Dataset.from_list(ROWS)
    rows.save_to_disk(folder / "saved")
    datasets.DatasetDict(train=rows, test=rows.select(range(10))).save_to_disk(folder / "splits")
    (folder / "parquet").mkdir()
    rows.to_parquet(folder / "parquet" / "train-00000.parquet")
    rows.select(range(10)).to_parquet(folder / "parquet" / "test-00000.parquet")
    (folder / "lines").mkdir()
    (folder / "lines" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return folder


def documents(argument, text_column="text", skip=0):
    (file,) = find_inputs([argument], text_column).files
    assert not splits(file)
    ((piece,),) = cut([file])
    unfit = Counter()
    found = [row for batch in read(piece, further_columns([file]), [], unfit, skip) for row in batch.to_pylist()]
    assert not unfit
    return found


@pytest.mark.parametrize("name", ["saved", "splits", "parquet", "lines"])
def test_every_form_gives_the_same_documents(folder, name):
    found = documents(f"hf:{folder}/{name}")
    assert [{key: row[key] for key in ROWS[0]} for row in found] == [row | {"id": str(row["id"])} for row in ROWS]
    assert {row["source"] for row in found} == {name}
    assert documents(f"hf:{folder}/{name}@train", skip=400) == found[400:]


@pytest.mark.parametrize("name", ["splits", "parquet"])
def test_a_split_is_named_behind_an_at_sign(folder, name):
    found = documents(f"mine=hf:{folder}/{name}@test")
    assert (len(found), found[0]["source"]) == (10, "mine")
    with pytest.raises(GptkitError, match=r"train.*test"):
        documents(f"hf:{folder}/{name}@nope")


def test_the_column_of_text_is_a_string(folder):
    with pytest.raises(GptkitError, match="has no column 'body'; it has id, text, stars, deep"):
        documents(f"hf:{folder}/saved", "body")
    with pytest.raises(GptkitError, match="'stars' is int64, not a string"):
        documents(f"hf:{folder}/lines", "stars")


def test_ids_do_not_depend_on_where_the_folder_lies(tmp_path):
    for place in ("one", "two"):
        (tmp_path / place / "set").mkdir(parents=True)
        (tmp_path / place / "set" / "train.jsonl").write_text('{"text": "x"}\n')
    one, two = (find_inputs([f"hf:{tmp_path}/{place}/set"]) for place in ("one", "two"))
    assert one.digests[0]["digest"] == two.digests[0]["digest"]
    assert documents(f"hf:{tmp_path}/one/set") == documents(f"hf:{tmp_path}/two/set")
    (tmp_path / "two" / "set" / "train.jsonl").write_text('{"text": "y"}\n')
    assert one.digests != find_inputs([f"hf:{tmp_path}/two/set"]).digests


def test_what_cannot_be_had_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    (tmp_path / "script").mkdir()
    (tmp_path / "script" / "script.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    for name, reason in (
        ("someone/nothing", "cannot be read"),
        ("someone/nothing:config@test", "cannot be read"),
        ("json", "is a format, not a data set"),
        (f"{tmp_path}/missing", "no such folder"),
        (f"{tmp_path}/script", "cannot be read"),
    ):
        with pytest.raises(GptkitError, match=reason) as caught:
            documents(f"hf:{name}")
        assert f"hf:{name}" in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()
    with pytest.raises(UsageError, match="hf:NAME"):
        documents("hf:@train")
