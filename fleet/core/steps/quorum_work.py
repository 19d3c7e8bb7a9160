"""The work of a run for the quorum groups with members on its node: a snapshot before the cordon, a move of the leadership
before the reboot, and afterwards the wait until the members are in sync again."""

from __future__ import annotations

from fleet.core.cluster.upgraded_voters import KIND
from fleet.core.guards import quorum
from fleet.core.guards.quorum_groups import groups
from fleet.core.objects.node import NodeRef
from fleet.core.quorum.quorum import QuorumRule, best_leader, healthy
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import Defragment, MoveLeader, SaveSnapshot
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import Step
from fleet.core.steps.context import StepContext

ATTEMPTS = 3
"""The number of attempts at a snapshot, or at moving a leader, after which the run fails and gives its node back."""

WaitOrFailure = Held | str | None
"""The reason for which the run waits; a text: why the run fails; None: the run may go on."""


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


def etcd_versions(context: StepContext) -> dict[str, str]:
    """Returns, by group, the version of etcd that the node's voter reports now."""
    versions = {}
    for group in context.state.quorums.of(context.run.node):
        reported = [
            member.version for member in group.on(context.run.node) if member.voter and member.reachable
        ]
        if group.kind == KIND and any(reported):
            versions[group.name] = next(filter(None, reported))
    return versions


def leads(context: StepContext) -> bool:
    """Returns whether the leader of a group is on the node, and another member could lead."""
    return any(quorum.leads(group, rule, context.run.node) for group, rule in groups(context))


def move_leader(context: StepContext) -> WaitOrFailure:
    """Moves the leadership to the member that should lead without this node, and waits until a reading shows that."""
    actions = context.state.actions
    for group, rule in groups(context):
        if not quorum.leads(group, rule, context.run.node):
            continue
        remaining = [member for member in healthy(group, rule) if member.node != context.run.node]
        leader, to = group.leader, best_leader(group, remaining, _upgraded(context.rollout))
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
    """Returns why the node's members, or their groups, are not healthy yet; empty: they are healthy.

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
        member = next(
            (
                candidate
                for candidate in group.on(context.run.node)
                if candidate.voter and not candidate.leader
            ),
            None,
        )
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
