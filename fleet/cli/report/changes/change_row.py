"""Names who changed what in a span, when, why, by whose word, and with what proof: one row for each change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from msgspec import UnsetType

from fleet.cli.report import answer
from fleet.cli.report.answer import Mood
from fleet.cli.terminal.person import person
from fleet.core.reporting.period.period_report import PeriodReport
from fleet.core.reporting.report import Report

REJECT = "reject"


class ChangeRow(NamedTuple):
    """One rollout, or a plan that was refused and changed nothing."""

    at: datetime
    rollout: str
    """Empty: a plan that was refused."""
    what: str
    why: str
    by: str
    """Who started the rollout, or refused the plan."""
    approved: str
    result: str
    mood: Mood
    proof: str


def changes(report: PeriodReport) -> Sequence[ChangeRow]:
    """Returns the rollouts and the refusals of the span, in the order of time."""
    refusals = (
        ChangeRow(
            each.at, "", "a plan, refused", each.reason, person(each.by), "–", "nothing changed", "open", ""
        )
        for each in report.commands
        if each.kind == REJECT
    )
    return sorted((*map(_row, report.rollouts), *refusals), key=lambda row: row.at)


def _row(rollout: Report) -> ChangeRow:
    pools = ", ".join(pool.name for pool in rollout.pools)
    counts = rollout.counts
    # A user may start the plan of a standing policy, in spite of a freeze for example.
    by_itself = not isinstance(rollout.standing, UnsetType) and rollout.by == rollout.standing.identity
    return ChangeRow(
        at=rollout.started,
        rollout=rollout.rollout,
        what=f"{answer.nodes(counts.nodes)} of {pools} to {rollout.target.version}",
        why="; ".join(_reasons(rollout)) or "no reason was given",
        by="the standing policy" if by_itself else person(rollout.by),
        approved=_approved(rollout),
        result=f"{answer.result(rollout)}, {counts.done:,} of {counts.nodes:,} done",
        mood=answer.mood(rollout),
        proof=f"{counts.proven:,} proven by a new boot",
    )


def _reasons(rollout: Report) -> Sequence[str]:
    """Returns why the rollout was made: by the rule of a standing policy, the words of its approvers, or what it fixes."""
    override = [rollout.override_freeze] if rollout.override_freeze else []
    if not isinstance(rollout.standing, UnsetType):
        return [*override, *rollout.standing.grounds]
    advisories = () if isinstance(rollout.target.advisories, UnsetType) else rollout.target.advisories
    fixes = ", ".join(each.id for each in advisories)
    comments = [each.comment for each in rollout.approvals if each.comment]
    return [
        *override,
        *comments,
        *([f"fixes {fixes}"] if fixes else []),
    ]


def _approved(rollout: Report) -> str:
    if not isinstance(rollout.standing, UnsetType) and all(
        each.by.method == "policy" for each in rollout.approvals
    ):
        return "its rule"
    return ", ".join(f"{each.by.name} {answer.clock(each.at, rollout)}" for each in rollout.approvals) or (
        "no approval was needed"
    )
