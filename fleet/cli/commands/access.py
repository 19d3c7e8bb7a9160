"""The commands show and token: the user, and what they may do."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from fleet.cli.context import Format, home_of
from fleet.cli.help_format import CommandList

app = typer.Typer(
    cls=CommandList,
    no_args_is_help=True,
    help="Show who you are to this fleet and who may do what; make tokens.",
)


@app.command()
def show(context: typer.Context, output: Format = "text") -> None:
    """Show who you are to this fleet, your roles, and who has each role."""
    from fleet.app.access.show import own_access
    from fleet.cli.terminal.output import show as display
    from fleet.cli.terminal.output import show_json
    from fleet.cli.views.access import access_text

    found = own_access(home_of(context))
    if output == "json":
        show_json(found)
    else:
        display(access_text(found))


@app.command()
def token(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The user that the token is for.")],
    key: Annotated[Path, typer.Option(help="Private key (Ed25519, PEM) of the policy's access.token_key.")],
    file: Annotated[Path, typer.Option("--file", "-f", help="Write the token there; it must not exist.")],
    group: Annotated[list[str] | None, typer.Option(help="A group; may be given more than once.")] = None,
    hours: Annotated[int, typer.Option(min=1, max=8784, help="How long the token is valid.")] = 12,
) -> None:
    """Make a signed token for a user, who then sets FLEET_TOKEN_FILE to the file.

    Whoever has the private key can act as any user: keep it away from users. `openssl genpkey -algorithm ed25519 -out
    KEY` makes one, `openssl pkey -in KEY -pubout` prints the public half.
    """
    from fleet.app.access.signed_token import issue
    from fleet.cli.terminal.output import show as display
    from fleet.core.records.errors import UsageError

    try:
        issue(key, name, group or [], timedelta(hours=hours), home_of(context).now(), file)
    except FileExistsError:
        raise UsageError(f"{file} exists already", "--file names another one") from None
    display(f"Wrote a token for {name}, valid for {hours} h, to {file}")
