"""All commands, as `fleet --help` lists them. Importing this must stay cheap: commands import what they use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from fleet.cli.commands import (
    access,
    approvals,
    clusters,
    controllers,
    plans,
    policies,
    releases,
    rollouts,
    schedules,
    windows,
)
from fleet.cli.commands.alerting import notifications
from fleet.cli.commands.evidence import audit, exceptions, reports
from fleet.cli.commands.inventory import drift, exposure, inventory, nodes, sources
from fleet.cli.commands.lab import labs
from fleet.cli.commands.lab.demo import demo
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


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"fleet {version('fleet')}")
        raise typer.Exit


LONG_RUNNING = ("run", "operator", "agent")
"""Commands that run as services: their log is their output."""


@app.callback()
def root(
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


app.command(rich_help_panel=FLEET)(inventory.init)
app.command(rich_help_panel=FLEET)(inventory.sync)
app.command(rich_help_panel=FLEET)(inventory.status)
app.command(rich_help_panel=FLEET)(inventory.diff)
app.command(rich_help_panel=FLEET)(exposure.exposure)
app.command(rich_help_panel=FLEET)(drift.drift)
app.command(rich_help_panel=FLEET)(drift.orphans)
app.command(rich_help_panel=FLEET)(inventory.explain)
app.command(rich_help_panel=FLEET)(inventory.lint)
app.add_typer(releases.app, name="releases", rich_help_panel=FLEET)
app.add_typer(windows.app, name="window", rich_help_panel=FLEET)
app.add_typer(schedules.app, name="schedule", rich_help_panel=FLEET)
for each in (approvals.approve, approvals.reject, approvals.approvals):
    plans.app.command()(each)
app.add_typer(plans.app, name="plan", rich_help_panel=ROLLOUTS)
app.add_typer(rollouts.app, name="rollout", rich_help_panel=ROLLOUTS)
app.add_typer(policies.app, name="policy", rich_help_panel=ROLLOUTS)
app.add_typer(reports.app, name="report", rich_help_panel=ROLLOUTS)
app.add_typer(notifications.app, name="notify", rich_help_panel=ROLLOUTS)
app.add_typer(access.app, name="access", rich_help_panel=ROLLOUTS)
app.add_typer(exceptions.app, name="exception", rich_help_panel=ROLLOUTS)
app.add_typer(audit.audit, name="audit", rich_help_panel=ROLLOUTS)
app.command(rich_help_panel=ROLLOUTS)(controllers.run)
app.command(rich_help_panel=ROLLOUTS)(controllers.operator)
app.add_typer(clusters.app, name="cluster", rich_help_panel=CLUSTERS)
app.command(rich_help_panel=CLUSTERS)(controllers.agent)
app.add_typer(nodes.app, name="node", rich_help_panel=CLUSTERS)
app.add_typer(sources.app, name="inventory", rich_help_panel=CLUSTERS)
app.command(rich_help_panel=LAB)(demo)
app.add_typer(labs.app, name="lab", rich_help_panel=LAB)
