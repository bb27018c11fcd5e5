"""A model on disk: model.safetensors, config.json and tokenizer.json, as transformers reads and writes them.

What transformers has no form for is written in our own (see exchange.own).
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from gptkit.data.files import atomic_path, read_json, sha256_file, sha256_json, write_json
from gptkit.data.manifest import NAME as MANIFEST
from gptkit.errors import GptkitError
from gptkit.model.config import ModelConfig
from gptkit.model.exchange.form import Form
from gptkit.model.exchange.gpt2 import GPT2
from gptkit.model.exchange.gpt_oss import GPT_OSS
from gptkit.model.exchange.llama import LLAMA
from gptkit.model.exchange.mixtral import MIXTRAL
from gptkit.model.exchange.openai_gpt import OPENAI_GPT
from gptkit.model.exchange.own import OWN
from gptkit.model.text import Codec
from gptkit.model.transformer import Transformer

WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"
INDEX = "model.safetensors.index.json"  # lists the files of weights that were written in parts
PART = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")
PART_BYTES = 5_000_000_000  # weights are written in files of at most so many bytes, but for a larger tensor
FORMS = (GPT2, OPENAI_GPT, LLAMA, MIXTRAL, GPT_OSS, OWN)  # the last one can hold every configuration
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
FLOATS = (torch.float64, *DTYPES.values())  # what weights are read from
SPECIAL_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")  # of config.json
PADDED_TO = 128  # others round the vocabulary up to a multiple of this, for speed


@dataclasses.dataclass(frozen=True)
class LoadedModel:
    """A model read from a folder, in evaluation mode, float32."""

    model: Transformer
    config: ModelConfig
    tokenizer_path: Path
    fingerprint: str  # SHA-256 over the files of the configuration and the weights
    special_ids: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # those of SPECIAL_IDS in config.json


def save_model(
    folder: Path,
    model: Transformer,
    tokenizer_path: Path,
    form: Form | None = None,
    dtype: torch.dtype = torch.float32,
    special_ids: Mapping[str, Any] | None = None,
) -> None:
    """Writes a model into `folder`, each file whole or not at all, config.json last.

    The form is the first of FORMS that holds its configuration, unless given; the ids of special tokens are the
    tokenizer's, unless given. Raises GptkitError where a weight is too large a number for the dtype.
    """
    form = form or form_of(model.config)
    tensors = form.give(model.state_dict(), model.config)
    if dtype != torch.float32:
        tensors = {name: _narrowed(name, tensor, dtype) for name, tensor in tensors.items()}
    end_of_text = Codec(tokenizer_path).end_of_text
    (folder / CONFIG).unlink(missing_ok=True)  # of another model there before, which is no more
    with atomic_path(folder / TOKENIZER) as path:
        path.write_bytes(tokenizer_path.read_bytes())
    _save_weights(folder, tensors)
    described = form.describe(model.config, end_of_text) | {"torch_dtype": str(dtype).removeprefix("torch.")}
    write_json(folder / CONFIG, {**described, **(special_ids or {})})


def load_model(folder: Path, device: str = "cpu", tokenizer_path: Path | None = None) -> LoadedModel:
    """Reads a folder of ours, or a Hugging Face folder of one of FORMS; with another tokenizer than its own, if given.

    Raises GptkitError where files are missing, damaged, of another architecture, or do not belong
    together, and where the folder is that of a training that has not ended.
    """
    if not folder.is_dir():
        raise GptkitError(f"{folder}: no such folder")
    for name in (CONFIG, TOKENIZER) if tokenizer_path is None else (CONFIG,):
        if not (folder / name).is_file():
            raise GptkitError(f"{folder}: {_what_is_missing(folder, name)}")
    if tokenizer_path is None:
        _check_tokenizer(folder)
        tokenizer_path = folder / TOKENIZER
    form, config = read_config(folder / CONFIG)
    files = _weight_files(folder)
    tensors: dict[str, Tensor] = {}
    for path in files:
        tensors |= load_tensors(path)
    model = assemble(form, config, tensors, folder)
    check_size(tokenizer_path, config, folder)
    fingerprint = sha256_json([sha256_file(path) for path in (folder / CONFIG, *files)])
    said = read_json(folder / CONFIG)
    special_ids = {name: said[name] for name in SPECIAL_IDS if said.get(name) is not None}
    return LoadedModel(model.to(device).eval(), config, tokenizer_path, fingerprint, special_ids)


def check_size(tokenizer_path: Path, config: ModelConfig, where: Path) -> None:
    """Raises GptkitError where a tokenizer has not as many tokens as the model, which may be padded."""
    size = Codec(tokenizer_path).vocab_size
    if not size <= config.vocab_size <= -(-size // PADDED_TO) * PADDED_TO:
        raise GptkitError(
            f"{where}: the tokenizer has {size:,} tokens and the model {config.vocab_size:,}; they do not belong together"
        )


def save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Writes a safetensors file atomically. Raises GptkitError where it cannot be written."""
    try:
        with atomic_path(path) as temporary:
            save_file(tensors, temporary, metadata={"format": "pt"})
    except SafetensorError as error:
        raise GptkitError(f"{path}: cannot be written ({error})") from None


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Reads a safetensors file. Raises GptkitError where it is missing or damaged."""
    try:
        return load_file(path)
    except FileNotFoundError:
        raise GptkitError(f"{path}: no such file") from None
    except SafetensorError as error:
        raise GptkitError(f"{path}: is damaged ({error})") from None


def _narrowed(name: str, tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """The tensor in a dtype of 16 bits."""
    narrow = tensor.to(dtype)
    if not torch.equal(narrow.isfinite(), tensor.isfinite()):
        raise GptkitError(f"{name} holds numbers that are too large for {str(dtype).removeprefix('torch.')}; use bf16")
    return narrow


def _save_weights(folder: Path, tensors: dict[str, Tensor]) -> None:
    """Writes one file of weights, or several and their index where they are larger than PART_BYTES; no others stay."""
    parts: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        if parts[-1] and size + tensor.nbytes > PART_BYTES:
            parts.append({})
            size = 0
        parts[-1][name] = tensor
        size += tensor.nbytes
    files = [f"model-{part:05}-of-{len(parts):05}.safetensors" for part in range(1, len(parts) + 1)]
    if len(parts) == 1:
        files = [WEIGHTS]
    for file, part in zip(files, parts, strict=True):
        save_tensors(folder / file, part)
    if len(parts) > 1:
        total = sum(tensor.nbytes for tensor in tensors.values())
        places = {name: file for file, part in zip(files, parts, strict=True) for name in part}
        write_json(folder / INDEX, {"metadata": {"total_size": total}, "weight_map": places})
        files.append(INDEX)
    for path in folder.iterdir():
        if path.name not in files and (path.name in (WEIGHTS, INDEX) or PART.fullmatch(path.name)):
            path.unlink()


def _what_is_missing(folder: Path, name: str) -> str:
    checkpoints = sorted((folder / ".work" / "checkpoints").glob("step-*"))
    if checkpoints:
        return f"its training has not ended; run it again to go on, or name its newest checkpoint, {checkpoints[-1]}"
    if (folder / ".work").is_dir():
        return "its training has not ended and has no checkpoint yet; run it again to go on"
    return f"has no {name}, so it is no model folder"


def _check_tokenizer(folder: Path) -> None:
    """Raises GptkitError where the folder's manifest, if it has one, says that another tokenizer was trained with."""
    manifest = read_json(folder / MANIFEST) if (folder / MANIFEST).is_file() else None
    facts = manifest.get("facts") if isinstance(manifest, dict) else None
    trained_with = facts.get("tokenizer") if isinstance(facts, dict) else None
    if trained_with not in (None, sha256_file(folder / TOKENIZER)):
        raise GptkitError(
            f"{folder / TOKENIZER}: is not the tokenizer this model was trained with, by {MANIFEST}; put that one back"
        )


def _weight_files(folder: Path) -> list[Path]:
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        index = read_json(folder / INDEX)
        places = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(places, dict) or not all(
            isinstance(file, str) and file == Path(file).name for file in places.values()
        ):
            raise GptkitError(f"{folder / INDEX}: does not say which files beside it hold the weights")
        return [folder / file for file in sorted(set(places.values()))]
    if any(folder.glob("pytorch_model*.bin")):
        raise GptkitError(f"{folder}: holds pickled weights, which are never loaded; convert them to {WEIGHTS}")
    raise GptkitError(f"{folder}: has no {WEIGHTS}, so it is no model folder")


def assemble(form: Form, config: ModelConfig, tensors: dict[str, Tensor], folder: Path) -> Transformer:
    """A model on the CPU, float32, with the tensors of its weight files.

    Raises GptkitError, which names `folder`, where they are not those of the configuration, or no plain numbers.
    """
    if config.layers > len(tensors):  # before a configuration from elsewhere decides how much is built
        raise GptkitError(f"{folder}: the weights are not those of the {config.layers} layers in {CONFIG}")
    try:
        found = form.tidy(tensors, config)
    except ValueError as error:
        raise GptkitError(f"{folder}: {error}") from None
    try:
        with torch.device("meta"):
            model = Transformer(config)
        expected = form.give(model.state_dict(), config)
    except (RuntimeError, TypeError, OverflowError):  # torch's for a number of elements that has no 64 bits
        raise GptkitError(f"{folder}: {CONFIG} describes matrices that are too large to be") from None
    for name in sorted(expected.keys() | found.keys()):
        if name not in found or name not in expected:
            state = "is missing from" if name not in found else "is too much in"
            raise GptkitError(
                f"{folder}: {name} {state} the weights of a {form.model_type} model with {config.layers} layers"
            )
        if found[name].shape != expected[name].shape:
            there, here = list(found[name].shape), list(expected[name].shape)
            raise GptkitError(f"{folder}: {name} has shape {there} in the weights and {here} by {CONFIG}")
        if found[name].dtype not in FLOATS:
            kind = str(found[name].dtype).removeprefix("torch.")
            raise GptkitError(f"{folder}: {name} is of {kind}; quantised weights are not supported")
    model.load_state_dict({name: tensor.float() for name, tensor in form.take(found, config).items()}, assign=True)
    return model


def form_of(config: ModelConfig) -> Form:
    """The first of FORMS that a configuration can be written in."""
    return next(form for form in FORMS if form.fits(config))


def read_config(path: Path) -> tuple[Form, ModelConfig]:
    """The form and the configuration of a config.json. Raises GptkitError where it is of no known model."""
    value = read_json(path)
    kind = value.get("model_type") if isinstance(value, dict) else None
    form = next((form for form in FORMS if form.model_type == kind), None)
    if form is None:
        known = ", ".join(form.model_type for form in FORMS)
        raise GptkitError(f"{path}: describes a model of type {json.dumps(kind)}; these are supported: {known}")
    if value.get("quantization_config") is not None:
        raise GptkitError(f"{path}: says that the weights are quantised, which is not supported")
    try:
        return form, form.read(value)
    except KeyError as error:
        raise GptkitError(f"{path}: has no {error}") from None
    except (TypeError, ValueError) as error:
        raise GptkitError(f"{path}: {error}") from None
