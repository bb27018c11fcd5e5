"""Text to token ids and back."""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from gptkit.data.files import read_json
from gptkit.data.vocabulary import find_end_of_text
from gptkit.errors import GptkitError


class Codec:
    """A tokenizer of the tokenizers library. Raises GptkitError where the file is none.

    Special tokens written out in a text are text: encoding never gives a special id. `end_of_text` names
    the token that ends a document where it has not one of the usual names.
    """

    def __init__(self, tokenizer_path: Path, end_of_text: str | None = None) -> None:
        try:
            self._tokenizer = Tokenizer.from_file(str(tokenizer_path))
        except Exception as error:  # the library raises plain Exception
            reason = "no such file" if not tokenizer_path.exists() else f"is no tokenizer ({error})"
            raise GptkitError(f"{tokenizer_path}: {reason}") from None
        self._tokenizer.encode_special_tokens = True  # special tokens are split like any text
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.end_of_text: int | None = find_end_of_text(read_json(tokenizer_path), end_of_text)
        self.vocab_size: int = 1 + max(self._tokenizer.get_vocab().values(), default=-1)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without any that the tokenizer would put around it.

        Half a surrogate pair, which is no text, counts as a question mark.
        """
        sound = text.encode("utf-8", "replace").decode()
        ids: list[int] = self._tokenizer.encode(sound, add_special_tokens=False).ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids; special tokens give none, bytes that are no UTF-8 give U+FFFD."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        return text
