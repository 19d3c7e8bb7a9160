"""Holds a node for the quorum groups that have a voter there, as they were last read."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from fleet.core.cluster.upgraded_voters import UpgradedVoters
from fleet.core.guards import etcd, quorum
from fleet.core.guards.context import Blocker, GuardContext
from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Policy
from fleet.core.quorum.quorum import Quorum, QuorumRule
from fleet.core.records.held import Held
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import Step
from fleet.core.state.indexes.engine_index import EngineIndex
from fleet.core.state.wait_queue import WaitKey


def groups(context: GuardContext) -> Iterator[tuple[Quorum, QuorumRule]]:
    """Yields the quorum groups with a voter on the run's node, each with its rule."""
    for group in context.state.quorums.of(context.ref):
        if any(member.voter for member in group.on(context.ref)):
            yield group, context.rollout.policy.quorum_rule(group)


def groups_without(index: EngineIndex, ref: NodeRef) -> tuple[quorum.GroupWithoutNode, ...]:
    """Returns the state of the node's quorum groups without the node, by their last reading and the policy of the node's
    rollout."""
    rollout = index.runs.rollout_of(ref)
    policy = rollout.policy if rollout is not None else Policy()
    states = (
        quorum.group_without(group, policy.quorum_rule(group), ref) for group in index.state.quorums.of(ref)
    )
    return tuple(state for state in states if state is not None)


def held(context: GuardContext) -> Iterator[Blocker]:
    """Yields what holds the node for each group that cannot do without it now, or whose data format would be tied to the
    release that the node comes back with."""
    for group, rule in groups(context):
        if blocking := _held(context, group, rule):
            yield WaitKey("quorum", (group.name, context.ref)), blocking


def held_or_later(context: GuardContext) -> Iterator[Blocker]:
    """Yields the same, and for each other group whether another of its nodes should go first."""
    for group, rule in groups(context):
        blocking = _held(context, group, rule)
        if blocking is None:
            peers = context.state.quorums.nodes(group.name)
            blocking = quorum.order(
                group, rule, context.ref, [ref for ref in peers if _may_precede(context, ref, group)]
            )
        if blocking is not None:
            yield WaitKey("quorum", (group.name, context.ref)), blocking


def _held(context: GuardContext, group: Quorum, rule: QuorumRule) -> Held | None:
    blocking = quorum.held(group, rule, context.ref, context.state.quorums.away)
    return blocking or _data_format(context, group, rule)


def _data_format(context: GuardContext, group: Quorum, rule: QuorumRule) -> Held | None:
    """Returns what holds the node because of the format of its etcd's data, or None.

    Either the node is to go back to a release whose etcd cannot read the data, or the group gets a format that it cannot go
    back from with its last voter. In the latter case the run is looked at again when the other voters have proved
    themselves.
    """
    if held := etcd.data_format(group, context.ref, context.run.goal.etcd):
        return held
    state, rollout = context.state, context.rollout
    upgraded = state.quorums.upgraded.get(group.name)
    if upgraded is not None:
        upgraded = _by_journal(rollout, group, upgraded)
    last_voter = etcd.last_voter(group, rule, context.ref, upgraded, rollout.started_at, context.now)
    state.quorums.awaiting_upgraded.discard(context.ref)
    if last_voter is None:
        return None
    held, end = last_voter
    if end is not None:
        state.quorums.awaiting_upgraded.add(context.ref)
        state.timers.wake_at(context.ref, end)
    return held


def _by_journal(rollout: Rollout, group: Quorum, upgraded: UpgradedVoters) -> UpgradedVoters:
    """Returns the state of the upgraded voters, corrected by the journal: by the time at which the runs of all of them have
    succeeded. The observations of a controller that has just started are younger.
    """
    if not upgraded.whole or upgraded.since is None:
        return upgraded
    runs = [
        rollout.runs.get(member.node) if member.node is not None else None
        for member in group.voters
        if member.name in upgraded.members
    ]
    ends = [run.since for run in runs if run is not None and run.step is Step.DONE and run.since is not None]
    if not ends or len(ends) < len(runs):
        return upgraded
    return replace(upgraded, since=min(upgraded.since, max(ends)))


def _may_precede(context: GuardContext, ref: NodeRef, group: Quorum) -> bool:
    """Returns whether the other node waits too, and for nothing but its turn. Waiting for a node that is held by anything
    else would be pointless."""
    if ref == context.ref:
        return False
    runs, own_goal = context.index.runs, context.run.goal
    rollout = runs.rollout_of(ref)
    if rollout is None or rollout is not runs.rollout_of(context.ref):
        return False
    other = rollout.runs[ref]
    if not other.waiting or (other.goal.pool, other.goal.canary) != (own_goal.pool, own_goal.canary):
        return False
    # The reasons of quorum groups that are recorded for the other node may be out of date, so the groups are asked again.
    recorded = context.state.held.get(ref, ())
    if any(held.passed_over and held.spec.scope != "quorum group" for held in recorded):
        return False
    return not any(
        _stays(context, rollout, ref, other_group, group) for other_group in context.state.quorums.of(ref)
    )


def _stays(context: GuardContext, rollout: Rollout, ref: NodeRef, other_group: Quorum, group: Quorum) -> bool:
    """Returns whether this group holds the other node: the group in question in any way, another one until an operator
    acts."""
    blocking = quorum.held(
        other_group, rollout.policy.quorum_rule(other_group), ref, context.state.quorums.away
    )
    return blocking is not None and (other_group.name == group.name or blocking.needs_action)
