"""All commands, as `fleet --help` lists them. A line imports the module of its own command alone."""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import typer

from fleet.cli.help_format import CommandList

FLEET, ROLLOUTS, CLUSTERS, LAB = "Fleet", "Rollouts", "Clusters", "Try it"

HELP = """Keeps the nodes of many Kubernetes clusters patched: inventory, plans, rollouts, reports."""
EPILOG = """Begin with fleet demo, or with your own clusters: fleet cluster import; fleet status. Then, to upgrade them:
fleet init; fleet plan --pool POOL --to VERSION; fleet rollout start PLAN --watch

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 held (nothing started), 4 findings,
5 unknown (too little information), 130 interrupted.
"""


class FleetCommands(CommandList):
    """The commands of fleet, as a user comes to need them."""

    order = (
        *("init", "sync", "status", "diff", "explain", "exposure", "drift", "orphans", "lint", "window"),
        *("plan", "rollout", "run", "schedule", "notify", "report", "exception", "audit", "access"),
        *("cluster", "node", "inventory", "agent"),
        *("demo", "lab"),
    )


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"fleet {version('fleet')}")
        raise typer.Exit


LONG_RUNNING = ("run", "operator", "agent")
"""Commands that run as services: their log is their output."""


def _root(
    context: typer.Context,
    home: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the fleet: fleet.yaml, fleet.db. Default: $FLEET_HOME, the current folder if it holds "
            "one, else ~/.local/share/fleet.",
            show_default=False,
        ),
    ] = None,
    database: Annotated[
        str,
        typer.Option(
            help="PostgreSQL URL or SQLite file. Default: $FLEET_DATABASE, else HOME/fleet.db.",
            show_default=False,
        ),
    ] = "",
    log_format: Annotated[
        Literal["text", "json"],
        typer.Option(help="Format of the log on stderr: readable lines, or JSON lines."),
    ] = "text",
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        typer.Option(
            help="Level of the log. Default: info for fleet run, operator and agent, else warning.",
            show_default=False,
        ),
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show fleet's version and exit.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    from fleet.system import logs

    context.obj = (home, database)
    logs.begin(log_format, log_level or ("info" if context.invoked_subcommand in LONG_RUNNING else "warning"))


class CommandPlace(NamedTuple):
    """Names where a command is defined."""

    name: str
    heading: str
    """The heading of `fleet --help` under which it stands."""
    module: str
    """The module below `fleet.cli.commands`."""
    attribute: str
    """The function of the command, or the group of its subcommands."""


COMMANDS = (
    CommandPlace("init", FLEET, "inventory.inventory", "init"),
    CommandPlace("sync", FLEET, "inventory.inventory", "sync"),
    CommandPlace("status", FLEET, "inventory.inventory", "status"),
    CommandPlace("diff", FLEET, "inventory.inventory", "diff"),
    CommandPlace("exposure", FLEET, "inventory.exposure", "exposure"),
    CommandPlace("drift", FLEET, "inventory.drift", "drift"),
    CommandPlace("orphans", FLEET, "inventory.drift", "orphans"),
    CommandPlace("explain", FLEET, "inventory.inventory", "explain"),
    CommandPlace("lint", FLEET, "inventory.inventory", "lint"),
    CommandPlace("releases", FLEET, "releases", "app"),
    CommandPlace("window", FLEET, "windows", "app"),
    CommandPlace("schedule", FLEET, "schedules", "app"),
    CommandPlace("plan", ROLLOUTS, "plans", "app"),
    CommandPlace("rollout", ROLLOUTS, "rollouts", "app"),
    CommandPlace("policy", ROLLOUTS, "policies", "app"),
    CommandPlace("report", ROLLOUTS, "evidence.reports", "app"),
    CommandPlace("notify", ROLLOUTS, "alerting.notifications", "app"),
    CommandPlace("access", ROLLOUTS, "access", "app"),
    CommandPlace("exception", ROLLOUTS, "evidence.exceptions", "app"),
    CommandPlace("audit", ROLLOUTS, "evidence.audit", "audit"),
    CommandPlace("run", ROLLOUTS, "controllers", "run"),
    CommandPlace("operator", ROLLOUTS, "controllers", "operator"),
    CommandPlace("cluster", CLUSTERS, "clusters", "app"),
    CommandPlace("agent", CLUSTERS, "controllers", "agent"),
    CommandPlace("node", CLUSTERS, "inventory.nodes", "app"),
    CommandPlace("inventory", CLUSTERS, "inventory.sources", "app"),
    CommandPlace("demo", LAB, "lab.demo", "demo"),
    CommandPlace("lab", LAB, "lab.labs", "app"),
)
RUNS_OTHERS = "demo"
"""The command that runs other ones, and so needs the whole program."""


def program(word: str = "") -> typer.Typer:
    """Returns the program with the command `word` and its subcommands; with all commands if there is none of that name,
    as help, completion and the suggestion of a similar name need."""
    own = [place for place in COMMANDS if place.name == word != RUNS_OTHERS]
    app = typer.Typer(
        cls=FleetCommands,
        name="fleet",
        help=HELP,
        epilog=EPILOG,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for place in own or COMMANDS:
        found = getattr(import_module(f"fleet.cli.commands.{place.module}"), place.attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=place.name, rich_help_panel=place.heading)
        else:
            app.command(place.name, rich_help_panel=place.heading)(found)
    return app
