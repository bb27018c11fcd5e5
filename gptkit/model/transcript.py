"""A talk written down as plain text, which a base model goes on with."""

from gptkit.model.text import Codec


class Transcript:
    """Turns of two speakers, each a line "name: text"; the oldest are dropped where the context is full."""

    def __init__(self, codec: Codec, user: str, assistant: str) -> None:
        self.codec = codec
        self.user, self.assistant = user, assistant
        self.turns: list[tuple[str, str]] = []  # what was said, and the answer

    @property
    def stop(self) -> str:
        """What begins the user's next turn, and so ends an answer."""
        return f"\n{self.user}:"

    def ask(self, line: str, room: int) -> tuple[list[int], int]:
        """The ids up to where the answer to a line begins, and how many of the oldest turns were dropped for them to be
        at most `room`. They can still be more, where the line itself is longer."""
        dropped = 0
        while len(ids := self.codec.encode(self._text(line))) > room and self.turns:
            del self.turns[0]
            dropped += 1
        return ids, dropped

    def add(self, line: str, answer: str) -> None:
        """Writes a turn and its answer down."""
        self.turns.append((line, answer.strip()))

    def _text(self, line: str) -> str:
        said = "".join(f"{self.user}: {asked}\n{self.assistant}: {answer}\n" for asked, answer in self.turns)
        return f"{said}{self.user}: {line}\n{self.assistant}:"
