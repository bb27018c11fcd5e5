"""The memory plan of a training run against what it really allocates, as a Markdown table.

    python tests/benchmarks/bench_memory.py [--device cuda] [--quick]

Each figure is of a fresh process that trains two steps of random tokens as `gptkit train` does. "Allocated" is the peak
by torch's own record of its allocator: on a GPU torch.cuda.max_memory_allocated, on the CPU the profiler's. "Held" is
the peak of the process's resident memory on the CPU, less what it held after a step of a tiny model: with what is lost
between blocks of memory, and what oneDNN takes for itself.
"""

import dataclasses
import gc
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import torch
from torch.profiler import ProfilerActivity, profile

from gptkit.model.config import ModelConfig
from gptkit.model.presets import preset
from gptkit.model.transformer import Transformer
from gptkit.training.device import Device, prepare
from gptkit.training.loss import linear_cross_entropy
from gptkit.training.memory import OptimiserName, readable, training_memory
from gptkit.training.optimiser import Optimiser
from gptkit.training.settings import TrainSettings

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
TINY = ModelConfig(vocab_size=512, context=64, layers=2, heads=2, width=64)


@dataclasses.dataclass(frozen=True)
class Run:
    """What is measured; by keyword arguments of gptkit.training.memory.training_memory."""

    model: str
    vocab_size: int
    context: int
    micro_batch: int
    dtype: str = "fp32"
    optimiser: OptimiserName = "adamw"
    recompute: bool = False
    parts: int = 1
    device: str = "cpu"

    def config(self) -> ModelConfig:
        return preset(self.model, self.vocab_size, self.context)

    def plan(self) -> Any:
        how = {key: value for key, value in dataclasses.asdict(self).items() if key not in ("model", "vocab_size")}
        return training_memory(self.config(), **how)

    def measured(self, exact: bool) -> int:
        """Bytes of the peak in a fresh process; exact: as allocated, else as the process holds it."""
        command = [sys.executable, str(Path(__file__)), "--one", json.dumps(dataclasses.asdict(self))]
        command += ["--exact"] if exact else []
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


RUNS = (
    Run("mini", 4096, 512, 8),
    Run("mini", 4096, 512, 8, "bf16", "muon"),
    Run("mini", 4096, 512, 8, "fp32", recompute=True),
    Run("mini", 50_257, 512, 8, parts=2),
    Run("llama-micro", 32_000, 256, 16, "bf16"),
    Run("moe-micro", 32_000, 256, 16, "bf16", parts=2),
    Run("gpt2", 50_257, 1024, 1),
    Run("gpt2", 50_257, 1024, 4, "bf16"),
    Run("gpt2", 50_257, 1024, 4, "bf16", "muon", recompute=True, parts=2),
    Run("gpt3-125m", 50_257, 1024, 2, parts=2),
)


def steps(run: Run, config: ModelConfig, count: int) -> None:
    """Trains some steps of random tokens."""
    model = Transformer(config).to(run.device).train()
    model.recompute = run.recompute
    optimiser = Optimiser(model, TrainSettings(optimiser=run.optimiser), 1e-4)
    device = Device(run.device, DTYPES[run.dtype], torch.get_num_threads())
    for _ in range(count):
        optimiser.zero_grad()
        for _ in range(run.parts):
            ids = torch.randint(config.vocab_size, (run.micro_batch, config.context + 1), device=run.device)
            with device.autocast():
                hidden, routing = model.train_hidden(ids[:, :-1])
            loss = linear_cross_entropy(
                hidden.flatten(0, 1), model.head_weight, ids[:, 1:].flatten(), device.dtype, config.logit_softcap
            )
            (loss if routing is None else loss + routing).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step(1.0)


def measure(run: Run, exact: bool) -> int:
    """Bytes of the peak, in this process."""
    prepare(Device(run.device, DTYPES[run.dtype], torch.get_num_threads()))
    steps(dataclasses.replace(run, micro_batch=1), TINY, 1)
    gc.collect()
    if run.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        steps(run, run.config(), 2)
        return torch.cuda.max_memory_allocated()
    if exact:
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
            steps(run, run.config(), 2)
        events = [event for event in record.profiler.kineto_results.events() if event.name() == "[memory]"]
        sizes = [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]
        return max(itertools.accumulate(sizes))
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    steps(run, run.config(), 2)
    return _resident("VmHWM") - before


def _resident(field: str) -> int:
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


@click.command(help=__doc__)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu")
@click.option("--quick", is_flag=True, help="Without the runs that take most of a minute.")
@click.option("--one", hidden=True)
@click.option("--exact", is_flag=True, hidden=True)
def main(device: str, quick: bool, one: str | None, exact: bool) -> None:
    if one:
        print(measure(Run(**json.loads(one)), exact))
        return
    columns = "model|vocabulary|sequences × tokens|parts|products|optimiser|recomputed|plan|allocated|off|held"
    print(f"| {columns.replace('|', ' | ')} |")
    print("|---|---:|---:|---:|---|---|---|---:|---:|---:|---:|")
    for run in RUNS:
        run = dataclasses.replace(run, device=device)
        if quick and run.model.startswith("gpt"):
            continue
        plan, found, held = run.plan().peak, run.measured(exact=True), run.measured(exact=False)
        print(
            f"| {run.model} | {run.vocab_size:,} | {run.micro_batch} × {run.context} | {run.parts} | {run.dtype} | "
            f"{run.optimiser} | {'yes' if run.recompute else 'no'} | {readable(plan)} | {readable(found)} | "
            f"{100 * (plan / found - 1):+.1f} % | {readable(held)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
