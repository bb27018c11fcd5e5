"""Templates of task files: a column's name, or jinja2 in a sandbox that a template cannot fill the memory from.

Every value that a template makes is held to `LONGEST`: literals, sums and products, what filters give and
what methods give. Whatever could make a value much larger than its operands is weighed before, or is missing.
"""

import ast
import functools
from collections.abc import Callable, Iterator, Mapping, MappingView
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment, SecurityError
from jinja2.visitor import NodeTransformer

from gptkit.errors import GptkitError

LONGEST = 1_000_000  # characters a template may give, and characters, elements and bits of a value within it

STATEMENTS = (nodes.Output, nodes.For, nodes.If, nodes.Assign)  # others gather text before it can be counted
METHODS = {
    str: frozenset(
        "capitalize casefold count endswith find index isalnum isalpha isdecimal isdigit islower isnumeric isspace "
        "istitle isupper join lower lstrip partition removeprefix removesuffix replace rfind rindex rpartition rsplit "
        "rstrip split splitlines startswith strip swapcase title upper".split()
    ),
    list: frozenset({"count", "index"}),
    tuple: frozenset({"count", "index"}),
    dict: frozenset({"get", "items", "keys", "values"}),
    LoopContext: frozenset({"cycle"}),
}
FILTERS = (
    "abs capitalize count d default dictsort first float int items join last length list lower map max min reject "
    "rejectattr replace reverse select selectattr sort string sum title tojson trim unique upper wordcount"
).split()
BOUNDED = "bounded"  # the filter that stands around every literal


def _size(value: Any) -> int:
    """The characters, elements and bits of a value, counted no further than until they exceed `LONGEST`."""
    total, rest = 0, [value]
    while rest and total <= LONGEST:
        part = rest.pop()
        if isinstance(part, str):
            total += len(part)
        elif isinstance(part, int):
            total += part.bit_length()
        elif isinstance(part, Mapping):
            total += len(part)
            rest.extend([*part.keys(), *part.values()])
        elif isinstance(part, list | tuple | range | MappingView):
            total += len(part)
            rest.extend(part)  # type: ignore[arg-type]  # and can be gone through
    return total


def _refuse_above(size: int, what: str) -> None:
    if size > LONGEST:
        raise SecurityError(f"{what} more than {LONGEST:,} characters")


def _bounded(value: Any) -> Any:
    """The value itself, or a list of what an iterator gives. Raises SecurityError beyond `LONGEST`."""
    if isinstance(value, Iterator):
        gathered, size = [], 0
        for part in value:
            gathered.append(part)
            size += 1 + _size(part)
            _refuse_above(size, "gives")
        return gathered
    _refuse_above(_size(value), "gives")
    return value


def _weigh_join(value: Any, d: Any = "", attribute: Any = None) -> None:
    _refuse_above(_size(d) * len(value), "joins to")


def _weigh_replace(s: Any, old: Any, new: Any, count: Any = None) -> None:
    _refuse_above(str(s).count(str(old)) * len(str(new)), "replaces by")


def _weigh_tojson(value: Any, indent: Any = None) -> None:
    if indent is not None:
        raise SecurityError("tojson takes no indent in a template")


WEIGHED: dict[str, Callable[..., None]] = {"join": _weigh_join, "replace": _weigh_replace, "tojson": _weigh_tojson}


def _bounded_filter(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)  # with jinja2's marks of what is passed first
    def checked(*args: Any, **kwargs: Any) -> Any:
        if name in WEIGHED:
            WEIGHED[name](*args[1:], **kwargs)  # the three are given jinja2's evaluation context first
        return _bounded(function(*args, **kwargs))

    return checked


class _Environment(ImmutableSandboxedEnvironment):
    """jinja2's sandbox with nothing but the filters, methods and operators that stay within `LONGEST`."""

    intercepted_binops = frozenset(["+", "*", "%", "**"])

    def __init__(self) -> None:
        super().__init__(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
        self.filters = {name: _bounded_filter(name, self.filters[name]) for name in FILTERS} | {BOUNDED: _bounded}
        self.globals = {"range": self.globals["range"]}  # the sandbox's own, which has its limit

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**":
            raise SecurityError("powers are not allowed in a template")
        if operator == "%" and isinstance(left, str):
            raise SecurityError("formatting by % is not allowed in a template")
        if operator == "*":
            for sequence, times in ((left, right), (right, left)):
                if isinstance(sequence, str | list | tuple) and isinstance(times, int):
                    _refuse_above(_size(sequence) * times, "a product of")
        return _bounded(super().call_binop(context, operator, left, right))

    def call(self, context: Any, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        if isinstance(function, jinja2.Undefined):
            function()  # raises an error that has its name
        owner, name = getattr(function, "__self__", None), getattr(function, "__name__", type(function).__name__)
        if function is not self.globals["range"] and name not in METHODS.get(type(owner), ()):
            raise SecurityError(f"{name}() is not allowed in a template")
        if isinstance(owner, str) and name == "join":
            for parts in args:
                _weigh_join(parts, owner)
        if isinstance(owner, str) and name == "replace":
            _weigh_replace(owner, *args, **kwargs)
        return _bounded(super().call(context, function, *args, **kwargs))


class _Bounds(NodeTransformer):
    """Puts `BOUNDED` around literals, which can hold one value many times, and makes a ~ b out of join."""

    def visit_List(self, node: nodes.List) -> nodes.Node:
        return _filtered(self.generic_visit(node), BOUNDED)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:
        return _filtered(self.generic_visit(node), BOUNDED)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        visited = self.generic_visit(node)
        return _filtered(visited, BOUNDED) if node.ctx == "load" else visited  # else it is what is assigned to

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        return _filtered(self.visit(nodes.List(node.nodes, lineno=node.lineno)), "join")


def _filtered(node: nodes.Node, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


ENVIRONMENT = _Environment()


def _compile(source: str) -> jinja2.Template:
    tree = ENVIRONMENT.parse(source)
    for statement in tree.find_all(nodes.Stmt):
        if not isinstance(statement, STATEMENTS) or (isinstance(statement, nodes.For) and statement.recursive):
            raise SecurityError(f"{type(statement).__name__.lower()} in line {statement.lineno} is not supported")
    bounded: nodes.Template = _Bounds().visit(tree)
    bounded.set_environment(ENVIRONMENT)
    return ENVIRONMENT.from_string(bounded)


def _reason(error: Exception) -> str:
    return "needs too much memory" if isinstance(error, MemoryError) else str(error)


class Template:
    """One field of a task that is filled in for every item, as lm-eval does it.

    A string that is the name of a column stands for the column's value; any other is a jinja2
    template: text, expressions, if, for and set. Raises GptkitError naming `where` (file and field)
    for a template that is none.
    """

    def __init__(self, source: str, where: str) -> None:
        self.source = source
        self.where = where
        try:
            self._template = _compile(source)
        except Exception as error:  # beside its own errors jinja2 lets those of Python's compiler through
            raise GptkitError(f"{where}: is no template: {_reason(error)}") from None

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
                _refuse_above(length, "gives")
        except Exception as error:  # a template can raise anything: its expressions are the user's
            raise GptkitError(f"{self.where}: {_reason(error)}") from None
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
