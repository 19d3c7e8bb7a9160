"""Rules that are specific to etcd: how its alarms are lifted, when it accepts new members, and the storage format of
its data, which ties the members to a minor version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from fleet.core.cluster.upgraded_voters import KIND, UpgradedVoters, minors
from fleet.core.cluster.version_skew import MinorVersion, minor_of
from fleet.core.objects.node import NodeRef
from fleet.core.policy.schedule import format_moment
from fleet.core.quorum.quorum import Member, Quorum, QuorumRule
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.text import durations

MEMBERSHIP = "etcd refuses to change its members until five seconds after the last restart of a voter"
"""Appended wherever fleet advises to add or replace a member. Meanwhile readyz of every member reports ok."""


def remedy(group: Quorum, unhealthy: Iterable[Member]) -> str:
    """Returns how to lift the alarms of these members. Empty: they have no alarms, or the group is not an etcd.

    etcd keeps the alarm NOSPACE after space is free again, until the alarm is disarmed. A request to DEACTIVATE with
    memberID 0 is answered with ok and disarms nothing.
    """
    if group.kind != KIND:
        return ""
    alarmed = [member for member in unhealthy if member.alarms]
    full = ", ".join(member.name for member in alarmed if "NOSPACE" in member.alarms)
    corrupt = ", ".join(member.name for member in alarmed if "CORRUPT" in member.alarms)
    steps = []
    if full:
        steps.append(
            f"compact {group.name}, defragment {full}, then etcdctl alarm disarm: the alarm stays until it is disarmed, "
            "and over the API only with the member's own id (memberID 0 disarms nothing)"
        )
    if corrupt:
        steps.append(f"replace {corrupt} with a new, empty member, then disarm its alarm; {MEMBERSHIP}")
    return "; ".join(steps)


def remedy_of_adding(group: Quorum, remedy_text: str) -> dict[str, str | int]:
    """Returns the advice to add voters as a parameter of a `Held`, with what etcd requires. Empty: the usual remedy
    applies."""
    return {"advice": f"{remedy_text}; {MEMBERSHIP}"} if group.kind == KIND else {}


def last_old(group: Quorum, node: NodeRef) -> tuple[MinorVersion, MinorVersion] | None:
    """Returns the minor version of the voters on the node and the newer one of the other voters, if all other voters
    whose version is known run that newer version. Once the voters on the node run the newer version too, no member can
    go back. Returns None in all other cases."""
    if group.kind != KIND or group.declared:
        return None
    versions = minors(group)
    on_node = {member.name for member in group.on(node)}
    own = [minor for name, minor in versions.items() if name in on_node]
    of_others = [minor for name, minor in versions.items() if name not in on_node]
    if not own or not of_others or min(own) >= max(of_others) or min(of_others) < max(of_others):
        return None
    return min(own), max(of_others)


def last_voter(
    group: Quorum,
    rule: QuorumRule,
    node: NodeRef,
    proving: UpgradedVoters | None,
    begun: datetime,
    now: datetime,
) -> tuple[Held, datetime | None] | None:
    """Returns what holds the last voter with an older minor version, and when that ends. Returns None if nothing holds
    the voter. The end is None while not all of the other voters are healthy.

    `proving`: the state of the upgraded voters. None: nothing has been read about them since `begun`, and their time
    counts from `begun`.
    """
    minor_versions = last_old(group, node)
    if minor_versions is None:
        return None
    since = proving.since if proving is not None else begun
    end = None if since is None else since + timedelta(seconds=rule.last_voter_seconds)
    if end is not None and now >= end:
        return None
    old, new = minor_versions
    params: dict[str, str | int] = {
        "member": ", ".join(member.name for member in group.on(node) if member.voter),
        "old": str(old),
        "new": str(new),
        "wait": durations.format_duration(rule.last_voter_seconds),
        "until": "they are all healthy" if end is None else format_moment(end, now, "UTC"),
    }
    return Held(Reason.LAST_VOTER, group.name, params), end


def data_format(group: Quorum, node: NodeRef, ran: Mapping[str, str]) -> Held | None:
    """Returns what holds a node that is to go back to a release whose etcd cannot read the present data, or None.

    `ran`: by group, the version of etcd that is known to have come with that release on this node. Learners are
    ignored: a learner that has just joined reports 3.5.0 for some seconds.
    """
    old = minor_of(ran.get(group.name, ""))
    stored = [minor for member in group.voters if (minor := minor_of(member.storage)) is not None]
    if old is None or group.kind != KIND or not stored or max(stored) <= old:
        return None
    members = ", ".join(member.name for member in group.on(node) if member.voter)
    params: dict[str, str | int] = {"member": members, "old": str(old), "data": str(max(stored))}
    return Held(Reason.ETCD_DATA, group.name, params) if members else None


def versions(group: Quorum, node: NodeRef) -> tuple[str, str, str]:
    """Returns the version that the voter on the node runs, the newer version that all other voters run, and the version
    of the data's storage format. Each is empty if it is not reported, or does not apply."""
    if group.kind != KIND or group.declared:
        return "", "", ""
    runs = next((voter.version for voter in group.on(node) if voter.voter and voter.version), "")
    last = last_old(group, node)
    stored = [voter.storage for voter in group.voters if minor_of(voter.storage) is not None]
    data = max(stored, key=lambda storage: minor_of(storage) or MinorVersion(0, 0), default="")
    return runs, str(last[1]) if last is not None else "", data
