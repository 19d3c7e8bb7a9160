"""The commands inventory import, list and remove."""

from pathlib import Path
from typing import Annotated

import typer

from fleet.cli.context import Format, home_of
from fleet.cli.help_format import CommandList

app = typer.Typer(
    cls=CommandList, no_args_is_help=True, help="Bring in what spreadsheets and Ansible know of machines."
)


@app.callback()
def inventory() -> None:
    """Bring in what spreadsheets and Ansible know of machines, and compare it with the clusters."""


@app.command("import")
def import_(
    context: typer.Context,
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A CSV, the output of ansible-inventory --list, or the folder of ansible -m setup --tree or of the fact "
            "cache jsonfile. A hyphen (-) reads standard input.",
        ),
    ],
    name: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Name of the source. Default: that of the file. A pipe and standard input need one.",
        ),
    ] = "",
    meaning: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="HEAD=COLUMN",
            help="What another head of a CSV means; 'HEAD=' leaves it out. May be given more than once.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and compare, but store nothing.")] = False,
    output: Format = "text",
) -> None:
    """Import a file as a source of machines, and show which of them are nodes of the fleet.

    The file replaces what the source of that name has had: what is not in it any more is gone. Machines are recognized by
    provider id, system UUID, machine id, name or address. Nothing is written to any cluster, and nothing of it is
    upgraded. Every mistake is reported, with file and line, and then nothing is stored (exit code 2).
    """
    from fleet.app.inventory.sources import ImportSettings, import_source
    from fleet.cli.terminal.output import show, show_json
    from fleet.cli.views.sources import imported

    found = import_source(home_of(context), path, ImportSettings(name, tuple(meaning or ()), dry_run))
    if output == "json":
        show_json(found)
    else:
        show(imported(found))


@app.command("list")
def list_(context: typer.Context, output: Format = "text") -> None:
    """List the imported sources: how old they are, and how many of their machines the clusters have."""
    from fleet.app.inventory.sources import list_sources
    from fleet.cli.terminal.output import show, show_json
    from fleet.cli.views.sources import listed

    home = home_of(context)
    found = list_sources(home)
    if output == "json":
        show_json(found)
    else:
        show(listed(found, home.now()))


@app.command()
def remove(
    context: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the source.")]
) -> None:
    """Remove a source, and name the machines that nothing else has. What it said stays in the history."""
    from fleet.app.inventory.sources import remove_source
    from fleet.cli.terminal.output import note
    from fleet.cli.views.sources import removed

    note(removed(remove_source(home_of(context), name)).plain)
