"""Click options made from settings classes, and the options every stage has."""

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from gptkit.engine.pool import Pool
from gptkit.engine.progress import Progress
from gptkit.engine.settings import Option, make_settings, options
from gptkit.engine.stage import Runtime

Command = Callable[..., Any]


class SettingType(click.ParamType):
    """Reads a command-line value as the setting's own type, with the setting's own error."""

    def __init__(self, option: Option) -> None:
        self.option = option
        self.name = "|".join(option.choices) or option.unit or {int: "number", float: "number"}.get(option.kind, "text")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self.option.read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def settings_options(settings_class: type) -> Callable[[Command], Command]:
    """Gives a command one option for each setting; it receives them as the argument `settings`."""
    known = options(settings_class)

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def with_settings(**values: Any) -> Any:
            chosen = {option.name: values.pop(option.name) for option in known}
            where = click.get_current_context().info_name or "gptkit"
            return command(settings=make_settings(settings_class, chosen, where), **values)

        for option in reversed(known):
            flag = f"{option.flag}/--no-{option.flag[2:]}" if option.kind is bool else option.flag
            default = ",".join(map(str, option.default)) if option.many and option.default else option.default
            with_settings = click.option(
                flag,
                option.name,
                default=default,
                show_default=option.default not in (None, ()),
                type=bool if option.kind is bool else SettingType(option),
                help=option.help,
            )(with_settings)
        return with_settings

    return decorate


def stage_options(command: Command) -> Command:
    """Gives a command the options every stage has; it receives them as the argument `runtime`."""

    @functools.wraps(command)
    def with_runtime(
        workers: int, limit: int | None, dry_run: bool, overwrite: bool, quiet: bool, **values: Any
    ) -> Any:
        with start(workers, limit, dry_run, overwrite, quiet) as runtime:
            return command(runtime=runtime, **values)

    for flags, arguments in reversed(STAGE_OPTIONS):
        with_runtime = click.option(*flags, **arguments)(with_runtime)
    return with_runtime


STAGE_OPTIONS: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (
        ("--workers",),
        {
            "type": click.IntRange(0),
            "default": os.cpu_count,
            "show_default": "all cores",
            "help": "Processes; 0 runs everything in this one.",
        },
    ),
    (
        ("--limit",),
        {
            "type": click.IntRange(1),
            "metavar": "N",
            "help": "Read the first N documents only (sample and mix: of each source).",
        },
    ),
    (("--dry-run",), {"is_flag": True, "help": "Say what would be done and stop."}),
    (("--overwrite",), {"is_flag": True, "help": "Replace another result in the output folder."}),
    (("--quiet",), {"is_flag": True, "help": "No talk and no progress bars."}),
]


@contextlib.contextmanager
def start(workers: int, limit: int | None, dry_run: bool, overwrite: bool, quiet: bool) -> Iterator[Runtime]:
    """A runtime whose workers end with the block."""
    pool = Pool(workers)
    try:
        yield Runtime(pool, Progress(quiet), limit, dry_run, overwrite)
    finally:
        pool.close()


def start_workers(runtime: Runtime, output: Path) -> None:
    """Has what workers are forked from load its libraries while the command loads its own, if they will be needed."""
    from gptkit.data.manifest import NAME

    if not (runtime.dry_run or (output / NAME).exists()):
        runtime.pool.start()


output_option = click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder to write (new, empty, or to go on with).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
