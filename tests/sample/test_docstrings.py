import importlib
import inspect

import pytest

from gptkit.sample.docstrings import sections, topics
from gptkit.sample.reference import LONGEST_PAGE, articles


@pytest.mark.parametrize("name", ["textwrap", "json.decoder", "fractions", "shlex", "string"])
def test_docstrings_equal_what_inspect_finds(name):
    """The oracle imports the module; the code under test never does."""
    module = importlib.import_module(name)
    with open(module.__file__, "rb") as file:
        found = {section.name: section.text for section in sections(file.read())}
    assert found[""] == inspect.getdoc(module)
    expected = {}
    for key, value in vars(module).items():
        if key.startswith("_") or getattr(value, "__module__", None) != name:
            continue
        if inspect.isclass(value):
            expected[key] = value.__doc__ and inspect.cleandoc(value.__doc__)
            for method, function in vars(value).items():
                if inspect.isfunction(function) and (not method.startswith("_") or method == "__init__"):
                    expected[f"{key}.{method}"] = function.__doc__ and inspect.cleandoc(function.__doc__)
        elif inspect.isfunction(value):
            expected[key] = value.__doc__ and inspect.cleandoc(value.__doc__)
    expected = {key: text for key, text in expected.items() if text}
    assert expected
    assert {key: found.get(key) for key in expected} == expected


def test_signatures():
    source = b'''
class A(B, C):
    """A class."""
    def f(self, x: int = 1, *args, y, **kw) -> str:
        """A method."""
    async def g(cls):
        """Another."""
    def _private(self):
        """Hidden."""
def long(''' + b", ".join(b"argument%d" % i for i in range(40)) + b'''):
    """Long."""
'''  # fmt: skip
    found = sections(source)
    assert [s.signature for s in found[1:4]] == ["class A(B, C)", "A.f(x: int=1, *args, y, **kw)", "A.g()"]
    assert len(found[4].signature) <= 100
    assert found[4].signature.endswith("argument7, …)")
    assert [s.level for s in found] == [1, 2, 3, 3, 2]


def test_documentation_added_to_compiled_functions():
    text = "Return the sum of all elements along an axis, as the sum of a wide enough type, or so."
    source = f'add_newdoc("numpy._core", "sum", """{text}""")\nadd_docstr(torch.abs, r"""{text}\n\n{{input}}\n""".format(**args))\n'
    assert [(s.name, s.text) for s in sections(source.encode())[1:]] == [("sum", text), ("torch.abs", text + "\n")]


def test_conditional_definitions_and_odd_encodings():
    source = '# -*- coding: latin-1 -*-\nif True:\n    def f():\n        """Größe."""\n'.encode("latin-1")
    assert sections(source)[1].text == "Größe."


@pytest.mark.parametrize(
    "source", [b'"""x"""\n)', b'"""x"""\0', b"# coding: nonsense\n'''x'''", b'"""' + b"\xff" * 9 + b'"""']
)
def test_broken_sources_raise_what_callers_expect(source):
    with pytest.raises((SyntaxError, ValueError)):
        sections(source)


@pytest.mark.parametrize(
    "deep", ["(" * 50_000, "-" * 50_000 + "1", "a" + ".b" * 50_000, "x = " + "[" * 5000 + "]" * 5000]
)
def test_deep_nesting_raises_and_does_not_crash(deep):
    with pytest.raises((SyntaxError, RecursionError, MemoryError)):
        sections(f'"""x"""\n{deep}\n'.encode() + b"def f(a=" + deep.encode() + b'):\n    """x"""\n')


def test_a_deep_default_value_in_a_signature():
    source = "def f(a=" + "-" * 2000 + '1):\n    """Doc."""\n'
    with pytest.raises((RecursionError, MemoryError)):
        sections(source.encode())


def test_topics():
    assert [s.name for s in topics(b"topics = {'b': 'B\\n*\\n\\ntext', 'a': 'x'}")] == ["a", "b"]
    (page,) = articles(
        "pydoc_data.topics", b"topics = {'with': 'The \"with\" statement\\n******************\\n\\nIt wraps a block.'}"
    )
    assert (page.path, page.title) == ("reference/with", 'The "with" statement')
    assert "<p>It wraps a block.</p>" in page.html


def test_long_modules_are_cut_into_pages():
    text = " ".join(f"word{i}" for i in range(600)) + "."
    source = "".join(f'def f{i}():\n    """{i} {text}"""\n' for i in range(9)).encode()
    pages = articles("a.b", source)
    assert [page.path for page in pages][:2] == ["library/a.b", "library/a.b-f3"]
    assert all(sum(map(len, page.prose)) < LONGEST_PAGE + 2 * len(text) for page in pages)
    assert sum(page.html.count("word599") for page in pages) == 9
