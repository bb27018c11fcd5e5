"""E-mail and IPv4 addresses against the two expressions they are defined by, on made-up and real text."""

import ipaddress
import os
import re
import time
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from gptkit.clean.pii import replace_pii

SHARED = Path(os.environ.get("GPTKIT_SHARED") or Path(__file__).parents[3] / "shared") / "data"
MAIL = SHARED / "mail" / "spamassassin.jsonl.zst"

# datatrove 0.10, PIIFormatter: the facts this is held against
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
OCTET = "(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)"
LITERAL = rf"\[(?:{OCTET}\.){{3}}(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?|[A-Za-z0-9-]*[A-Za-z0-9]:)]"
EMAIL = re.compile(rf"\b{ATOM}(?:\.{ATOM})*@(?:(?:{LABEL}\.)+{LABEL}|{LITERAL})")
ADDRESS = re.compile(rf"(?:{OCTET}\.){{3}}{OCTET}")


def public(address):
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


def reference(text):
    text, emails = EMAIL.subn("email@example.com", text)
    replaced = [found[0] for found in ADDRESS.finditer(text) if public(found[0])]
    text = ADDRESS.sub(lambda found: "192.0.2.1" if public(found[0]) else found[0], text)
    return text, (emails, len(replaced))


def check(texts):
    found, counts = replace_pii(pa.array(texts, pa.string()))
    expected = [reference(text) for text in texts]
    assert found.to_pylist() == [text for text, _ in expected]
    np.testing.assert_array_equal(counts, np.array([count for _, count in expected]).reshape(len(texts), 2))


ALPHABET = "aZ09.@-_!é日²\u200b :[]\n'"
DIGITS = "0129.5 :x"


@given(st.lists(st.text(ALPHABET, max_size=40), max_size=4))
@example(["a@b.c!d@e.f", "x.y@z-.c", "a..b@c.d", ".a@b.c", "é!a@b.c", "日a@b.c", "²+a@b.co-", "a@b.c.", "a@-b.c"])
@example(["a@[1.2.3.4]", "a@[1.2.3.tag:]", "a@[1.2.3.-:]", "a@[1.2.3.256]", "a@[01.2.3.1x-y:]"])
def test_equals_the_expressions_on_addresses_of_all_shapes(texts):
    check(texts)


@given(st.lists(st.text(DIGITS, max_size=40), max_size=4))
@example(["1.2.3.256", "1234.5.6.7", "300.1.1.1", "10.0.0.1.8.8.8.8", "01.1.1.1", "8.8.8.8.8", "1.1.1.1@a.b"])
@example(["255.255.255.255", "249.250.256.1", "2.2.2.299", "99.99.99.999", "8.8.8"])
def test_equals_the_expressions_on_numbers_of_all_shapes(texts):
    check(texts)


@given(st.lists(st.text(max_size=60), max_size=3))
def test_equals_the_expressions_on_any_text(texts):
    check([text.encode("utf-8", "ignore").decode() + "@a.b 9.9.9.9" for text in texts])


def test_private_and_reserved_addresses_stay():
    text = "10.1.2.3 192.168.0.1 127.0.0.1 169.254.1.1 192.0.2.1 0.0.0.0 8.8.8.8"
    found, counts = replace_pii(pa.array([text]))
    assert found.to_pylist() == [text.replace("8.8.8.8", "192.0.2.1")]
    assert counts.tolist() == [[0, 1]]


def test_replacing_again_changes_nothing():
    once, _ = replace_pii(pa.array(["write to john.doe@example.org or 9.9.9.9, or not", "nothing"]))
    twice, _ = replace_pii(once)
    assert once.to_pylist() == ["write to email@example.com or 192.0.2.1, or not", "nothing"] == twice.to_pylist()


def test_a_slice_and_a_large_column():
    column = pa.array(["no", "a@b.de", "9.9.9.9", "no"], pa.large_string())[1:3]
    found, counts = replace_pii(column)
    assert found.type == pa.large_string()
    assert found.to_pylist() == ["email@example.com", "192.0.2.1"]
    assert counts.tolist() == [[1, 0], [0, 1]]
    assert replace_pii(pa.array([], pa.string()))[0].to_pylist() == []


@pytest.mark.parametrize("unit", ["a.", "@", "a@", "a-", "1.", "1.1.1.", "a@b.", "a@[1.", "!", "é@", "a@b-.c"])
def test_time_is_linear(unit):
    replace_pii(pa.array(["x"]))
    text = pa.array([unit * (500_000 // len(unit.encode()))])
    started = time.perf_counter()
    replace_pii(text)
    assert time.perf_counter() - started < 5


@pytest.mark.skipif(not MAIL.is_file(), reason="GPTKIT_SHARED names no folder with data/mail")
def test_equals_the_expressions_on_mail():
    with open(MAIL, "rb") as file:
        lines = zstandard.ZstdDecompressor().stream_reader(file).read(4_000_000).splitlines()[:-1]
    check([orjson.loads(line)["text"] for line in lines])
