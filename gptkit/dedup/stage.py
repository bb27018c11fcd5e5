"""`gptkit dedup`: of what is equal, or nearly so, one stays."""

from collections.abc import Sequence
from pathlib import Path

from gptkit.data.manifest import Manifest
from gptkit.dedup.settings import DedupSettings
from gptkit.engine.stage import Runtime


def run(inputs: Sequence[str], output: Path, settings: DedupSettings, runtime: Runtime) -> Manifest | None:
    """Removes duplicates from the documents of `[NAME=]PATH` inputs. None with --dry-run.

    Raises GptkitError and UsageError where inputs, sources or columns are not there.
    """
    if settings.unit == "document":
        from gptkit.dedup.documents import run as run_documents

        return run_documents(inputs, output, settings, runtime)
    if settings.unit == "substring":
        from gptkit.dedup.substrings import run as run_substrings

        return run_substrings(inputs, output, settings, runtime)
    from gptkit.dedup.lines import run as run_lines

    return run_lines(inputs, output, settings, runtime)
