"""What a cleaning run would do, from a sample of its input: the funnel, the rate and the time."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from gptkit.clean.chain import RULE_ORDER, STEPS, chain_of
from gptkit.clean.funnel import Funnel
from gptkit.clean.settings import CleanSettings
from gptkit.clean.stage import compile_chain
from gptkit.data.inputs import find_inputs
from gptkit.data.pieces import cut, further_columns, merged, read
from gptkit.engine.stage import Runtime

SAMPLES = 32  # places in the input, evenly apart
DOCUMENTS = 200  # of each place, at most
WARM_UP = 20  # documents
SECONDS = 10.0  # after which no further place is looked at


def preview(inputs: Sequence[str], settings: CleanSettings, runtime: Runtime) -> dict[str, Any]:
    """Cleans a sample in this process and reckons from it.

    Gives `documents` and `bytes` of the sample, its `funnel` (see `Funnel.counts`), the `share` of
    the input it was, and, reckoned from it: `documents_in`, `documents_out`, `bytes_out`,
    `megabytes_per_second` (of input unpacked, for each worker) and `seconds` for the whole.
    Raises GptkitError where inputs are missing.
    """
    found = find_inputs(inputs, settings.text_column)
    compile_chain(settings, found.files, runtime)
    groups = cut(found.files)
    chosen = groups[:: -(-len(groups) // SAMPLES)]
    further = list(pa.schema(further_columns(found.files)))
    chain, funnel = chain_of(settings), Funnel()
    total = sum(piece.weight for pieces in groups for piece in pieces)
    seen = Counter[str]()
    started = 0.0
    for pieces in chosen:
        for batch in merged(read(pieces[0], further, [], Counter())):
            some = batch[:DOCUMENTS]
            if not started:
                chain.run(some[:WARM_UP])  # what is loaded once is no part of the rate
                started = time.monotonic()
            outcome = chain.run(some)
            funnel.merge(outcome.funnel)
            seen.update(documents_in=len(some), documents_out=len(outcome.kept))
            seen.update(bytes_in=some.nbytes)
            break
        if started and time.monotonic() - started > SECONDS:
            break
    seconds = time.monotonic() - started
    share = min(1.0, seen["bytes_in"] / total) if total else 1.0
    if runtime.limit is not None and share:  # of the documents that will be read
        most = seen["documents_in"] / share
        total = round(total * min(1.0, runtime.limit / most))
        share = min(1.0, seen["bytes_in"] / max(1, total))
    rate = seen["bytes_in"] / seconds
    table = funnel.counts(STEPS, RULE_ORDER)
    bytes_out = table["steps"][-1]["bytes_out"] if table["steps"] else 0
    return {
        "documents": seen["documents_in"],
        "bytes": seen["bytes_in"],
        "share": share,
        "documents_in": round(seen["documents_in"] / share) if share else 0,
        "documents_out": round(seen["documents_out"] / share) if share else 0,
        "bytes_out": round(bytes_out / share) if share else 0,
        "megabytes_per_second": rate / 1e6,
        "seconds": total / rate / max(1, runtime.pool.workers) if rate else 0.0,
        "funnel": table,
    }
