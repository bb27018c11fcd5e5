"""How kernels are compiled: without the interpreter, without bounds checks, kept on disk.

Kernels get plain arrays: the UTF-8 bytes and offsets of an Arrow string column. They do not check
bounds, so sizes are checked in Python before the call. What is compiled is kept in a folder that
is named by the source of all kernels: numba itself does not notice when a helper or a constant
changes in another file than the kernel's.
"""

import contextlib
import hashlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba

SOURCES = sorted(Path(__file__).parent.glob("*.py"))
SOURCE = hashlib.sha256(b"\0".join(path.read_bytes() for path in SOURCES)).hexdigest()[:16]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gptkit" / "numba" / SOURCE

try:  # numba reads its cache back with pickle: the folder is ours alone
    CACHE.mkdir(mode=0o700, parents=True, exist_ok=True)
    CACHE.chmod(0o700)
    CACHE.parent.chmod(0o700)
    numba.config.CACHE_DIR = str(CACHE)  # type: ignore[attr-defined]
except OSError:  # no home to write to: kernels are compiled in each process
    pass


if "scipy.linalg" not in sys.modules:
    sys.modules["scipy.linalg"] = None  # type: ignore[assignment]  # for matrix products in kernels: there are none,
    try:  # and loading it takes a seventh of a second in each process
        import numba.np.arraymath
    finally:
        del sys.modules["scipy.linalg"]

NO_RUNTIME: dict[str, Any] = {"_nrt": False}  # not in numba's stubs
KERNELS: list[Any] = []  # all that were declared so far


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles a function that is called from Python."""
    KERNELS.append(numba.njit(cache=True, nogil=True, error_model="numpy")(function))
    compiled: Callable[..., Any] = KERNELS[-1]
    return compiled


def helper(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles a function that kernels call; it is inlined by LLVM. It must not make arrays (see `routine`)."""
    return numba.njit(forceinline=True, error_model="numpy", **NO_RUNTIME)(function)


def routine(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles a function that kernels call, and that is too long to be inlined. It must not make arrays.

    Without numba's runtime it has no arrays to free, so that nothing counts references to its
    arguments at each call: kernels that call it for each word are two to three times as fast.
    """
    return numba.njit(cache=True, nogil=True, error_model="numpy", **NO_RUNTIME)(function)


def compile_kernels(say: Callable[[str], None], warm_up: Callable[[], object], name: str) -> None:
    """Compiles kernels by calling `warm_up`, so that workers find them on disk, and says so.

    What was compiled for this processor under the same `name` before is not looked at again.
    """
    mark = CACHE / f"{name}-{numba.__version__}-{llvmlite.binding.get_host_cpu_name()}.ready"
    if mark.exists():
        return
    if not any(CACHE.glob("*/*.nbi")):
        say("compiling kernels, once: about half a minute")
    started, before = time.monotonic(), _misses()
    warm_up()
    misses = _misses() - before
    if misses:
        say(f"compiled {misses} kernels in {time.monotonic() - started:.1f} s (kept for next time)")
    with contextlib.suppress(OSError):
        mark.touch()


def _misses() -> int:
    return sum(sum(kernel.stats.cache_misses.values()) for kernel in KERNELS)
