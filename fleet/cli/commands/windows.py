"""Prints when runs may start: the windows of the policy, and the days to come."""

from typing import Annotated, Literal

import typer

from fleet.cli.context import home_of
from fleet.cli.help_format import CommandList

app = typer.Typer(
    cls=CommandList,
    no_args_is_help=True,
    help="Show when runs may start: windows, freezes, and the days to come.",
)


@app.callback()
def window() -> None:
    """Show when runs may start: windows, freezes, and the days to come."""


@app.command("list")
def list_(context: typer.Context) -> None:
    """List every window by its level, whether it is open now, and the freezes of the next year."""
    from fleet.app.reporting.window_calendar import current_policy
    from fleet.cli.terminal.output import show
    from fleet.cli.views.windows.window_calendar import window_list

    home = home_of(context)
    show(window_list(current_policy(home), home.now()))


@app.command()
def preview(
    context: typer.Context,
    days: Annotated[int, typer.Option(min=1, max=366, help="Number of days to show.")] = 30,
    pool: Annotated[
        list[str] | None, typer.Option(help="Pool to show; may be given more than once. Default: all pools.")
    ] = None,
    output: Annotated[
        Literal["text", "json", "ics"],
        typer.Option("--output", "-o", help="text, json, or ics for calendar programs."),
    ] = "text",
) -> None:
    """Show the days to come: open times, freezes, and planned and running rollouts.

    Calendars of the policy are fetched first. No cluster is asked.
    """
    from fleet.app.reporting.window_calendar import preview as make
    from fleet.cli.terminal.output import show, show_json

    found = make(home_of(context), pool or [], days)
    if output == "json":
        show_json(found)
    elif output == "ics":
        from fleet.cli.views.windows.window_ics import calendar_ics

        typer.echo(calendar_ics(found), nl=False)
    else:
        from fleet.cli.views.windows.window_calendar import calendar_text

        show(calendar_text(found))
