"""Templates of task files: a column's name, or jinja2 in a sandbox."""

import ast
from collections.abc import Mapping
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment, SecurityError

from gptkit.errors import GptkitError

LONGEST = 1_000_000  # characters a template may give


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox with products of sequences and powers held to `LONGEST`, before their memory is taken."""

    intercepted_binops = frozenset(["*", "**"])

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**":
            raise SecurityError("powers are not allowed in a template")
        for sequence, times in ((left, right), (right, left)):
            if isinstance(sequence, str | list | tuple) and isinstance(times, int) and len(sequence) * times > LONGEST:
                raise SecurityError(f"a product of more than {LONGEST:,} characters")
        return super().call_binop(context, operator, left, right)


ENVIRONMENT = _Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)


class Template:
    """One field of a task that is filled in for every item, as lm-eval does it.

    A string that is the name of a column stands for the column's value; any other is a jinja2
    template. Raises GptkitError naming `where` (file and field) for a template that is none.
    """

    def __init__(self, source: str, where: str) -> None:
        self.source = source
        self.where = where
        try:
            self._template = ENVIRONMENT.from_string(source)
        except jinja2.TemplateError as error:
            raise GptkitError(f"{where}: is no template: {error}") from None

    def value(self, row: Mapping[str, Any]) -> Any:
        """The column's value where the source names one, else the rendered text.

        Raises GptkitError for an unknown column and for text longer than `LONGEST`.
        """
        if self.source in row:
            return row[self.source]
        pieces: list[str] = []
        length = 0
        try:
            for piece in self._template.generate(row):
                pieces.append(piece)
                length += len(piece)
                if length > LONGEST:
                    raise SecurityError(f"gives more than {LONGEST:,} characters")
        except Exception as error:  # a template can raise anything: its expressions are the user's
            raise GptkitError(f"{self.where}: {error}") from None
        return "".join(pieces)

    def list_of_text(self, row: Mapping[str, Any]) -> list[str]:
        """The value as a list of strings; rendered text is read as a Python list literal.

        Raises GptkitError where it is none.
        """
        value = self.value(row)
        if isinstance(value, str):
            try:
                value = ast.literal_eval(value)
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                raise GptkitError(f"{self.where}: gives {value[:80]!r}, which is no list") from None
        if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
            raise GptkitError(f"{self.where}: gives {str(value)[:80]!r}, which is no list of texts")
        return list(value)
