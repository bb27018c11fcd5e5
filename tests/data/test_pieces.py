import functools
import gzip
import json
import random
import threading
from collections import Counter
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from gptkit.data import jsonl, text
from gptkit.data.inputs import find_inputs
from gptkit.data.pieces import cut, further_columns, merged, read, splits
from gptkit.errors import GptkitError

PACKERS = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}


def batches(argument, task_bytes=16_000_000, damage=None, text_column="text", skip=0):
    files = find_inputs([str(argument)], text_column).files
    further, damage = further_columns(files), [] if damage is None else damage
    return [
        batch
        for task in cut(files, task_bytes)
        for batch in merged(batch for piece in task for batch in read(piece, further, damage, Counter(), skip))
    ]


def documents(argument, **options):
    return [row for batch in batches(argument, **options) for row in batch.to_pylist()]


@pytest.mark.parametrize("ending", PACKERS)
def test_a_page_or_a_text_is_a_file(tmp_path, ending):
    for name, content in {
        "site/one.html": b"<p>one",
        "site/sub/two.HTM": b"<p>two",
        "site/three.xhtml": b"<p>three",
        "notes/a.txt": "één".encode(),
        "notes/b.md": "naïve café ".encode("latin-1") * 9,
        "notes/c.text": "Москва ".encode("utf-16"),
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}{ending}").write_bytes(PACKERS[ending](content))
    damage = []
    pages = documents(tmp_path / "site", damage=damage)
    assert {row["url"]: row["html"] for row in pages} == {
        f"one.html{ending}": b"<p>one",
        f"sub/two.HTM{ending}": b"<p>two",
        f"three.xhtml{ending}": b"<p>three",
    }
    assert {row["source"] for row in pages} == {"site"}
    assert len({row["id"] for row in pages}) == 3
    texts = documents(tmp_path / "notes", damage=damage)
    assert [row["text"].strip() for row in texts] == ["één", ("naïve café " * 9).strip(), "Москва"]
    assert documents(tmp_path / "notes" / f"a.txt{ending}")[0]["source"] == "a"
    assert damage == []


def test_many_small_files_are_one_task_and_one_batch(tmp_path):
    for i in range(300):
        (tmp_path / f"{i:03}.html").write_text(f"<p>{i}")
    (batch,) = batches(tmp_path)
    assert [row["html"] for row in batch.to_pylist()] == [b"<p>%d" % i for i in range(300)]
    assert len(batches(tmp_path, task_bytes=100_000)) > 3


def test_notes_beside_data_are_not_documents(tmp_path):
    (tmp_path / "README.md").write_text("about")
    assert [row["text"] for row in documents(tmp_path)] == ["about"]
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n')
    assert [row["text"] for row in documents(tmp_path)] == ["x"]
    assert [row["text"] for row in documents(tmp_path / "*.md")] == ["about"]


def test_one_broken_file_of_many_is_damage(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "FILE_BYTES", 1_000)
    (tmp_path / "a.html").touch()
    (tmp_path / "b.html").write_text("<p>good")
    (tmp_path / "c.html.gz").write_bytes(gzip.compress(bytes(10**7)))
    (tmp_path / "d.html.gz").write_bytes(gzip.compress(b"<p>cut off")[:-9])
    (tmp_path / "e.html.zst").write_bytes(b"no zstd")
    damage = []
    assert [row["html"] for row in documents(tmp_path, damage=damage)] == [b"<p>good"]
    assert [(entry.file, entry.reason.split(":")[0]) for entry in damage] == [
        ("a.html", "is empty"),
        ("c.html.gz", "a document of over 1,000 bytes"),
        ("d.html.gz", "the file ends inside its gzip data"),
        ("e.html.zst", "damaged zstd data"),
    ]


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
@pytest.mark.parametrize(
    "charset", [None, "no-such", "undefined", "\0", "zlib", "unicode_escape", "utf-7", "idna", "x" * 9_999]
)
def test_any_bytes_can_be_decoded(charset):
    for data in (b"\xff\xfe\\ud800 a", b"\xd8\x00\xd8", random.Random(1).randbytes(999), b"", b"caf\xe9"):
        for html in (True, False):
            text.decode(data, charset, html).encode()


def test_names_that_are_no_utf8_do_no_harm(tmp_path):
    (tmp_path / b"caf\xe9.html".decode("utf-8", "surrogateescape")).write_text("<p>x")
    (tmp_path / b"caf\xe8.html".decode("utf-8", "surrogateescape")).touch()
    damage = []
    assert documents(tmp_path, damage=damage)[0]["url"] == "caf\ufffd.html"
    assert damage[0].as_json()["file"] == "caf\ufffd.html"


def test_the_column_of_text_may_have_another_name(tmp_path):
    rows = [{"body": "b", "text": "t", "n": 1}, {"text": "no body"}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pq.write_table(pa.table({"body": ["b"], "text": ["t"], "n": [1]}), tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.parquet"):
        damage = []
        (row,) = documents(tmp_path / name, text_column="body", damage=damage)
        assert {key: row[key] for key in row if key not in ("id", "url")} == {"text": "b", "n": 1, "source": "a"}
        assert [entry.reason for entry in damage] == ["no JSON object with a string 'body'"] * (name == "a.jsonl")
    with pytest.raises(GptkitError, match="has no column 'x'; it has body, text, n"):
        documents(tmp_path / "a.parquet", text_column="x")


def test_hostile_lines_are_damage_or_documents(tmp_path, monkeypatch):
    monkeypatch.setattr(jsonl, "LINE_BYTES", 50_000)
    monkeypatch.setattr(jsonl, "LINE_VALUES", 9_000)
    lines = {
        b'{"text": "good"}': None,
        b'{"text": "a\\u0000b"}': None,
        b'{"text": "a\0b"}': "no JSON",
        b'{"text": "\\ud800"}': "no JSON",
        b'{"text": "x", "\\udfff": 1}': "no JSON",
        b'{"text": "\xed\xa0\x80"}': "no JSON",
        b'{"text": "x", "a": ' + b"[" * 20_000 + b"]" * 20_000 + b"}": "over 9,000 values",
        b'{"text": "x", "a": ' + b"[" * 5_000 + b"]" * 5_000 + b"}": "no JSON",
        b'{"text": "x", "a": ' + b"[" * 400 + b"]" * 400 + b"}": None,
        b'{"text": "x", "n": 123456789012345678901234567890}': None,
        b'{"text": "x", "n": 1e999}': "no JSON",
        b'{"text": "x", "id": {"a": 1}, "url": 7, "source": []}': None,
        b'{"text": "' + b"x" * 60_000 + b'"}': "over 50,000 bytes",
        b'{"text": "last"}': None,
    }
    content = b"\n".join(lines)
    expected = [reason for reason in lines.values() if reason]
    for ending, pack in PACKERS.items():
        (tmp_path / f"a.jsonl{ending}").write_bytes(pack(content))
        for task_bytes in (10_000, 16_000_000):
            damage = []
            rows = documents(tmp_path / f"a.jsonl{ending}", damage=damage, task_bytes=task_bytes)
            assert len(rows) == len(lines) - len(expected)
            assert rows[1]["text"] == "a\0b"
            assert rows[-1]["text"] == "last"
            assert len(damage) == len(expected)
            for entry, reason in zip(damage, expected, strict=True):
                assert reason in entry.reason


def test_a_file_that_is_packed_twice_is_one_damage(tmp_path):
    packed = gzip.compress(gzip.compress(b'{"text": "x"}\n' * 9_999))
    for name, content in {"a.jsonl.gz": packed, "b.jsonl": packed}.items():
        (tmp_path / name).write_bytes(content)
        damage = []
        assert documents(tmp_path / name, damage=damage) == []
        assert [(entry.offset, entry.reason) for entry in damage] == [
            (0, "is packed, and once more than its name says")
        ]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst", "a.warc.gz"])
def test_a_stream_goes_on_behind_what_was_read(tmp_path, name, monkeypatch):
    monkeypatch.setattr("gptkit.data.jsonl.BATCH_BYTES", 1_000)
    monkeypatch.setattr("gptkit.data.warc.BATCH_BYTES", 1_000)
    page = "WARC/1.0\r\nWARC-Type: {}\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{}\r\n\r\n"
    bodies = ["x" * 40_000_000 if i == 50 else f"page {i} " * (i % 20) for i in range(100)]
    if "warc" in name:
        content = "".join(page.format("resource", len(body), body) for body in bodies)
    else:
        lines = [json.dumps({"text": body[:99]}) for body in bodies]
        content = "\n".join("broken" if place % 9 == 0 else line for place, line in enumerate(lines))
    (tmp_path / name).write_bytes(PACKERS[(tmp_path / name).suffix](content.encode()))
    (file,) = find_inputs([str(tmp_path / name)]).files
    assert not splits(file)
    ((piece,),) = cut([file])
    seen = []
    damage = []
    for batch in read(piece, [], damage, Counter()):
        seen.append((batch, len(damage)))
    assert len(seen) > 3
    assert damage
    rows = 0
    for place, (batch, reported) in enumerate(seen):
        rows += len(batch)
        again, unfit = [], Counter()
        assert list(read(piece, [], again, unfit, skip=rows)) == [batch for batch, _ in seen[place + 1 :]]
        assert again == damage[reported:]


class Quiet(SimpleHTTPRequestHandler):
    """A server that gives parts of files, as real ones do."""

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        wanted = self.headers.get("Range")
        path = self.translate_path(self.path)
        if wanted is None:
            super().do_GET()
            return
        with open(path, "rb") as file:
            data = file.read()
        first, last = (int(part) for part in wanted.removeprefix("bytes=").split("-"))
        part = data[first : last + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def end_headers(self):
        self.send_header("Accept-Ranges", "bytes")
        super().end_headers()


@pytest.fixture
def server(tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_parquet_is_read_by_ranges_from_an_address(tmp_path, server):
    table = pa.table({"text": [f"text {i} " * 20 for i in range(3_000)], "n": range(3_000)})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=500)
    address = f"{server}/a.parquet?token=secret"
    found = documents(address, task_bytes=50_000)
    assert found == documents(tmp_path / "a.parquet")
    (file,) = find_inputs([address]).files
    assert splits(file)
    assert len(cut([file], 50_000)) == 6
    assert "secret" not in str(find_inputs([address]).digests)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1" * 100)
    for name, reason in (("missing", "cannot be reached"), ("bad", "cannot be read as Parquet")):
        with pytest.raises(GptkitError, match=rf"/{name}\.parquet: {reason}") as caught:
            documents(f"{server}/{name}.parquet?token=secret")
        assert "secret" not in str(caught.value)


def test_a_pattern_of_addresses(tmp_path, server):
    (tmp_path / "crawl").mkdir()
    for name in ("b", "a"):
        (tmp_path / "crawl" / f"{name}.jsonl").write_text(json.dumps({"text": name}) + "\n")
    found = find_inputs([f"{server}/crawl/*.jsonl"]).files
    assert [(file.source, file.relative) for file in found] == [("crawl", "a.jsonl"), ("crawl", "b.jsonl")]
    assert [row["text"] for row in documents(f"{server}/crawl/*.jsonl")] == ["a", "b"]
    with pytest.raises(GptkitError, match="no file there"):
        find_inputs([f"{server}/crawl/*.parquet"])


def test_a_file_address_is_a_local_path(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n')
    assert find_inputs([f"file://{tmp_path}/a.jsonl"]) == find_inputs([str(tmp_path / "a.jsonl")])


def test_damaged_parquet_costs_a_row_group(tmp_path):
    rows = [{"text": f"{i} {random.Random(i).randbytes(50).hex()}", "n": i} for i in range(900)]
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=300, compression="zstd", write_page_checksum=True)
    column = pq.ParquetFile(path).metadata.row_group(1).column(0)
    data = bytearray(path.read_bytes())
    place = column.dictionary_page_offset + column.total_compressed_size // 2
    data[place : place + 50] = bytes(50)
    path.write_bytes(data)
    damage = []
    found = documents(path, damage=damage)
    assert [row["n"] for row in found] == [*range(300), *range(600, 900)]
    (entry,) = damage
    assert entry.offset == 300
    assert "300 rows cannot be read" in entry.reason


def test_rows_of_parquet_that_are_no_utf8_are_damage(tmp_path):
    texts = pa.array([b"one", b"\xff", b"three"]).view(pa.string())
    pq.write_table(pa.table({"text": texts, "n": [1, 2, 3]}), tmp_path / "a.parquet")
    damage = []
    assert [row["n"] for row in documents(tmp_path / "a.parquet", damage=damage)] == [1, 3]
    assert [entry.offset for entry in damage] == [1]


def test_a_stream_is_a_task_by_itself(tmp_path):
    for name in ("a.jsonl", "b.jsonl.gz", "c.jsonl", "d.jsonl"):
        line = json.dumps({"text": name}).encode() + b"\n"
        (tmp_path / name).write_bytes(gzip.compress(line) if name.endswith(".gz") else line)
    groups = [[Path(piece.file.path).name for piece in pieces] for pieces in cut(find_inputs([str(tmp_path)]).files)]
    assert groups == [["a.jsonl"], ["b.jsonl.gz"], ["c.jsonl", "d.jsonl"]]
