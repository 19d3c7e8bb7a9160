"""The commands drift and orphans."""

from typing import Annotated, Literal

import typer

from fleet.cli.context import Format, home_of, without_collection

Names = list[str] | None
FOUND = 4


def drift(
    context: typer.Context,
    cluster: Annotated[Names, typer.Option(metavar="NAME", help="Only this cluster.")] = None,
    site: Annotated[Names, typer.Option(metavar="NAME", help="Only this site.")] = None,
    pool: Annotated[Names, typer.Option(metavar="NAME", help="Only this pool.")] = None,
    output: Annotated[
        Literal["text", "json", "csv"], typer.Option("--output", "-o", help="csv has a row for each finding.")
    ] = "text",
) -> None:
    """Show nodes that differ from their release, or from most nodes of their pool, and what to do about it.

    Compares the booted image, kernel, kubelet, layered packages, kernel arguments, changed files in /etc and failed units.
    Reads the database alone. Exits 0 if nothing is found, 4 with findings.
    """
    from fleet.app.reporting.drift import drift_of
    from fleet.cli.terminal.output import show, show_csv, show_json
    from fleet.cli.views import drift as view
    from fleet.core.reporting.selection import Selection

    chosen = Selection(tuple(cluster or ()), tuple(site or ()), tuple(pool or ()))
    with without_collection():
        found = drift_of(home_of(context), chosen)
        if output == "json":
            show_json(found)
        elif output == "csv":
            show_csv(*view.cells(found))
        else:
            show(view.drift(found))
    if found.findings:
        raise typer.Exit(FOUND)


def orphans(context: typer.Context, output: Format = "text") -> None:
    """Show what one source knows and another does not: machines without a node, nodes without an agent, nodes that are
    not Ready, slots of deleted nodes, machines with two names.

    Reads the database alone. Exits 0 if nothing is found, 4 with findings.
    """
    from fleet.app.reporting.drift import orphans_of
    from fleet.cli.terminal.output import show, show_json
    from fleet.cli.views.drift import orphans as view

    with without_collection():
        found = orphans_of(home_of(context))
        if output == "json":
            show_json(found)
        else:
            show(view(found))
    if found.findings:
        raise typer.Exit(FOUND)
