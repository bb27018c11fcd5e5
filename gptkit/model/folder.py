"""A model on disk: model.safetensors, config.json and tokenizer.json, as transformers reads and writes them."""

import dataclasses
import json
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
from gptkit.model.text import Codec
from gptkit.model.transformer import GPT, NORM_EPSILON

WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"
INDEX = "model.safetensors.index.json"  # lists the files of weights that were written in parts
PREFIX = "transformer."
# transformers stores these matrices as [in, out], we as [out, in]
TRANSPOSED = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
# what a GPT-2 configuration may say and this model cannot do otherwise
FIXED = {
    "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
    "layer_norm_epsilon": (NORM_EPSILON,),
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "add_cross_attention": (False,),
    "tie_word_embeddings": (True,),
}
PADDED_TO = 128  # others round the vocabulary up to a multiple of this, for speed


@dataclasses.dataclass(frozen=True)
class LoadedModel:
    """A model read from a folder, in evaluation mode, float32."""

    model: GPT
    config: ModelConfig
    tokenizer_path: Path
    fingerprint: str  # SHA-256 over the files of the configuration and the weights


def save_model(folder: Path, model: GPT, tokenizer_path: Path) -> None:
    """Writes the three files of a model into `folder`, each whole or not at all."""
    end_of_text = Codec(tokenizer_path).end_of_text
    with atomic_path(folder / TOKENIZER) as path:
        path.write_bytes(tokenizer_path.read_bytes())
    write_json(folder / CONFIG, _to_transformers(model.config, end_of_text))
    weights = {PREFIX + name: _turned(name, tensor).contiguous() for name, tensor in model.state_dict().items()}
    save_tensors(folder / WEIGHTS, weights)


def load_model(folder: Path, device: str = "cpu") -> LoadedModel:
    """Reads a folder of ours, or a Hugging Face folder of a GPT-2 model.

    Raises GptkitError where files are missing, damaged, of another architecture, or do not belong
    together, and where the folder is that of a training that has not ended.
    """
    if not folder.is_dir():
        raise GptkitError(f"{folder}: no such folder")
    for name in (CONFIG, TOKENIZER):
        if not (folder / name).is_file():
            raise GptkitError(f"{folder}: {_what_is_missing(folder, name)}")
    _check_tokenizer(folder)
    config = _from_transformers(folder / CONFIG)
    files = _weight_files(folder)
    tensors: dict[str, Tensor] = {}
    for path in files:
        tensors |= load_tensors(path)
    model = _assemble(config, tensors, folder)
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


def _turned(name: str, tensor: Tensor) -> Tensor:
    return tensor.t() if name.endswith(TRANSPOSED) else tensor


def _assemble(config: ModelConfig, tensors: dict[str, Tensor], folder: Path) -> GPT:
    """A model on the CPU with the tensors of its weight files."""
    found = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()}
    head = found.pop("lm_head.weight", None)
    # causal masks, which older files hold, are no parameters
    found = {name: tensor for name, tensor in found.items() if not name.endswith((".attn.bias", ".attn.masked_bias"))}
    if config.layers > len(found):  # before a configuration from elsewhere decides how much is built
        raise GptkitError(f"{folder}: the weights are not those of the {config.layers} layers in {CONFIG}")
    with torch.device("meta"):
        model = GPT(config)
    expected = {name: _turned(name, tensor).shape for name, tensor in model.state_dict().items()}
    for name in sorted(expected.keys() | found.keys()):
        if name not in found or name not in expected:
            state = "is missing from" if name not in found else "is too much in"
            raise GptkitError(f"{folder}: {name} {state} the weights of a GPT-2 model with {config.layers} layers")
        if found[name].shape != expected[name]:
            there, here = list(found[name].shape), list(expected[name])
            raise GptkitError(f"{folder}: {name} has shape {there} in the weights and {here} by {CONFIG}")
    if head is not None and not torch.equal(head, found["wte.weight"]):
        raise GptkitError(f"{folder}: its head is not its token embedding; only GPT-2's tied head is supported")
    weights = {name: _turned(name, tensor).float().contiguous() for name, tensor in found.items()}
    model.load_state_dict(weights, assign=True)
    return model


def _to_transformers(config: ModelConfig, end_of_text: int | None) -> dict[str, Any]:
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": config.vocab_size,
        "n_positions": config.context,
        "n_ctx": config.context,
        "n_embd": config.width,
        "n_layer": config.layers,
        "n_head": config.heads,
        "n_inner": None,
        "resid_pdrop": config.dropout,
        "embd_pdrop": config.dropout,
        "attn_pdrop": config.dropout,
        "initializer_range": 0.02,
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
        "torch_dtype": "float32",
        **{name: allowed[0] for name, allowed in FIXED.items()},
    }


def _from_transformers(path: Path) -> ModelConfig:
    value = read_json(path)
    if not isinstance(value, dict) or value.get("model_type") != "gpt2":
        kind = value.get("model_type") if isinstance(value, dict) else None
        raise GptkitError(f"{path}: describes a model of type {json.dumps(kind)}; only gpt2 is supported")
    for name, allowed in FIXED.items():
        if value.get(name, allowed[0]) not in allowed:
            raise GptkitError(
                f"{path}: {name} is {json.dumps(value[name])}, and only {json.dumps(allowed[0])} is supported"
            )
    try:
        width = value["n_embd"]
        if value.get("n_inner") not in (None, 4 * width):
            raise ValueError(f"n_inner is {value['n_inner']}, and only four times n_embd is supported")
        dropout = value.get("resid_pdrop", 0.0)
        return ModelConfig(value["vocab_size"], value["n_positions"], value["n_layer"], value["n_head"], width, dropout)
    except KeyError as error:
        raise GptkitError(f"{path}: has no {error}") from None
    except (TypeError, ValueError) as error:
        raise GptkitError(f"{path}: {error}") from None
