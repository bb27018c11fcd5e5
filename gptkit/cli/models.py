"""`gptkit models`: what there is to train, and what each takes."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from gptkit.cli.options import json_option
from gptkit.cli.tables import console, print_columns
from gptkit.errors import UsageError

if TYPE_CHECKING:
    from gptkit.model.config import ModelConfig

WIDE = 140  # characters of the table of all models
NAMES = {"learned": "learned", "rope": "rotary", "layer": "LayerNorm", "rms": "RMSNorm"}
ACTIVATIONS = {
    "gelu": "GELU",
    "gelu_tanh": "GELU (tanh)",
    "swiglu": "SwiGLU",
    "clamped_swiglu": "SwiGLU, clamped",
    "relu2": "ReLU²",
}


@click.command(
    "models",
    epilog="""\b
Examples:
  gptkit models
  gptkit models gpt3-175b
  gptkit models model --json
""",
)
@click.argument("model", required=False)
@click.option("--context", type=click.IntRange(1), metavar="TOKENS", help="Another context than the model's own.")
@click.option("--vocab-size", type=click.IntRange(1), metavar="TOKENS", help="Another vocabulary.")
@json_option
def command(model: str | None, context: int | None, vocab_size: int | None, as_json: bool) -> None:
    """List the models that have a name, or say of MODEL what it is and what it takes.

    MODEL is one of the list, or a model folder. Memory is counted without the few hundred megabytes
    that the program itself takes.
    """
    from gptkit.model.presets import PRESETS

    if model is not None:
        found = facts(model, _config(model, context, vocab_size))
        print(json.dumps(found) if as_json else in_words(found))
        return
    known = {name: _config(name, context, vocab_size) for name in PRESETS}
    if as_json:
        print(json.dumps([row(name, config) for name, config in known.items()]))
        return
    columns = ("model", "parameters", "active", "layers", "width", "heads", "context", "attention", "experts")
    rows = [_cells(row(name, config)) for name, config in known.items()]
    print_columns(console(width=WIDE), "", columns, rows, left=(0, 7))


def _config(model: str, context: int | None, vocab_size: int | None) -> "ModelConfig":
    """The configuration of a name or a folder, with other sizes where they are given."""
    from gptkit.model.presets import PRESETS, preset

    if model in PRESETS or not Path(model).is_dir():
        return preset(model, vocab_size, context)

    from gptkit.model.folder import CONFIG, read_config

    config = read_config(Path(model) / CONFIG)[1]
    try:
        return dataclasses.replace(
            config, vocab_size=vocab_size or config.vocab_size, context=context or config.context
        )
    except ValueError as error:
        raise UsageError(f"{model}: {error}") from None


def row(name: str, config: "ModelConfig") -> dict[str, Any]:
    """What the list says of a model."""
    from gptkit.model.size import active_parameters, parameter_count

    return {
        "model": name,
        "parameters": parameter_count(config),
        "active_parameters": active_parameters(config),
        "layers": config.layers,
        "width": config.width,
        "heads": config.heads,
        "kv_heads": config.kv_heads,
        "context": config.context,
        "attention": list(config.attention),
        "experts": config.mixture.experts if config.mixture else 0,
        "active_experts": config.mixture.active if config.mixture else 0,
    }


def _cells(row: dict[str, Any]) -> list[str]:
    mixture = f"{row['active_experts']} of {row['experts']}" if row["experts"] else ""
    active = _count(row["active_parameters"]) if row["experts"] else ""
    heads = f"{row['heads']}" if row["heads"] == row["kv_heads"] else f"{row['heads']}/{row['kv_heads']}"
    sizes = (_count(row["parameters"]), active, f"{row['layers']}", f"{row['width']:,}", heads, f"{row['context']:,}")
    return [row["model"], *sizes, ", ".join(row["attention"]), mixture]


def _count(parameters: int) -> str:
    """Parameters as names of models have them: 124.4M, 6.7B."""
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if parameters >= size:
            return f"{parameters / size:.1f}{unit}"
    return f"{parameters:,}"


def facts(name: str, config: "ModelConfig") -> dict[str, Any]:
    """All there is to say of a model: counts of parameters and operations, bytes, settings, a note."""
    from gptkit.model.presets import NOTES
    from gptkit.model.published import PUBLISHED
    from gptkit.model.size import (
        active_parameters,
        cache_bytes,
        cache_bytes_per_token,
        flops_per_token,
        parameter_count,
    )
    from gptkit.training.memory import OptimiserName, training_memory

    parameters = parameter_count(config)
    embeddings = config.vocab_size * config.width * (1 if config.tied else 2)
    embeddings += config.context * config.width if config.positions == "learned" else 0
    training = flops_per_token(config)
    one: dict[str, Any] = {"micro_batch": 1, "dtype": "bf16", "device": "cuda"}
    adamw, muon = (training_memory(config, optimiser=name, **one) for name in get_args(OptimiserName))
    recomputed = training_memory(config, recompute=True, **one)
    known = PUBLISHED.get(name)
    return {
        "model": name,
        "config": dataclasses.asdict(config),
        "parameters": parameters,
        "parameters_without_embeddings": parameters - embeddings,
        "active_parameters": active_parameters(config),
        "flops_per_token": {"training": training, "inference": training / 3},
        "bytes_to_run": {
            "weights_bf16": 2 * parameters,
            "weights_fp32": 4 * parameters,
            "cache_bf16": cache_bytes(config),
            "cache_bf16_per_token": cache_bytes_per_token(config),
        },
        "bytes_to_train": {
            "weights": adamw.weights,
            "gradients": adamw.gradients,
            "adamw": adamw.optimiser,
            "muon": muon.optimiser,
            "casts_bf16": adamw.casts,
            "activations_bf16": adamw.activations,
            "activations_bf16_recomputed": recomputed.activations,
        },
        "published": dataclasses.asdict(known) if known else None,
        "note": NOTES.get(name),
    }


def in_words(facts: dict[str, Any]) -> str:
    """The same for the eye, one a line."""
    from gptkit.engine.terminal import printable
    from gptkit.training.memory import readable

    config, run, train = facts["config"], facts["bytes_to_run"], facts["bytes_to_train"]
    counts = f"{facts['parameters']:,}, {facts['parameters_without_embeddings']:,} without embeddings"
    if config["mixture"]:
        counts += f", {facts['active_parameters']:,} active"
    fixed = train["weights"] + train["gradients"]
    lines = [
        ("model", facts["model"]),
        *_choices(config),
        ("parameters", counts),
        (
            "FLOPs a token",
            f"{facts['flops_per_token']['training']:.3g} to train, {facts['flops_per_token']['inference']:.3g} to run",
        ),
        (
            "memory to run",
            f"weights {readable(run['weights_bf16'])} in bf16, {readable(run['weights_fp32'])} in fp32",
        ),
        (
            "",
            f"cache in bf16 {readable(run['cache_bf16'])} for {config['context']:,} tokens, "
            f"{readable(run['cache_bf16_per_token'])} a further token",
        ),
        (
            "memory to train",
            f"{readable(fixed + train['adamw'])} with AdamW, {readable(fixed + train['muon'])} with Muon: "
            f"fp32 weights {readable(train['weights'])}, gradients {readable(train['gradients'])}, "
            f"moments {readable(train['adamw'])} or {readable(train['muon'])}",
        ),
        (
            "",
            f"in bf16 copies of the matrices {readable(train['casts_bf16'])}, and activations of each sequence of "
            f"{config['context']:,} tokens at once {readable(train['activations_bf16'])} on a GPU, "
            f"{readable(train['activations_bf16_recomputed'])} where they are recomputed",
        ),
        *_published(facts["published"]),
    ]
    if facts["note"]:
        lines.append(("note", facts["note"]))
    return "\n".join(f"{label:<17}{printable(str(text), lines=False)}" for label, text in lines)


def _choices(config: dict[str, Any]) -> list[tuple[str, str]]:
    """The choices of a configuration in words."""
    heads = f"{config['heads']} heads of {config['head_width']}"
    if config["kv_heads"] != config["heads"]:
        heads += f", {config['kv_heads']} of keys and values"
    attention = ", ".join(config["attention"]) + (" in turn" if len(config["attention"]) > 1 else "")
    extras = [text for name, text in (("qk_norm", "normed queries and keys"), ("sinks", "sinks")) if config[name]]
    positions = NAMES[config["positions"]]
    if config["positions"] == "rope":
        positions += f", base {config['rope_theta']:,.0f}"
    if scaling := config["rope_scaling"]:
        positions += f", stretched {scaling['factor']:g} times from {scaling['original']:,} tokens ({scaling['kind']})"
    mlp = f"{ACTIVATIONS[config['activation']]}, width {config['mlp_width']:,}"
    if mixture := config["mixture"]:
        mlp += f"; {mixture['experts']} experts, {mixture['active']} active"
    norm = f"{NAMES[config['norm']]}, {'before each part' if config['norm_first'] else 'behind each sum'}"
    head = "is the embedding" if config["tied"] else "a matrix of its own"
    if config["logit_softcap"]:
        head += f", logits capped at {config['logit_softcap']:g}"
    return [
        ("shape", f"{config['layers']} layers, width {config['width']:,}, {heads}"),
        ("vocabulary", f"{config['vocab_size']:,} tokens; context {config['context']:,}"),
        ("attention", ", ".join((attention, *extras))),
        ("positions", positions),
        ("MLP", mlp),
        ("norm", f"{norm}; {'with' if config['bias'] else 'no'} biases"),
        ("head", head),
    ]


def _published(known: dict[str, Any] | None) -> list[tuple[str, str]]:
    """How the model was trained, as far as its paper says so."""
    if known is None:
        return []
    lines = (
        {"batch {:,} tokens": "batch_tokens", "learning rate {:g}": "learning_rate"},
        {"warm-up over {}": "warmup", "{}": "decay"},
        {
            "Adam's betas {0[0]:g} and {0[1]:g}": "betas",
            "weight decay {:g}": "weight_decay",
            "gradients clipped at {:g}": "clip",
            "dropout {:g}": "dropout",
        },
    )
    said = [
        ", ".join(form.format(known[name]) for form, name in line.items() if known[name] is not None) for line in lines
    ]
    said = [*filter(None, said), known["paper"]]
    return [("" if place else "trained with", text) for place, text in enumerate(said)]
