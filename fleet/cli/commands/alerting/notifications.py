"""Messages to operators: the receivers of the policy, and a message to try one."""

from typing import Annotated

import typer

from fleet.cli.context import home_of
from fleet.cli.help_format import CommandList

app = typer.Typer(
    cls=CommandList,
    no_args_is_help=True,
    help="Show who gets messages about rollouts, and try a receiver.",
)


@app.callback()
def notify() -> None:
    """Show who gets messages about rollouts, and try a receiver."""


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the receivers of the policy, how many messages each got, and the newest messages."""
    from fleet.app.messages.overview import overview
    from fleet.cli.terminal.output import show
    from fleet.cli.views.alerting.messages import message_list

    home = home_of(context)
    show(message_list(overview(home), home.now()))


@app.command("test")
def test(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The name of the receiver in the policy.")],
) -> None:
    """Send a test message to a receiver, with the URL as this process has it. Needs the role operator."""
    from fleet.app.messages.trial import send_trial
    from fleet.cli.terminal.output import show

    send_trial(home_of(context), name)
    show(f"{name} has accepted a test message.")
