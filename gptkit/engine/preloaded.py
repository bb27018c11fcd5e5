"""What the fork server loads (see fork_server), so that each worker has it from the start.

It is imported there and nowhere else. What cannot be loaded here is left to the worker that needs it, which says why.
"""

import contextlib
import gc

from gptkit.engine.garbage import collect_rarely


def _load() -> None:
    import numba.core.registry
    import pyarrow

    import gptkit.data.portions
    import gptkit.kernels.jit  # noqa: F401

    pyarrow.scalar(0)  # the first value makes pyarrow load pandas
    numba.core.registry.cpu_target.target_context.refresh()  # what the first kernel of a process waits for


collect_rarely()
with contextlib.suppress(BaseException):
    _load()
gc.freeze()  # a collection would else write to all pages, which the workers share
