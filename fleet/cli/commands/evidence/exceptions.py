"""Exceptions: nodes that may stay behind a release for a while."""

from datetime import datetime
from typing import Annotated

import typer

from fleet.cli.context import Format, home_of
from fleet.cli.help_format import CommandList

app = typer.Typer(
    cls=CommandList,
    no_args_is_help=True,
    help="Ask for, grant and list exceptions: nodes that may stay behind a release for a while.",
)
Ident = Annotated[str, typer.Argument(help="Id of the exception, such as x-1.", metavar="EXCEPTION")]


@app.command()
def request(
    context: typer.Context,
    until: Annotated[
        str, typer.Option(help="The first day (UTC) on which it is no longer in force, such as 2026-12-24.")
    ],
    owner: Annotated[str, typer.Option(help="Who answers for the nodes while they stay behind.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the journal, and shown in the report.")],
    node: Annotated[
        list[str] | None,
        typer.Option(help="A node, as CLUSTER/NODE. May be given more than once.", show_default=False),
    ] = None,
    pool: Annotated[
        list[str] | None,
        typer.Option(help="All nodes of a pool. May be given more than once.", show_default=False),
    ] = None,
    release: Annotated[
        str,
        typer.Option(help="The release that they need not run. Default: every release.", show_default=False),
    ] = "",
) -> None:
    """Ask that nodes may stay behind a release. Needs the role operator; another user has to grant it.

    An exception changes nothing of what fleet does with the nodes. Reports count them apart, never as patched in time.
    """
    from fleet.app.approvals.exceptions import request as ask
    from fleet.cli.terminal.output import note, show

    found = ask(home_of(context), node or [], pool or [], release, _day(until), owner, reason)
    show(f"Exception {found.id} is requested until {found.until:%Y-%m-%d}. It is not in force yet.")
    note(f"  -> another user: fleet exception grant {found.id}")


@app.command()
def grant(
    context: typer.Context,
    exception: Ident,
    comment: Annotated[str, typer.Option(help="Kept in the journal.")] = "",
) -> None:
    """Grant an exception, which is in force from now on. Needs the role approver, and a user other than its author."""
    from fleet.app.approvals.exceptions import grant as agree
    from fleet.cli.terminal.output import show

    found = agree(home_of(context), exception, comment)
    show(f"Exception {found.id} is in force until {found.until:%Y-%m-%d}; {found.author.name} asked for it.")


@app.command()
def revoke(
    context: typer.Context,
    exception: Ident,
    reason: Annotated[str, typer.Option(help="Why; kept in the journal.", show_default=False)],
) -> None:
    """Revoke an exception, or refuse one that is not granted yet. Needs the role operator."""
    from fleet.app.approvals.exceptions import revoke as end
    from fleet.cli.terminal.output import show

    found = end(home_of(context), exception, reason)
    show(f"Exception {found.id} is revoked.")


@app.command("list")
def list_(context: typer.Context, output: Format = "text") -> None:
    """List all exceptions, newest first, and say which ones lapse soon."""
    from fleet.app.approvals.exceptions import exceptions
    from fleet.cli.terminal.output import show, show_json
    from fleet.cli.views.exceptions import listing
    from fleet.core.approval.exceptions import ExceptionList

    home = home_of(context)
    found = tuple(reversed(exceptions(home).values()))
    if output == "json":
        show_json(ExceptionList(found))
    else:
        show(listing(found, home.now()))


def _day(text: str) -> datetime:
    from fleet.core.records.errors import UsageError
    from fleet.core.reporting.period.span import days

    try:
        return days(text, text).begin
    except ValueError as error:
        raise UsageError(f"--until: {error}", "--until 2026-12-24") from None
