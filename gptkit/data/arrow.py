"""pyarrow without pandas."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

import pyarrow as pa


class _NoPandas(MetaPathFinder):
    """Finds no pandas."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if fullname == "pandas":
            raise ImportError(fullname)


def leave_pandas_out() -> None:
    """Keeps pyarrow from importing pandas, where it is installed, to convert its first value: .2 s in every worker.

    pyarrow looks for pandas once, and remembers. Nothing here gives it objects of pandas; whoever
    imports pandas itself still can.
    """
    if "pandas" in sys.modules:
        return
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.scalar("")
    finally:
        sys.meta_path.remove(finder)
