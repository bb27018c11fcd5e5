"""The text of tokens as they come, up to a stop string."""

from collections.abc import Iterator, Sequence

from gptkit.model.generate import Generation
from gptkit.model.text import Codec

KNOWN = (4, 3, 2, 1)  # tokens before the new ones to decode with them: what a token is may depend on the one before
LONGEST_HELD = 64  # tokens without the end of a character, which are no text


class TextStream:
    """Gives the text that follows a prompt, token by token; all pieces together are the same however it is cut up.

    Held back are bytes of an incomplete character, and what may be the beginning of a stop string. The text ends before
    the stop string that is the first to be complete (the longest of those); `stopped` says that it came.
    """

    def __init__(self, codec: Codec, prompt_ids: Sequence[int] = (), stops: Sequence[str] = ()) -> None:
        self.stopped = False
        self.text = ""  # all that was given
        self._codec = codec
        self._ids = self._last(prompt_ids)  # the newest ones; those of whole characters are let go
        self._whole = len(self._ids)  # how many of them are whole characters
        self._given = len(codec.decode(self._ids))  # characters of their text
        self._stops = [stop for stop in stops if stop]
        self._held = ""

    def push(self, token: int) -> str:
        """The text that is certain with one token more; none once it has stopped."""
        self._ids.append(token)
        return self._check(self._decoded(LONGEST_HELD))

    def finish(self) -> str:
        """The rest, when no token comes any more."""
        text = self._check(self._decoded(0))
        if self.stopped:
            return text
        rest, self._held = self._held, ""
        self.text += rest
        return text + rest

    def _decoded(self, patience: int) -> str:
        """What is new in the text of the ids; incomplete characters wait for so many tokens."""
        text = self._codec.decode(self._ids)
        # some decoders show a byte of a character as U+FFFD each, and those of the whole ones before it, too
        whole = not text.endswith("\ufffd") or len(self._ids) - self._whole >= patience
        certain = text if whole else text.rstrip("\ufffd")
        new = certain[self._given :]
        self._given = max(self._given, len(certain))
        if whole:
            if len(self._ids) > 2 * len(KNOWN):
                self._ids = self._last(self._ids)
                self._given = len(self._codec.decode(self._ids))
            self._whole = len(self._ids)
        return new

    def _last(self, ids: Sequence[int]) -> list[int]:
        """The last few ids: such that they do not begin within a character."""
        found = (list(ids[-count:]) for count in KNOWN)
        return next((few for few in found if "\ufffd" not in self._codec.decode(few)), list(ids[-LONGEST_HELD:]))

    def _check(self, new: str) -> str:
        """What can be given of the held text and what is new."""
        if self.stopped:
            return ""
        self._held += new
        ends = [(self._held.find(stop) + len(stop), -len(stop)) for stop in self._stops if stop in self._held]
        if ends:
            end, size = min(ends)
            self.stopped = True
            given, self._held = self._held[: end + size], ""
        else:
            waiting = max((_overlap(self._held, stop) for stop in self._stops), default=0)
            cut = len(self._held) - waiting
            given, self._held = self._held[:cut], self._held[cut:]
        self.text += given
        return given


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of the text begin the stop string."""
    sizes = range(min(len(text), len(stop) - 1), 0, -1)
    return next((size for size in sizes if text.endswith(stop[:size])), 0)


def write(generation: Generation, streams: Sequence[TextStream]) -> Iterator[tuple[int, str]]:
    """(row, text) as the tokens of a generation come; a row ends where its stream stops."""
    for row, token in generation:
        yield row, streams[row].push(token)
        if streams[row].stopped:
            generation.end(row)
    for row, stream in enumerate(streams):
        yield row, stream.finish()
