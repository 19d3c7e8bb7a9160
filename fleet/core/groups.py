"""The quorum groups that a policy declares."""

from __future__ import annotations

from msgspec import Struct

from fleet.core.quorum import QuorumRule


class Group(Struct, frozen=True):
    name: str
    """Unique in the fleet."""
    cluster: str
    """Whose nodes carry its members."""
    kind: str = "etcd"
    rule: QuorumRule = QuorumRule()
