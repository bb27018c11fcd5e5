"""`gptkit dedup` as a command, and what its output says."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from watching import INTERVAL, watch


@dataclasses.dataclass(frozen=True)
class Result:
    """A run, start-up included."""

    output: Path
    seconds: float
    peak: int  # bytes, of all processes together

    @property
    def manifest(self) -> dict[str, Any]:
        """Its manifest."""
        found: dict[str, Any] = json.loads((self.output / "manifest.json").read_text())
        return found

    @property
    def counts(self) -> dict[str, Any]:
        """What it counted."""
        found: dict[str, Any] = self.manifest["counts"]
        return found

    @property
    def phases(self) -> dict[str, float]:
        """Seconds of each phase."""
        found: dict[str, float] = self.manifest["run"]["phase_seconds"]
        return found

    def clusters(self) -> list[dict[str, Any]]:
        """A row for each document that is in a cluster."""
        return [row for path in sorted(self.output.glob("clusters/*")) for row in pq.read_table(path).to_pylist()]

    def removed(self) -> list[dict[str, Any]]:
        """The rows of those that went."""
        return [row for row in self.clusters() if not row["kept"]]

    def kept_ids(self) -> list[str]:
        """The documents that stayed, in their order."""
        paths = sorted(self.output.glob("*.parquet"))
        return [id for path in paths for id in pq.read_table(path, columns=["id"]).column("id").to_pylist()]


def dedup(inputs: Path, output: Path, *options: str, workers: int = 1, interval: float = INTERVAL) -> Result:
    """Runs `gptkit dedup`, and looks at its memory every `interval` seconds. Raises SystemExit where it fails."""
    command = [sys.executable, "-m", "gptkit", "dedup", inputs, "-o", output, "--workers", str(workers), *options]
    watched = watch(command, interval)
    return Result(output, watched.seconds, watched.peak)
