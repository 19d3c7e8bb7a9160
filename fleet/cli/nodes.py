"""One machine: its logs."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="One machine: its logs.")


@app.callback()
def node() -> None:
    """One machine: its logs."""


@app.command()
def logs(
    node: Annotated[str, typer.Argument(help="NODE, as ssh finds it.")],
    last_boot: Annotated[
        bool,
        typer.Option("--last-boot", help="The boot before this one: the one that failed, after a rollback."),
    ] = False,
    unit: Annotated[str, typer.Option(help="Only of this unit of systemd.")] = "",
    lines: Annotated[int, typer.Option(min=1, max=10_000, help="Lines at most; 8 KB at most in all.")] = 100,
    host: Annotated[
        str,
        typer.Option(
            help="How it is reached, such as ssh:core@NAME; else by NODE in the user's ssh configuration."
        ),
    ] = "",
) -> None:
    """The end of a machine's log, over ssh and without the secrets that fleet recognizes.

    What a machine that rolled back told of itself is in fleet report, and needs no ssh.
    """
    from fleet.app.nodelogs import last_boot as read
    from fleet.core.errors import UsageError

    if not last_boot:
        raise UsageError(
            "only the log of the boot before this one is read", f"fleet node logs {node} --last-boot"
        )
    typer.echo(read(host or f"ssh:{node}", unit, lines), nl=False)
