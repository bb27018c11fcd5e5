"""The documented names of a module, from its source by `ast`: nothing is imported."""

import ast
import dataclasses
import inspect
import warnings
from collections.abc import Iterator

LONGEST_SIGNATURE = 100  # characters
LONGEST_DOCSTRING = 100_000  # characters
DEEPEST_CLASS = 3  # classes within classes
SHORTEST_ADDED = 80  # characters
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclasses.dataclass(frozen=True)
class Section:
    """One documented name; the module itself comes first and has level 1."""

    level: int
    name: str  # within the module, with dots; empty for the module
    signature: str
    text: str


def sections(source: bytes) -> list[Section]:
    """The docstrings of a module's public names, in the order of the source; none without triple quotes.

    Raises SyntaxError or ValueError where the source does not parse, and RecursionError or
    MemoryError where it is nested too deeply.
    """
    if b'"""' not in source and b"'''" not in source:  # parsing is most of the work
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a wrong escape in someone's source is none of our user's business
        tree = ast.parse(source)
    module = ast.get_docstring(tree) or ""
    return [Section(1, "", "", module[:LONGEST_DOCSTRING]), *_within(tree.body, "", 2)]


def topics(source: bytes) -> list[Section]:
    """The language reference in `pydoc_data.topics`: a dict of texts, each as a section of its own."""
    tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            values: dict[str, str] = ast.literal_eval(node.value)
            return [Section(1, name, "", inspect.cleandoc(text)) for name, text in sorted(values.items())]
    return []


def _within(body: list[ast.stmt], prefix: str, level: int) -> Iterator[Section]:
    for node in body:
        if isinstance(node, ast.If | ast.Try):  # one of several definitions, by platform or version
            yield from _within(node.body, prefix, level)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield from _added(node.value, level)
        elif isinstance(node, Function | ast.ClassDef) and (not node.name.startswith("_") or node.name == "__init__"):
            name = f"{prefix}{node.name}"
            text = (ast.get_docstring(node) or "")[:LONGEST_DOCSTRING]
            if text:
                yield Section(min(level, 4), name, _signature(node, name), text)
            if isinstance(node, ast.ClassDef) and level < 2 + DEEPEST_CLASS:
                yield from _within(node.body, name + ".", level + 1)


def _added(call: ast.Call, level: int) -> Iterator[Section]:
    """Documentation of compiled functions: numpy's add_newdoc("module", "name", "text"), torch's add_docstr(name, text)."""
    function = ast.unparse(call.func).rsplit(".", 1)[-1]
    if not (function.startswith("add_") and "doc" in function) or len(call.args) < 2:
        return
    name, *others = call.args
    if isinstance(name, ast.Constant) and isinstance(others[0], ast.Constant):
        name, *others = others  # behind the module's name
    strings = [n.value for a in others for n in ast.walk(a) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    text = max(strings, key=len, default="")
    if len(text) > SHORTEST_ADDED:
        # torch fills {placeholders} from tables: such a line says nothing here
        lines = [line for line in inspect.cleandoc(text).split("\n") if "{" not in line]
        full_name = str(name.value) if isinstance(name, ast.Constant) else ast.unparse(name)
        yield Section(level, full_name, full_name, "\n".join(lines)[:LONGEST_DOCSTRING])


def _signature(node: Function | ast.ClassDef, name: str) -> str:
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(ast.unparse(base) for base in node.bases)
        written = f"class {name}({bases})" if bases else f"class {name}"
    else:
        written = f"{name}({_without_self(ast.unparse(node.args))})"
    return written if len(written) <= LONGEST_SIGNATURE else written[: LONGEST_SIGNATURE - 2].rsplit(",", 1)[0] + ", …)"


def _without_self(arguments: str) -> str:
    first, _, others = arguments.partition(", ")
    return others if first in ("self", "cls") else arguments
