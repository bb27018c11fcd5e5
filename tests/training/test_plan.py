"""How a run is cut into steps and parts, and what is said of it."""

import dataclasses

import pytest
import torch

from gptkit.errors import UsageError
from gptkit.model.presets import preset
from gptkit.training import plan as plans
from gptkit.training.device import Device, free_memory
from gptkit.training.memory import training_memory
from gptkit.training.plan import SHARE_OF_FREE, TOKENS_AT_ONCE, make_plan
from gptkit.training.settings import TrainSettings

CPU = Device("cpu", torch.float32, 1)
CONFIG = preset("nano", 4096)  # context 256


@dataclasses.dataclass
class Sequences:
    """Stands for a loader: that many sequences are an epoch."""

    per_epoch: int


def plan(free: int | None = None, **settings):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plans, "free_memory", lambda name: free)
        return make_plan(TrainSettings(**settings), CONFIG, Sequences(1000), CPU)


def test_the_fastest_number_of_tokens_is_computed_at_once():
    found = plan(batch_tokens=64 * 256)
    assert (found.sequences, found.micro_batch) == (64, TOKENS_AT_ONCE["cpu"] // 256)
    assert plan(batch_tokens=12 * 256).micro_batch == 12
    assert plan(batch_tokens=34 * 256).micro_batch == 2  # of 1, 2, 17 and 34


def test_less_is_computed_at_once_where_memory_is_short():
    free = round(training_memory(CONFIG, 5, parts=2).peak / SHARE_OF_FREE["cpu"])
    found = plan(free, batch_tokens=64 * 256)
    assert found.micro_batch == 4
    assert found.memory == training_memory(CONFIG, 4, parts=16)
    assert plan(1000, batch_tokens=64 * 256).micro_batch == 1


def test_what_is_said_before_the_first_step():
    found = plan(10**9, batch_tokens=64 * 256, steps=50)
    first, second, third = found.describe(CPU, "nano").splitlines()
    assert first == "nano: 1,350,400 parameters; 4 layers, width 128; fp32 on 1 CPU threads"
    assert second.startswith("50 steps of 16,384 tokens (64 × 256 in 4 parts of 16), 0.8M tokens, 3.20 epochs; ")
    assert f"{found.flops:.2g} FLOPs" in second
    assert third.startswith("memory: weights 5.4 MB, gradients 5.4 MB, optimiser 10.8 MB, activations ")
    assert third.endswith(" of 1 GB free")
    assert "this will not fit" in plan(10**6).describe(CPU, "nano")


def test_operations_of_a_run_are_those_of_its_tokens():
    found = plan(batch_tokens=1024, steps=10)
    # 6 for each weight in a product, and attention
    assert 6 * 10 * 1024 * 1.3e6 < found.flops < 6 * 10 * 1024 * 1.6e6


def test_what_does_not_divide_is_one_line_with_all_numbers():
    with pytest.raises(UsageError, match=r"--batch-tokens 1,000 is no whole number of sequences of 256 .*768 or 1,024"):
        plan(batch_tokens=1000)
    with pytest.raises(
        UsageError, match=r"--micro-batch 3 does not divide the 8 sequences of 256 .* of 2,048 .* do: 1, 2, 4, 8"
    ):
        plan(batch_tokens=2048, micro_batch=3)


def test_memory_that_is_free_is_known_here():
    free = free_memory("cpu")
    assert free is None or 10**6 < free < 10**15
