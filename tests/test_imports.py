"""The staircase of imports: an import goes down, never up or sideways."""

import ast
import sys
from pathlib import Path

import pytest

import gptkit

ROOT = Path(gptkit.__file__).parent
LEVELS = [
    {"cli"},
    {"recipes"},
    {"sample", "clean", "dedup", "decontamination", "mixture", "tokenization", "training", "evaluation"},
    {"extraction", "bpe", "model", "tasks", "sampling"},
    {"engine"},
    {"data"},
    {"kernels"},
    {"errors"},
]
LEVEL = {part: level for level, parts in enumerate(LEVELS) for part in parts}
FILES = sorted(path for path in ROOT.rglob("*.py") if "pipelines" not in path.parts and "evals" not in path.parts)
# A GPU node's image has little else; whatever more a function needs, it imports itself
LEAN = {"training", "model", "tasks", "evaluation", "engine", "sampling"}
LEAN_DATA = {"manifest", "tokens", "files", "vocabulary"}
ALLOWED = {"torch", "numpy", "safetensors", "tokenizers", "yaml", "jinja2", "click", "rich", "gptkit"}


def part(path):
    """The room, or whatever else, a file belongs to: cli, engine, errors, …"""
    return path.relative_to(ROOT).with_suffix("").parts[0]


def imports(path, anywhere=True):
    """The modules a file imports, in functions too unless told otherwise."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = []
    for node in ast.walk(tree) if anywhere else _at_import(tree.body):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found += [f"{node.module}.{alias.name}" if node.module == "gptkit" else node.module for alias in node.names]
    return found


def _at_import(body):
    """The statements that run when a module is imported, except those for type checkers."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node
        for name in ("body", "orelse", "finalbody", "handlers"):
            inner = getattr(node, name, [])
            if isinstance(inner, list):
                yield from _at_import(inner)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path):
    here = part(path)
    if here in ("__init__", "__main__"):
        return
    for module in imports(path):
        name, _, rest = module.partition(".")
        if name != "gptkit":
            continue
        there = rest.split(".")[0]
        assert there in LEVEL, f"{module} has no level"
        assert there == here or LEVEL[there] > LEVEL[here], f"{path.relative_to(ROOT)} imports {module}"


def test_every_part_has_a_level():
    parts = {part(path) for path in FILES} - {"__init__", "__main__"}
    assert parts == set(LEVEL)


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("*/*settings.py")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_a_rooms_settings_import_only_the_standard_library(path):
    if part(path) == "engine":  # what reads settings classes, itself no room
        return
    modules = set(imports(path))
    for table in [module for module in modules if module.startswith(f"gptkit.{part(path)}.")]:  # such as clean/rules.py
        modules = modules - {table} | set(imports(ROOT.parent / (table.replace(".", "/") + ".py")))
    assert {module.split(".")[0] for module in modules} <= sys.stdlib_module_names


@pytest.mark.parametrize("path", sorted(ROOT.glob("cli/*.py")), ids=lambda path: path.name)
def test_commands_load_nothing_heavy_at_import(path):
    for module in imports(path, anywhere=False):
        ours = (
            module == "gptkit.errors"
            or module.startswith("gptkit.cli.")
            or module.endswith(("settings", ".clean.rules"))
        )
        engine = module.startswith("gptkit.engine.")  # pool, progress, stage: the standard library alone
        assert ours or engine or module.split(".")[0] in sys.stdlib_module_names | {"click"}, module


@pytest.mark.parametrize("path", [path for path in FILES if part(path) in LEAN], ids=lambda p: str(p.relative_to(ROOT)))
def test_what_runs_on_a_gpu_node_needs_little(path):
    assert {module.split(".")[0] for module in imports(path, anywhere=False)} <= sys.stdlib_module_names | ALLOWED


@pytest.mark.parametrize("name", sorted(LEAN_DATA))
def test_the_ground_of_a_gpu_node_needs_little(name):
    path = ROOT / "data" / f"{name}.py"
    assert {module.split(".")[0] for module in imports(path, anywhere=False)} <= sys.stdlib_module_names | ALLOWED


def test_init_files_are_empty():
    assert [str(path) for path in ROOT.rglob("__init__.py") if path.read_bytes()] == []
