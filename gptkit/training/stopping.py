"""Being asked to stop: the step in hand is ended and saved first."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from gptkit.errors import GptkitError

ASKING = (signal.SIGTERM, signal.SIGINT)


class Stopped(GptkitError):
    """A run that ended because it was asked to; the exit code is that of its signal."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + number


class Asked:
    """Whether somebody has asked: the number of the signal, 0 as long as nobody has."""

    number: int = 0


@contextlib.contextmanager
def listening() -> Iterator[Asked]:
    """Takes note of the first SIGTERM or Ctrl-C within the block; the second one does what it always does."""
    asked = Asked()
    if threading.current_thread() is not threading.main_thread():
        yield asked  # signals are the main thread's
        return
    before = {number: signal.getsignal(number) for number in ASKING}

    def note(number: int, frame: FrameType | None) -> None:
        asked.number = number
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in ASKING:
        signal.signal(number, note)
    try:
        yield asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
