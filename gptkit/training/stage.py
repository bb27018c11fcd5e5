"""`gptkit train`: token shards in, a model folder out."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gptkit.data.files import check_free_space
from gptkit.data.manifest import Manifest, Shard, verify
from gptkit.data.tokens import TokenFolder, open_tokens
from gptkit.data.vocabulary import bytes_per_token, token_bytes
from gptkit.engine.stage import Runtime, Stage
from gptkit.errors import GptkitError
from gptkit.model.config import parameter_count
from gptkit.model.folder import CONFIG, TOKENIZER, WEIGHTS, save_model
from gptkit.model.presets import check_preset, preset
from gptkit.training.checkpoint import Checkpoints
from gptkit.training.device import choose_device, prepare
from gptkit.training.evaluate import HeldOut, validate
from gptkit.training.loader import Loader, TokenStream
from gptkit.training.loop import train
from gptkit.training.plan import make_plan
from gptkit.training.reference import ByteNgrams, xz_bits_per_byte
from gptkit.training.settings import TrainSettings

VERSION = 1
LOG = "log.jsonl"
KINDS = {WEIGHTS: "model", CONFIG: "config", TOKENIZER: "tokenizer"}
REFERENCE_BYTES = 20_000_000  # of the training text; byte n-grams are counted in no more
DIGITS = 6  # of the figures among the facts


def run(tokens: Path, output: Path, settings: TrainSettings, runtime: Runtime) -> Manifest | None:
    """Trains a model on the "train" split of a token folder and measures it on "validation".

    Trains in this process, without the pool. A run that was stopped goes on from its last checkpoint
    and ends in the same weights, bit by bit, on the same machine. Gives None for a dry run.
    Raises GptkitError or UsageError for tokens or sizes that cannot be trained on.
    """
    check_preset(settings.model)
    folder = open_tokens(tokens)
    vocab_size, end_of_text = folder.manifest.facts["vocab_size"], folder.manifest.facts["end_of_text"]
    config = dataclasses.replace(preset(settings.model, vocab_size, settings.context), dropout=settings.dropout)
    stream = _open_split(folder, "train", config.context + 1)
    validation = _open_split(folder, "validation", config.context) if settings.validate_tokens else None
    device = choose_device(settings)
    loader = Loader(stream, config.context, settings.seed)
    plan = make_plan(settings, config, loader, device)
    inputs = [{"name": "tokens", "digest": folder.manifest.digest, "path": str(tokens)}]
    with Stage("train", VERSION, settings, inputs, output, runtime) as stage:
        if stage.finished or not stage.begin(plan.describe(device, settings.model)):
            return stage.finished
        say = runtime.progress.say
        check_free_space(output, (settings.keep + 2) * plan.bytes_on_disk)
        # a damaged shard is known before hours of training
        verify(folder.folder, folder.manifest.of_kind("train") + folder.manifest.of_kind("validation"))
        prepare(device)
        held_out, reference = None, {}
        if validation is not None:
            ids = validation.read(0, settings.validate_tokens)
            held_out = HeldOut(ids, bytes_per_token(folder.tokenizer_path), end_of_text)
            if settings.reference:
                (reference,) = stage.phase("reference", measure_reference, [Texts(tokens, settings.validate_tokens)])
                say(f"validation text, bits per byte to beat: {_in_words(reference)}")
        # a run goes on only as the run it was: what it is, and how it computes
        identity = {"run": stage.plan.digest(), "device": device.name, "dtype": str(device.dtype)}
        checkpoints = Checkpoints(stage.work / "checkpoints", identity, folder.tokenizer_path, settings.keep)
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
            found = validate(model, held_out, dataclasses.replace(device, dtype=torch.float32))
            facts["validation_bits_per_byte"] = round(found.bits_per_byte, DIGITS)
            facts["validation_nats_per_token"] = round(found.nats_per_token, DIGITS)
            facts["reference"] = reference
            against = f" ({_in_words(reference)})" if reference else ""
            say(f"train: validation {found.bits_per_byte:.3f} bits per byte{against}")
        save_model(stage.out, model, folder.tokenizer_path)
        shutil.copyfile(stage.work / LOG, stage.out / LOG)
        shards = [Shard.describe(stage.out, stage.out / name, kind=kind) for name, kind in KINDS.items()]
        counts = {"validation_tokens": len(held_out.ids) if held_out else 0, "sequences_per_epoch": loader.per_epoch}
        return stage.close(shards, counts, facts, beside=[LOG])


@dataclasses.dataclass(frozen=True)
class Texts:
    """The task of measuring what needs no model."""

    tokens: Path
    validate_tokens: int


def measure_reference(task: Texts) -> dict[str, Any]:
    """Bits per byte of the held-out text by xz -9, and by byte n-grams of the training text."""
    folder = open_tokens(task.tokens)
    vocab_size = folder.manifest.facts["vocab_size"]
    pieces = token_bytes(folder.tokenizer_path)

    def text(split: str, tokens: int) -> np.ndarray:
        ids = TokenStream(folder.shards(split), vocab_size).read(0, tokens)
        return np.frombuffer(b"".join([pieces[index] for index in ids]), np.uint8)

    held_out = text("validation", task.validate_tokens)
    if not len(held_out):
        return {}
    seen = text("train", REFERENCE_BYTES)[:REFERENCE_BYTES]  # a token has at least one byte, all but end-of-text
    return {
        "xz_9": round(xz_bits_per_byte(held_out), DIGITS),
        "byte_5gram": round(ByteNgrams(seen).bits_per_byte(held_out), DIGITS),
        "byte_5gram_trained_on_bytes": len(seen),
    }


def _in_words(reference: dict[str, Any]) -> str:
    return f"xz -9 {reference['xz_9']:.3f}, byte 5-grams {reference['byte_5gram']:.3f}" if reference else "none"


def _open_split(folder: TokenFolder, split: str, needed: int) -> TokenStream:
    stream = TokenStream(folder.shards(split), folder.manifest.facts["vocab_size"])
    if len(stream) >= needed:
        return stream
    instead = ", or add --validate-tokens 0" if split == "validation" else ""
    raise GptkitError(
        f"{folder.folder}: the {split} split has {len(stream):,} tokens and one sequence needs {needed:,}; "
        f"give it more text or name a shorter --context{instead}"
    )
