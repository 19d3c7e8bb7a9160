"""Tracks since when the upgraded voters of an etcd have been healthy, while others still run an older minor version.

When the last voter runs the newer minor version, the members convert their data to its storage format within seconds,
and an older etcd does not start on these data any more (seen with 3.6.8 and 3.7.3). Until then each member can go back
by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.cluster.version_skew import MinorVersion, minor_of
from fleet.core.objects.node import NodeRef
from fleet.core.quorum.quorum import Member, Quorum
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run

KIND = "etcd"


class UpgradedVoters(Struct, frozen=True):
    """The voters of one group that run its newest minor version of etcd, while others still run an older one."""

    minor: MinorVersion
    members: frozenset[str]
    """Voters that run the newest minor version, by name."""
    since: datetime | None
    """Since when all of them have been healthy. None: one of them is not healthy."""
    whole: bool = True
    """True: none of them was away or unhealthy since all were first seen healthy. False: what the journal records about
    them is out of date."""


def minors(group: Quorum) -> dict[str, MinorVersion]:
    """Returns the minor version of each voter that reports one, by name."""
    versions = ((member.name, minor_of(member.version)) for member in group.voters)
    return {name: minor for name, minor in versions if minor is not None}


def upgraded_voters(group: Quorum, before: UpgradedVoters | None, now: datetime) -> UpgradedVoters | None:
    """Returns the state of the group's upgraded voters after this reading, or None if all voters run one minor version.

    A group that could not be read, and an older voter that does not answer in this reading, change nothing.
    """
    if group.kind != KIND or group.declared or group.unread:
        return before
    versions = minors(group)
    if not versions:
        return before
    newest = max(versions.values())
    newer = frozenset(name for name, minor in versions.items() if minor == newest)
    if len(newer) == len(versions):
        unheard = len(versions) < len(group.voters)
        return before if before is not None and before.minor == newest and unheard else None
    if before is None or before.minor != newest:
        return UpgradedVoters(newest, newer, now)
    healthy = {member.name for member in group.voters if _is_healthy(member)}
    if not (newer | before.members) <= healthy:
        return replace(before, members=before.members | newer, since=None, whole=False)
    if newer != before.members or before.since is None:
        return replace(before, members=newer, since=now)
    return before


def brought(rollouts: Iterable[Rollout], version: str) -> dict[tuple[NodeRef, str], dict[str, str]]:
    """Returns, by node (and its uid) and by group, the version of etcd that the release with that version brought to
    the node.

    A version is known only if a run went from that release to another one, or to that release, and the minor version of
    the node's voter changed with the run. Where it did not change, etcd does not come with the releases. `rollouts`:
    oldest first; the newest one counts.
    """
    brought_by_node: dict[tuple[NodeRef, str], dict[str, str]] = {}
    for rollout in rollouts:
        for ref, run in rollout.runs.items():
            changed = _changed(run)
            if not changed:
                continue
            by_release = {
                run.goal.from_version: {group: run.etcd[group] for group in changed},
                run.release.version: {group: run.etcd_after[group] for group in changed},
            }
            if version in by_release:
                brought_by_node.setdefault((ref, run.goal.uid), {}).update(by_release[version])
    return brought_by_node


def _changed(run: Run) -> list[str]:
    """Returns the groups whose voter ran another minor version after the run's reboot."""
    known = [group for group in run.etcd if group in run.etcd_after]
    return [group for group in known if minor_of(run.etcd[group]) != minor_of(run.etcd_after[group])]


def _is_healthy(member: Member) -> bool:
    return member.started and member.reachable and not member.alarms
