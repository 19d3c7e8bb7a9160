"""Summarizes the quorum groups of a fleet: how many voters are healthy, how many must be, which member leads, which
ones are unhealthy, and each member as last read."""

from __future__ import annotations

from fleet.core.quorum.quorum import (
    Member,
    Quorum,
    QuorumRule,
    commit_seconds,
    foremost,
    healthy,
    why_unhealthy,
)
from fleet.core.reporting.status import StatusMember, StatusQuorum


def status_of(group: Quorum, cluster: str, rule: QuorumRule) -> StatusQuorum:
    """Returns the status of a quorum group, as `fleet status --quorums` shows it."""
    leader, highest = group.leader, foremost(group)
    members = tuple(_member(member, group, rule, highest) for member in group.members)
    healthy_voters = healthy(group, rule)
    return StatusQuorum(
        name=group.name,
        cluster=cluster,
        kind=group.kind,
        voters=len(group.voters),
        healthy=len(healthy_voters),
        needed=group.majority + rule.margin,
        leader=leader.name if leader is not None else "",
        leader_node=leader.node.name if leader is not None and leader.node is not None else "",
        ailing=tuple(f"{member.name} {member.ails}" for member in members if member.ails),
        declared=group.declared,
        unread=group.unread,
        read_at=group.read_at,
        members=members,
        links=group.links,
        commit_seconds=commit_seconds(group, leader, healthy_voters) if leader is not None else None,
    )


def _member(member: Member, group: Quorum, rule: QuorumRule, highest: int) -> StatusMember:
    return StatusMember(
        name=member.name,
        node=member.node.name if member.node is not None else "",
        site=member.site,
        voter=member.voter,
        started=member.started,
        leader=member == group.leader,
        index=member.index,
        behind=highest - member.index if member.index is not None else None,
        alarms=member.alarms,
        version=member.version,
        size=member.size,
        in_use=member.in_use,
        seconds=member.seconds,
        ails=why_unhealthy(member, group, rule, highest),
    )
