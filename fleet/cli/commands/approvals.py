"""Approvals of plans: approve, reject, list."""

from typing import Annotated

import typer

from fleet.cli.context import Format, home_of

PlanArgument = Annotated[str, typer.Argument(help="Id of a plan, or the beginning of it, such as p-9c41.")]


def approve(
    context: typer.Context,
    plan: PlanArgument,
    comment: Annotated[str, typer.Option(help="Kept in the journal, and shown in the report.")] = "",
    override_freeze: Annotated[
        str,
        typer.Option(
            metavar="REASON", help="Approve a start in a freeze too, for this reason.", show_default=False
        ),
    ] = "",
) -> None:
    """Approve what a plan would do. Needs the role approver, and a user other than the plan's maker.

    The approval is of the plan's effect: its release, nodes and rules (docs/approvals.md). It holds for a new plan with
    the same effect, and lapses when the plan would differ.
    """
    from fleet.app.approvals.approve import approve as agree
    from fleet.app.planning.plans import stored
    from fleet.app.wiring.refresh import refresh
    from fleet.cli.terminal.output import note, show
    from fleet.core.planning.plan import short_id

    home = home_of(context)
    found = stored(home, plan)
    given = agree(home, found, lambda names: refresh(home, names).fresh, comment, override_freeze)
    show(f"Approved plan {short_id(given.plan)} of {given.asked_by} as {given.by}.\n  effect {given.effect}")
    note(f"  -> fleet rollout start {short_id(given.plan)}")


def reject(
    context: typer.Context,
    plan: PlanArgument,
    reason: Annotated[str, typer.Option(help="Why; kept in the journal.", show_default=False)],
) -> None:
    """Reject what a plan would do. Earlier approvals of the same effect no longer count. Needs the role approver."""
    from fleet.app.approvals.approve import reject as refuse
    from fleet.app.planning.plans import stored
    from fleet.cli.terminal.output import show
    from fleet.core.planning.plan import short_id

    home = home_of(context)
    given = refuse(home, stored(home, plan), reason)
    show(f"Rejected plan {short_id(given.plan)} as {given.by}.\n  effect {given.effect}")


def approvals(
    context: typer.Context,
    plan: Annotated[str, typer.Argument(help="Only those with the effect of this plan; empty: all.")] = "",
    output: Format = "text",
) -> None:
    """List all approvals and rejections, newest first; -o json adds what each covers."""
    from fleet.app.approvals.listing import approvals as every
    from fleet.app.planning.plans import stored
    from fleet.cli.terminal.output import show, show_json
    from fleet.cli.views.plan.approvals import listing

    home = home_of(context)
    found = every(home, stored(home, plan) if plan else None)
    if output == "json":
        show_json(found)
    else:
        show(listing(found, home.now()))
