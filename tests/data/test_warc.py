import gzip
from collections import Counter

import pyarrow as pa
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from gptkit.data.inputs import find_inputs
from gptkit.data.pieces import cut, read, splits


def record(number, body=None, status="200 OK", kind="response", content_type="text/html; charset=utf-8"):
    body = (
        body
        if body is not None
        else b"<html><body><p>Page %d %s</p></body></html>" % (number, b"word " * (number * 7 % 50))
    )
    http = b"HTTP/1.1 %s\r\nContent-Type: %s\r\n\r\n%s" % (status.encode(), content_type.encode(), body)
    header = (
        f"WARC/1.1\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{number:032x}>\r\nWARC-Date: 2020-01-01T00:00:00Z\r\n"
        f"WARC-Target-URI: http://site.example/{number}\r\nContent-Type: application/http; msgtype=response\r\nContent-Length: {len(http)}\r\n\r\n"
    )
    return header.encode() + http + b"\r\n\r\n"


def pages(path, task_bytes=16_000_000):
    damage = []
    pieces = [piece for task in cut(find_inputs([str(path)]).files, task_bytes) for piece in task]
    rows = [row for piece in pieces for batch in read(piece, [], damage, Counter()) for row in batch.to_pylist()]
    return rows, damage


def lz4(data):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "lz4") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


PACKERS = {".gz": gzip.compress, ".zst": zstandard.compress, ".lz4": lz4, "": bytes}


def text_record(number, text, kind="text/plain"):
    header = (
        f"WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: http://site.example/{number}\r\n"
        f"WARC-Identified-Content-Language: eng\r\nContent-Type: {kind}\r\nContent-Length: {len(text)}\r\n\r\n"
    )
    return header.encode() + text + b"\r\n\r\n"


@pytest.mark.parametrize("ending", PACKERS)
def test_every_cut_gives_the_same_pages(tmp_path, ending):
    records = [record(i) for i in range(60)]
    path = tmp_path / f"a.warc{ending}"
    path.write_bytes(b"".join(map(PACKERS[ending], records)))
    assert splits(find_inputs([str(path)]).files[0])
    whole, damage = pages(path)
    assert [row["url"] for row in whole] == [f"http://site.example/{i}" for i in range(60)]
    assert damage == []
    for size in (100, 999, 7_000, 50_000):
        assert pages(path, size) == (whole, [])


@pytest.mark.parametrize("ending", PACKERS)
def test_texts_are_read_beside_pages(tmp_path, ending):
    records = [text_record(1, "één".encode()), text_record(2, b"caf\xe9 " * 9), record(3), text_record(4, b"{}", "a/b")]
    for name in ("a.warc", "b.warc.wet", "c.wet"):
        path = tmp_path / f"{name}{ending}"
        path.write_bytes(b"".join(map(PACKERS[ending], records)))
        (one, two, three), damage = pages(path)
        assert (one["text"], one["identified_language"], one["url"]) == ("één", "eng", "http://site.example/1")
        assert two["text"].startswith("café ")
        assert three["html"].startswith(b"<html>")
        assert damage == []
        assert one["source"] == name[0]


@given(st.sampled_from([*PACKERS]), st.randoms(use_true_random=False), st.integers(1, 3), st.booleans())
def test_damage_is_the_same_however_a_file_is_cut(tmp_path_factory, ending, generator, count, shorten):
    records = [record(i, generator.randbytes(generator.choice([10, 300]))) for i in range(12)]
    members = [PACKERS[ending](item) for item in records]
    data = bytearray(b"".join(members))
    starts = [sum(map(len, members[:i])) for i in range(13)]
    places = [generator.randrange(len(data)) for _ in range(count)]
    for place in places:
        data[place] ^= 1 << generator.randrange(8)
    end = generator.randrange(len(data) // 2, len(data)) if shorten else len(data)
    path = tmp_path_factory.getbasetemp() / f"damaged.warc{ending}"
    path.write_bytes(data[:end])
    whole, damage = pages(path)
    for size in (500, 3_000):
        assert pages(path, size) == (whole, damage)
    if ending == ".gz":  # whose members have check values: one damaged record costs itself
        hit = {sum(place >= start for start in starts) - 1 for place in [*places, *range(end, len(data))]}
        found = {int(row["url"].rsplit("/", 1)[1]) for row in whole}
        assert found >= set(range(12)) - hit
        assert len(damage) >= 1 or found >= set(range(12)) - hit


def test_only_pages_are_read(tmp_path):
    records = [
        record(1),
        record(2, status="404 Not Found"),
        record(3, kind="request"),
        record(4, content_type="image/png"),
        record(5),
    ]
    (tmp_path / "a.warc.gz").write_bytes(b"".join(map(gzip.compress, records)))
    rows, damage = pages(tmp_path / "a.warc.gz")
    assert [row["url"][-1] for row in rows] == ["1", "5"]
    assert damage == []


def test_damage_costs_only_the_damaged_record(tmp_path):
    members = [gzip.compress(record(i)) for i in range(6)]
    broken = bytearray(members[2])
    broken[len(broken) // 2] ^= 0xFF
    (tmp_path / "a.warc.gz").write_bytes(b"".join([*members[:2], bytes(broken), *members[3:]]))
    rows, damage = pages(tmp_path / "a.warc.gz")
    assert [row["url"][-1] for row in rows] == ["0", "1", "3", "4", "5"]
    assert [entry.offset for entry in damage] == [len(members[0]) + len(members[1])]


def test_a_file_that_ends_early_gives_what_is_whole(tmp_path):
    members = [gzip.compress(record(i)) for i in range(4)]
    (tmp_path / "a.warc.gz").write_bytes(b"".join(members)[:-20])
    rows, damage = pages(tmp_path / "a.warc.gz")
    assert [row["url"][-1] for row in rows] == ["0", "1", "2"]
    assert len(damage) == 1


def test_packed_pages_are_unpacked(tmp_path):
    body = gzip.compress(b"<p>inner page</p>")
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n\r\n" + body
    plain = record(1)
    head = plain[: plain.index(b"Content-Length")]
    (tmp_path / "a.warc").write_bytes(head + b"Content-Length: %d\r\n\r\n" % len(http) + http + b"\r\n\r\n")
    rows, _ = pages(tmp_path / "a.warc")
    assert rows[0]["html"] == b"<p>inner page</p>"


def test_one_member_for_all_records_gives_each_its_own_id(tmp_path):
    (tmp_path / "a.warc.gz").write_bytes(gzip.compress(b"".join(record(i) for i in range(300)), 1))
    for size in (16_000_000, 3_000):
        rows, damage = pages(tmp_path / "a.warc.gz", size)
        assert [row["url"] for row in rows] == [f"http://site.example/{i}" for i in range(300)]
        assert len({row["id"] for row in rows}) == 300
        assert damage == []


def test_a_page_cannot_smuggle_a_record_in(tmp_path):
    body = b"<p>page</p>" + b"x" * 5_000 + b"\r\n\r\n" + record(666)
    (tmp_path / "a.warc").write_bytes(record(1) + record(2, body) + record(3))
    for size in (16_000_000, 2_000, 300):
        rows, damage = pages(tmp_path / "a.warc", size)
        assert [row["url"][-1] for row in rows] == ["1", "2", "3"]
        assert damage == []


def test_a_page_that_unpacks_without_end_is_damage(tmp_path, monkeypatch):
    monkeypatch.setattr("gptkit.data.warc.PAGE_BYTES", 100_000)
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(
        b"<p>" + b" " * 10_000_000
    )
    plain = record(1)
    bomb = plain[: plain.index(b"Content-Length")] + b"Content-Length: %d\r\n\r\n" % len(http) + http + b"\r\n\r\n"
    (tmp_path / "a.warc").write_bytes(bomb + record(2))
    rows, damage = pages(tmp_path / "a.warc")
    assert [row["url"][-1] for row in rows] == ["2"]
    assert "over 100,000 bytes" in damage[0].reason
