"""`gptkit train` against nanoGPT's train.py on a processor without a GPU: tokens a second, memory, and what is learned.

    git clone https://github.com/karpathy/nanoGPT        (nothing of it is part of gptkit)
    python tests/benchmarks/bench_train.py --nanogpt nanoGPT [--part speed loss] [--seeds 3]

speed    a GPT-2-shaped model of 8 layers, 5 heads and width 320 (10M parameters in its blocks), context 512, with 4,096 tokens
         and with GPT-2's 50,257: tokens a second (median over steps, the first five left out) and the peak of memory
loss     one of 4 layers and width 192: mean loss on the same held-out text after equal tokens, for several seeds

Both read the same files of ids (text/books, nanoGPT's layout), take equally many tokens a step in equal parts, with the
same AdamW settings and schedule, and have all cores. nanoGPT runs in fp32 on a CPU whatever its dtype says; here its
compile is off, which was slower. Prints Markdown. Needs the data folder (GPTKIT_SHARED, or ../shared beside the
repository). Linux.
"""

import argparse
import json
import os
import pickle
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import corpora
from measure import table

PARTS = ("speed", "loss")
SETTLING = 5  # steps
STEP = re.compile(r"iter (\d+): loss ([\d.]+), time ([\d.]+)ms")
HERE = Path(__file__).parent
BPE = "bpe/encoder.json"


class Shape(NamedTuple):
    """A model and its steps."""

    layers: int
    heads: int
    width: int
    context: int
    sequences: int  # a step
    preset: str


LARGE, SMALL = Shape(8, 5, 320, 512, 4, "mini"), Shape(4, 4, 192, 256, 8, "micro")
RATE, WARMUP, LOWEST = 1e-3, 0.1, 0.1


def tokenize(folder: Path, *options: str) -> Path:
    """text/books as ids in nanoGPT's layout."""
    documents = corpora.write(corpora.rows("text/books.jsonl.zst"), folder.with_suffix(".parquet"))
    command = [sys.executable, "-m", "gptkit", "tokenize", str(documents), "-o", str(folder), "--validation", "0.02"]
    subprocess.run([*command, "--layout", "nanogpt", "--quiet", *options], check=True)
    return folder


def measured(command: Sequence[str | Path], folder: Path) -> tuple[str, float]:
    """Runs a command in a folder; gives what it prints and the peak of its memory in MB. Raises SystemExit where it fails."""
    with open(folder / "output", "w+") as output:
        process = subprocess.Popen([str(word) for word in command], cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        output.seek(0)
        text = output.read()
    if status:
        raise SystemExit(f"{' '.join(map(str, command))} ended with {status}\n{text[-2000:]}")
    return text, usage.ru_maxrss / 1e3


def nanogpt(
    code: Path, tokens: Path, shape: Shape, steps: int, seed: int, folder: Path, keep: bool = False
) -> tuple[float, float]:
    """Trains with nanoGPT in `folder`; gives tokens a second and MB."""
    for name in ("train.py", "model.py", "configurator.py"):
        text = (code / name).read_text()
        # the seed is a constant of the script
        (folder / name).write_text(text.replace("manual_seed(1337", f"manual_seed({seed}"))
    data = folder / "data" / "books"
    data.mkdir(parents=True)
    for name in ("train.bin", "val.bin"):
        (data / name).symlink_to(tokens / name)
    size = json.loads((tokens / "manifest.json").read_text())["facts"]["vocab_size"]
    (data / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": size}))  # the only form nanoGPT is told in
    settings = {
        "dataset": "books", "device": "cpu", "compile": False, "dtype": "float32", "bias": True, "dropout": 0.0,
        "n_layer": shape.layers, "n_head": shape.heads, "n_embd": shape.width, "block_size": shape.context,
        "batch_size": shape.sequences, "gradient_accumulation_steps": 1, "max_iters": steps,
        "eval_interval": steps if keep else 10**9, "eval_iters": 1, "log_interval": 1, "learning_rate": RATE,
        "warmup_iters": round(WARMUP * steps), "lr_decay_iters": steps, "min_lr": LOWEST * RATE,
    }  # fmt: skip
    command = [sys.executable, "train.py", *(f"--{name}={value}" for name, value in settings.items())]
    text, memory = measured(command, folder)
    times = [float(found[3]) for found in STEP.finditer(text)][SETTLING:]
    return 1e3 * shape.sequences * shape.context / statistics.median(times), memory


def gptkit(
    tokens: Path, shape: Shape, steps: int, seed: int, folder: Path, *options: str
) -> tuple[float, float, dict[str, Any]]:
    """Trains with gptkit in `folder`; gives tokens a second, MB and the facts."""
    settings = {
        "model": shape.preset, "context": shape.context, "batch-tokens": shape.sequences * shape.context,
        "steps": steps, "lr": RATE, "warmup": WARMUP, "min-lr": LOWEST, "seed": seed, "validate-every": 0,
        "checkpoint-every": steps, "validate-tokens": 10**9,
    }  # fmt: skip
    words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "gptkit", "train", "--data", tokens, "-o", folder / "model", "--no-reference"]
    _, memory = measured([*command, *words, "--quiet", *options], folder)
    records = [json.loads(line) for line in (folder / "model" / "log.jsonl").read_text().splitlines()]
    rates = [record["tokens_per_second"] for record in records if "loss" in record][SETTLING:]
    facts = json.loads((folder / "model" / "manifest.json").read_text())["facts"]
    return statistics.median(rates), memory, facts


def speed(code: Path, folder: Path, steps: int) -> None:
    """Prints tokens a second and memory."""
    vocabularies = {
        "4,096": tokenize(folder / "small", "--vocab-size", "4096"),
        "50,257": tokenize(folder / "large", "--tokenizer", str(corpora.data(BPE))),
    }
    lines = []
    for name, tokens in vocabularies.items():
        runs: dict[str, tuple[float, float]] = {}
        for turn in ("nanoGPT", "gptkit fp32", "gptkit auto"):
            place = folder / f"speed-{name}-{turn.replace(' ', '-')}"
            place.mkdir()
            if turn == "nanoGPT":
                runs[turn] = nanogpt(code, tokens, LARGE, steps, 1, place)
            else:
                runs[turn] = gptkit(
                    tokens, LARGE, steps, 1, place, "--dtype", turn.split()[1], "--validate-tokens", "0"
                )[:2]
        base = runs["nanoGPT"]
        lines += [(name, turn, rate, rate / base[0], memory, memory / base[1]) for turn, (rate, memory) in runs.items()]
    print(
        f"## {LARGE.layers} layers, width {LARGE.width}, context {LARGE.context}, {LARGE.sequences} sequences a step\n"
    )
    print(table(("tokens known", "", "tokens/s", "of nanoGPT's", "peak of memory, MB", "of nanoGPT's"), lines))
    print("auto is bf16 where the processor has it.\n")


def loss(code: Path, folder: Path, steps: int, seeds: int) -> None:
    """Prints the loss on held-out text after equal tokens."""
    tokens = tokenize(folder / "tokens", "--vocab-size", "4096")
    found: dict[str, list[float]] = {"nanoGPT": [], "gptkit adamw": [], "gptkit muon": []}
    for seed in range(1, seeds + 1):
        for name, losses in found.items():
            place = folder / f"loss-{seed}-{name.replace(' ', '-')}"
            place.mkdir()
            if name == "nanoGPT":
                nanogpt(code, tokens, SMALL, steps, seed, place, keep=True)
                losses.append(_nanogpt_loss(place, tokens))
            else:
                options = ("--dtype", "fp32", "--optimiser", name.split()[1])
                losses.append(gptkit(tokens, SMALL, steps, seed, place, *options)[2]["validation_nats_per_token"])
            shutil.rmtree(place)
    mean = statistics.mean(found["nanoGPT"])
    lines = [
        (name, *(f"{value:.4f}" for value in losses), f"{statistics.mean(losses) / mean:.4f}")
        for name, losses in found.items()
    ]
    million = steps * SMALL.sequences * SMALL.context / 1e6
    print(f"## Held-out loss (nats a token) after {million:.2f}M tokens: {SMALL.layers} layers, width {SMALL.width}\n")
    print(table(("", *(f"seed {seed}" for seed in range(1, seeds + 1)), "mean, of nanoGPT's"), lines))


def _nanogpt_loss(folder: Path, tokens: Path) -> float:
    """The loss of nanoGPT's checkpoint over the windows that gptkit validates on, by nanoGPT's own model."""
    end = json.loads((tokens / "manifest.json").read_text())["facts"]["end_of_text"]
    command = [sys.executable, str(HERE / "peer_nanogpt.py"), str(folder), str(tokens / "val.bin"), str(end)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}\n{done.stderr[-2000:]}")
    return float(json.loads(done.stdout)["loss"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nanogpt", type=Path, required=True, help="a clone of nanoGPT")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=30, help="of the comparison of speed")
    arguments = parser.parse_args()
    code = arguments.nanogpt.resolve()
    with tempfile.TemporaryDirectory() as name:
        for part in arguments.part:
            folder = Path(name) / part
            folder.mkdir()
            if part == "speed":
                speed(code, folder, arguments.steps)
            else:
                loss(code, folder, 300, arguments.seeds)


if __name__ == "__main__":
    main()
