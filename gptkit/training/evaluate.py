"""The loss on held-out text, by token and by byte."""

import dataclasses
import math

import numpy as np
import torch

from gptkit.model.transformer import Transformer
from gptkit.training.device import Device
from gptkit.training.loss import token_nats

WINDOW_TOKENS = 8192  # tokens computed at once


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """The validation text: its ids, and how many bytes each id of the vocabulary stands for."""

    ids: np.ndarray  # int64 [tokens]
    bytes_per_token: np.ndarray  # int32 [vocabulary], 0 for special tokens
    end_of_text: int


@dataclasses.dataclass(frozen=True)
class Validation:
    """A model's loss on the held-out text."""

    nats_per_token: float  # special tokens included, comparable with the training loss
    bits_per_byte: float  # special tokens left out, comparable between tokenizers
    tokens: int
    bytes: int


@torch.inference_mode()
def validate(model: Transformer, held_out: HeldOut, device: Device, at_most: int | None = None) -> Validation:
    """Predicts every held-out token, in windows of the model's context that do not overlap.

    The text is taken to begin behind an end-of-text. Bits per byte are the nats of the non-special
    tokens / (ln 2 · the bytes of those tokens). With `at_most` tokens to predict, evenly spaced
    windows are taken.
    """
    context = model.config.context
    starts = np.arange(0, len(held_out.ids), context)
    if at_most is not None:
        starts = starts[:: -(-len(held_out.ids) // at_most)]
    whole = starts[starts + context <= len(held_out.ids)]
    rows = max(1, WINDOW_TOKENS // context)
    batches = [whole[first : first + rows, None] + np.arange(context) for first in range(0, len(whole), rows)]
    if len(whole) < len(starts):
        batches.append(np.arange(starts[-1], len(held_out.ids))[None])
    inputs = np.concatenate([[held_out.end_of_text], held_out.ids[:-1]])
    was_training = model.training
    model.eval()
    parts = []
    for places in batches:
        ids, targets = (torch.from_numpy(text[places]).to(device.name) for text in (inputs, held_out.ids))
        with device.autocast():
            hidden = model.hidden(ids).flatten(0, 1)
        softcap = model.config.logit_softcap
        parts.append(token_nats(hidden, model.head_weight, targets.flatten(), device.dtype, softcap).cpu())
    model.train(was_training)
    nats = torch.cat(parts).double().numpy()
    sizes = held_out.bytes_per_token[held_out.ids[np.concatenate([places.ravel() for places in batches])]]
    size = int(sizes.sum())
    bits = float(nats[sizes > 0].sum()) / math.log(2) / size if size else math.nan
    return Validation(float(nats.mean()), bits, len(nats), size)
