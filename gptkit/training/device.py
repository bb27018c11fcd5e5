"""The device a model is trained on, its arithmetic and its threads."""

import contextlib
import ctypes
import dataclasses
import os
from pathlib import Path

import torch

from gptkit.errors import UsageError
from gptkit.training.settings import TrainSettings

NATIVE_BF16 = {"avx512_bf16", "amx_bf16", "bf16"}  # flags in /proc/cpuinfo on x86 and ARM
# a container's limit and what it uses, of Linux's cgroups in both versions
CGROUP_FILES = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)


@dataclasses.dataclass(frozen=True)
class Device:
    """Where and in which arithmetic to compute. Weights, gradients and moments are always float32."""

    name: str  # cpu or cuda
    dtype: torch.dtype
    threads: int

    def autocast(self) -> torch.autocast:
        """Matrix products in `dtype`."""
        return torch.autocast(self.name, torch.bfloat16, enabled=self.dtype == torch.bfloat16)

    def __str__(self) -> str:
        precision = "bf16" if self.dtype == torch.bfloat16 else "fp32"
        return f"{precision} on {self.threads} CPU threads" if self.name == "cpu" else f"{precision} on the GPU"


def choose_device(settings: TrainSettings) -> Device:
    """Resolves "auto". Raises UsageError for what this machine cannot do."""
    gpu = torch.cuda.is_available()
    if settings.device == "cuda" and not gpu:
        raise UsageError("--device cuda: torch sees no GPU here; use --device cpu")
    name = "cuda" if gpu and settings.device != "cpu" else "cpu"
    bf16 = torch.cuda.is_bf16_supported() if name == "cuda" else _cpu_has_bf16()
    if settings.dtype == "bf16" and not bf16:
        raise UsageError(
            "--dtype bf16: this processor has no bf16 arithmetic, where it would be slow; use --dtype fp32"
        )
    dtype = torch.bfloat16 if bf16 and settings.dtype != "fp32" else torch.float32
    return Device(name, dtype, settings.threads or _cores())


def prepare(device: Device) -> None:
    """Sets this process's threads and memory for training."""
    torch.set_num_threads(device.threads)
    if device.name == "cpu":
        # The C library would give every large buffer back to the system and take it again, page by
        # page, in the next step. Keeping them gains 4 % with the chunked loss, and half as much again
        # where whole logits are held. Absent outside glibc.
        with contextlib.suppress(AttributeError, OSError):
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(M_MMAP_THRESHOLD, 1 << 30)
            mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def free_memory(name: str) -> int | None:
    """Bytes of memory that a device has left, within this process's limit; None where the system does not say."""
    if name == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    found = []
    with contextlib.suppress(OSError, ValueError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    for limit, used in CGROUP_FILES:
        with contextlib.suppress(OSError, ValueError):  # the limit is "max" where there is none
            found.append(max(0, int(Path(limit).read_text()) - int(Path(used).read_text())))
    return min(found, default=None)


def _cpu_has_bf16() -> bool:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return not NATIVE_BF16.isdisjoint(line.split())
    return False


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
