"""One layer of attention, forward and backward: time and memory of sparse patterns against dense ones.

    python tests/benchmarks/bench_attention.py [--longest 32768] [--threads 1] [--device cpu]

A layer of GPT-2's width (768, 12 heads), one sequence, bf16 where the processor has it. "One product" is dense
attention as a whole matrix of scores with a mask; the others are what the model computes. Memory is the most that was
taken beyond what the layer and its input hold; what does not fit into half of the free memory is left out.
Prints Markdown.
"""

import argparse
import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from measure import best, table

from gptkit.model import chunks
from gptkit.model.attention import Attention
from gptkit.model.config import ModelConfig
from gptkit.model.patterns import parse_pattern
from gptkit.model.view import View
from gptkit.training.device import choose_device
from gptkit.training.settings import TrainSettings

PATTERNS = ("dense", "local:256", "dilated:128:32", "strided:128", "fixed:128:8")
SHORTEST = 1024
REPEATED = 1 << 11  # tokens up to which the best of three runs counts
WIDTH, HEADS = 768, 12


def layer(pattern: str, tokens: int, device: str, dtype: torch.dtype) -> Callable[[], None]:
    """A function that runs the layer once, and back."""
    torch.manual_seed(0)
    config = ModelConfig(64, tokens, 1, HEADS, WIDTH, attention=(pattern,), bias=False)
    attention = Attention(config, 0).to(device)
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter, 0, 0.02)
    x = torch.randn(1, tokens, WIDTH, device=device, requires_grad=True)

    def run() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=dtype == torch.bfloat16):
            out = attention(x, View(tokens, tokens, x.device), None, None)
        out.float().square().mean().backward()
        x.grad = None
        attention.zero_grad()
        if device == "cuda":
            torch.cuda.synchronize()

    return run


def status(field: str) -> int:
    """Bytes of a field of this process's status (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    return 0


def most_memory(run: Callable[[], None], device: str) -> int:
    """Bytes that a run takes at its peak beyond those taken before."""
    if device == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run()
        return torch.cuda.max_memory_allocated() - before
    ctypes.CDLL(None).malloc_trim(0)  # what the C library keeps of earlier runs would not count
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    before = status("VmRSS")
    run()
    return status("VmHWM") - before


def free_memory(device: str) -> int:
    """Bytes."""
    if device == "cuda":
        return torch.cuda.mem_get_info()[0]
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def one_product() -> Iterator[None]:
    """No chunks, however long a sequence is."""
    before, chunks.SHORT = chunks.SHORT, 1 << 62
    try:
        yield
    finally:
        chunks.SHORT = before


def measured(pattern: str, tokens: int, device: str, dtype: torch.dtype, pairs: int) -> str:
    """Milliseconds and megabytes; "-" where it does not fit. pairs: whose scores are held at once."""
    # scores and weights, forward and backward, at their peak; fused kernels hold none
    if device == "cpu" and 2.5 * pairs * HEADS * dtype.itemsize > free_memory(device) / 2:
        return "-"
    run = layer(pattern, tokens, device, dtype)
    memory = most_memory(run, device)
    seconds = best(run, 3 if tokens <= REPEATED else 1)
    return f"{seconds * 1000:,.0f} ms, {memory / 1e6:,.0f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--longest", type=int, default=32_768, help="tokens")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    asked = parser.parse_args()
    device = choose_device(TrainSettings(device=asked.device, threads=asked.threads))
    torch.set_num_threads(device.threads)
    print(f"One layer, {WIDTH} wide, {HEADS} heads, one sequence, forward and backward; {device}.\n", flush=True)
    rows, tokens = [], SHORTEST
    while tokens <= asked.longest:
        row: list[object] = [tokens]
        if device.name == "cpu":
            with one_product():
                row.append(measured("dense", tokens, device.name, device.dtype, tokens * tokens))
        for pattern in PATTERNS:
            pairs = parse_pattern(pattern).pairs(tokens)
            row.append(measured(pattern, tokens, device.name, device.dtype, pairs))
        rows.append(row)
        tokens *= 2
    head = ["tokens", *(["dense, one product"] if device.name == "cpu" else []), *PATTERNS]
    print(table(head, rows), end="")


if __name__ == "__main__":
    main()
