"""The plan against what torch really saves and allocates."""

import warnings

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from gptkit.model.config import Mixture, ModelConfig
from gptkit.model.presets import PRESETS
from gptkit.model.size import parameter_count
from gptkit.model.transformer import Transformer
from gptkit.training.activations import Batch, casts, saved_activations
from gptkit.training.loss import linear_cross_entropy
from gptkit.training.memory import largest_micro_batch, optimiser_bytes, readable, training_memory
from gptkit.training.optimiser import Optimiser
from gptkit.training.settings import TrainSettings

LLAMA = {"positions": "rope", "norm": "rms", "activation": "swiglu", "bias": False, "tied": False}
SHAPES = {
    "gpt2": ModelConfig(1000, 96, 3, 4, 128),
    "gpt1": ModelConfig(1000, 96, 3, 4, 128, norm_first=False, activation="gelu", dropout=0.1),
    "gpt3": ModelConfig(1000, 96, 4, 4, 128, attention=("local:16", "dense")),
    "llama": ModelConfig(1000, 96, 3, 4, 128, kv_heads=2, mlp_width=344, **LLAMA),
    "mixtral": ModelConfig(1000, 96, 3, 4, 128, kv_heads=2, mlp_width=200, mixture=Mixture(8, 2), **LLAMA),
    "gpt4": ModelConfig(1000, 96, 3, 4, 128, kv_heads=1, mlp_width=256, mixture=Mixture(4, 2, capacity=1.0)),
    "gpt-oss": ModelConfig(
        1000, 96, 4, 4, 128, kv_heads=2, mlp_width=128, sinks=True, attention=("local:16", "dense"),
        mixture=Mixture(4, 2), **{**LLAMA, "activation": "clamped_swiglu", "bias": True},
    ),
    "modern": ModelConfig(1000, 96, 3, 4, 128, qk_norm=True, logit_softcap=15.0, **{**LLAMA, "activation": "relu2"}),
}  # fmt: skip
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@pytest.fixture(autouse=True)
def _quiet():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch: heads are normed in another dtype than their weights
        yield
    torch.set_num_threads(threads)


def saved(config: ModelConfig, rows: int, dtype: str, recompute: bool = False) -> int:
    """Bytes of the storages that a forward pass saves, weights left out."""
    model = Transformer(config).train()
    model.recompute = recompute
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    found: dict[int, int] = {}
    kept = []  # so that no storage is given out twice

    def pack(tensor):
        kept.append(tensor)
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    ids = torch.randint(config.vocab_size, (rows, config.context + 1))
    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"),
    ):
        model.train_hidden(ids[:, :-1])
    return sum(found.values())


def allocated(config: ModelConfig, rows: int, dtype: str, recompute: bool, parts: int) -> int:
    """Bytes of the peak of two steps, from torch's own record of its allocator."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        model = Transformer(config).train()
        model.recompute = recompute
        optimiser = torch.optim.AdamW(model.parameters())
        for _ in range(2):
            optimiser.zero_grad()
            for _ in range(parts):
                ids = torch.randint(config.vocab_size, (rows, config.context + 1))
                with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
                    hidden, routing = model.train_hidden(ids[:, :-1])
                targets = ids[:, 1:].flatten()
                loss = linear_cross_entropy(
                    hidden.flatten(0, 1), model.head_weight, targets, DTYPES[dtype], config.logit_softcap
                )
                (loss if routing is None else loss + routing).backward()
            optimiser.step()
    events = [event for event in record.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rows", [1, 3])
def test_what_a_forward_pass_saves(shape, dtype, rows):
    config = SHAPES[shape]
    batch = Batch(rows, config.context, dtype, "cpu")
    plan = saved_activations(config, batch) + config.layers * casts(config, dtype)
    assert plan == pytest.approx(saved(config, rows, dtype), rel=0.002)


@pytest.mark.parametrize(
    ("dtype", "recompute", "parts"), [("fp32", False, 1), ("bf16", False, 2), ("fp32", True, 2), ("bf16", True, 1)]
)
@pytest.mark.parametrize("shape", SHAPES)
def test_what_a_step_allocates(shape, dtype, recompute, parts):
    config = SHAPES[shape]
    plan = training_memory(config, 4, dtype=dtype, recompute=recompute, parts=parts)
    assert plan.peak == pytest.approx(allocated(config, 4, dtype, recompute, parts), rel=0.1)


@pytest.mark.parametrize("attention", ["dense", "local:200", "fixed:64:8", "dilated:64:16", "strided:32"])
@pytest.mark.parametrize("tokens", [300, 1024])
def test_chunks_of_queries_save_what_they_see(attention, tokens):
    config = ModelConfig(100, tokens, 1, 4, 32, kv_heads=2, attention=(attention,), sinks=tokens == 300)
    plan = saved_activations(config, Batch(2, tokens, "fp32", "cpu"))
    assert plan == pytest.approx(saved(config, 2, "fp32"), rel=0.002)


@pytest.mark.parametrize("recompute", [False, True])
def test_a_large_vocabulary_is_held_a_few_rows_at_a_time(recompute):
    config = ModelConfig(12_000, 192, 2, 4, 128)
    for dtype in DTYPES:
        plan = training_memory(config, 4, dtype=dtype, recompute=recompute)
        assert plan.peak == pytest.approx(allocated(config, 4, dtype, recompute, 1), rel=0.1)


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
@pytest.mark.parametrize("shape", SHAPES)
def test_bytes_of_the_optimiser_are_those_it_remembers(shape, optimiser):
    model = Transformer(SHAPES[shape])
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    made = Optimiser(model, TrainSettings(optimiser=optimiser), 1e-3)
    made.step(1.0)
    remembered = sum(tensor.nbytes for tensor in made.state().values())
    assert optimiser_bytes(SHAPES[shape], optimiser) == remembered


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_every_preset_has_a_plan(name, device):
    config = PRESETS[name]
    plan, again = (training_memory(config, 1, dtype="bf16", device=device, recompute=flag) for flag in (False, True))
    assert plan.weights == plan.gradients == 4 * parameter_count(config)
    assert again.activations < plan.activations
    assert again.casts * config.layers == plan.casts < plan.weights
    assert max(again.peak, plan.weights + plan.optimiser + plan.activations) <= plan.peak
    assert training_memory(config, 2, dtype="bf16", device=device).peak > plan.peak


def test_the_largest_micro_batch_fits_and_one_more_does_not():
    config = SHAPES["llama"]
    available = 60_000_000
    most = largest_micro_batch(config, available, 1000, dtype="bf16")
    peaks = [training_memory(config, count, dtype="bf16").peak for count in (most, most + 1)]
    assert peaks[0] <= available < peaks[1]
    assert largest_micro_batch(config, available, 3, dtype="bf16") == 3
    assert largest_micro_batch(config, 1000, 3) == 0


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1234, "1.23 kB"), (999_900, "1 MB"), (2.79e12, "2.79 TB"), (3.2e16, "32,000 TB")]
)  # fmt: skip
def test_bytes_in_words(size, text):
    assert readable(size) == text
