"""The training loop."""

import math
import time
from pathlib import Path

import torch

from gptkit.engine.progress import Progress
from gptkit.errors import GptkitError
from gptkit.model.transformer import Transformer
from gptkit.sampling.draws import draw64
from gptkit.training.checkpoint import Checkpoints, State
from gptkit.training.device import Device
from gptkit.training.evaluate import HeldOut, validate
from gptkit.training.loader import Loader, WeightedLoader
from gptkit.training.log import Log, Status
from gptkit.training.loss import linear_cross_entropy
from gptkit.training.optimiser import Optimiser
from gptkit.training.plan import Plan
from gptkit.training.schedule import share_of_rate
from gptkit.training.settings import TrainSettings

GLANCE_TOKENS = 32_768  # predicted in a validation on the way; the one at the end takes all


def train(
    plan: Plan,
    settings: TrainSettings,
    loader: Loader | WeightedLoader,
    held_out: HeldOut | None,
    device: Device,
    checkpoints: Checkpoints,
    log_path: Path,
    progress: Progress,
) -> Transformer:
    """Trains a model to the end of the plan, going on from the newest checkpoint if there is one.

    The last step ends with a checkpoint. Raises GptkitError where the loss is no longer a number.
    """
    model = Transformer(plan.config, settings.seed).to(device.name)
    optimiser = Optimiser(model, settings, plan.rate)
    state = checkpoints.restore(model, optimiser) or State(step=0, log_bytes=0, seconds=0.0)
    if state.step:
        progress.say(f"train: going on after step {state.step:,} of {plan.steps:,}")
    log = Log(log_path, state.log_bytes)
    started = time.monotonic() - state.seconds
    model.train()
    try:
        with progress.bar("train", plan.steps) as advance:
            status = Status(progress, advance, plan.steps, state.step)
            for step in range(state.step, plan.steps):
                before = time.monotonic()
                share = share_of_rate(step, plan.steps, settings.warmup, settings.min_lr)
                loss, norm = take_step(model, optimiser, loader, plan, settings, device, step, share)
                seconds = time.monotonic() - before
                done = step + 1
                record = {
                    "step": done,
                    "tokens": done * plan.sequences * plan.config.context,
                    "loss": loss,
                    "lr": share * plan.rate,
                    "gradient_norm": norm,
                    "tokens_per_second": round(plan.sequences * plan.config.context / seconds, 1),
                    "seconds": round(time.monotonic() - started, 3),
                }
                log.write(record)
                status.step(record, seconds)
                at_end = done == plan.steps
                if held_out and settings.validate_every and done % settings.validate_every == 0 and not at_end:
                    found = validate(model, held_out, device, GLANCE_TOKENS)
                    bits = found.bits_per_byte
                    log.write({"step": done, "validation_nats": found.nats_per_token, "validation_bits_per_byte": bits})
                    progress.say(f"step {done:,}: loss {loss:.3f}, validation {bits:.3f} bits per byte")
                if at_end or done % settings.checkpoint_every == 0:
                    checkpoints.save(model, optimiser, State(done, log.sync(), time.monotonic() - started))
    finally:
        log.close()
    return model.eval()


def take_step(
    model: Transformer,
    optimiser: Optimiser,
    loader: Loader | WeightedLoader,
    plan: Plan,
    settings: TrainSettings,
    device: Device,
    step: int,
    share: float,
) -> tuple[float, float]:
    """One update of the weights, at a share of the highest learning rate.

    Gives the mean loss (nats a token) and the gradient's length before clipping.
    Raises GptkitError, with the weights untouched, where either is not a finite number.
    """
    optimiser.zero_grad()
    total = torch.zeros((), device=device.name)
    parts = plan.sequences // plan.micro_batch
    for part in range(parts):
        if settings.dropout:
            torch.manual_seed(draw64(settings.seed, "dropout", step, part))
        batch = loader.batch(step * plan.sequences + part * plan.micro_batch, plan.micro_batch)
        ids = torch.from_numpy(batch).to(device.name)
        with device.autocast():
            hidden, routing = model.train_hidden(ids[:, :-1])
        softcap = model.config.logit_softcap
        targets = ids[:, 1:].flatten()
        loss = linear_cross_entropy(hidden.flatten(0, 1), model.head_weight, targets, device.dtype, softcap) / parts
        (loss if routing is None else loss + routing / parts).backward()
        total += loss.detach()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
    mean, length = float(total), float(norm)
    if not (math.isfinite(mean) and math.isfinite(length)):
        raise GptkitError(
            f"step {step + 1}: the loss is {mean} and the gradient {length}; training has diverged and stops. "
            "The checkpoints before it are kept; start again with a lower --lr (and --overwrite)"
        )
    optimiser.step(share)
    return mean, length
