"""Read the logs of one machine."""

from __future__ import annotations

from typing import Annotated

import typer

from fleet.cli.context import home_of
from fleet.cli.help_format import CommandList

app = typer.Typer(cls=CommandList, no_args_is_help=True, help="Read the logs of one machine.")


@app.callback()
def node() -> None:
    """Read the logs of one machine."""


@app.command()
def logs(
    context: typer.Context,
    node: Annotated[str, typer.Argument(help="NODE, or CLUSTER/NODE where the name is in several clusters.")],
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
