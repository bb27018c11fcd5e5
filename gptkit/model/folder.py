"""A model on disk: model.safetensors, config.json and tokenizer.json, as transformers reads and writes them.

What transformers has no form for is written in our own (see exchange.own).
"""

import dataclasses
import json
from pathlib import Path

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
from gptkit.model.exchange.own import OWN
from gptkit.model.text import Codec
from gptkit.model.transformer import Transformer

WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"
INDEX = "model.safetensors.index.json"  # lists the files of weights that were written in parts
FORMS = (GPT2, OWN)  # the last one can hold every configuration
PADDED_TO = 128  # others round the vocabulary up to a multiple of this, for speed


@dataclasses.dataclass(frozen=True)
class LoadedModel:
    """A model read from a folder, in evaluation mode, float32."""

    model: Transformer
    config: ModelConfig
    tokenizer_path: Path
    fingerprint: str  # SHA-256 over the files of the configuration and the weights


def save_model(folder: Path, model: Transformer, tokenizer_path: Path) -> None:
    """Writes the three files of a model into `folder`, each whole or not at all."""
    end_of_text = Codec(tokenizer_path).end_of_text
    with atomic_path(folder / TOKENIZER) as path:
        path.write_bytes(tokenizer_path.read_bytes())
    form = form_of(model.config)
    write_json(folder / CONFIG, form.describe(model.config, end_of_text))
    save_tensors(folder / WEIGHTS, form.give(model.state_dict(), model.config))


def load_model(folder: Path, device: str = "cpu") -> LoadedModel:
    """Reads a folder of ours, or a Hugging Face folder of one of FORMS.

    Raises GptkitError where files are missing, damaged, of another architecture, or do not belong
    together, and where the folder is that of a training that has not ended.
    """
    if not folder.is_dir():
        raise GptkitError(f"{folder}: no such folder")
    for name in (CONFIG, TOKENIZER):
        if not (folder / name).is_file():
            raise GptkitError(f"{folder}: {_what_is_missing(folder, name)}")
    _check_tokenizer(folder)
    form, config = read_config(folder / CONFIG)
    files = _weight_files(folder)
    tensors: dict[str, Tensor] = {}
    for path in files:
        tensors |= load_tensors(path)
    model = _assemble(form, config, tensors, folder)
    size = Codec(folder / TOKENIZER).vocab_size
    if not size <= config.vocab_size <= -(-size // PADDED_TO) * PADDED_TO:
        raise GptkitError(
            f"{folder}: the tokenizer has {size:,} tokens and the model {config.vocab_size:,}; they do not belong together"
        )
    fingerprint = sha256_json([sha256_file(path) for path in (folder / CONFIG, *files)])
    return LoadedModel(model.to(device).eval(), config, folder / TOKENIZER, fingerprint)


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
        names = read_json(folder / INDEX).get("weight_map", {}).values()
        return [folder / Path(name).name for name in sorted(set(names))]
    if (folder / "pytorch_model.bin").is_file():
        raise GptkitError(f"{folder}: holds pickled weights, which are never loaded; convert them to {WEIGHTS}")
    raise GptkitError(f"{folder}: has no {WEIGHTS}, so it is no model folder")


def _assemble(form: Form, config: ModelConfig, tensors: dict[str, Tensor], folder: Path) -> Transformer:
    """A model on the CPU with the tensors of its weight files."""
    if config.layers > len(tensors):  # before a configuration from elsewhere decides how much is built
        raise GptkitError(f"{folder}: the weights are not those of the {config.layers} layers in {CONFIG}")
    try:
        found = form.tidy(tensors, config)
    except ValueError as error:
        raise GptkitError(f"{folder}: {error}") from None
    with torch.device("meta"):
        model = Transformer(config)
    expected = form.give(model.state_dict(), config)
    for name in sorted(expected.keys() | found.keys()):
        if name not in found or name not in expected:
            state = "is missing from" if name not in found else "is too much in"
            raise GptkitError(
                f"{folder}: {name} {state} the weights of a {form.model_type} model with {config.layers} layers"
            )
        if found[name].shape != expected[name].shape:
            there, here = list(found[name].shape), list(expected[name].shape)
            raise GptkitError(f"{folder}: {name} has shape {there} in the weights and {here} by {CONFIG}")
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
    try:
        return form, form.read(value)
    except KeyError as error:
        raise GptkitError(f"{path}: has no {error}") from None
    except (TypeError, ValueError) as error:
        raise GptkitError(f"{path}: {error}") from None
