"""`gptkit train`: token shards in, a model folder out."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from gptkit.data.files import check_free_space, read_json, sha256_file, write_json
from gptkit.data.manifest import Manifest, Shard
from gptkit.data.tokens import TokenFolder, open_tokens
from gptkit.data.vocabulary import bytes_per_token, token_bytes
from gptkit.engine.stage import Runtime, Stage
from gptkit.errors import GptkitError
from gptkit.model.config import parameter_count
from gptkit.model.folder import CONFIG, TOKENIZER, WEIGHTS, save_model
from gptkit.model.presets import preset
from gptkit.training.checkpoint import Checkpoints
from gptkit.training.device import choose_device, prepare
from gptkit.training.evaluate import HeldOut, validate
from gptkit.training.loader import Loader, TokenStream
from gptkit.training.log import duration
from gptkit.training.loop import train
from gptkit.training.plan import make_plan
from gptkit.training.reference import ByteNgrams, xz_bits_per_byte
from gptkit.training.settings import TrainSettings

VERSION = 1
LOG = "log.jsonl"
REFERENCE_BYTES = 20_000_000  # training text the byte n-grams are counted in, at most
DIGITS = 6  # of the facts


def run(tokens: Path, output: Path, settings: TrainSettings, runtime: Runtime) -> Manifest | None:
    """Trains a model on the "train" split of a token folder and measures it on "validation".

    Trains in this process, without the pool. A run that was stopped goes on from its last checkpoint
    and ends in the same weights, bit by bit, on the same machine. Gives None for a dry run.
    Raises GptkitError or UsageError for tokens or sizes that cannot be trained on.
    """
    folder = open_tokens(tokens)
    vocab_size, end_of_text = folder.manifest.facts["vocab_size"], folder.manifest.facts["end_of_text"]
    config = preset(settings.model, vocab_size, settings.context)
    config = dataclasses.replace(config, dropout=settings.dropout)
    stream = TokenStream(folder.shards("train"), vocab_size)
    validation = TokenStream(folder.shards("validation"), vocab_size) if settings.validate_tokens else None
    _check_lengths(tokens, stream, validation, config.context)
    device = choose_device(settings)
    loader = Loader(stream, config.context, settings.seed)
    plan = make_plan(settings, config, loader, device)
    inputs = [{"name": "tokens", "digest": folder.manifest.digest}]
    with Stage("train", VERSION, settings, inputs, output, runtime) as stage:
        if stage.finished or not stage.begin(plan.describe(device, settings.model)):
            return stage.finished
        check_free_space(output, (settings.keep + 2) * plan.bytes_on_disk)
        _check_sums(folder)
        prepare(device)
        held_out = None
        if validation is not None:
            sizes = bytes_per_token(folder.tokenizer_path)
            held_out = HeldOut.take(validation, settings.validate_tokens, sizes, end_of_text)
        identity = {"run": stage.plan.digest(), "computed in": str(device.dtype), "device": device.name}
        checkpoints = Checkpoints(stage.work / "checkpoints", identity, folder.tokenizer_path, settings.keep)
        model = train(plan, settings, loader, held_out, device, checkpoints, stage.work / LOG, runtime.progress)
        save_model(stage.out, model, folder.tokenizer_path)
        shutil.copyfile(stage.work / LOG, stage.out / LOG)
        facts: dict[str, Any] = {
            "tokenizer": folder.manifest.facts["tokenizer"],
            "vocab_size": vocab_size,
            "end_of_text": end_of_text,
            "model": dataclasses.asdict(config),
            "parameters": parameter_count(config),
            "steps": plan.steps,
            "tokens": plan.tokens,
            "dtype": str(device.dtype).removeprefix("torch."),
        }
        if held_out is not None:
            found = validate(model, held_out, dataclasses.replace(device, dtype=np_free_float32()))
    return None
