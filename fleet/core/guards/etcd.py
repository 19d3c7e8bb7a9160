"""What is peculiar to etcd: what lifts its alarms, when it takes members in, and the voter after which its data move."""

from __future__ import annotations

from collections.abc import Iterable

from fleet.core.quorum import Member, Quorum

KIND = "etcd"
MEMBERSHIP = "etcd refuses to change its members until five seconds after the last restart of a voter"
"""Told wherever adding or replacing a member is advised. Every readyz says ok meanwhile."""


def remedy(group: Quorum, ill: Iterable[Member]) -> str:
    """Returns what lifts the alarms of these members; empty: they have none, or the group is no etcd.

    etcd keeps NOSPACE after the space is free again, until it is disarmed; DEACTIVATE with memberID 0 is answered with
    ok and disarms nothing.
    """
    if group.kind != KIND:
        return ""
    alarmed = [member for member in ill if member.alarms]
    full = ", ".join(member.name for member in alarmed if "NOSPACE" in member.alarms)
    corrupt = ", ".join(member.name for member in alarmed if "CORRUPT" in member.alarms)
    words = []
    if full:
        words.append(
            f"compact {group.name}, defragment {full}, then etcdctl alarm disarm: the alarm stays until it is disarmed, "
            "and over the API only with the member's own id (memberID 0 disarms nothing)"
        )
    if corrupt:
        words.append(f"replace {corrupt} with a new, empty member, then disarm its alarm; {MEMBERSHIP}")
    return "; ".join(words)


def adding(group: Quorum, words: str) -> dict[str, str | int]:
    """Returns the advice to add voters as a fact of a `Held`, with what etcd makes of that; empty: the usual words do."""
    return {"advice": f"{words}; {MEMBERSHIP}"} if group.kind == KIND else {}
