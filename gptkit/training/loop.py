"""The training loop."""

import dataclasses
import math
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from gptkit.engine.progress import Progress
from gptkit.errors import GptkitError
from gptkit.model.transformer import Transformer
from gptkit.sampling.draws import draw64
from gptkit.training.checkpoint import Checkpoints, State
from gptkit.training.device import Device
from gptkit.training.evaluate import HeldOut, validate
from gptkit.training.guard import Guard
from gptkit.training.loader import Loader, WeightedLoader
from gptkit.training.log import Log, Status
from gptkit.training.loss import linear_cross_entropy
from gptkit.training.optimiser import Optimiser
from gptkit.training.plan import Plan
from gptkit.training.prefetch import read_batches
from gptkit.training.schedule import rate_schedule
from gptkit.training.settings import TrainSettings
from gptkit.training.stopping import Stopped, listening

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

    The last step ends with a checkpoint. A step whose loss or gradient is no number, or whose loss leaps, changes
    nothing and is counted. Raises GptkitError after --bad-steps of these in a row, and Stopped where the run is asked
    to stop (SIGTERM, Ctrl-C): the step in hand is saved then.
    """
    model = Transformer(plan.config, settings.seed).to(device.name)
    model.recompute = settings.recompute
    optimiser = Optimiser(model, settings, plan.rate)
    state = checkpoints.restore(model, optimiser) or State(step=0, log_bytes=0, seconds=0.0)
    if state.step:
        progress.say(f"train: going on after step {state.step:,} of {plan.steps:,}")
    guard = Guard(**state.guard)
    each = plan.sequences * plan.config.context  # tokens of a step
    schedule = rate_schedule(settings, plan.tokens, each)
    log = Log(log_path, state.log_bytes)
    started = time.monotonic() - state.seconds
    batches = read_batches(loader, _places(plan, state.step), device)
    model.train()
    try:
        with listening() as asked, progress.bar("train", plan.steps) as advance:
            status = Status(progress, advance, plan.steps, state.step)
            for step in range(state.step, plan.steps):
                before = time.monotonic()
                share = schedule.share(step * each, (step + 1) * each)
                loss, norm = find_gradients(model, optimiser, batches, plan, settings, device, step)
                z_score = guard.z_score(loss)
                bad = guard.judge(loss, norm, settings.spike)
                if not bad:
                    optimiser.step(share)
                seconds = time.monotonic() - before
                done = step + 1
                record = {
                    "step": done,
                    "tokens": done * each,
                    "loss": loss if math.isfinite(loss) else None,
                    "z_score": round(z_score, 3) if math.isfinite(z_score) else None,
                    "lr": share * plan.rate,
                    "gradient_norm": norm if math.isfinite(norm) else None,
                    "tokens_per_second": round(each / seconds, 1),
                    "seconds": round(time.monotonic() - started, 3),
                    **({"skipped": bad} if bad else {}),
                }
                log.write(record)
                if bad:
                    progress.say(f"step {done:,}: {bad}; the step is skipped")
                    if guard.in_a_row >= settings.bad_steps:
                        raise GptkitError(_diverged(bad, done, guard, checkpoints))
                status.step(record, seconds)
                at_end = done == plan.steps
                if held_out and settings.validate_every and done % settings.validate_every == 0 and not at_end:
                    found = validate(model, held_out, device, GLANCE_TOKENS)
                    bits = found.bits_per_byte
                    log.write({"step": done, "validation_nats": found.nats_per_token, "validation_bits_per_byte": bits})
                    progress.say(f"step {done:,}: loss {loss:.3f}, validation {bits:.3f} bits per byte")
                if at_end or asked.number or done % settings.checkpoint_every == 0:
                    now = State(done, log.sync(), time.monotonic() - started, dataclasses.asdict(guard))
                    checkpoints.save(model, optimiser, now)
                if asked.number and not at_end:
                    name = signal.Signals(asked.number).name
                    raise Stopped(
                        f"train: stopped by {name} after step {done:,}, which is saved; the same command goes on",
                        asked.number,
                    )
    finally:
        batches.close()
        log.close()
    return model.eval()


def find_gradients(
    model: Transformer,
    optimiser: Optimiser,
    batches: Iterator[Tensor],
    plan: Plan,
    settings: TrainSettings,
    device: Device,
    step: int,
) -> tuple[float, float]:
    """The gradients of one step, clipped. Gives the mean loss (nats a token) and their length before clipping."""
    optimiser.zero_grad()
    total = torch.zeros((), device=device.name)
    parts = plan.sequences // plan.micro_batch
    for part in range(parts):
        if settings.dropout:
            torch.manual_seed(draw64(settings.seed, "dropout", step, part))
        ids = next(batches)
        with device.autocast():
            hidden, routing = model.train_hidden(ids[:, :-1])
        softcap = model.config.logit_softcap
        targets = ids[:, 1:].flatten()
        loss = linear_cross_entropy(hidden.flatten(0, 1), model.head_weight, targets, device.dtype, softcap) / parts
        (loss if routing is None else loss + routing / parts).backward()
        total += loss.detach()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
    return float(total), float(norm)


def _places(plan: Plan, step: int) -> Iterator[tuple[int, int]]:
    """The sequences of each micro-batch from a step on: the first one's number, and how many."""
    for first in range(step * plan.sequences, plan.steps * plan.sequences, plan.micro_batch):
        yield first, plan.micro_batch


def _diverged(why: str, step: int, guard: Guard, checkpoints: Checkpoints) -> str:
    """The last line of a run that has gone wrong."""
    kept = checkpoints.found()
    where = f"the last good checkpoint is {kept[-1]}" if kept else "there is no checkpoint yet"
    return (
        f"step {step:,}: {why}; {guard.in_a_row} steps in a row were bad, the training has diverged and stops; {where}. "
        "Start again with a lower --lr (and --overwrite)"
    )
