"""`gptkit explain`."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import click

from gptkit.clean.settings import CleanSettings
from gptkit.cli.options import json_option, settings_options
from gptkit.errors import GptkitError, UsageError


@click.command(
    "explain",
    epilog="""\b
Examples:
  gptkit explain page.html --rules fineweb
  gptkit explain crawl/pages.warc.gz --index 12 --language any
  gptkit explain 8d3f0c12a97b6e54 --in clean
""",
)
@click.argument("target", metavar="FILE|ID")
@click.option(
    "--in", "folder", type=click.Path(path_type=Path), help="Output of gptkit clean that has the document ID."
)
@click.option("--id", "identity", help="The document of FILE with this id.")
@click.option(
    "--index", type=click.IntRange(0), default=0, show_default=True, help="The document of FILE at this place."
)
@settings_options(CleanSettings)
@json_option
@click.pass_context
def command(
    context: click.Context,
    target: str,
    folder: Path | None,
    identity: str | None,
    index: int,
    settings: CleanSettings,
    as_json: bool,
) -> None:
    """Say why gptkit clean keeps or rejects one document: every statistic, its limit and the verdict.

    FILE is anything that clean reads; its first document is taken unless --id or --index names
    another. ID is looked up in the output folder that --in names, with the settings of that run
    but for those given here, and measured on its text as it was written; a rejected document has
    its text there only if the run was told to --keep-rejected.
    """
    from gptkit.clean.explain import explain, find_in_file, find_in_output
    from gptkit.data.stdin import spooled

    decided: dict[str, Any] = {}
    if folder is not None:
        if identity is not None:
            raise UsageError("--id names a document of FILE; with --in the argument is the ID itself")
        given = {
            field.name: getattr(settings, field.name)
            for field in dataclasses.fields(CleanSettings)
            if context.get_parameter_source(field.name) == click.core.ParameterSource.COMMANDLINE
        }
        batch, decided, settings = find_in_output(folder, target, given)
    else:
        with spooled([target]) as (path,):
            batch = find_in_file(path, identity, index, settings)
    if batch is None:
        _print_reason(target, decided, as_json)
        raise GptkitError(f"{folder}: keeps no text of rejected documents; clean it again with --keep-rejected")
    report = explain(batch, settings) | ({"decided": decided} if decided else {})
    if as_json:
        click.echo(json.dumps(report))
        return
    _print(report)


def _print(report: dict[str, Any]) -> None:
    from gptkit.cli.funnel import print_verdicts
    from gptkit.engine.terminal import printable

    decided = report.get("decided", {"kept": report["kept"], "rule": report["reason"]})
    verdict = "stays" if decided["kept"] else f"goes: {decided['rule']}"
    for name in ("id", "url", "language"):
        click.echo(f"{name}: {printable(str(report[name]), lines=False)}", err=True)
    print_verdicts(report["rules"])
    click.echo(f"verdict: {printable(verdict, lines=False)}")


def _print_reason(identity: str, decided: dict[str, Any], as_json: bool) -> None:
    from gptkit.engine.terminal import printable

    if as_json:
        click.echo(json.dumps({"id": identity, "decided": decided}))
        return
    parts = [f"{name} {decided[name]}" for name in ("value", "limit", "detail") if decided[name] is not None]
    click.echo(printable(f"{identity}: goes: {decided['rule']} ({', '.join(parts)})", lines=False))
