"""`gptkit dedup`."""

from pathlib import Path

import click

from gptkit.cli.options import json_option, output_option, settings_options, stage_options, start_workers
from gptkit.cli.report import finish
from gptkit.dedup.settings import DedupSettings
from gptkit.engine.stage import Runtime
from gptkit.errors import UsageError


@click.command(
    "dedup",
    epilog="""\b
Examples:
  gptkit dedup clean -o dedup --show 10
  gptkit dedup web=crawl wiki=wikipedia -o dedup --threshold 0.8 --prefer wiki --against heldout.parquet
  gptkit dedup clean -o lines --unit line --json
""",
)
@click.argument("inputs", metavar="[NAME=]IN...", nargs=-1, required=True)
@output_option
@settings_options(DedupSettings)
@click.option(
    "--show", type=click.IntRange(1), metavar="N", help="Print N example clusters with differences marked, when done."
)
@stage_options
@json_option
def command(
    inputs: tuple[str, ...],
    output: Path,
    settings: DedupSettings,
    show: int | None,
    runtime: Runtime,
    as_json: bool,
) -> None:
    """Remove documents that are equal, or nearly so, to another one.

    IN is the output of an earlier stage or Parquet files; several are deduplicated together.
    Exact duplicates go first (xxh3-128), then near ones: MinHash LSH over the set of word n-grams,
    and the exact Jaccard similarity of what it finds. `clusters/` names for every removed document
    the one that stayed, and their similarity.
    """
    start_workers(runtime, output)
    from gptkit.cli.clusters import print_clusters, print_examples
    from gptkit.dedup.stage import run

    by_documents = settings.unit == "document"
    if show is not None and (as_json or not by_documents):
        raise UsageError("--show prints clusters of documents as text: it goes neither with --json nor another --unit")
    manifest = run(inputs, output, settings, runtime)
    if manifest is None:
        return
    if by_documents and not as_json and not runtime.progress.quiet:
        print_clusters(manifest.counts)
    finish(manifest, runtime, as_json, in_tables=("sources", "cluster_sizes") if by_documents else ())
    if show is not None:
        from gptkit.dedup.examples import examples

        print_examples(examples(inputs, output, manifest, settings, show))
