"""Quorum groups as the policy or an annotation declares them: their members, access to them, and their rules."""

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
"""`pods` stands for any other program that votes; its health is the readiness of its pods, or read by a probe of its
own."""


GroupSpread = Literal["site", "zone"]
"""The kind of place over which a group's members are spread; the loss of a place takes down all of its members."""


class EtcdAccess(Struct, frozen=True):
    """Access to an etcd. Paths are absolute."""

    endpoints: tuple[str, ...] = ()
    """Client URLs. If empty, fleet does not query the etcd and knows only its static pods."""
    ca: str = ""
    cert: str = ""
    key: str = ""


class GroupMembers(Struct, frozen=True):
    """The pods that are the members of a group other than an etcd."""

    namespace: str
    selector: Selector
    voters: int | None = None
    """Declared number of voters; None for as many as there are pods, or as the members report."""
    probe: Probe | None = None
    """How to ask the members for their health; None if only the readiness of the pods is known."""
    owner: str = ""
    """uid of the workload whose annotation declares the group: commands run only in pods of this workload. Empty for a
    group from the policy, whose commands run in all of its pods."""


class QuorumGroup(Struct, frozen=True):
    """The declaration of one quorum group."""

    name: str
    """Name of the group, unique in the fleet."""
    cluster: str
    """Name of the cluster whose nodes run the members."""
    kind: QuorumKind = "etcd"
    rule: QuorumRule = QuorumRule()
    spread: GroupSpread = "site"
    access: EtcdAccess = EtcdAccess()
    """Access to the group, if it is an etcd."""
    members: GroupMembers | None = None
    """The members of the group, if it is not an etcd; None for an etcd."""
    source: str = ""
    """The workload whose annotation declares the group, such as `StatefulSet data/zk`; empty if the policy declares the
    group."""
    wrong: str = ""
    """Why the declaration is invalid; empty if it is valid. The members of an invalid group are known, but fleet does
    not query them."""

    @property
    def full_name(self) -> str:
        """The name that an annotation with the same name in the same namespace would give to its group."""
        place = f"{self.members.namespace}/" if self.members is not None else ""
        return self.name if self.source else f"{self.cluster}/{place}{self.name}"


def place_name(node: Node, cluster_site: str, spread: GroupSpread) -> str:
    """Returns the site or zone of a member on the node, by `spread`. A node without a zone counts by its site."""
    return (node.zone if spread == "zone" else "") or node.labels.get(SITE_LABEL, cluster_site)


def settled(annotated: Iterable[QuorumGroup], policy: Iterable[QuorumGroup]) -> tuple[QuorumGroup, ...]:
    """Returns the groups declared by annotations that are in force, for one cluster.

    A group of the policy (`policy`: those of the same cluster) replaces an annotated one of the same name. If two
    annotations declare the same name, both groups are marked as `wrong`.
    """
    groups = tuple(annotated)
    declared = {group.full_name for group in policy}
    counts = Counter(group.name for group in groups)
    return tuple(
        group if counts[group.name] == 1 else _disputed(group, groups)
        for group in groups
        if group.name not in declared
    )


def _disputed(group: QuorumGroup, annotated: Iterable[QuorumGroup]) -> QuorumGroup:
    sources = sorted(
        other.source for other in annotated if other.name == group.name and other.source != group.source
    )
    wrong = (
        f"{group.source} and {', '.join(sources)} both declare {group.name}: give one of them another name"
    )
    return replace(group, name=f"{group.name} ({group.source})", wrong=wrong)
