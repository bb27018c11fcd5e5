import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gptkit.data import portions
from gptkit.data.portions import check, open_corpus, read
from gptkit.errors import GptkitError

TEXT = pa.schema([("id", pa.string()), ("text", pa.string())])


def write(path, texts, rows=None, **columns):
    ids = [f"{path.stem}-{place}" for place in range(len(texts))]
    table = pa.table({"id": ids, "text": pa.array(texts, pa.string()), **columns})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=rows or max(1, len(texts)))
    return str(path)


def ids(found):
    return [
        identity
        for portion in found.portions
        for batch in read(portion, TEXT)
        for identity in batch.column("id").to_pylist()
    ]


def names(found):
    return [portion.name for portion in found.portions]


@pytest.fixture
def small_portions(monkeypatch):
    monkeypatch.setattr(portions, "PORTION_BYTES", 2_000)


def test_portions_are_consecutive_rows_of_one_source(tmp_path, small_portions):
    web = write(tmp_path / "web.parquet", [f"text number {n} " * 10 for n in range(100)], rows=7)
    wiki = write(tmp_path / "wiki.parquet", ["short"] * 3)
    found = open_corpus([wiki, web])
    assert ids(found) == [f"web-{n}" for n in range(100)] + [f"wiki-{n}" for n in range(3)]
    assert found.sources == ["web", "wiki"]
    assert found.documents == 103 == sum(portion.documents for portion in found.portions)
    of_web = [name for name in names(found) if name.startswith("web")]
    assert of_web == [f"web-{number:05d}" for number in range(len(of_web))]
    assert len(of_web) > 5
    assert names(found)[-1] == "wiki-00000"
    assert found.schema.names == ["id", "text", "url", "source"]


def test_the_order_of_arguments_makes_no_difference(tmp_path, small_portions):
    paths = [write(tmp_path / f"{name}.parquet", [f"{name} {n} " * 30 for n in range(20)], rows=4) for name in "cab"]
    one, other = open_corpus(paths), open_corpus(paths[::-1])
    assert (names(one), ids(one), one.digests) == (names(other), ids(other), other.digests)


def test_a_limit_reads_the_first_documents_in_the_order_given(tmp_path, small_portions):
    paths = [write(tmp_path / f"{name}.parquet", [f"{name} {n} " * 30 for n in range(20)], rows=4) for name in "ba"]
    found = open_corpus(paths, limit=26)
    assert sorted(ids(found)) == sorted([f"b-{n}" for n in range(20)] + [f"a-{n}" for n in range(6)])
    assert found.documents == 26
    assert open_corpus(paths, limit=1).documents == 1
    assert open_corpus(paths, limit=1000).documents == 40
    assert open_corpus(paths, limit=20).sources == ["b"]


def test_large_row_groups_are_portions_of_their_own(tmp_path, small_portions):
    path = write(tmp_path / "big.parquet", ["x" * 70_000_000, "y", "z" * 70_000_000, "small", "smaller"], rows=1)
    found = open_corpus([path])
    assert [portion.documents for portion in found.portions] == [1, 1, 1, 2]
    assert ids(found) == [f"big-{n}" for n in range(5)]


def test_a_portion_has_no_more_rows_than_fit_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(portions, "PORTION_ROWS", 10)
    write(tmp_path / "in" / "a.parquet", ["x"] * 23, rows=4)
    write(tmp_path / "in" / "b.parquet", ["y"] * 15, rows=12)
    found = open_corpus([str(tmp_path / "in")])
    assert [portion.documents for portion in found.portions] == [8, 8, 7, 12, 3]
    assert [len(portion.pieces) for portion in found.portions] == [1] * 5
    assert ids(found) == [f"a-{n}" for n in range(23)] + [f"b-{n}" for n in range(15)]
    monkeypatch.setattr(portions, "PORTION_ROWS", 30)
    found = open_corpus([str(tmp_path / "in")])
    assert [(portion.documents, len(portion.pieces)) for portion in found.portions] == [(23, 1), (15, 1)]
    monkeypatch.setattr(portions, "PORTION_ROWS", 100)
    found = open_corpus([str(tmp_path / "in")], limit=30)
    assert [(portion.documents, portion.rows) for portion in found.portions] == [(30, (23, 7))]
    assert ids(found) == [f"a-{n}" for n in range(23)] + [f"b-{n}" for n in range(7)]


def test_a_folder_of_files_and_columns_of_different_files(tmp_path):
    write(tmp_path / "in" / "a.parquet", ["one", "two"], score=pa.array([1, 2]))
    write(tmp_path / "in" / "sub" / "b.parquet", ["three"], score=pa.array([2.5], pa.float64()), tags=[["x"]])
    found = open_corpus([f"all={tmp_path / 'in'}"])
    assert found.sources == ["all"]
    assert found.schema.field("score").type == pa.float64()
    rows = [row for portion in found.portions for batch in read(portion, found.schema) for row in batch.to_pylist()]
    assert [row["score"] for row in rows] == [1, 2, 2.5]
    assert [row["tags"] for row in rows] == [None, None, ["x"]]
    assert [row["text"] for row in rows] == ["one", "two", "three"]


def test_documents_without_id_have_one_of_their_place(tmp_path):
    pq.write_table(pa.table({"text": ["a", "b", "c"]}), tmp_path / "x.parquet", row_group_size=2)
    found = open_corpus([str(tmp_path / "x.parquet")])
    assert len(set(ids(found))) == 3
    assert ids(found) == ids(open_corpus([str(tmp_path / "x.parquet")]))


def test_a_null_text_is_an_empty_one(tmp_path):
    path = write(tmp_path / "x.parquet", ["one", None, "three"])
    (portion,) = open_corpus([path]).portions
    (batch,) = read(portion, TEXT)
    assert batch.column("text").to_pylist() == ["one", "", "three"]


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())])
def test_all_kinds_of_strings(tmp_path, kind):
    text = pa.array(["one", "two", "one"]).cast(kind)
    pq.write_table(pa.table({"text": text}), tmp_path / "x.parquet")
    (portion,) = open_corpus([str(tmp_path / "x.parquet")]).portions
    (batch,) = read(portion, TEXT)
    assert batch.schema == TEXT
    assert batch.column("text").to_pylist() == ["one", "two", "one"]


def test_a_file_without_documents(tmp_path):
    empty = write(tmp_path / "empty.parquet", [])
    full = write(tmp_path / "full.parquet", ["text"])
    assert open_corpus([empty]).documents == 0
    assert ids(open_corpus([empty, full])) == ["full-0"]


def test_what_is_no_parquet_is_refused(tmp_path):
    (tmp_path / "x.jsonl").write_text('{"text": "a"}\n')
    with pytest.raises(GptkitError, match=r"x\.jsonl: is not documents in Parquet"):
        open_corpus([str(tmp_path / "x.jsonl")])
    (tmp_path / "y.parquet").write_bytes(b"PAR1 nothing of the kind PAR1")
    with pytest.raises(GptkitError, match=r"y\.parquet: cannot be read as Parquet"):
        open_corpus([str(tmp_path / "y.parquet")])


def damaged(tmp_path):
    path = write(tmp_path / "x.parquet", [f"text {n} " * 20 for n in range(200)])
    content = bytearray((tmp_path / "x.parquet").read_bytes())
    content[200:260] = bytes(60)
    (tmp_path / "x.parquet").write_bytes(content)
    return path


def test_damage_is_an_error_of_one_line(tmp_path):
    (portion,) = open_corpus([damaged(tmp_path)]).portions
    with pytest.raises(GptkitError, match=r"x\.parquet: is damaged") as error:
        list(read(portion, TEXT))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("column", ["id", "text"])
def test_bytes_that_are_no_text_are_an_error_of_one_line(tmp_path, column):
    bad = pa.array([b"good", b"\xff\xfebad", b"x"], pa.binary()).view(pa.string())
    columns = {"id": pa.array(["a", "b", "c"]), "text": pa.array(["a", "b", "c"])} | {column: bad}
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    (portion,) = open_corpus([str(tmp_path / "x.parquet")]).portions
    with pytest.raises(GptkitError, match=r"x\.parquet: .*UTF-?8") as error:
        list(read(portion, TEXT))
    assert "\n" not in str(error.value)


def test_a_file_that_was_changed_since(tmp_path):
    path = write(tmp_path / "x.parquet", ["one", "two"])
    (portion,) = open_corpus([path]).portions
    check(portion)
    write(tmp_path / "x.parquet", ["one", "other"])
    with pytest.raises(GptkitError, match="checksum"):
        check(portion)
