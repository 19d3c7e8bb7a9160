"""One node: what it is, its history, its logs."""

from typing import Annotated

import typer

from fleet.cli.context import Format, home_of
from fleet.cli.help_format import CommandList

app = typer.Typer(cls=CommandList, no_args_is_help=True, help="Look at one node.")


@app.callback()
def node() -> None:
    """Look at one node: what it is, its whole history, the log of its last boot."""


NodeName = Annotated[str, typer.Argument(help="NODE, or CLUSTER/NODE where the name is in several clusters.")]


@app.command()
def show(
    context: typer.Context,
    node: NodeName,
    sources: Annotated[
        bool, typer.Option("--sources", help="Show what each source says, how old that is, and conflicts.")
    ] = False,
    output: Format = "text",
) -> None:
    """Show what is known of a node: what it runs since when, its identity, labels and marks."""
    from fleet.app.reporting.past import node_details
    from fleet.cli.terminal.output import show, show_json
    from fleet.cli.views.past_node import details
    from fleet.cli.views.past_node import sources as source_lines

    home = home_of(context)
    found = node_details(home, node)
    if output == "json":
        show_json(found)
    else:
        show(source_lines(found, home.now()) if sources else details(found, home.now()))


@app.command()
def history(context: typer.Context, node: NodeName, output: Format = "text") -> None:
    """Show the whole life of a node: releases, kernels, boots, who cordoned it, which rollouts it was in.

    Boots that no rollout asked for are marked. A node that is gone has its history too.
    """
    from fleet.app.reporting.past import node_history
    from fleet.cli.terminal.output import show, show_json
    from fleet.cli.views.past_node import life

    found = node_history(home_of(context), node)
    if output == "json":
        show_json(found)
    else:
        show(life(found))


@app.command()
def logs(
    context: typer.Context,
    node: NodeName,
    last_boot: Annotated[
        bool,
        typer.Option(
            "--last-boot",
            help="The boot before the current one; after a rollback that is the one that failed.",
        ),
    ] = False,
    unit: Annotated[str, typer.Option(help="Only this systemd unit.")] = "",
    lines: Annotated[
        int, typer.Option(min=1, max=10_000, help="Number of lines at most; 8 KB at most in all.")
    ] = 100,
    host: Annotated[
        str,
        typer.Option(
            help="Connect to the machine directly, such as ssh:core@NAME; the node need not belong to the fleet."
        ),
    ] = "",
) -> None:
    """Show the end of a machine's log, without the secrets that fleet recognizes, from its agent or over ssh.

    fleet report has the log of a machine that rolled back.
    """
    from fleet.app.reporting.node_logs import log_over_connection, of_node
    from fleet.core.records.errors import UsageError
    from fleet.core.text.visible import visible_lines

    if not last_boot:
        raise UsageError(
            "fleet reads only the log of the boot before the current one",
            f"fleet node logs {node} --last-boot",
        )
    log = log_over_connection(host, unit, lines) if host else of_node(home_of(context), node, unit, lines)
    typer.echo(visible_lines(log), nl=not log.endswith("\n"))
