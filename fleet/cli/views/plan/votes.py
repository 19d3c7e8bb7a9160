"""Prints which voters of quorum groups a plan takes out when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from fleet.cli.terminal.columns import columns
from fleet.cli.terminal.time_format import at_offset
from fleet.cli.views.plan.line import fact
from fleet.core.planning.plan import (
    Plan,
    PlannedVote,
)
from fleet.core.quorum.quorum import QuorumRule
from fleet.core.text.durations import format_duration


def votes(plan: Plan) -> Iterator[Text]:
    """Yields which members of quorum groups go when, and what is left of their group then."""
    found = sorted(((vote, run) for run in plan.runs for vote in run.votes), key=lambda pair: pair[0].at)
    if not found:
        return
    groups = dict.fromkeys(vote.group for vote, _ in found)
    yield fact("quorum", f"{', '.join(groups)}: one voter at a time")
    rows = [
        (
            f"    {at_offset(vote.at)}",
            run.node,
            vote.member,
            f"{vote.commit_seconds * 1000:.1f} ms" if vote.commit_seconds is not None else "?",
            "; ".join(_with_vote(vote)),
        )
        for vote, run in found
    ]
    head = ("    AT", "NODE", "VOTER", "COMMIT", "")
    if any(vote.commit_seconds != 0 for vote, _ in found):
        yield columns(head, rows, right=(0, 3))
    else:
        # Within one site no distances are measured.
        yield columns((*head[:3], ""), [(*row[:3], row[4]) for row in rows], right=(0,))
    for group in groups:
        for line in _etcd(plan, group, [vote for vote, _ in found if vote.group == group]):
            yield Text(f"    {line}")


def _etcd(plan: Plan, group: str, votes: Sequence[PlannedVote]) -> tuple[str, ...]:
    """Returns, in lines, what cannot be known of the etcd that the release brings, and of the way back."""
    runs = sorted({vote.etcd for vote in votes if vote.etcd})
    if not runs or any(vote.last_before for vote in votes):
        return ()  # shown in the row of the last voter
    target = plan.target.version
    if plan.rolls_back:
        unknown = sorted(vote.member for vote in votes if not vote.brings)
        data = next((vote.data for vote in votes if vote.data), "") or runs[-1]
        text = (
            f"which etcd {target} brings to {', '.join(unknown)} is not known:",
            f"one older than {data} does not start on the data of {group}",
        )
        return text if unknown else ()
    rule = next((quorum.rule for quorum in plan.policy.quorums if quorum.name == group), QuorumRule())
    return (
        f"whether {target} brings another minor version than etcd {runs[-1]} is not known: if it does, the last",
        f"voter of {group} waits until the others have run it for {format_duration(rule.last_voter_seconds)}, "
        "and after it there is no way back",
    )


def _with_vote(vote: PlannedVote) -> Iterator[str]:
    if vote.snapshot_at is not None:
        yield "snapshot first"
    if vote.leader_to:
        yield f"{vote.leader_to} leads from then on"
    if vote.last_before:
        yield f"the last on an etcd before {vote.last_before}: no rollback after it"
    if vote.breaking:
        losses = (*vote.breaking, *(f"the link {link}" for link in vote.breaking_links))
        yield f"meanwhile the loss of {' or '.join(losses)} would stop it"
