"""Checkpoints of llama2.c (Karpathy 2023): a Llama in one plain file.

Version 0: seven int32, then float32 matrices [out, in], each kind for all layers, all little-endian. A vocabulary below 0
says that the head is a matrix of its own. A head's rotary pairs are neighbours, (2n, 2n + 1).
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gptkit.errors import GptkitError
from gptkit.model.config import ModelConfig
from gptkit.model.exchange.conv1d import HEAD
from gptkit.model.exchange.llama import EMBEDDING, FAMILY

MAGIC = 0x616B3432  # of versions 1 and 2
PICKLED = (b"PK\x03\x04", b"\x80")  # how torch.save's files begin
BOUNDARY = 1  # the token that begins every text it was trained on, and so ends the one before
ANGLE_ERROR = 1e-3  # of the cosines and sines in a file, some of which were made in half precision


class Header(NamedTuple):
    """The first 28 bytes."""

    width: int
    mlp_width: int
    layers: int
    heads: int
    kv_heads: int
    vocab_size: int
    context: int


def read_llama2c(path: Path) -> tuple[ModelConfig, dict[str, Tensor]]:
    """The configuration of a checkpoint, and its tensors under the names and in the shapes of transformers' Llama.

    Raises GptkitError where it is no such file, of another version, or damaged.
    """
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            start = file.read(4 * len(Header._fields))
    except FileNotFoundError:
        raise GptkitError(f"{path}: no such file") from None
    if len(start) < 4 * len(Header._fields):
        raise GptkitError(f"{path}: is no checkpoint of llama2.c: it is {size} bytes long")
    if start.startswith(PICKLED):
        raise GptkitError(f"{path}: holds pickled weights, which are never loaded; convert them to safetensors")
    header = Header(*np.frombuffer(start, "<i4").tolist())
    if header.width == MAGIC:
        raise GptkitError(
            f"{path}: is of version {header.mlp_width} of llama2.c's format, and only version 0 is read; "
            "export it with --version 0, or to Hugging Face with --version -1"
        )
    config = _config(header, path)
    shapes = _shapes(config)
    expected = len(start) + 4 * sum(math.prod(shape) for shape in shapes.values())
    if size != expected:  # before the header decides how much memory is taken
        raise GptkitError(f"{path}: is {size:,} bytes long, and by its first 28 it must be {expected:,}; it is damaged")
    with open(path, "rb") as file:
        file.seek(len(start))
        read = {
            name: torch.from_numpy(np.fromfile(file, "<f4", math.prod(shape))).view(shape)
            for name, shape in shapes.items()
        }
    _check_angles(read.pop("cosines"), read.pop("sines"), path)
    return config, _named(read, config)


def _config(header: Header, path: Path) -> ModelConfig:
    # a shape that no model has is the only sign that this is another kind of file
    try:
        return ModelConfig(
            abs(header.vocab_size),
            header.context,
            header.layers,
            header.heads,
            header.width,
            kv_heads=header.kv_heads or -1,  # 0 would be taken for as many as heads
            mlp_width=header.mlp_width or -1,
            tied=header.vocab_size > 0,
            bias=False,
            **FAMILY,
        )
    except (ValueError, ZeroDivisionError) as error:
        raise GptkitError(f"{path}: is no checkpoint of llama2.c, by its first 28 bytes: {error}") from None


def _shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """What follows the header, in order; the names of layers are transformers', without what stands around them."""
    layers, width, inner = config.layers, config.width, config.mlp_width
    shared = config.kv_heads * config.head_width
    angles = (config.context, config.head_width // 2)
    shapes: dict[str, tuple[int, ...]] = {
        EMBEDDING: (config.vocab_size, width),
        "input_layernorm": (layers, width),
        "self_attn.q_proj": (layers, width, width),
        "self_attn.k_proj": (layers, shared, width),
        "self_attn.v_proj": (layers, shared, width),
        "self_attn.o_proj": (layers, width, width),
        "post_attention_layernorm": (layers, width),
        "mlp.gate_proj": (layers, inner, width),
        "mlp.down_proj": (layers, width, inner),
        "mlp.up_proj": (layers, inner, width),
        "model.norm.weight": (width,),
        "cosines": angles,
        "sines": angles,
    }
    return shapes if config.tied else {**shapes, HEAD: (config.vocab_size, width)}


def _check_angles(cosines: Tensor, sines: Tensor, path: Path) -> None:
    """Raises GptkitError where the file's rotary positions are not those of base 10,000."""
    places, pairs = cosines.shape
    angles = torch.outer(torch.arange(places).double(), 10_000.0 ** -(torch.arange(pairs).double() / pairs))
    for found, expected in ((cosines, angles.cos()), (sines, angles.sin())):
        if not (found - expected).abs().max() < ANGLE_ERROR:  # so that a NaN counts
            raise GptkitError(f"{path}: its rotary positions are not those of base 10,000, and others are not read")


def _named(read: dict[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Layers apart, and rotary pairs from neighbours to halves of a head: (n, n + half)."""
    named = {}
    for name, tensor in read.items():
        if name.startswith(("model.", "lm_head.")):
            named[name] = tensor
            continue
        if name.endswith(("q_proj", "k_proj")):
            pairs = tensor.view(config.layers, -1, config.head_width // 2, 2, config.width)
            tensor = pairs.transpose(2, 3).reshape(tensor.shape)
        named |= {f"model.layers.{layer}.{name}.weight": each for layer, each in enumerate(tensor)}
    return named
