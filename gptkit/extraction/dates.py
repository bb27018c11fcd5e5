"""Dates as pages state them, in ISO 8601. Only forms that can be read in one way: 01/05/2024 is none of them."""

import re
from datetime import date

FIRST_YEAR, LAST_YEAR = 1500, 2100
LONGEST = 80  # characters of a date

MONTHS = {
    name: number
    for names in (
        "january february march april may june july august september october november december",
        "jan feb mar apr may jun jul aug sep oct nov dec",
        "januar februar märz april mai juni juli august september oktober november dezember",
        "jänner feber mrz apr mai jun jul aug sept okt nov dez",
    )
    for number, name in enumerate(names.split(), 1)
}
TIME = (
    r"(?:,?(?:[T\s]|\s+at\s+|\s+um\s+)\s*(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d+)?)?"
    r"(?:\s?(?P<half>[ap])\.?m\.?)?\s*(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d)?(?:\s+Uhr)?)?"
)
WEEKDAY = r"(?:[a-z]{2,10}[,.]{1,2}\s*)?"
FORMS = [
    re.compile(form + TIME, re.IGNORECASE | re.ASCII)
    for form in (
        r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})",
        r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)",
        r"(?P<day>\d{1,2})\.\s?(?P<month>\d{1,2})\.\s?(?P<year>\d{4})",  # never month first with full stops
        WEEKDAY + r"(?P<day>\d{1,2})(?:st|nd|rd|th|\.)?[\s-]+(?:of\s+)?(?P<name>[a-zä]{3,9})\.?,?[\s-]+(?P<year>\d{4})",
        WEEKDAY + r"(?P<name>[a-z]{3,9})\.?\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?,?\s+(?P<year>\d{4})",
    )
]


def iso_date(text: str) -> str | None:
    """A date, with its time and zone where they are stated, in ISO 8601; None for what is no date.

    Read are ISO 8601 and the like, RFC 2822, and days with English or German names of months. Fractions
    of a second are left out. A day that no calendar has, and a year outside 1500 to 2100, is None.
    """
    if len(text) > LONGEST:
        return None
    match = next(filter(None, (form.fullmatch(text.strip()) for form in FORMS)), None)
    if match is None:
        return None
    found = match.groupdict()
    month = MONTHS.get(found["name"].lower(), 0) if "name" in found else int(found["month"])
    try:
        day = date(int(found["year"]), month, int(found["day"]))
    except ValueError:
        return None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        return None
    return None if (time := _iso_time(found)) is None else day.isoformat() + time


def _iso_time(found: dict[str, str | None]) -> str | None:
    """`T12:30:00+02:00`, as far as it is stated; None where no clock shows it."""
    if found["hour"] is None or found["minute"] is None:
        return ""
    hour, minute, second = int(found["hour"]), found["minute"], found["second"]
    if found["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + 12 * (found["half"] in "pP")
    if hour > 23 or minute > "59" or (second or "00") > "60":
        return None
    zone = found["zone"] or ""
    if zone.upper() in ("Z", "UTC", "GMT"):
        zone = "Z"
    elif zone:
        zone = f"{zone[:3]}:{zone[-2:]}"
        if zone[1:3] > "14" or zone[4:] > "59":
            return None
    return f"T{hour:02}:{minute}{':' + second if second else ''}{zone}"
