"""Plans: make, show, list. Nothing here writes to a cluster."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleet.cli.commands.approvals import approvals, approve, reject
from fleet.cli.context import Format, home_of
from fleet.cli.help_format import CommandList

if TYPE_CHECKING:
    from fleet.app.wiring.home import Home
    from fleet.core.planning.plan import Plan

HELP = """Find the fastest safe order for an upgrade, and show what holds it. Writes nothing to any cluster.

    fleet plan --pool workers --to 44.20261101.3.0

Exits 3 if nodes are outdated and every one of them is held."""

app = typer.Typer(cls=CommandList, help=HELP, invoke_without_command=True)

TimelineOption = Annotated[bool, typer.Option("--timeline", help="Show a row for each node, with times.")]
AllHeld = Annotated[
    bool, typer.Option("--held", help="Show every held node, not only the first few reasons.")
]


@app.callback()
def plan(
    context: typer.Context,
    pool: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Pool to upgrade; may be given more than once. Default: the policy's only one.",
        ),
    ] = None,
    to: Annotated[
        str,
        typer.Option(
            help="Version to upgrade to. Default: the newest of the pool's stream, or its pinned one."
        ),
    ] = "",
    from_dump: Annotated[
        Path | None,
        typer.Option(help="Plan for the output of kubectl get nodes,pods,... -A -o json, without a cluster."),
    ] = None,
    save_dump: Annotated[
        Path | None,
        typer.Option(
            help="Write what a plan needs from a live cluster to a file for --from-dump; no secrets."
        ),
    ] = None,
    what_if: Annotated[
        bool,
        typer.Option(
            "--what-if",
            help="Plan again with one constraint loosened, up to seven times, and show what each change would save.",
        ),
    ] = False,
    effort: Annotated[
        float,
        typer.Option(
            help="Seconds to search for a faster order; no guard is loosened.",
            min=0,
            metavar="SECONDS",
        ),
    ] = 0.0,
    cluster: Annotated[
        str,
        typer.Option(
            help="Cluster to save with --save-dump, or the policy's name for that of --from-dump. Default: the "
            "file's name.",
            show_default=False,
        ),
    ] = "",
    keep: Annotated[
        bool,
        typer.Option(
            "--keep",
            help="Keep the plan, to be started or approved later. Otherwise your next plan replaces it; a plan "
            "that was started stays.",
        ),
    ] = False,
    output: Format = "text",
    timeline: TimelineOption = False,
    held: AllHeld = False,
) -> None:
    if context.invoked_subcommand is not None:
        return
    if save_dump is not None:
        _save(home_of(context), cluster, save_dump)
        return
    home, pools = home_of(context), pool or []
    from fleet.app.planning.plan import PlanExtras
    from fleet.cli.terminal.output import waiting

    with waiting() as progress:
        beyond = PlanExtras(what_if, effort, progress)
        if from_dump is not None:
            from fleet.app.planning.dumps import plan_of_dump

            made = plan_of_dump(home, pools, to, from_dump, beyond, cluster)
        else:
            from fleet.app.planning.plans import plan as make

            made = make(home, pools, to, beyond, keep)
    _print(home, made, output, timeline, held)
    if made.held and not made.runs and not any(hold.reason == "length-unknown" for hold in made.held):
        raise typer.Exit(3)


def _save(home: "Home", cluster: str, path: Path) -> None:
    from fleet.app.planning.dumps import save_dump
    from fleet.cli.terminal.output import note

    size = save_dump(home, cluster, path)
    note(f"{path}: {size} bytes.\n  -> fleet plan --pool POOL --to VERSION --from-dump {path}")


@app.command()
def show(
    context: typer.Context,
    plan: Annotated[str, typer.Argument(help="Id of a plan, such as p-9c41. Default: the newest.")] = "",
    output: Format = "text",
    timeline: TimelineOption = False,
    held: AllHeld = False,
) -> None:
    """Show a plan again."""
    from fleet.app.planning.plans import stored

    home = home_of(context)
    found = stored(home, plan)
    _print(home, found, output, timeline, held)
    if output == "text":
        from fleet.app.planning.effects import last_known_state
        from fleet.cli.terminal.output import show as display
        from fleet.cli.views.plan.approvals import plan_state

        state = last_known_state(home, found)
        if state is not None:
            display(plan_state(state, home.now()))


@app.command("list")
def list_(context: typer.Context) -> None:
    """List all plans, newest first."""
    from fleet.app.planning.plans import newest_first
    from fleet.cli.terminal.output import show as display
    from fleet.cli.views.plan.overview import listing

    home = home_of(context)
    display(listing(newest_first(home), home.now()))


for each in (approve, reject, approvals):
    app.command()(each)


def _print(home: "Home", made: "Plan", output: str, timeline: bool, held: bool) -> None:
    from fleet.cli.terminal import output as out

    if output == "json":
        out.show_json(made)
        return
    from fleet.cli.views.plan.overview import plan_overview
    from fleet.cli.views.plan.timeline import plan_timeline

    out.show(plan_timeline(made) if timeline else plan_overview(made, home.now(), all_held=held))
