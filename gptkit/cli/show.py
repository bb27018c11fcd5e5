"""`gptkit show`."""

from pathlib import Path

import click

from gptkit.cli.options import json_option
from gptkit.errors import UsageError


@click.command(
    "show",
    epilog="""\b
Examples:
  gptkit show clean
  gptkit show dedup/docs-00000.parquet --index 12
  gptkit show tokens/train-00000.bin --index 3
""",
)
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--id", "identity", help="The document with this id.")
@click.option("--index", type=click.IntRange(0), default=0, show_default=True, help="The document at this place.")
@json_option
def command(path: Path, identity: str | None, index: int, as_json: bool) -> None:
    """Print one document of a stage's output, a Parquet file, or a token shard."""
    import json

    from gptkit.engine.terminal import printable

    from_tokens = _holds_tokens(path)
    if from_tokens and identity is not None:
        raise UsageError("--id: token shards hold no ids; name a place with --index")
    document = _from_tokens(path, index) if from_tokens else _from_documents(str(path), identity, index)
    if as_json:
        print(json.dumps(document, default=str))
        return
    for name, value in document.items():
        if name != "text":
            click.echo(f"{name}: {printable(str(value))}", err=True)
    print(printable(document["text"] or ""))


def _holds_tokens(path: Path) -> bool:
    from gptkit.data import manifest as manifests
    from gptkit.data.tokens import STAGES

    if (path / manifests.NAME).is_file():
        return manifests.parse_manifest(path / manifests.NAME).plan.stage in STAGES
    return path.suffix in (".bin", ".ds")


def _from_tokens(path: Path, index: int) -> dict[str, str]:
    from gptkit.tokenization.inspect import document

    found = document(path, "train", index)
    return {"tokens": str(found["tokens"]), "text": found["text"]}


def _from_documents(path: str, identity: str | None, index: int) -> dict[str, str]:
    from gptkit.data.documents import find_document

    return find_document(path, identity, index)
