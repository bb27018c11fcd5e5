import gzip
import json
import random
from collections import Counter

import pytest

from gptkit.data.inputs import default_name, find_inputs, hide_credentials
from gptkit.data.pieces import cut, further_columns, read
from gptkit.errors import GptkitError, UsageError


def documents(path, task_bytes=16_000_000, damage=None):
    files = find_inputs([str(path)]).files
    further = further_columns(files)
    damage = [] if damage is None else damage
    return [
        row
        for task in cut(files, task_bytes)
        for piece in task
        for batch in read(piece, further, damage, Counter())
        for row in batch.to_pylist()
    ]


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def test_a_plain_file_reads_the_same_however_it_is_cut(tmp_path):
    generator = random.Random(1)
    rows = [{"text": "é" * generator.randrange(300), "n": i} for i in range(400)]
    write_jsonl(tmp_path / "a.jsonl", rows)
    whole = documents(tmp_path / "a.jsonl")
    assert [row["n"] for row in whole] == list(range(400))
    assert len({row["id"] for row in whole}) == 400
    for size in (10, 137, 5_000, 100_000):
        assert documents(tmp_path / "a.jsonl", size) == whole


def test_packed_files_read_as_plain_ones(tmp_path):
    import zstandard

    rows = [{"text": f"text {i}", "id": f"own-{i}"} for i in range(50)]
    for folder in "abc":
        (tmp_path / folder).mkdir()
    write_jsonl(tmp_path / "a" / "x.jsonl", rows)
    content = (tmp_path / "a" / "x.jsonl").read_bytes()
    (tmp_path / "b" / "x.jsonl.gz").write_bytes(gzip.compress(content[:300]) + gzip.compress(content[300:]))
    (tmp_path / "c" / "x.jsonl.zst").write_bytes(zstandard.compress(content))
    found = [
        documents(tmp_path / folder / name)
        for folder, name in (("a", "x.jsonl"), ("b", "x.jsonl.gz"), ("c", "x.jsonl.zst"))
    ]
    assert found[0] == found[1] == found[2]
    assert found[0][3]["id"] == "own-3"


def test_broken_lines_are_kept_apart_and_do_not_stop_the_run(tmp_path):
    path = tmp_path / "bad.jsonl"
    good = b'{"text": "good"}\n'
    bad = [
        b"{broken\n",
        b'{"text": "\xff"}\n',
        b'{"text": 5}\n',
        b"[1, 2]\n",
        b'{"text": "\\ud800"}\n',
        b"\n",
        b'{"nothing": 1}',
    ]
    path.write_bytes(good + b"".join(bad[:-1]) + good + bad[-1])
    damage = []
    found = documents(path, damage=damage)
    assert [row["text"] for row in found] == ["good", "good"]
    assert len(damage) == 6  # an empty line is none
    assert damage[0].offset == len(good)
    assert damage[0].raw == bad[0]
    assert "\\xff" in damage[1].as_json()["raw"]


def test_a_gzip_file_that_ends_early_gives_what_is_before_the_end(tmp_path):
    lines = b"".join(
        b'{"text": "%s %d"}\n' % (bytes(random.Random(i).choices(b"abcdefgh", k=80)), i) for i in range(500)
    )
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(lines)[:9000])
    damage = []
    found = documents(tmp_path / "cut.jsonl.gz", damage=damage)
    assert 50 < len(found) < 500
    assert [row["text"].split()[1] for row in found] == [str(i) for i in range(len(found))]
    assert len(damage) == 1


def test_further_columns_keep_their_types(tmp_path):
    write_jsonl(
        tmp_path / "a.jsonl",
        [
            {"text": "x", "n": 1, "mixed": 1, "f": 1, "deep": {"a": [1]}},
            {"text": "y", "mixed": "two", "f": 0.5, "n": None},
        ],
    )
    first, second = documents(tmp_path / "a.jsonl")
    assert (first["n"], first["mixed"], first["f"], first["deep"]) == (1, "1", 1.0, '{"a":[1]}')
    assert (second["n"], second["mixed"], second["f"], second["deep"]) == (None, "two", 0.5, None)


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("missing.jsonl", None, "no such file"),
        ("empty.jsonl", b"", "is empty"),
        ("x.txt.bz2", b"x", "is read by its ending"),
        ("x.parquet", b"no parquet", "cannot be read as Parquet"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(tmp_path, name, content, line):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(GptkitError, match=line) as caught:
        documents(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_ids_do_not_depend_on_where_the_folder_lies(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder / "crawl").mkdir(parents=True)
        write_jsonl(tmp_path / folder / "crawl" / "a.jsonl", [{"text": "x"}])
    assert documents(tmp_path / "one" / "crawl") == documents(tmp_path / "two" / "crawl")


def test_two_inputs_of_one_name_need_names(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write_jsonl(tmp_path / folder / "a.jsonl", [{"text": folder}])
    with pytest.raises(UsageError, match="NAME="):
        find_inputs([str(tmp_path / "one" / "a.jsonl"), str(tmp_path / "two" / "a.jsonl")])
    named = find_inputs([f"first={tmp_path}/one/a.jsonl", f"second={tmp_path}/two/a.jsonl"])
    assert [file.source for file in named.files] == ["first", "second"]


def test_credentials_are_taken_out_of_addresses():
    assert hide_credentials("https://user:secret@host/a.warc.gz?token=1#x") == "https://host/a.warc.gz"
    assert hide_credentials("https://user:p#a?ss@host/a.warc.gz?token=1") == "https://host/a.warc.gz"
    assert default_name("https://host/crawl/a.warc.gz") == "a"


def test_crc_errors_are_damage(tmp_path):
    packed = bytearray(gzip.compress(b'{"text": "one"}\n' * 3))
    packed[-6] ^= 1
    (tmp_path / "crc.jsonl.gz").write_bytes(packed)
    damage = []
    assert len(documents(tmp_path / "crc.jsonl.gz", damage=damage)) <= 3
    assert len(damage) == 1


def test_a_pattern_is_one_source_named_by_its_folder(tmp_path):
    (tmp_path / "crawl" / "deep").mkdir(parents=True)
    for name in ("b.jsonl", "a.jsonl", "deep/c.jsonl"):
        write_jsonl(tmp_path / "crawl" / name, [{"text": name}])
    found = find_inputs([f"{tmp_path}/crawl/*.jsonl"]).files
    assert [(file.source, file.relative) for file in found] == [("crawl", "a.jsonl"), ("crawl", "b.jsonl")]
    assert [file.relative for file in find_inputs([f"{tmp_path}/crawl/**/*.jsonl"]).files] == [
        "a.jsonl",
        "b.jsonl",
        "deep/c.jsonl",
    ]
    with pytest.raises(GptkitError, match="no such file"):
        find_inputs([f"{tmp_path}/crawl/*.warc"])


def test_damaged_zstd_gives_what_is_before_the_damage(tmp_path):
    import zstandard

    lines = b"".join(b'{"text": "%d %s"}\n' % (i, random.Random(i).randbytes(60).hex().encode()) for i in range(20_000))
    packed = zstandard.ZstdCompressor(write_checksum=True).compress(lines)
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 0xFF
    for name, content in (("cut", packed[: len(packed) // 2]), ("flip", bytes(flipped)), ("junk", b"junk" * 100)):
        (tmp_path / f"{name}.jsonl.zst").write_bytes(content)
        damage = []
        found = documents(tmp_path / f"{name}.jsonl.zst", damage=damage)
        assert [row["text"].split()[0] for row in found] == [str(i) for i in range(len(found))]
        assert len(damage) >= 1
        assert (len(found) > 1_000) == (name == "cut") or name == "flip"


def test_values_that_fit_no_column_are_counted(tmp_path):
    rows = [{"text": "x", "n": 1}] * 1_000 + [{"text": "y", "n": 0.5}, {"text": "z", "late": "?"}]
    write_jsonl(tmp_path / "a.jsonl", rows)
    files = find_inputs([str(tmp_path / "a.jsonl")]).files
    unfit = Counter()
    further = further_columns(files)
    for piece in (piece for task in cut(files) for piece in task):
        list(read(piece, further, [], unfit))
    assert unfit == {"n": 1, "late": 1}


def test_a_byte_order_mark_is_no_damage(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'\xef\xbb\xbf{"text": "x"}\n')
    assert documents(tmp_path / "a.jsonl")[0]["text"] == "x"


def test_parquet_without_ids_or_with_null_ids_gets_them(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": ["a", "b", None]}), tmp_path / "none.parquet")
    pq.write_table(pa.table({"id": [None, "own", None], "text": ["a", "b", "c"]}), tmp_path / "null.parquet")
    assert len({row["id"] for row in documents(tmp_path / "none.parquet")}) == 3
    assert [row["id"] == "own" for row in documents(tmp_path / "null.parquet")] == [False, True, False]
    assert all(row["id"] for row in documents(tmp_path / "null.parquet"))


def test_columns_of_two_types_are_text(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": ["a"], "x": [[1, 2]]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": ["b"], "x": ["s"]}), tmp_path / "b.parquet")
    assert [row["x"] for row in documents(tmp_path)] == ["[1,2]", "s"]


def test_results_inside_an_input_folder_are_not_read(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", [{"text": "x"}])
    for inner in ("out/.work/out", "made"):
        (tmp_path / inner).mkdir(parents=True)
        write_jsonl(tmp_path / inner / "b.jsonl", [{"text": "y"}])
    (tmp_path / "made" / "manifest.json").write_text("{}")
    assert [row["text"] for row in documents(tmp_path)] == ["x"]


def test_addresses_are_read_over_http_and_keep_their_secrets(tmp_path):
    import functools
    import threading
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    write_jsonl(tmp_path / "a.jsonl", [{"text": f"text {i}"} for i in range(500)])
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress((tmp_path / "a.jsonl").read_bytes()))

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        base = f"http://127.0.0.1:{server.server_port}"
        for name in ("a.jsonl", "b.jsonl.gz"):
            assert [row["text"] for row in documents(f"{base}/{name}")] == [f"text {i}" for i in range(500)]
        with pytest.raises(GptkitError) as caught:
            documents(f"{base}/missing.jsonl?token=secret")
        assert "missing.jsonl" in str(caught.value)
        assert "secret" not in str(caught.value)
    finally:
        server.shutdown()
