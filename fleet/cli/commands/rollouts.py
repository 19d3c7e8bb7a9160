"""Rollouts: start, list, status, pause, resume, abort, release."""

from typing import TYPE_CHECKING, Annotated

import typer

from fleet.cli.context import Format, home_of
from fleet.cli.help_format import CommandList

if TYPE_CHECKING:
    from fleet.app.wiring.home import Home

app = typer.Typer(
    cls=CommandList, no_args_is_help=True, help="Start, watch, pause, resume and abort rollouts."
)

RolloutArgument = Annotated[
    str, typer.Argument(help="Id of a rollout, such as r-17. May be omitted if exactly one is active.")
]
ReasonOption = Annotated[str, typer.Option(help="Why; kept in the journal, and shown in the report.")]
WatchOption = Annotated[
    bool, typer.Option("--watch", "-w", help="Follow it until it ends; Ctrl-C leaves it running (exit 130).")
]


@app.command()
def start(
    context: typer.Context,
    plan: Annotated[str, typer.Argument(help="Id of a plan, or the beginning of it, such as p-9c41.")],
    watch: WatchOption = False,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Run the controller in this process.")
    ] = False,
    override_freeze: Annotated[
        str | None,
        typer.Option(
            help="Start in spite of freezes, for this reason; windows count all the same. The policy may want others "
            "to approve that (fleet plan approve --override-freeze).",
            metavar="REASON",
        ),
    ] = None,
) -> None:
    """Start a rollout of a plan.

    The command is committed to the journal; the controller (fleet run) carries it out. Where none runs, one is
    started in the background, and ends when nothing is left to do. Refused (exit 3) where the pool has a rollout
    already or the clusters are no longer as the plan presumes. With --watch: exit 0 all done, 1 some failed, 3 the
    rest waits for an operator.
    """
    from fleet.app.planning.plans import stored
    from fleet.app.rollouts.start import start as begin
    from fleet.app.wiring.refresh import refresh
    from fleet.cli.terminal.output import note, show, warn

    home = home_of(context)
    found = stored(home, plan)
    started = begin(home, found, lambda clusters: refresh(home, clusters).fresh, override_freeze)
    for message in started.notes:
        warn(message)
    show(f"Started rollout {started.rollout} of plan {found.plan_id}.")
    if foreground:
        raise typer.Exit(_in_foreground(home, started.rollout))
    _ensure_controller(home)
    if watch:
        raise typer.Exit(_watch(home, started.rollout, past=True))
    note(f"  -> fleet rollout status {started.rollout} --watch")


@app.command("list")
def list_(context: typer.Context, output: Format = "text") -> None:
    """List all rollouts, newest first."""
    from fleet.app.reporting.status import etas
    from fleet.app.rollouts.rollouts import Rollouts, summary_of
    from fleet.app.rollouts.standstill import standstill
    from fleet.cli.terminal.output import show, show_json

    home = home_of(context)
    rollouts = Rollouts.load(home.store)
    stands = standstill(home, rollouts.active)
    left = etas(home, rollouts.active) if stands is None else {}
    rows = [summary_of(rollout, left.get(rollout.id)) for rollout in reversed(rollouts.all)]
    if output == "json":
        show_json(rows)
        return
    from fleet.cli.views.rollout_page.rollout import listing

    show(listing(rows, home.now(), stands))


@app.command()
def status(
    context: typer.Context, rollout: RolloutArgument = "", watch: WatchOption = False, output: Format = "text"
) -> None:
    """Show how far a rollout is, which nodes are in work, and what each waits for and for how long."""
    from fleet.app.rollouts.rollouts import Rollouts

    home = home_of(context)
    rollouts = Rollouts.load(home.store)
    chosen = rollouts.last(rollout)
    if output == "json":
        from fleet.app.reporting.report import report
        from fleet.cli.terminal.output import show_json

        show_json(report(home, chosen.id))
    elif watch:
        raise typer.Exit(_watch(home, chosen.id))
    else:
        from fleet.app.rollouts.follow import Follower
        from fleet.cli.terminal.output import show
        from fleet.cli.views.rollout_page.live import scene_of
        from fleet.cli.views.rollout_page.rollout import picture

        show(picture(scene_of(Follower(home, rollouts, chosen.id))))


@app.command()
def pause(context: typer.Context, rollout: RolloutArgument = "", reason: ReasonOption = "") -> None:
    """Pause between steps: nodes that reboot come back, and nothing else begins until resume."""
    _send(
        context, "pause", rollout, reason, "Paused {}: nodes that reboot come back, and nothing else begins."
    )


@app.command()
def resume(context: typer.Context, rollout: RolloutArgument = "", reason: ReasonOption = "") -> None:
    """Continue after a pause, or after a halt whose failures an operator has looked at.

    A failed canary is replaced by the next best node once it is released; until then the rest waits.
    """
    _send(context, "resume", rollout, reason, "Resumed {}.")


@app.command("pass")
def pass_(
    context: typer.Context,
    rollout: Annotated[str, typer.Argument(help="Such as r-17.")],
    gate: Annotated[str, typer.Argument(help="The name of the gate, as fleet rollout status shows it.")],
    reason: Annotated[str, typer.Option(help="Why the rollout may go on; kept in the journal.")],
) -> None:
    """Let a gate pass on your word, whatever its measurements say. A gate that has failed is asked anew by resume."""
    from fleet.app.rollouts.commands import pass_gate
    from fleet.cli.terminal.output import show

    home = home_of(context)
    passed, points = pass_gate(home, rollout, gate, reason)
    for point in points:
        show(f"Gate {gate} behind {point} passes in {passed.id}.")
    _ensure_controller(home)


@app.command()
def hook(
    context: typer.Context,
    rollout: Annotated[str, typer.Argument(help="Such as r-17.")],
    name: Annotated[str, typer.Argument(metavar="HOOK", help="As fleet rollout status shows it.")],
    again: Annotated[bool, typer.Option("--again", help="Run the hook again.")] = False,
    passes: Annotated[bool, typer.Option("--pass", help="Let it pass, whatever it does.")] = False,
    node: Annotated[str, typer.Option(help="NODE or CLUSTER/NODE, if several nodes wait for it.")] = "",
    reason: Annotated[str, typer.Option(help="What you found; kept in the journal.")] = "",
) -> None:
    """Run a hook again whose outcome nobody knows, or let it pass on your word. One that runs is stopped by --pass.

    The hook of a rollout or a stage that has failed is also run again by resume.
    """
    from fleet.app.rollouts.hooks import HookOrder, resolve_hook
    from fleet.cli.terminal.output import show
    from fleet.core.records.errors import UsageError

    home = home_of(context)
    if again == passes:
        raise UsageError("expected either --again or --pass", "fleet rollout hook --help")
    resolved, (place, _) = resolve_hook(home, HookOrder(rollout, name, again, node, reason))
    show(f"Hook {name} {place} {'runs again' if again else 'passes'} in {resolved.id}.")
    _ensure_controller(home)


@app.command()
def abort(context: typer.Context, rollout: RolloutArgument = "", reason: ReasonOption = "") -> None:
    """Finish what has begun, start nothing new, and remove fleet's marks from the rest. Cannot be undone."""
    _send(
        context, "abort", rollout, reason, "Aborted {}: what has begun is finished, and nothing new starts."
    )


@app.command()
def release(
    context: typer.Context,
    node: Annotated[str, typer.Argument(help="NODE, or CLUSTER/NODE where the name is in several clusters.")],
    reason: Annotated[str, typer.Option(help="What you found and did; kept in the journal.")] = "",
) -> None:
    """Free the slot of a failed run after you have looked at the node. Removes its cordon if it is fleet's own.

    A release that the node rolled back from may then be tried there again.
    """
    from fleet.app.rollouts.commands import release as let_go
    from fleet.cli.terminal.output import show

    home = home_of(context)
    rollout, ref = let_go(home, node, reason)
    show(f"Released {ref} from {rollout.id}.")
    _ensure_controller(home)
    _show_next_steps(home, rollout.id)


@app.command()
def rollback(
    context: typer.Context,
    rollout: Annotated[str, typer.Argument(help="Id of a rollout that has ended, such as r-17.")],
    to: Annotated[str, typer.Option(help="Only the nodes that came from this version.")] = "",
    start: Annotated[bool, typer.Option("--start", help="Start the rollback at once.")] = False,
    output: Format = "text",
) -> None:
    """Plan a rollback: the nodes that a rollout has upgraded return to what they ran before, with the same guards.

    A downgrade is a plan to an older release, which a stream of the policy must have. Nodes that came from several
    versions go back in one rollout for each: --to names it. Abort a rollout that is still active first.
    """
    from fleet.app.rollouts.rollback import forward_again
    from fleet.app.rollouts.rollback import rollback as undo
    from fleet.cli.terminal.output import note, show, show_json, warn
    from fleet.cli.views.plan.overview import plan_overview

    home = home_of(context)
    made = undo(home, rollout, to)
    if output == "json":
        show_json(made)
    else:
        show(plan_overview(made, home.now()))
    for pool in forward_again(made):
        note(
            f"The policy wants pool {pool} on another release: its next plan upgrades these nodes again.\n"
            f"  -> version: {made.target.version} under pool {pool} in fleet.yaml pins it"
        )
    if made.held and not made.runs:
        raise typer.Exit(3)
    if start:
        from fleet.app.rollouts.start import start as begin
        from fleet.app.wiring.refresh import refresh

        begun = begin(home, made, lambda clusters: refresh(home, clusters).fresh)
        for message in begun.notes:
            warn(message)
        note(f"Started rollout {begun.rollout} of plan {made.plan_id}.")
        _ensure_controller(home)


def _send(context: typer.Context, kind: str, ident: str, reason: str, message: str) -> None:
    from fleet.app.rollouts.commands import send_command
    from fleet.cli.terminal.output import show

    home = home_of(context)
    rollout = send_command(home, kind, ident, reason)
    show(message.format(rollout.id))
    _ensure_controller(home)
    if kind == "resume":
        _show_next_steps(home, rollout.id)


def _show_next_steps(home: "Home", ident: str) -> None:
    from fleet.app.rollouts.commands import what_follows
    from fleet.app.rollouts.rollouts import Rollouts
    from fleet.cli.terminal.output import note

    for line in what_follows(Rollouts.load(home.store).named(ident)):
        note(line)


def _ensure_controller(home: "Home") -> None:
    """Starts a controller in the background unless one is running, so that the command is carried out."""
    from fleet.app.rollouts.background import ensure_controller
    from fleet.cli.terminal.output import note

    if message := ensure_controller(home):
        note(message)


def _watch(home: "Home", ident: str, *, past: bool = False) -> int:
    from fleet.app.rollouts.follow import Follower
    from fleet.app.rollouts.rollouts import Rollouts
    from fleet.cli.views.rollout_page.live import watch

    return watch(Follower(home, Rollouts.load(home.store), ident), past=past)


def _in_foreground(home: "Home", ident: str) -> int:
    """This process is the controller until nothing is left to do."""
    from fleet.app.rollouts.rollouts import Rollouts
    from fleet.app.rollouts.run import run
    from fleet.cli.terminal.output import note
    from fleet.core.rollout.steps import Step

    run(home, until_idle=True, show=note)
    return 1 if Rollouts.load(home.store).named(ident).counts[Step.FAILED] else 0
