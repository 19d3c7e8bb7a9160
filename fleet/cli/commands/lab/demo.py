"""The demos: one rollout of a simulated fleet by the commands that one would type, and a quarter of a year."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

POOL = "workers"
QUARTER, DAYS = "2026Q4", "30"
TOKEN = "FLEET_TOKEN_FILE=people/ada.token"  # noqa: S105 - the name of a file


def demo(
    context: typer.Context,
    folder: Annotated[
        Path,
        typer.Argument(
            help="Home of the demo, created anew. It stays, so that you can explore it afterwards."
        ),
    ] = Path("demo-fleet"),
    scenario: Annotated[
        Literal["rollout", "quarter"],
        typer.Option(
            help="rollout: one rollout, about half a minute. quarter: October to December 2026 of three sites under a "
            "standing policy, in about a minute; then the report of the quarter."
        ),
    ] = "rollout",
    speed: Annotated[float, typer.Option(min=1, max=1000, help="Simulated seconds per real second.")] = 60.0,
) -> None:
    """Show everything on a simulated fleet, in less than a minute: five sites, five clusters, a rollout, its report.

    It has what real fleets have: a cluster that does not answer, a node that fails, a budget that holds, a cordon
    by another user. With --scenario quarter: releases, approvals, a freeze and a bad release over thirteen weeks.
    """
    if scenario == "quarter":
        _quarter(context, folder, speed)
    else:
        _rollout(context, folder, speed)


def _quarter(context: typer.Context, folder: Path, speed: float) -> None:
    from fleet.app.demo.play import Told, play
    from fleet.app.demo.prepare import PRINTED, REPORT, a_quarter, prepare
    from fleet.app.reporting.pdf import browser
    from fleet.cli.terminal.output import note, show, telling
    from fleet.cli.views.story import StoryText, progress_text

    home = prepare(folder, speed, a_quarter())
    run = partial(_run, context.find_root().command.main, folder)
    show(f"A quarter of a simulated fleet in {folder}, October to December 2026. All times are UTC.")
    story = StoryText()

    try:
        with telling() as (print_line, progress):

            def tell(told: Told) -> None:
                for line in story.lines(told):
                    print_line(line)

            play(home, speed, tell, lambda at: progress(progress_text(*at)))
    except KeyboardInterrupt:
        note(f"Ended early, at {home.now():%d %B %H:%M} UTC. The fleet stays as it is: cd {folder}")
        raise
    report = ("report", "--fleet", "--quarter", QUARTER, "--within", DAYS)
    run("rollout", "list")
    run(*report)
    run(*report, "-o", "html", "--file", str(folder / REPORT))
    if browser() is not None:
        run(*report, "-o", "pdf", "--file", str(folder / PRINTED))
    run("audit", "verify")
    show(f"\nExplore it: cd {folder}, then fleet status, fleet policy status, fleet window preview ...")
    show(f"Commands that change something need a user: {TOKEN} fleet plan --pool {POOL}")
    show(f"Open the report of the quarter in a browser: {folder / REPORT}")


def _rollout(context: typer.Context, folder: Path, speed: float) -> None:
    from fleet.app.demo.prepare import REPORT, prepare
    from fleet.app.planning.plans import stored
    from fleet.cli.terminal.output import show
    from fleet.core.planning.plan import short_id

    home = prepare(folder, speed)
    run = partial(_run, context.find_root().command.main, folder)
    show(f"A simulated fleet in {folder}: one minute there takes {60 / speed:.2g} s.")
    run("sync", fine=(0, 1))
    run("status")
    run("plan", "--pool", POOL)
    run("rollout", "start", short_id(stored(home, "").plan_id), "--watch", fine=(0, 1, 3))
    run("status", "--attention")
    run("explain", _held_node(folder))
    run("rollout", "abort", fine=(0, 2))
    run("rollout", "status", "--watch", fine=(0, 1))
    run("status")
    show(f"\n{_against_plan(folder)}")
    run("report", "-o", "html", "--file", str(folder / REPORT))
    show(f"\nExplore it: cd {folder}, then fleet status, fleet report, fleet audit verify ...")
    show(f"Open the report with its timeline in a browser: {folder / REPORT}")


def _against_plan(folder: Path) -> str:
    """The plan against what happened."""
    from fleet.app.reporting.report import report
    from fleet.app.wiring.home import Home
    from fleet.cli.report.answer import bound, sentence, took

    found = report(Home(folder.absolute()))
    if found.against is None:
        return f"It took {took(found)}."
    return f"It took {took(found)}. {sentence(bound(found.against))}"


def _run(command: Callable[..., object], folder: Path, *arguments: str, fine: tuple[int, ...] = (0,)) -> None:
    """Runs one command, shown as it would be typed. Raises Exit where it fails in a way that a demo does not mean."""
    from fleet.cli.line import run_line
    from fleet.cli.terminal.output import show

    show(f"\n$ fleet {' '.join(arguments)}")
    code = run_line(
        ["--home", str(folder), *arguments], lambda line: command(line, "fleet", standalone_mode=False)
    )
    if code not in fine:
        raise typer.Exit(code)


def _held_node(folder: Path) -> str:
    """One that waits for an operator."""
    from fleet.app.reporting.status import fleet_status
    from fleet.app.wiring.home import Home

    nodes = fleet_status(Home(folder.absolute())).nodes
    held = next((node for node in nodes if node.state == "held"), nodes[0])
    return f"{held.cluster}/{held.name}"
