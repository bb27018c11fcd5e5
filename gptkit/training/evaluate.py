"""The loss on held-out text, by token and by byte."""

import dataclasses
import math

import numpy as np
import torch

from gptkit.model.transformer import GPT
from gptkit.training.device import Device
from gptkit.training.loader import TokenStream
from gptkit.training.loss import token_nats

WINDOW_TOKENS = 8192  # tokens computed at once


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """The validation text: its ids, and how many bytes each id of the vocabulary stands for."""

    ids: np.ndarray  # int64 [tokens]
    bytes_per_token: np.ndarray  # int32 [vocabulary], 0 for special tokens
    end_of_text: int

    @staticmethod
    def take(stream: TokenStream, limit: int, bytes_per_token: np.ndarray, end_of_text: int) -> "HeldOut":
        """The first `limit` tokens of a stream."""
        return HeldOut(stream.read(0, limit), bytes_per_token, end_of_text)


@dataclasses.dataclass(frozen=True)
class Validation:
    """A model's loss on the held-out text."""

    nats_per_token: float  # special tokens included, comparable with the training loss
    bits_per_byte: float  # special tokens left out, comparable between tokenizers
    tokens: int
    bytes: int


@torch.inference_mode()
def validate(model: GPT, held_out: HeldOut, device: Device) -> Validation:
    """Predicts every held-out token, in windows of the model's context that do not overlap.

    The text is taken to begin behind an end-of-text. Bits per byte are the nats of the non-special
    tokens / (ln 2 · the bytes of those tokens).
    """
    context = model.config.context
    targets = torch.from_numpy(held_out.ids)
    inputs = torch.cat([torch.tensor([held_out.end_of_text]), targets[:-1]])
    was_training = model.training
    model.eval()
    parts = []
    whole = len(targets) // context * context
    rows = max(1, WINDOW_TOKENS // context)
    windows = list(
        zip(inputs[:whole].view(-1, context).split(rows), targets[:whole].view(-1, context).split(rows), strict=True)
    )
    if whole < len(targets):
        windows.append((inputs[None, whole:], targets[None, whole:]))
    for ids, wanted in windows:
        with device.autocast():
            hidden = model.hidden(ids.to(device.name)).flatten(0, 1)
        parts.append(token_nats(hidden, model.wte.weight, wanted.flatten().to(device.name), device.dtype).cpu())
    model.train(was_training)
    nats = torch.cat(parts).double().numpy()
    sizes = held_out.bytes_per_token[held_out.ids]
    plain = sizes > 0
    size = int(sizes.sum())
    bits = float(nats[plain].sum()) / math.log(2) / size if size else math.nan
    return Validation(float(nats.mean()), bits, len(nats), size)
