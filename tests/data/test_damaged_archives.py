"""Every file of data/web/damaged: how many documents come out of it, and what damage is reported where."""

import os
from collections import Counter
from pathlib import Path

import pytest

from gptkit.data.inputs import find_inputs
from gptkit.data.pieces import cut, read
from gptkit.errors import GptkitError

WEB = Path(os.environ.get("GPTKIT_SHARED") or Path(__file__).parents[3] / "shared") / "data" / "web"
pytestmark = pytest.mark.skipif(not WEB.is_dir(), reason="GPTKIT_SHARED names no folder with data/web")

FOUND = {
    "block-sized-records.warc": (0, []),
    "block-sized-records.warc.gz": (0, []),
    "block-sized-records.warc.lz4": (0, []),
    "clipped.warc.gz": (0, [(0, "record ends after 75207 of 88275 bytes")]),
    "clueweb-quirk.warc.gz": (29, []),
    "example-bad-non-chunked.warc.gz": (1, []),
    "example-digest.warc": (0, []),
    "example-iana.org-chunked.warc": (1, []),
    "example-resource.warc.gz": (1, []),
    "example-space-in-target-uri.warc.gz": (0, []),
    # its record is two bytes short: the packed page lacks its end, and no record begins where the next should
    "example-trunc.warc": (0, [(1197, "the body ends inside its packed data"), (2564, "Invalid WARC header")]),
    "example-wget-bad-target-uri.warc.gz": (1, []),
    "example-wrong-chunks.warc.gz": (1, []),
    "example.warc": (1, []),
    "example.warc.gz": (1, []),
    "made-flipped-byte.warc.gz": (5, [(11297, "Gzip decompression error: data error")]),
    "made-truncated.warc.gz": (4, [(37105, "record ends after 11229 of 38742 bytes")]),
    "post-test.warc.gz": (0, []),
    "warcfile.warc.lz4": (16, []),
}
REFUSED = {
    "bad.arc": "ARC file",
    "example-space-in-url.arc": "ARC file",
    "example.arc": "ARC file",
    "example.arc.gz": "ARC file",
    "example-bad.warc.gz.bad": "is read by its ending",
}


def documents(path, task_bytes=16_000_000):
    damage = []
    pieces = [piece for task in cut(find_inputs([str(path)]).files, task_bytes) for piece in task]
    rows = [row for piece in pieces for batch in read(piece, [], damage, Counter()) for row in batch.to_pylist()]
    return rows, damage


def test_every_file_is_in_the_table():
    assert {path.name for path in (WEB / "damaged").iterdir()} == {"README.md", *FOUND, *REFUSED}


@pytest.mark.parametrize("name", FOUND)
def test_what_is_sound_is_read_and_what_is_not_is_reported(name):
    count, expected = FOUND[name]
    for task_bytes in (16_000_000, 20_000):
        rows, damage = documents(WEB / "damaged" / name, task_bytes)
        assert (len(rows), [(entry.offset, entry.reason) for entry in damage]) == (count, expected)
        assert all(entry.file == name for entry in damage)
        assert len({row["id"] for row in rows}) == count
        assert all(row["url"] and row["html"] for row in rows)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_warc_is_refused_in_one_line(name):
    with pytest.raises(GptkitError, match=REFUSED[name]) as caught:
        documents(WEB / "damaged" / name)
    assert "\n" not in str(caught.value)


def test_a_page_and_its_text_from_a_crawl():
    ((page,), damage) = documents(WEB / "commoncrawl.warc.gz")
    ((text,), more) = documents(WEB / "commoncrawl.wet.gz")
    assert damage == more == []
    assert page["url"] == text["url"] == "https://an.wikipedia.org/wiki/Escopete"
    assert text["text"].startswith("Escopete - Biquipedia, a enciclopedia libre\nIr al contenido")
    assert text["identified_language"] == "spa"
    assert "html" not in text
    with pytest.raises(GptkitError, match="holds metadata only"):
        documents(WEB / "commoncrawl.wat.gz")
