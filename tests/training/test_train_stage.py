import dataclasses
import json
import math
import shutil

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from gptkit.data.tokens import open_tokens
from gptkit.data.vocabulary import bytes_per_token
from gptkit.errors import GptkitError, UsageError
from gptkit.model import folder as model_folder
from gptkit.model.config import ModelConfig
from gptkit.model.folder import load_model
from gptkit.model.text import Codec
from gptkit.model.transformer import Transformer
from gptkit.training import loop
from gptkit.training.device import Device
from gptkit.training.evaluate import HeldOut, validate
from gptkit.training.settings import TrainSettings
from gptkit.training.stage import run

# small enough for a second
SMALL = TrainSettings(
    model="nano", context=32, batch_tokens=128, micro_batch=2, steps=6, dtype="fp32", threads=1,
    validate_every=0, validate_tokens=500, checkpoint_every=2, reference=False,
)  # fmt: skip


def records(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


def test_training_learns_and_says_so(token_folder, tmp_path, runtime):
    settings = dataclasses.replace(
        SMALL, steps=60, batch_tokens=512, micro_batch=None, validate_every=30, reference=True
    )
    manifest = run([str(token_folder.folder)], tmp_path / "model", settings, runtime)
    log = records(tmp_path / "model")
    losses = [record["loss"] for record in log if "loss" in record]
    assert len(losses) == 60
    assert losses[0] == pytest.approx(math.log(512), abs=0.3)  # knows nothing yet
    assert np.mean(losses[-5:]) < losses[0] - 0.7
    assert [record["step"] for record in log if "validation_nats" in record] == [30]
    facts = manifest.facts
    assert facts["tokens"] == 60 * 512
    assert facts["parameters"] == sum(p.numel() for p in load_model(tmp_path / "model").model.parameters())
    assert 1 < facts["validation_bits_per_byte"] < 6
    assert 1 < facts["reference"]["byte_5gram"] < facts["reference"]["xz_9"] < 6
    assert {shard.kind for shard in manifest.shards} == {"model", "config", "tokenizer"}
    assert run([str(token_folder.folder)], tmp_path / "model", settings, runtime).digest == manifest.digest
    assert not (tmp_path / "model" / ".work").exists()


def test_the_result_follows_the_settings_and_nothing_else(token_folder, tmp_path, runtime):
    def made(name, **changes):
        run([str(token_folder.folder)], tmp_path / name, dataclasses.replace(SMALL, **changes), runtime)
        return weights(tmp_path / name)

    first = made("a")
    assert made("b", validate_every=1, checkpoint_every=1, keep=5) == first
    assert made("c", seed=1) != first
    assert made("d", dropout=0.1) == made("e", dropout=0.1) != first


def test_accumulation_computes_the_same_step(token_folder, tmp_path, runtime):
    for size in (1, 4):
        settings = dataclasses.replace(SMALL, steps=2, micro_batch=size)
        run([str(token_folder.folder)], tmp_path / str(size), settings, runtime)
    one, four = records(tmp_path / "1"), records(tmp_path / "4")
    for left, right in zip(one, four, strict=True):
        assert left["loss"] == pytest.approx(right["loss"], rel=1e-5)
        assert left["gradient_norm"] == pytest.approx(right["gradient_norm"], rel=1e-4)


def test_bits_per_byte_are_those_of_the_definition(token_folder):
    folder = open_tokens(token_folder.folder)
    end = folder.manifest.facts["end_of_text"]
    ids = np.concatenate([shard.tokens for shard in folder.shards("validation")]).astype(np.int64)[:70]
    ids[20] = end  # so that there is a special target among them
    codec = Codec(folder.tokenizer_path)
    config = ModelConfig(codec.vocab_size, context=16, layers=2, heads=2, width=32)
    model = Transformer(config, seed=3).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    nats, size = [], 0
    text = [end, *ids.tolist()]
    for place in range(1, len(text)):
        seen = text[(place - 1) // 16 * 16 : place]
        with torch.no_grad():
            logs = model(torch.tensor([seen]))[0, -1].log_softmax(0)
        nats.append((-logs[text[place]].item(), text[place] != end))
    plain = [token for token in ids.tolist() if token != end]
    byte_length = np.array([len(codec._tokenizer.id_to_token(i)) if i != end else 0 for i in range(codec.vocab_size)])
    size = int(byte_length[plain].sum())  # a byte-level token has one character a byte
    found = validate(model, HeldOut(ids, byte_length.astype(np.int32), end), Device("cpu", torch.float32, 1))
    assert found.bytes == size
    assert found.tokens == 70
    assert found.nats_per_token == pytest.approx(np.mean([value for value, _ in nats]), rel=1e-5)
    bits = sum(value for value, counts in nats if counts) / math.log(2) / size
    assert found.bits_per_byte == pytest.approx(bits, rel=1e-5)


def test_a_part_of_the_windows_is_a_part_of_the_result(token_folder):
    folder = open_tokens(token_folder.folder)
    ids = folder.shards("validation")[0].tokens[:200].astype(np.int64)
    sizes = bytes_per_token(folder.tokenizer_path)
    model = Transformer(ModelConfig(len(sizes), context=16, layers=1, heads=2, width=32), seed=3).eval()
    device = Device("cpu", torch.float32, 1)
    end = folder.manifest.facts["end_of_text"]
    part = validate(model, HeldOut(ids, sizes, end), device, at_most=70)  # every third window of 16, and the last 8
    places = [place for start in range(0, 200, 48) for place in range(start, min(start + 16, 200))]
    assert part.tokens == len(places)
    assert part.bytes == sizes[ids[places]].sum()
    whole = validate(model, HeldOut(ids, sizes, end), device, at_most=200)
    assert whole == validate(model, HeldOut(ids, sizes, end), device)


def test_a_dry_run_writes_nothing(token_folder, tmp_path, runtime):
    dry = dataclasses.replace(runtime, dry_run=True)
    assert run([str(token_folder.folder)], tmp_path / "model", SMALL, dry) is None
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"batch_tokens": 100}, "96 or 128 would be"),
        ({"batch_tokens": 31}, "32 would be"),
        ({"micro_batch": 3}, "does not divide the 4 sequences of 32 tokens in a step of 128 .* these do: 1, 2, 4"),
        ({"model": "micor"}, "did you mean micro"),
        ({"context": 10**7, "batch_tokens": 10**7}, "the train split has .* name a shorter --context"),
        ({"context": 60_000, "batch_tokens": 60_000}, "the validation split has .* --validate-tokens 0"),
    ],
)
def test_sizes_that_do_not_fit_are_one_line_and_leave_nothing(token_folder, tmp_path, runtime, changes, reason):
    with pytest.raises(GptkitError, match=reason) as caught:
        run([str(token_folder.folder)], tmp_path / "model", dataclasses.replace(SMALL, **changes), runtime)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "model").exists()


def test_bf16_is_refused_where_the_processor_has_none(token_folder, tmp_path, runtime, monkeypatch):
    monkeypatch.setattr("gptkit.training.device._cpu_has_bf16", lambda: False)
    settings = dataclasses.replace(SMALL, device="cpu")
    with pytest.raises(UsageError, match="no bf16"):
        run([str(token_folder.folder)], tmp_path / "model", dataclasses.replace(settings, dtype="bf16"), runtime)
    manifest = run([str(token_folder.folder)], tmp_path / "model", dataclasses.replace(settings, dtype="auto"), runtime)
    assert manifest.facts["dtype"] == "float32"


def test_divergence_stops_and_keeps_the_checkpoints(token_folder, tmp_path, runtime):
    settings = dataclasses.replace(SMALL, lr=1e25, warmup=0.0, checkpoint_every=1, bad_steps=3)
    with pytest.raises(
        GptkitError, match=r"step 4: the loss is nan; 3 steps in a row .* checkpoint is .*step-\d+.* lower --lr"
    ):
        run([str(token_folder.folder)], tmp_path / "model", settings, runtime)
    assert list((tmp_path / "model" / ".work" / "checkpoints").iterdir())
    with pytest.raises(GptkitError, match="name its newest checkpoint"):
        load_model(tmp_path / "model")


def run_until(steps, token_folder, output, settings, runtime, monkeypatch):
    """Trains, and stops as Ctrl-C would in the step behind `steps`."""
    real = loop.find_gradients

    def step(model, optimiser, batches, plan, settings, device, number):
        if number == steps:
            raise KeyboardInterrupt
        return real(model, optimiser, batches, plan, settings, device, number)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "find_gradients", step)
        run([str(token_folder.folder)], output, settings, runtime)


@pytest.mark.parametrize("changes", [{}, {"dropout": 0.2, "optimiser": "adamw"}, {"dtype": "auto", "keep": 1}])
def test_a_stopped_run_goes_on_to_the_same_end(token_folder, tmp_path, runtime, monkeypatch, changes):
    settings = dataclasses.replace(SMALL, **changes)
    straight = run([str(token_folder.folder)], tmp_path / "straight", settings, runtime)
    for steps in (1, 3, 5):
        with pytest.raises(KeyboardInterrupt):
            run_until(steps, token_folder, tmp_path / "stopped", settings, runtime, monkeypatch)
    newest = sorted((tmp_path / "stopped" / ".work" / "checkpoints").iterdir())
    assert [path.name for path in newest] == ["step-000002", "step-000004"][-settings.keep :]
    assert load_model(newest[-1]).config.context == 32  # a checkpoint is a model
    manifest = run([str(token_folder.folder)], tmp_path / "stopped", settings, runtime)
    assert manifest.digest == straight.digest
    assert weights(tmp_path / "stopped") == weights(tmp_path / "straight")
    assert [r["step"] for r in records(tmp_path / "stopped")] == [1, 2, 3, 4, 5, 6]
    for stopped, other in zip(records(tmp_path / "stopped"), records(tmp_path / "straight"), strict=True):
        assert stopped["loss"] == other["loss"]
        assert stopped["gradient_norm"] == other["gradient_norm"]


@pytest.fixture
def stopped(token_folder, tmp_path, runtime, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        run_until(5, token_folder, tmp_path / "model", SMALL, runtime, monkeypatch)
    return tmp_path / "model"


def test_a_run_does_not_go_on_as_another(token_folder, stopped, runtime):
    with pytest.raises(GptkitError, match=r"lr: None there, 0\.1 now"):
        run([str(token_folder.folder)], stopped, dataclasses.replace(SMALL, lr=0.1), runtime)
    path = stopped / ".work" / "checkpoints" / "step-000004" / "state.json"
    state = json.loads(path.read_text())
    path.write_text(json.dumps({**state, "dtype": "torch.bfloat16"}))
    with pytest.raises(GptkitError, match=r"dtype: torch.bfloat16 there, torch.float32 now"):
        run([str(token_folder.folder)], stopped, SMALL, runtime)


@pytest.mark.parametrize("name", ["state.json", "model.safetensors", "optimizer.safetensors"])
def test_a_damaged_checkpoint_is_named(token_folder, stopped, runtime, name):
    path = stopped / ".work" / "checkpoints" / "step-000004" / name
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(GptkitError, match=f"step-000004/{name}"):
        run([str(token_folder.folder)], stopped, SMALL, runtime)


def test_damaged_tokens_are_found_before_training(token_folder, tmp_path, runtime):
    copy = tmp_path / "tokens"
    shutil.copytree(token_folder.folder, copy)
    shard = copy / token_folder.manifest.of_kind("train")[0].name
    content = bytearray(shard.read_bytes())
    content[100] ^= 1
    shard.write_bytes(content)
    with pytest.raises(GptkitError, match=f"{shard.name}: is damaged"):
        run([str(copy)], tmp_path / "model", SMALL, runtime)
    assert not (tmp_path / "model").exists()


def test_a_full_disk_is_one_line(token_folder, tmp_path, runtime, monkeypatch):
    class Usage:
        free = 10**6

    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage)
    with pytest.raises(GptkitError, match="make room or name another output folder"):
        run([str(token_folder.folder)], tmp_path / "model", SMALL, runtime)
    assert not (tmp_path / "model").exists()


def test_a_disk_that_fills_up_keeps_the_last_checkpoint(token_folder, tmp_path, runtime, monkeypatch):
    straight = run([str(token_folder.folder)], tmp_path / "straight", SMALL, runtime)
    real, written = model_folder.save_file, []

    def save_file(tensors, path, metadata):
        written.append(path)
        if len(written) == 4:  # the optimiser of the second checkpoint
            path.write_bytes(b"a part of it")
            raise SafetensorError("I/O error: No space left on device (os error 28)")
        real(tensors, path, metadata=metadata)

    monkeypatch.setattr(model_folder, "save_file", save_file)
    with pytest.raises(GptkitError, match="No space left on device"):
        run([str(token_folder.folder)], tmp_path / "model", SMALL, runtime)
    assert [path.name for path in (tmp_path / "model" / ".work" / "checkpoints").iterdir()] == ["step-000002"]
    monkeypatch.undo()
    assert run([str(token_folder.folder)], tmp_path / "model", SMALL, runtime).digest == straight.digest


def poisoned(steps, monkeypatch):
    """Makes the loss of some steps no number."""
    real = loop.find_gradients

    def step(model, optimiser, batches, plan, settings, device, number):
        loss, norm = real(model, optimiser, batches, plan, settings, device, number)
        return (math.nan if number in steps else loss), norm

    monkeypatch.setattr(loop, "find_gradients", step)


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_bad_steps_are_skipped_and_counted_and_a_run_goes_on_behind_them(
    token_folder, tmp_path, runtime, monkeypatch, kind
):
    settings = dataclasses.replace(SMALL, optimiser=kind, checkpoint_every=2, schedule="wsd", milestone_every=4)
    poisoned({2, 3, 5}, monkeypatch)
    run([str(token_folder.folder)], tmp_path / "straight", settings, runtime)
    with pytest.raises(KeyboardInterrupt):
        run_until(5, token_folder, tmp_path / "stopped", settings, runtime, monkeypatch)
    run([str(token_folder.folder)], tmp_path / "stopped", settings, runtime)
    straight, stopped = (tmp_path / name for name in ("straight", "stopped"))
    assert (straight / "model.safetensors").read_bytes() == (stopped / "model.safetensors").read_bytes()
    records = [json.loads(line) for line in (stopped / "log.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records if "skipped" in record] == [3, 4, 6]
    for folder in (straight, stopped):
        steps = sorted(path.name for path in (folder / "checkpoints").iterdir())
        assert steps == [f"step-{number:06d}" for number in range(4, SMALL.steps + 1, 4)]
        assert load_model(folder / "checkpoints" / steps[0]).config == load_model(folder).config


def test_a_run_goes_on_with_the_micro_batch_it_began_with(token_folder, tmp_path, runtime, monkeypatch):
    settings = dataclasses.replace(SMALL, micro_batch=None)
    straight = run([str(token_folder.folder)], tmp_path / "straight", settings, runtime)
    with pytest.raises(KeyboardInterrupt):
        run_until(4, token_folder, tmp_path / "stopped", settings, runtime, monkeypatch)
    monkeypatch.setattr("gptkit.training.plan.free_memory", lambda name: 1)  # now only one sequence fits
    stopped = run([str(token_folder.folder)], tmp_path / "stopped", settings, runtime)
    assert stopped.digest == straight.digest
