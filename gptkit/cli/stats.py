"""`gptkit stats`."""

import json
from pathlib import Path

import click

from gptkit.cli.options import json_option


@click.command(
    "stats",
    epilog="""\b
Examples:
  gptkit stats clean
  gptkit stats tokens --json
  gptkit stats dedup/docs-00000.parquet
""",
)
@click.argument("path", type=click.Path(path_type=Path))
@json_option
def command(path: Path, as_json: bool) -> None:
    """Print the counts of a stage's output or of one Parquet file, and check its shards' checksums."""
    from gptkit.cli.report import print_table, rows
    from gptkit.data.documents import count_documents
    from gptkit.data.manifest import read_manifest, verify

    if path.is_dir():
        manifest = read_manifest(path)
        verify(path, manifest.shards)
        counts = {**manifest.counts, **manifest.facts, "shards": len(manifest.shards), "digest": manifest.digest}
    else:
        counts = count_documents(str(path))
    if as_json:
        print(json.dumps(counts))
    else:
        print_table(str(path), rows(counts))
