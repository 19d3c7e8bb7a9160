"""The quorum groups of a fleet at a glance: how many voters are well, how many must be, who leads, who ails."""

from __future__ import annotations

from fleet.core.quorum import Quorum, QuorumRule, ailing, healthy
from fleet.core.status import StatusQuorum


def status_of(group: Quorum, cluster: str, rule: QuorumRule) -> StatusQuorum:
    leader = group.leader
    return StatusQuorum(
        name=group.name,
        cluster=cluster,
        kind=group.kind,
        voters=len(group.voters),
        healthy=len(healthy(group, rule)),
        needed=group.majority + rule.margin,
        leader=leader.name if leader is not None else "",
        leader_node=leader.node.name if leader is not None and leader.node is not None else "",
        ailing=tuple(f"{member.name} {why}" for member, why in ailing(group, rule)),
        declared=group.declared,
        unread=group.unread,
        read_at=group.read_at,
    )
