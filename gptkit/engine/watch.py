"""Which document a worker is at, so that one that ends or hangs its worker can be named and left out."""

import time

NOWHERE, MANY = -1, -2
_place: memoryview | None = None  # int64 [document, since when]: memory shared with the parent


def attach(place: memoryview) -> None:
    """Tells a worker where its parent looks."""
    global _place
    _place = place
    leave()


def at(document: int) -> None:
    """Says that work on a document begins; `document` is its number within the task, from 0."""
    if _place is not None:
        _place[1] = time.monotonic_ns()
        _place[0] = document


def at_many() -> None:
    """Says that work on many documents together begins: if it ends or hangs the worker, they are taken one by one."""
    at(MANY)


def leave() -> None:
    """Says that the worker is at no single document."""
    if _place is not None:
        _place[0] = NOWHERE


def seconds(place: memoryview) -> float:
    """For how long a worker has been at its document; 0 where it is at none."""
    since = place[1]
    return (time.monotonic_ns() - since) / 1e9 if place[0] != NOWHERE else 0.0
