"""Which voters a quorum group can do without, counted from its member list alone."""

from __future__ import annotations

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.policy.policy import Policy
from fleet.core.quorum.quorum import Member, Quorum


def lost(node: tuple[str, str], was: Snapshot, policy: Policy) -> str:
    """Returns why the node must not have rebooted, by what was true right before; empty if the reboot was safe."""
    for group in was.quorums:
        rule = next((each.rule for each in policy.quorums if each.name == group.name), group.rule)
        lag, margin = (rule.lag_entries, rule.margin) if rule is not None else (1000, 0)
        may_stand = rule is not None and rule.downtime == "allow"
        voters = [each for each in group.members if each.voter]
        going = [each for each in voters if each.node == node]
        if not going:
            continue
        left = [each for each in voters if each not in going and _votes(each, group, lag)]
        if may_stand and (len(voters) - len(going)) * 2 <= len(voters):
            if len(left) < len(voters) - len(going):
                return f"{group.name} stands still anyway, and {len(left)} of the others were well"
        elif 2 * (len(left) - margin) <= len(voters):
            return f"{group.name} keeps {len(left)} of {len(voters)} voters, margin {margin}"
        # Of the others nobody can be told to lead.
        if group.kind == "etcd" and left and any(each.leader for each in going):
            return f"{group.name} loses its leader"
    return ""


def unsaved(node: tuple[str, str], was: Snapshot, policy: Policy) -> bool:
    """Returns whether the policy asks for a snapshot before this node reboots."""
    asked = {each.name for each in policy.quorums if each.rule.snapshot is not None}
    return any(
        member.voter and member.node == node
        for group in was.quorums
        if group.name in asked
        for member in group.members
    )


def _votes(member: Member, group: Quorum, lag: int) -> bool:
    foremost = max((each.index or 0 for each in group.members if each.reachable), default=0)
    there = member.started and member.reachable and not member.alarms
    return there and member.index is not None and foremost - member.index <= lag
