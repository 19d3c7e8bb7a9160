"""Shows what the controller does next."""

import typer

from fleet.cli.context import Format, home_of
from fleet.cli.help_format import CommandList

app = typer.Typer(
    cls=CommandList, no_args_is_help=True, help="Show what the controller does next, when, and why."
)


@app.callback()
def schedule() -> None:
    """Show what the controller does next, when, and why."""


@app.command("list")
def list_(context: typer.Context, output: Format = "text") -> None:
    """List what happens next, when (UTC and local), and why: windows and freezes of pools with a rollout or a standing
    policy, jobs such as reading calendars and writing reports, approvals that lapse, gates that end.

    Without a controller nothing of it happens by itself; the list says so.
    """
    from fleet.app.schedule.listing import schedule as make
    from fleet.cli.terminal.output import show, show_json
    from fleet.cli.views.windows.schedule import schedule_text

    home = home_of(context)
    found = make(home)
    if output == "json":
        show_json(found)
    else:
        show(schedule_text(found, home.command("run")))
