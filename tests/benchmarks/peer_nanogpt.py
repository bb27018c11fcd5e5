"""The held-out loss of a checkpoint of nanoGPT, by its own model.

    peer_nanogpt.py FOLDER VAL.bin END_OF_TEXT

FOLDER: where nanoGPT's model.py lies and out/ckpt.pt was written. The ids are read in windows of the model's context that
do not overlap; the text is taken to begin behind an end-of-text. Prints {"loss": nats a token}.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

folder, path, end = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
sys.path.insert(0, str(folder))
from model import GPT, GPTConfig  # type: ignore[import-not-found]

checkpoint = torch.load(folder / "out" / "ckpt.pt", weights_only=True)
model = GPT(GPTConfig(**checkpoint["model_args"])).eval()
model.load_state_dict(checkpoint["model"])
ids = np.fromfile(path, np.uint16).astype(np.int64)
inputs = np.concatenate([[end], ids[:-1]])
context = checkpoint["model_args"]["block_size"]
total = 0.0
with torch.inference_mode():
    for start in range(0, len(ids), context):
        window = slice(start, start + context)
        _, loss = model(torch.from_numpy(inputs[None, window]), torch.from_numpy(ids[None, window]))
        total += float(loss) * len(ids[window])
print(json.dumps({"loss": total / len(ids)}))
