"""What a run does for the quorum groups whose members its node carries: a snapshot before the cordon, the guard and the
leader before the reboot, and after it the wait until the members are in step again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from msgspec.structs import replace

from fleet.core.guards import etcd, quorum
from fleet.core.guards.upgraded_voters import KIND, UpgradedVoters
from fleet.core.objects.node import Node, NodeRef
from fleet.core.quorum.quorum import Quorum, QuorumRule, best_leader, healthy
from fleet.core.records.held import Held, Reason
from fleet.core.rollout.action import Defragment, MoveLeader, SaveSnapshot
from fleet.core.rollout.rollout import Rollout, Run
from fleet.core.rollout.steps import Step
from fleet.core.state.agenda import EngineState

ATTEMPTS = 3
"""Of a snapshot, or of handing over: then the run fails, and gives its node back."""

WaitOrFailure = Held | str | None
"""What is waited for; a text: why the run fails; None: it may go on."""


def groups(agenda: EngineState, rollout: Rollout, run: Run) -> Iterator[tuple[Quorum, QuorumRule]]:
    """Those with a voter on the run's node."""
    for group in agenda.quorums.of(run.node):
        if any(member.voter for member in group.on(run.node)):
            yield group, rollout.policy.quorum_rule(group)


def quorum_rules(agenda: EngineState, rollout: Rollout, run: Run) -> dict[str, QuorumRule]:
    return {group.name: rule for group, rule in groups(agenda, rollout, run)}


def take_snapshot(
    agenda: EngineState, rollout: Rollout, run: Run, node: Node, now: datetime
) -> WaitOrFailure:
    """A snapshot of each group whose rule asks for one, before the node is touched."""
    for group, rule in groups(agenda, rollout, run):
        if rule.snapshot is None or (run.node, "snapshot", group.name) in agenda.group_actions_done:
            continue
        why = agenda.last_failure(run.node, "snapshot", group.name)
        if agenda.failures(run.node, "snapshot", group.name) >= ATTEMPTS:
            return f"no snapshot of {group.name}: {why}"
        if agenda.may_issue(run.node, "snapshot", now, group.name):
            agenda.issue(
                rollout,
                SaveSnapshot(
                    id=agenda.next_id(rollout),
                    rollout=rollout.id,
                    node=run.node,
                    uid=node.uid,
                    group=group.name,
                    rule=rule.snapshot,
                ),
            )
        return Held(Reason.SNAPSHOT, group.name, {"why": f" ({why})" if why else ""})
    return None


def blocked_by_quorum(agenda: EngineState, rollout: Rollout, run: Run, now: datetime) -> Held | None:
    """The first group that cannot do without the node now, or that would be tied to what the node comes back with."""
    away = agenda.quorums.away
    for group, rule in groups(agenda, rollout, run):
        if held := quorum.held(group, rule, run.node, away) or blocked_by_data_format(
            agenda, rollout, run, group, now
        ):
            return held
    return None


def blocked_by_data_format(
    agenda: EngineState, rollout: Rollout, run: Run, group: Quorum, now: datetime
) -> Held | None:
    """What holds the node because of the format of its etcd's data: that of a release which it cannot go back to, or the
    one that the group gets with its last voter. The run is looked at again when the others have proved themselves."""
    if held := etcd.data_format(group, run.node, run.goal.etcd):
        return held
    rule, proving = rollout.policy.quorum_rule(group), agenda.quorums.upgraded.get(group.name)
    if proving is not None:
        proving = _by_journal(rollout, group, proving)
    found = etcd.last_voter(group, rule, run.node, proving, rollout.started_at, now)
    agenda.quorums.awaiting_upgraded.discard(run.node)
    if found is None:
        return None
    held, end = found
    if end is not None:
        agenda.quorums.awaiting_upgraded.add(run.node)
        agenda.wake_at(run.node, end)
    return held


def _by_journal(rollout: Rollout, group: Quorum, proving: UpgradedVoters) -> UpgradedVoters:
    """What a controller has seen that has just begun is younger than what the journal tells: when the runs of all the
    newer voters have ended well."""
    if not proving.whole or proving.since is None:
        return proving
    runs = [
        rollout.runs.get(member.node) if member.node is not None else None
        for member in group.voters
        if member.name in proving.members
    ]
    ends = [run.since for run in runs if run is not None and run.step is Step.DONE and run.since is not None]
    if not ends or len(ends) < len(runs):
        return proving
    return replace(proving, since=min(proving.since, max(ends)))


def etcd_versions(agenda: EngineState, run: Run) -> dict[str, str]:
    """By group, the version of etcd that the node's voter tells now."""
    found = {}
    for group in agenda.quorums.of(run.node):
        told = [member.version for member in group.on(run.node) if member.voter and member.reachable]
        if group.kind == KIND and any(told):
            found[group.name] = next(filter(None, told))
    return found


def leads(agenda: EngineState, rollout: Rollout, run: Run) -> bool:
    """The leader of a group is on the node, and another could lead."""
    return any(quorum.leads(group, rule, run.node) for group, rule in groups(agenda, rollout, run))


def move_leader(agenda: EngineState, rollout: Rollout, run: Run, node: Node, now: datetime) -> WaitOrFailure:
    """Leadership goes to the member that should lead without this node. Done is it when the group is seen so."""
    for group, rule in groups(agenda, rollout, run):
        if not quorum.leads(group, rule, run.node):
            continue
        others = [member for member in healthy(group, rule) if member.node != run.node]
        leader, to = group.leader, best_leader(group, others, _upgraded(rollout))
        if leader is None or to is None:
            continue
        why = agenda.last_failure(run.node, "move-leader", group.name)
        if agenda.failures(run.node, "move-leader", group.name) >= ATTEMPTS:
            return f"leadership of {group.name} could not be moved to {to.name}: {why}"
        if agenda.may_issue(run.node, "move-leader", now, group.name):
            agenda.issue(
                rollout,
                MoveLeader(
                    id=agenda.next_id(rollout),
                    rollout=rollout.id,
                    node=run.node,
                    uid=node.uid,
                    group=group.name,
                    to=to.name,
                ),
            )
        facts: dict[str, str | int] = {
            "member": leader.name,
            "to": to.name,
            "why": f" ({why})" if why else "",
        }
        return Held(Reason.LEADER, group.name, facts)
    return None


def why_not_recovered(agenda: EngineState, rollout: Rollout, run: Run) -> str:
    """Why the node's members, or what they belong to, are not well yet; empty: they are. A reading from before the node
    was given back shows its members as they were before they went."""
    for group, rule in groups(agenda, rollout, run):
        if run.since and group.read_at and group.read_at < run.since:
            return f"group {group.name} has not been read since the node came back"
        if why := quorum.why_not_recovered(group, rule, run.node):
            return why
    return ""


def soak_seconds(agenda: EngineState, rollout: Rollout, run: Run) -> int:
    """The longest that its pool or one of its groups asks for."""
    own = [rule.soak_seconds for _, rule in groups(agenda, rollout, run)]
    return max(rollout.pool(run).soak_seconds, *own, 0)


def defragment(agenda: EngineState, rollout: Rollout, run: Run, node: Node, now: datetime) -> bool:
    """Asks for it where the rule wants it, never of a leader; False: nothing is to be waited for. That it was refused
    is in the journal, and no reason to stop."""
    for group, rule in groups(agenda, rollout, run):
        matter = (run.node, "defragment", group.name)
        member = next((each for each in group.on(run.node) if each.voter and not each.leader), None)
        if not rule.defragment or member is None or matter in agenda.group_actions_done:
            continue
        if agenda.failures(run.node, "defragment", group.name):
            continue
        if agenda.may_issue(run.node, "defragment", now, group.name):
            agenda.issue(
                rollout,
                Defragment(
                    id=agenda.next_id(rollout),
                    rollout=rollout.id,
                    node=run.node,
                    uid=node.uid,
                    group=group.name,
                    member=member.name,
                ),
            )
        return True
    return False


def _upgraded(rollout: Rollout) -> frozenset[NodeRef]:
    return frozenset(ref for ref, run in rollout.runs.items() if run.step is Step.DONE)
