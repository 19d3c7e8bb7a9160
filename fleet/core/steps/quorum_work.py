"""What a run does for the quorum groups whose members its node carries: a snapshot before the cordon, the guard and the
leader before the reboot, and after it the wait until the members are in step again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from msgspec.structs import replace

from fleet.core.guards import etcd, quorum
from fleet.core.guards.upgraded_voters import KIND, UpgradedVoters
from fleet.core.objects.node import NodeRef
from fleet.core.quorum.quorum import Quorum, QuorumRule, best_leader, healthy
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import Defragment, MoveLeader, SaveSnapshot
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import Step
from fleet.core.state.engine_state import EngineState
from fleet.core.steps.context import StepContext

ATTEMPTS = 3
"""Attempts at a snapshot, or at moving a leader: then the run fails, and gives its node back."""

WaitOrFailure = Held | str | None
"""What is waited for; a text: why the run fails; None: the run may go on."""


def groups(context: StepContext) -> Iterator[tuple[Quorum, QuorumRule]]:
    """Yields the quorum groups with a voter on the run's node, each with its rule."""
    for group in context.state.quorums.of(context.run.node):
        if any(member.voter for member in group.on(context.run.node)):
            yield group, context.rollout.policy.quorum_rule(group)


def quorum_rules(context: StepContext) -> dict[str, QuorumRule]:
    return {group.name: rule for group, rule in groups(context)}


def take_snapshot(context: StepContext) -> WaitOrFailure:
    """Takes a snapshot of each group whose rule asks for one, before the node is touched."""
    actions = context.state.actions
    for group, rule in groups(context):
        key = context.key("snapshot", group.name)
        if rule.snapshot is None or key in actions.done_for_groups:
            continue
        why = actions.last_failure(key)
        if actions.failures(key) >= ATTEMPTS:
            return f"no snapshot of {group.name}: {why}"
        if context.may_issue("snapshot", group.name):
            context.issue(SaveSnapshot, group=group.name, rule=rule.snapshot)
        return Held(Reason.SNAPSHOT, group.name, {"why": f" ({why})" if why else ""})
    return None


def blocked_by_quorum(context: StepContext) -> Held | None:
    """Returns what holds the node for the first group that cannot do without it now, or whose data format would be tied to
    the release that the node comes back with."""
    away = context.state.quorums.away
    for group, rule in groups(context):
        held = quorum.held(group, rule, context.ref, away)
        if held := held or blocked_by_data_format(
            context.state, context.rollout, context.run, group, context.now
        ):
            return held
    return None


def blocked_by_data_format(
    state: EngineState, rollout: Rollout, run: Run, group: Quorum, now: datetime
) -> Held | None:
    """Returns what holds the node because of the format of its etcd's data, or None.

    Either the node is to go back to a release whose etcd cannot read the data, or the group gets a format that it cannot go
    back from with its last voter. In the latter case the run is looked at again when the other voters have proved
    themselves.
    """
    if held := etcd.data_format(group, run.node, run.goal.etcd):
        return held
    rule, upgraded = rollout.policy.quorum_rule(group), state.quorums.upgraded.get(group.name)
    if upgraded is not None:
        upgraded = _by_journal(rollout, group, upgraded)
    found = etcd.last_voter(group, rule, run.node, upgraded, rollout.started_at, now)
    state.quorums.awaiting_upgraded.discard(run.node)
    if found is None:
        return None
    held, end = found
    if end is not None:
        state.quorums.awaiting_upgraded.add(run.node)
        state.timers.wake_at(run.node, end)
    return held


def _by_journal(rollout: Rollout, group: Quorum, upgraded: UpgradedVoters) -> UpgradedVoters:
    """Returns how the upgraded voters stand with what the journal tells: when the runs of all of them have ended well.

    What a controller that has just started has seen itself is younger.
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


def etcd_versions(context: StepContext) -> dict[str, str]:
    """Returns, by group, the version of etcd that the node's voter reports now."""
    found = {}
    for group in context.state.quorums.of(context.run.node):
        told = [member.version for member in group.on(context.run.node) if member.voter and member.reachable]
        if group.kind == KIND and any(told):
            found[group.name] = next(filter(None, told))
    return found


def leads(context: StepContext) -> bool:
    """Returns whether the leader of a group is on the node, and another member could lead."""
    return any(quorum.leads(group, rule, context.run.node) for group, rule in groups(context))


def move_leader(context: StepContext) -> WaitOrFailure:
    """Moves the leadership to the member that should lead without this node, and waits until a reading shows that."""
    actions = context.state.actions
    for group, rule in groups(context):
        if not quorum.leads(group, rule, context.run.node):
            continue
        others = [member for member in healthy(group, rule) if member.node != context.run.node]
        leader, to = group.leader, best_leader(group, others, _upgraded(context.rollout))
        if leader is None or to is None:
            continue
        key = context.key("move-leader", group.name)
        why = actions.last_failure(key)
        if actions.failures(key) >= ATTEMPTS:
            return f"leadership of {group.name} could not be moved to {to.name}: {why}"
        if context.may_issue("move-leader", group.name):
            context.issue(MoveLeader, group=group.name, to=to.name)
        params: dict[str, str | int] = {
            "member": leader.name,
            "to": to.name,
            "why": f" ({why})" if why else "",
        }
        return Held(Reason.LEADER, group.name, params)
    return None


def why_not_recovered(context: StepContext) -> str:
    """Returns why the node's members, or their groups, are not healthy yet; empty: they are.

    A reading from before the node was given back shows its members as they were before they went.
    """
    for group, rule in groups(context):
        if context.run.since and group.read_at and group.read_at < context.run.since:
            return f"group {group.name} has not been read since the node came back"
        if why := quorum.why_not_recovered(group, rule, context.run.node):
            return why
    return ""


def soak_seconds(context: StepContext) -> int:
    """Returns the longest soak in seconds that the run's pool or one of its groups asks for."""
    own = [rule.soak_seconds for _, rule in groups(context)]
    return max(context.rollout.pool(context.run).soak_seconds, *own, 0)


def defragment(context: StepContext) -> bool:
    """Defragments the members on the node whose rule asks for that, never a leader; returns whether that is waited for.

    A refusal is in the journal, and no reason to stop.
    """
    actions = context.state.actions
    for group, rule in groups(context):
        key = context.key("defragment", group.name)
        member = next((each for each in group.on(context.run.node) if each.voter and not each.leader), None)
        if not rule.defragment or member is None or key in actions.done_for_groups:
            continue
        if actions.failures(key):
            continue
        if context.may_issue("defragment", group.name):
            context.issue(Defragment, group=group.name, member=member.name)
        return True
    return False


def _upgraded(rollout: Rollout) -> frozenset[NodeRef]:
    return frozenset(ref for ref, run in rollout.runs.items() if run.step is Step.DONE)
