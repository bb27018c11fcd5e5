"""`gptkit train`: token shards in, a model folder out."""

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gptkit.data.files import check_free_space, read_json, write_json
from gptkit.data.manifest import Manifest, Shard, verify
from gptkit.data.vocabulary import bytes_per_token, token_bytes
from gptkit.engine.stage import Runtime, Stage
from gptkit.model.folder import CONFIG, TOKENIZER, WEIGHTS, save_model
from gptkit.model.presets import check_preset, preset
from gptkit.model.size import parameter_count
from gptkit.training.checkpoint import Checkpoints
from gptkit.training.device import choose_device, prepare
from gptkit.training.evaluate import HeldOut, validate
from gptkit.training.loader import WeightedLoader
from gptkit.training.loop import train
from gptkit.training.plan import Plan, make_plan
from gptkit.training.reference import ByteNgrams, xz_bits_per_byte
from gptkit.training.settings import TrainSettings
from gptkit.training.sources import TokenSource, held_out_ids, open_loader, open_sources, training_ids

VERSION = 2
LOG = "log.jsonl"
BEGUN = "begun.json"
KINDS = {WEIGHTS: "model", CONFIG: "config", TOKENIZER: "tokenizer"}
REFERENCE_BYTES = 20_000_000  # of the training text; byte n-grams are counted in no more
DIGITS = 6  # of the figures among the facts


def run(data: Sequence[str], output: Path, settings: TrainSettings, runtime: Runtime) -> Manifest | None:
    """Trains a model on the "train" split of token folders and measures it on "validation".

    `data` names one folder, or `NAME=WEIGHT:TOKENS` for each of several, whose sequences are taken in
    proportion to the weights. Trains in this process, without the pool. A run that was stopped goes
    on from its last checkpoint and ends in the same weights, bit by bit, on the same machine. Gives
    None for a dry run. Raises GptkitError or UsageError for tokens or sizes that cannot be trained on.
    """
    check_preset(settings.model)
    sources = open_sources(data)
    folder = sources[0].folder  # for what all share: the tokenizer
    vocab_size, end_of_text = folder.manifest.facts["vocab_size"], folder.manifest.facts["end_of_text"]
    config = dataclasses.replace(preset(settings.model, vocab_size, settings.context), dropout=settings.dropout)
    loader = open_loader(sources, config.context, settings.seed)
    validation = held_out_ids(sources, settings.validate_tokens, config.context) if settings.validate_tokens else []
    device = choose_device(settings)
    plan = make_plan(settings, config, loader, device)
    with Stage("train", VERSION, settings, [source.plan() for source in sources], output, runtime) as stage:
        if stage.finished or not stage.begin(plan.describe(device, settings.model)):
            return stage.finished
        say = runtime.progress.say
        milestones = plan.steps // settings.milestone_every if settings.milestone_every else 0
        check_free_space(output, (settings.keep + 2 + milestones) * plan.bytes_on_disk)
        # a damaged shard is known before hours of training
        for each in (source.folder for source in sources):
            verify(each.folder, each.manifest.of_kind("train") + each.manifest.of_kind("validation"))
        prepare(device)
        plan = as_begun(plan, stage.work / BEGUN)
        held_out, reference = None, {}
        if validation:
            held_out = HeldOut(np.concatenate(validation), bytes_per_token(folder.tokenizer_path), end_of_text)
            if settings.reference:
                texts = Texts(tuple(data), settings.validate_tokens, config.context)
                (reference,) = stage.phase("reference", measure_reference, [texts])
                say(f"validation text, bits per byte to beat: {_in_words(reference)}")
        # a run goes on only as the run it was: what it is, and how it computes
        identity = {"run": stage.plan.digest(), "device": device.name, "dtype": str(device.dtype)}
        checkpoints = Checkpoints(
            stage.work / "checkpoints", identity, folder.tokenizer_path, settings.keep, settings.milestone_every
        )
        model = train(plan, settings, loader, held_out, device, checkpoints, stage.work / LOG, runtime.progress)
        facts: dict[str, Any] = {
            "tokenizer": folder.manifest.facts["tokenizer"],
            "model": dataclasses.asdict(config),
            "parameters": parameter_count(config),
            "steps": plan.steps,
            "tokens": plan.tokens,
            "epochs": round(plan.epochs, DIGITS),
            "dtype": str(device.dtype).removeprefix("torch."),
        }
        if held_out is not None:
            exact = dataclasses.replace(device, dtype=torch.float32)
            found = validate(model, held_out, exact)
            facts["validation_bits_per_byte"] = round(found.bits_per_byte, DIGITS)
            facts["validation_nats_per_token"] = round(found.nats_per_token, DIGITS)
            facts["reference"] = reference
            if len(sources) > 1:
                facts["validation_by_source"] = {
                    source.ask.name: round(
                        validate(model, dataclasses.replace(held_out, ids=ids), exact).bits_per_byte, DIGITS
                    )
                    for source, ids in zip(sources, validation, strict=True)
                    if len(ids)
                }
            against = f" ({_in_words(reference)})" if reference else ""
            say(f"train: validation {found.bits_per_byte:.3f} bits per byte{against}")
        save_model(stage.out, model, folder.tokenizer_path)
        shutil.copyfile(stage.work / LOG, stage.out / LOG)
        shards = [Shard.describe(stage.out, stage.out / name, kind=kind) for name, kind in KINDS.items()]
        counts: dict[str, Any] = {
            "validation_tokens": len(held_out.ids) if held_out else 0,
            "sequences_per_epoch": loader.per_epoch,
        }
        if isinstance(loader, WeightedLoader):
            counts["sources"] = _taken(sources, loader, plan.steps * plan.sequences)
        kept = [
            path.relative_to(stage.out).as_posix() for path in checkpoints.move_milestones(stage.out / "checkpoints")
        ]
        return stage.close(shards, counts, facts, beside=[LOG, *kept])


def as_begun(plan: Plan, path: Path) -> Plan:
    """The plan with the micro-batch of the run's first start, which it writes at `path`.

    How many sequences fit depends on the memory that is free, and another number gives other last bits.
    """
    if not path.exists():
        write_json(path, {"micro_batch": plan.micro_batch})
    begun = read_json(path)["micro_batch"]
    return plan if begun == plan.micro_batch else dataclasses.replace(plan, micro_batch=begun)


@dataclasses.dataclass(frozen=True)
class Texts:
    """The task of measuring what needs no model."""

    data: tuple[str, ...]
    validate_tokens: int
    context: int


def measure_reference(task: Texts) -> dict[str, Any]:
    """Bits per byte of the held-out text by xz -9, and by byte n-grams of the training text."""
    sources = open_sources(task.data)
    pieces = token_bytes(sources[0].folder.tokenizer_path)

    def text(parts: list[np.ndarray]) -> np.ndarray:
        return np.frombuffer(b"".join([pieces[index] for ids in parts for index in ids]), np.uint8)

    held_out = text(held_out_ids(sources, task.validate_tokens, task.context))
    if not len(held_out):
        return {}
    # a token has at least one byte, all but end-of-text
    seen = text(training_ids(sources, REFERENCE_BYTES))[:REFERENCE_BYTES]
    return {
        "xz_9": round(xz_bits_per_byte(held_out), DIGITS),
        "byte_5gram": round(ByteNgrams(seen).bits_per_byte(held_out), DIGITS),
        "byte_5gram_trained_on_bytes": len(seen),
    }


def _taken(sources: Sequence[TokenSource], loader: WeightedLoader, sequences: int) -> dict[str, Any]:
    """What a run took of each source."""
    counts = loader.schedule.counts(sequences).tolist()
    return {
        source.ask.name: {
            "sequences": count,
            "share": count / sequences,
            "epochs": round(count / one.per_epoch, DIGITS),
        }
        for source, one, count in zip(sources, loader.loaders, counts, strict=True)
    }


def _in_words(reference: dict[str, Any]) -> str:
    return f"xz -9 {reference['xz_9']:.3f}, byte 5-grams {reference['byte_5gram']:.3f}" if reference else "none"
