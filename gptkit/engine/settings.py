"""Reads a stage's settings class, the one source of its flags, recipe keys and help.

A settings class is a frozen dataclass of which every field has a default and is annotated as
``Annotated[type, "help text"]`` or ``Annotated[type, "help text", "unit"]``. The type is bool,
int, float, str, a Literal of strings, a tuple of one of these, or any of them ``| None``.
Fields named in the class variable ``OUTSIDE_DIGEST`` do not change what a stage writes.
A ``__post_init__`` may raise ValueError for values that make no sense.
"""

import dataclasses
import difflib
import math
import re
import types
import typing
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Literal

from gptkit.errors import UsageError

COUNT = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?) *([kKMGBT]?)B?")
SCALE = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9, "T": 10**12}


@dataclasses.dataclass(frozen=True)
class Option:
    """One setting, as the command line, a recipe and the help need to know it."""

    name: str
    kind: type
    many: bool
    optional: bool
    choices: tuple[str, ...]
    default: Any
    help: str
    unit: str

    @property
    def flag(self) -> str:
        """The option's long name on the command line."""
        return "--" + self.name.replace("_", "-")

    def read(self, value: Any) -> Any:
        """Turns a YAML value or a command-line string into the setting's type.

        Raises ValueError with the reason, without the option's name.
        """
        if value is None:
            if self.optional:
                return None
            raise ValueError("a value is needed")
        if self.many:
            parts = value.split(",") if isinstance(value, str) else value
            if parts == [""]:
                parts = []
            if not isinstance(parts, list | tuple):
                parts = [parts]
            return tuple(self._read_one(part) for part in parts)
        return self._read_one(value)

    def _read_one(self, value: Any) -> Any:
        if isinstance(value, str):
            value = value.strip()
        if self.choices and value not in self.choices:
            raise ValueError(f"{value!r} is none of {', '.join(self.choices)}")
        if self.kind is bool:
            if isinstance(value, bool):
                return value
            raise ValueError(f"{value!r} is neither true nor false")
        if self.kind is int:
            return read_count(value)
        if self.kind is float:
            try:
                if isinstance(value, bool) or not math.isfinite(float(value)):
                    raise ValueError
                return float(value)
            except (TypeError, ValueError, OverflowError):
                raise ValueError(f"{value!r} is not a number") from None
        if not isinstance(value, str):
            # YAML reads an unquoted 1 or no as something else than text
            raise ValueError(f"{value!r} is not text (quote it)")
        return value


def read_count(value: Any) -> int:
    """Reads a whole number: 5, "5k", "20MB", "1.5G" (decimal multiples). Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    match = COUNT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not a whole number")
    exact = Fraction(match[1]) * SCALE[match[2]]  # as a float, 2.3M would be no whole number
    if exact.denominator != 1:
        raise ValueError(f"{value!r} is not a whole number")
    return int(exact)


def options(settings_class: type) -> list[Option]:
    """The options of a settings class, in the order of its fields."""
    hints = typing.get_type_hints(settings_class, include_extras=True)
    return [_option(field, hints[field.name]) for field in dataclasses.fields(settings_class)]


def _option(field: dataclasses.Field, hint: Any) -> Option:
    annotation, text, *unit = typing.get_args(hint)
    optional = many = False
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        optional = True
        (annotation,) = (part for part in typing.get_args(annotation) if part is not type(None))
    if typing.get_origin(annotation) is tuple:
        many = True
        annotation = typing.get_args(annotation)[0]
    choices: tuple[str, ...] = ()
    if typing.get_origin(annotation) is Literal:
        choices = typing.get_args(annotation)
        annotation = str
    return Option(field.name, annotation, many, optional, choices, field.default, text, unit[0] if unit else "")


def make_settings(settings_class: type, values: Mapping[str, Any], where: str) -> Any:
    """Builds settings from a recipe's mapping or the command line's values.

    Keys may be written with dashes or underscores. Raises UsageError naming `where`, the key and
    the nearest known key.
    """
    known = {option.name: option for option in options(settings_class)}
    read: dict[str, Any] = {}
    for key, value in values.items():
        name = str(key).replace("-", "_")
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
            raise UsageError(f"{where}: unknown setting {key!r}; {hint}")
        try:
            read[name] = known[name].read(value)
        except ValueError as error:
            raise UsageError(f"{where}: {known[name].flag}: {error}") from None
    try:
        return settings_class(**read)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None


def digest_values(settings: Any) -> dict[str, Any]:
    """The settings that can change what a stage writes, as JSON values."""
    outside: frozenset[str] = getattr(settings, "OUTSIDE_DIGEST", frozenset())
    return {
        option.name: list(value) if isinstance(value := getattr(settings, option.name), tuple) else value
        for option in options(type(settings))
        if option.name not in outside
    }
