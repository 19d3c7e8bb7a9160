"""Quorum groups as they are declared, by the policy or by annotations: which they are, where they are asked, and what is
allowed of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.objects.node import SITE_LABEL, Node
from fleet.core.objects.selector import Selector
from fleet.core.quorum.probe import Probe
from fleet.core.quorum.quorum import QuorumRule

QuorumKind = Literal["etcd", "zookeeper", "consul", "cockroachdb", "kafka", "patroni", "pods"]
"""pods: whatever else votes; known by the readiness of its pods, or by a probe of its own."""


GroupSpread = Literal["site", "zone"]
"""What a group's members are spread over, and may lose together."""


class EtcdAccess(Struct, frozen=True):
    """To an etcd. Paths are absolute."""

    endpoints: tuple[str, ...] = ()
    """URLs for clients. Empty: it is not asked, and its static pods are all that is known."""
    ca: str = ""
    cert: str = ""
    key: str = ""


class GroupMembers(Struct, frozen=True):
    """The pods that carry a group which is no etcd."""

    namespace: str
    selector: Selector
    voters: int | None = None
    """As declared. None: as many as there are pods, or as the members tell."""
    probe: Probe | None = None
    """None: the readiness of the pods is all that is known."""
    owner: str = ""
    """uid of the workload whose annotation says so: commands are run in its own pods only. Empty: in all."""


class QuorumGroup(Struct, frozen=True):
    name: str
    """Unique in the fleet."""
    cluster: str
    """Whose nodes carry its members."""
    kind: QuorumKind = "etcd"
    rule: QuorumRule = QuorumRule()
    spread: GroupSpread = "site"
    access: EtcdAccess = EtcdAccess()
    """Of an etcd."""
    members: GroupMembers | None = None
    """Of all others."""
    source: str = ""
    """The workload whose annotation declares it, such as `StatefulSet data/zk`; empty: the policy does."""
    wrong: str = ""
    """Why its declaration cannot be followed: its members are known, and nobody is asked."""

    @property
    def full_name(self) -> str:
        """By which an annotation of the same name in the same namespace would be known."""
        place = f"{self.members.namespace}/" if self.members is not None else ""
        return self.name if self.source else f"{self.cluster}/{place}{self.name}"


def place_name(node: Node, cluster_site: str, spread: GroupSpread) -> str:
    """The site, or the zone, of a member on that node. A node without a zone is in its site."""
    return (node.zone if spread == "zone" else "") or node.labels.get(SITE_LABEL, cluster_site)


def settled(annotated: Iterable[QuorumGroup], policy: Iterable[QuorumGroup]) -> tuple[QuorumGroup, ...]:
    """Those that hold: the policy's of the same name wins, and of two annotations neither can be followed.

    `policy`: its groups of the same cluster."""
    own = tuple(annotated)
    taken = {group.full_name for group in policy}
    counts = Counter(group.name for group in own)
    return tuple(
        group if counts[group.name] == 1 else _disputed(group, own)
        for group in own
        if group.name not in taken
    )


def _disputed(group: QuorumGroup, annotated: Iterable[QuorumGroup]) -> QuorumGroup:
    others = sorted(
        each.source for each in annotated if each.name == group.name and each.source != group.source
    )
    wrong = f"{group.source} and {', '.join(others)} both declare {group.name}: give one of them another name"
    return replace(group, name=f"{group.name} ({group.source})", wrong=wrong)
