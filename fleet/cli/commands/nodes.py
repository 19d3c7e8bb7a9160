"""One machine: its logs."""

from __future__ import annotations

from typing import Annotated

import typer

from fleet.cli.context import home_of
from fleet.cli.help_format import CommandList

app = typer.Typer(cls=CommandList, no_args_is_help=True, help="One machine: its logs.")


@app.callback()
def node() -> None:
    """One machine: its logs."""


@app.command()
def logs(
    context: typer.Context,
    node: Annotated[str, typer.Argument(help="NODE, or CLUSTER/NODE where the name is in several clusters.")],
    last_boot: Annotated[
        bool,
        typer.Option("--last-boot", help="The boot before this one: the one that failed, after a rollback."),
    ] = False,
    unit: Annotated[str, typer.Option(help="Only of this unit of systemd.")] = "",
    lines: Annotated[int, typer.Option(min=1, max=10_000, help="Lines at most; 8 KB at most in all.")] = 100,
    host: Annotated[
        str,
        typer.Option(
            help="Past the cluster and its agent, such as ssh:core@NAME; the node need not be of the fleet."
        ),
    ] = "",
) -> None:
    """The end of a machine's log, without the secrets that fleet recognizes: told by its agent, or over ssh.

    What a machine that rolled back told of itself is in fleet report.
    """
    from fleet.app.reporting.node_logs import log_over_connection, of_node
    from fleet.core.records.errors import UsageError
    from fleet.core.text.visible import visible_lines

    if not last_boot:
        raise UsageError(
            "only the log of the boot before this one is read", f"fleet node logs {node} --last-boot"
        )
    log = log_over_connection(host, unit, lines) if host else of_node(home_of(context), node, unit, lines)
    typer.echo(visible_lines(log), nl=not log.endswith("\n"))
