"""Dates in the forms that pages state, against Python's own writers of them."""

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptkit.extraction.dates import iso_date

ZONES = st.integers(-12 * 4, 14 * 4).map(lambda quarters: timezone(timedelta(minutes=15 * quarters)))
MOMENTS = st.datetimes(datetime(1500, 1, 1), datetime(2100, 12, 31), timezones=ZONES).map(
    lambda moment: moment.replace(microsecond=0)
)


def utc(text):
    return text.replace("+00:00", "Z")


@given(MOMENTS)
def test_what_python_writes(moment):
    iso = moment.isoformat()
    assert utc(iso_date(iso)) == utc(iso)
    assert utc(iso_date(moment.replace(microsecond=123).isoformat(" "))) == utc(iso)
    if moment.year >= 1900:
        assert utc(iso_date(format_datetime(moment))) == utc(iso)
    assert iso_date(moment.strftime("%Y%m%d")) == iso[:10]
    assert iso_date(moment.strftime("%B %d, %Y")) == iso[:10]
    assert iso_date(moment.strftime("%d %b %Y, %H:%M")) == iso[:16]
    assert iso_date(moment.strftime("%B %d, %Y at %I:%M %p")) == iso[:16]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-01", "2024-05-01"),
        (" 2024/5/1 ", "2024-05-01"),
        ("2024.05.01 7:30", "2024-05-01T07:30"),
        ("2024-05-01T12:30:00.000Z", "2024-05-01T12:30:00Z"),
        ("2024-05-01T12:30:00+0200", "2024-05-01T12:30:00+02:00"),
        ("2024-05-01 12:30:00 UTC", "2024-05-01T12:30:00Z"),
        ("Wed, 1 May 2024 12:30:00 GMT", "2024-05-01T12:30:00Z"),
        ("1.5.2024", "2024-05-01"),
        ("01.05.2024, 12:30 Uhr", "2024-05-01T12:30"),
        ("1. Mai 2024", "2024-05-01"),
        ("Mittwoch, 1. Mai 2024 um 12:30 Uhr", "2024-05-01T12:30"),
        ("3. März 2024", "2024-03-03"),
        ("May 1st, 2024", "2024-05-01"),
        ("Sept. 3, 2024", "2024-09-03"),
        ("the 1st of May 2024", None),
        ("01/05/2024", None),  # of May, or the fifth of January
        ("2024-05", None),
        ("2024", None),
        ("2023-02-29", None),
        ("2024-13-01", None),
        ("2024-05-01T25:00", None),
        ("2024-05-01T12:61", None),
        ("2024-05-01T12:00+23:00", None),
        ("May 1, 2024 at 13:00 pm", None),
        ("2101-01-01", None),
        ("0001-01-01T00:00:00Z", None),
        ("yesterday", None),
        ("Foo 1, 2024", None),
        ("1714564800", None),
        ("20240501T1230", None),
        ("２０２４-05-01", None),
        ("2024-05-01 and more", None),
        ("", None),
    ],
)
def test_strict_forms(text, expected):
    assert iso_date(text) == expected


@given(st.text(st.sampled_from("0123456789-/.: TZ+amMyMai,äé"), max_size=30) | st.text(max_size=20))
def test_any_text(text):
    found = iso_date(text)
    assert found is None or datetime.fromisoformat(found.replace("Z", "+00:00").replace(":60", ":59"))
