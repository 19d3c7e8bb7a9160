"""The kinds of objects that are the policy, and where `fleet.yaml` has what they say."""

from __future__ import annotations

from msgspec import Struct

GROUP = "fleet.internal"
VERSION = f"{GROUP}/v1"
CONFIG = "FleetConfig"
POOL = "UpgradePolicy"
STREAM = "ReleaseStream"
DEFAULT = "default"
"""The name of the only FleetConfig."""


class PolicyKind(Struct, frozen=True):
    kind: str
    plural: str
    list: str = ""
    """The list of `fleet.yaml` of which each item is an object of this kind; empty: its top level."""


KINDS = {
    kind.kind: kind
    for kind in (
        PolicyKind(CONFIG, "fleetconfigs"),
        PolicyKind(STREAM, "releasestreams", "streams"),
        PolicyKind("Freeze", "freezes", "freezes"),
        PolicyKind("QuorumGroup", "quorumgroups", "quorums"),
        PolicyKind(POOL, "upgradepolicies", "pools"),
    )
}
LISTS = {kind.list: kind for kind in KINDS.values() if kind.list}
