"""Taking documents out of shards, through the command."""

import gzip
import json

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from gptkit.cli.remove import command
from gptkit.data.files import sha256_file
from gptkit.data.manifest import Shard, read_manifest
from gptkit.engine.stage import Stage
from gptkit.errors import GptkitError
from gptkit.tasks.settings import MakeTasksSettings

SECRET = "whoever asked for this text to go"


def table(first, last):
    rows = range(first, last)
    columns = {
        "id": [f"id{row}" for row in rows],
        "text": [SECRET if row == 7 else f"text {row}" for row in rows],
        "url": [None if row == 3 else f"https://Example{row}.org/Path/{row}" for row in rows],
        "source": ["web"] * len(rows),
        "score": pa.array([row / 10 for row in rows], pa.float32()),
    }
    return pa.table(columns)


@pytest.fixture
def stage(tmp_path, runtime):
    """The output of a stage: two shards of documents, rejected ones with their text, and damaged records."""
    output = tmp_path / "in"
    with Stage("clean", 1, MakeTasksSettings(), [], output, runtime) as made:
        made.begin("shards for tests")
        shards = []
        for name, rows, kind in [
            ("web-00000.parquet", table(0, 10), "documents"),
            ("web-00001.parquet", table(10, 20), "documents"),
            ("rejected/web-00000.parquet", table(20, 25).select(["id", "url", "text"]), "rejected"),
        ]:
            (made.out / name).parent.mkdir(exist_ok=True)
            pq.write_table(rows, made.out / name)
            shards.append(Shard.describe(made.out, made.out / name, len(rows), "web", kind))
        (made.out / "damaged.jsonl").write_text('{"raw": "anything"}\n')
        shards.append(Shard.describe(made.out, made.out / "damaged.jsonl", 1, "web", "damaged"))
        made.close(shards, {})
    return output


def remove(*arguments):
    """Runs the command; the manifest as it prints it."""
    done = CliRunner().invoke(command, [*map(str, arguments), "--workers", "0", "--json"], catch_exceptions=True)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def listed(path, *lines):
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def ids(path):
    return pq.read_table(path)["id"].to_pylist()


def test_removes_by_id_and_keeps_all_else(stage, tmp_path):
    out = tmp_path / "out"
    before = pq.read_table(stage / "web-00000.parquet")
    manifest = remove(
        stage, "--ids", listed(tmp_path / "ids.txt", "# asked on Monday", "id7", "", "id22", "id99"), "-o", out
    )
    after = pq.read_table(out / "web-00000.parquet")
    assert after.schema.equals(before.schema)
    assert after.equals(pa.concat_tables([before.slice(0, 7), before.slice(8)]))
    assert ids(out / "rejected/web-00000.parquet") == ["id20", "id21", "id23", "id24"]
    assert sha256_file(out / "web-00001.parquet") == sha256_file(stage / "web-00001.parquet")
    counts = manifest["counts"]
    assert (counts["documents_in"], counts["documents_out"], counts["rows_removed_elsewhere"]) == (20, 19, 1)
    assert counts["ids"] == {"listed": 3, "found": 2, "not_found": 1, "documents": 1}
    assert counts["without_document"] == {"ids": ["id99"]}
    assert counts["left_out"] == 1


def test_what_was_removed_is_written_nowhere(stage, tmp_path):
    out = tmp_path / "out"
    remove(stage, "--ids", listed(tmp_path / "ids.txt", "id7"), "-o", out)
    files = [path for path in out.rglob("*") if path.is_file()]
    texts = [str(pq.read_table(path).to_pylist()) for path in files if path.suffix == ".parquet"]
    texts += [path.read_text() for path in files if path.suffix != ".parquet"]
    assert len(files) == 4
    assert not any(SECRET in text for text in texts)


def test_removes_by_address_in_any_of_its_forms(stage, tmp_path):
    lines = ["example1.org/Path/1", "http://EXAMPLE12.org:80/Path/12/#top", "https://example5.org/path/5"]
    manifest = remove(stage, "--urls", listed(tmp_path / "urls.txt", *lines), "-o", tmp_path / "out")
    assert ids(tmp_path / "out/web-00000.parquet") == [f"id{row}" for row in range(10) if row != 1]
    assert ids(tmp_path / "out/web-00001.parquet") == [f"id{row}" for row in range(10, 20) if row != 12]
    assert manifest["counts"]["urls"] == {"listed": 3, "found": 2, "not_found": 1, "documents": 2}
    assert manifest["counts"]["without_document"] == {"urls": ["https://example5.org/path/5"]}


def test_both_lists_a_gzipped_one_and_a_later_stage_reads_the_result(stage, tmp_path):
    zipped = tmp_path / "ids.gz"
    zipped.write_bytes(gzip.compress(b"id1\r\nid2\r\n"))
    urls = listed(tmp_path / "urls.txt", "https://example2.org/Path/2", "https://example4.org/Path/4")
    first = remove(stage, "--ids", zipped, "--urls", urls, "-o", tmp_path / "out")
    assert ids(tmp_path / "out/web-00000.parquet") == ["id0", "id3", "id5", "id6", "id7", "id8", "id9"]
    read_manifest(tmp_path / "out")
    second = remove(tmp_path / "out", "--ids", listed(tmp_path / "more.txt", "id0"), "-o", tmp_path / "out2")
    assert second["counts"]["documents_in"] == first["counts"]["documents_out"] == 17


def test_one_parquet_file(tmp_path):
    pq.write_table(table(0, 3).drop_columns("source"), tmp_path / "part.parquet")
    remove(tmp_path / "part.parquet", "--ids", listed(tmp_path / "ids.txt", "id1"), "-o", tmp_path / "out")
    assert ids(tmp_path / "out/part.parquet") == ["id0", "id2"]


def test_a_second_run_is_up_to_date_and_a_changed_list_is_not(stage, tmp_path):
    names = listed(tmp_path / "ids.txt", "id1")
    first = remove(stage, "--ids", names, "-o", tmp_path / "out")
    moved = listed(tmp_path / "other name.txt", "id1")
    assert remove(stage, "--ids", moved, "-o", tmp_path / "out")["digest"] == first["digest"]
    listed(names, "id2")
    with pytest.raises(GptkitError, match="another result"):
        remove(stage, "--ids", names, "-o", tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "flag", "message"),
    [
        (b"", "--ids", "list.txt: has no entries; it should have one a line"),
        (b"# nothing\n\n", "--urls", "list.txt: has no entries; it should have one a line"),
        (b"id1\n\xff\n", "--ids", "list.txt: line 2 is not UTF-8"),
        (b"https://a.b/c\nhttps://a.b/d e\n", "--urls", "list.txt: line 2 is not one of urls: https://a.b/d e"),
        (None, "--ids", "list.txt: no such file"),
    ],
)
def test_a_wrong_list_is_one_clear_line(stage, tmp_path, content, flag, message):
    if content is not None:
        (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(GptkitError) as error:
        remove(stage, flag, tmp_path / "list.txt", "-o", tmp_path / "out")
    assert str(error.value).endswith(message)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_no_list_no_column_no_documents(stage, tmp_path):
    with pytest.raises(GptkitError, match="name a list"):
        remove(stage, "-o", tmp_path / "out")
    pq.write_table(table(0, 3).drop_columns("url"), tmp_path / "part.parquet")
    names = listed(tmp_path / "list.txt", "https://a.b/c")
    with pytest.raises(GptkitError, match="has no column 'url'"):
        remove(tmp_path / "part.parquet", "--urls", names, "-o", tmp_path / "out")
    with pytest.raises(GptkitError, match="no such f"):
        remove(tmp_path / "nothing", "--urls", names, "-o", tmp_path / "out")
    with pytest.raises(GptkitError, match="--limit"):
        remove(stage, "--urls", names, "--limit", "3", "-o", tmp_path / "out")


def test_help_shows_examples():
    assert click.unstyle(CliRunner().invoke(command, ["--help"]).stdout).count("gptkit remove") == 3
