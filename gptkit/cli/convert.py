"""`gptkit convert`."""

import json
from pathlib import Path

import click

from gptkit.cli.options import json_option


@click.command(
    "convert",
    epilog="""\b
Examples:
  gptkit convert stories15M.bin -o stories15M
  gptkit convert model -o model-hf --dtype bf16
  gptkit convert mixtral-folder -o ours --to gptkit
""",
)
@click.argument("source", metavar="MODEL", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder to write (new or empty).")
@click.option(
    "--to",
    default="hf",
    show_default=True,
    type=click.Choice(["hf", "gptkit"]),
    help="hf: as transformers reads the model's family; gptkit: our own form, which holds every model.",
)
@click.option(
    "--dtype", default="fp32", show_default=True, type=click.Choice(["fp32", "bf16", "fp16"]), help="Of the weights."
)
@click.option(
    "--tokenizer",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="tokenizer.json, or llama2.c's tokenizer.bin, in place of the model's own.",
)
@click.option("--overwrite", is_flag=True, help="Replace another model in the output folder.")
@json_option
def command(
    source: Path, output: Path, to: str, dtype: str, tokenizer: Path | None, overwrite: bool, as_json: bool
) -> None:
    """Write a model in another form.

    MODEL is a folder of gptkit train, a Hugging Face folder (GPT-1, GPT-2, Llama, Mixtral, gpt-oss) with safetensors,
    or a checkpoint of llama2.c (a .bin with tokenizer.bin beside it). Pickled weights are never loaded.
    """
    from gptkit.cli.report import print_table
    from gptkit.model.convert import convert

    done = convert(source, output, to, dtype, tokenizer, overwrite)
    if as_json:
        click.echo(json.dumps(done))
        return
    lines = [
        ("read", f"{done['source_type']}, {done['parameters']:,} parameters"),
        ("written", f"{done['output_type']}, {done['dtype']}"),
        *((name, f"{size:,} bytes") for name, size in done["files"].items()),
    ]
    print_table(f"{source} → {output}", lines)
