"""Counts which voters a quorum group can do without, counted from its member list alone."""

from __future__ import annotations

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.policy.policy import Policy
from fleet.core.quorum.quorum import Member, Quorum


def lost(node: tuple[str, str], was: Snapshot, policy: Policy) -> str:
    """Returns why the node must not have rebooted, by what was true right before; empty if the reboot was safe."""
    for group in was.quorums:
        rule = next((quorum.rule for quorum in policy.quorums if quorum.name == group.name), group.rule)
        lag, margin = (rule.lag_entries, rule.margin) if rule is not None else (1000, 0)
        may_stand = rule is not None and rule.downtime == "allow"
        voters = [member for member in group.members if member.voter]
        going = [voter for voter in voters if voter.node == node]
        if not going:
            continue
        left = [voter for voter in voters if voter not in going and _votes(voter, group, lag)]
        if may_stand and (len(voters) - len(going)) * 2 <= len(voters):
            if len(left) < len(voters) - len(going):
                return f"{group.name} stands still anyway, and {len(left)} of the others were well"
        elif 2 * (len(left) - margin) <= len(voters):
            return f"{group.name} keeps {len(left)} of {len(voters)} voters, margin {margin}"
        # No other member can be made the leader.
        if group.kind == "etcd" and left and any(member.leader for member in going):
            return f"{group.name} loses its leader"
    return ""


def unsaved(node: tuple[str, str], was: Snapshot, policy: Policy) -> bool:
    """Returns whether the policy asks for a snapshot before this node reboots."""
    with_snapshot = {quorum.name for quorum in policy.quorums if quorum.rule.snapshot is not None}
    return any(
        member.voter and member.node == node
        for group in was.quorums
        if group.name in with_snapshot
        for member in group.members
    )


def _votes(member: Member, group: Quorum, lag: int) -> bool:
    foremost = max((member.index or 0 for member in group.members if member.reachable), default=0)
    answers = member.started and member.reachable and not member.alarms
    return answers and member.index is not None and foremost - member.index <= lag
