"""Releases: list them, and read the feeds that they come from."""

from typing import Annotated

import typer

from fleet.cli.context import Format, home_of
from fleet.cli.help_format import CommandList

HELP = """Show the releases of the streams: age, digests, barriers, dead ends, and how many nodes run each.

Reads the policy, the last copies of feeds and the database; asks no server."""

app = typer.Typer(cls=CommandList, help=HELP, invoke_without_command=True)


@app.callback()
def releases(
    context: typer.Context,
    stream: Annotated[str, typer.Option(help="Only this stream. Default: all.", show_default=False)] = "",
    every: Annotated[
        bool, typer.Option("--all", help="Show every release, not only new, special and running ones.")
    ] = False,
    output: Format = "text",
) -> None:
    if context.invoked_subcommand is not None:
        return
    from fleet.app.releases.listing import releases as listed
    from fleet.cli.terminal.output import show, show_json
    from fleet.cli.views.releases.release_table import release_text

    found = listed(home_of(context), stream)
    if output == "json":
        show_json(found)
    else:
        show(release_text(found, every=every))


@app.command()
def sync(
    context: typer.Context,
    stream: Annotated[
        list[str] | None, typer.Argument(help="Streams whose feed to read. Default: all.", show_default=False)
    ] = None,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STREAM",
            help="Take the feed of this stream as it is, even if it is older or has other digests than the copy; may be "
            "given more than once.",
        ),
    ] = None,
) -> None:
    """Read the release feeds of the policy now. A feed that cannot be read leaves its last copy; exits 1 then."""
    from fleet.app.releases.sync import sync_feeds
    from fleet.cli.terminal.output import show
    from fleet.cli.views.releases.feed_lines import sync_text

    home = home_of(context)
    found = sync_feeds(home, stream or (), accept or ())
    show(sync_text(found, home.now()))
    if any(feed.problem for feed in found):
        raise typer.Exit(1)
