"""The rules of a pod's placement besides resources, taints and node selector: required affinity, spread, host ports.

Preferred rules are left out: they keep no pod from a node.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from fleet.core.objects.node import Node
from fleet.core.objects.selector import Requirement

HOSTNAME_LABEL = "kubernetes.io/hostname"
ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 - a hostIP that stands for every address of the node
EVERYWHERE = "*"
"""Stands for all namespaces in the `namespaces` of a rule."""


class NodeTerm(Struct, frozen=True, gc=False):
    """One of the nodeSelectorTerms: all of its requirements must be met. A term without requirements matches no
    node."""

    expressions: tuple[Requirement, ...] = ()
    """Requirements of the node's labels."""
    fields: tuple[Requirement, ...] = ()
    """Requirements of the node's name (`metadata.name`)."""

    def matches(self, node: Node) -> bool:
        """Returns whether the node meets all requirements of the term."""
        if not self.expressions and not self.fields:
            return False
        name = {"metadata.name": node.name}
        return all(expression.matches(node.labels) for expression in self.expressions) and all(
            field.matches(name) for field in self.fields
        )


class SpreadRule(Struct, frozen=True, gc=False):
    """A rule that keeps a pod apart from certain other pods: required pod anti-affinity, or a topology spread
    constraint with DoNotSchedule."""

    topology: str
    """Key of the node label whose value is the topology domain, such as a host or a zone."""
    others: tuple[Requirement, ...]
    """Requirements of the other pods' labels; all of them must be met."""
    namespaces: tuple[str, ...]
    """Namespaces of the other pods."""
    skew: int = 0
    """0 for anti-affinity: no other pod in the same domain. The maxSkew of a spread: how many more of the pods the domain
    may have than the domain with the fewest."""
    min_domains: int = 1
    """minDomains of a spread: with fewer domains than this, the fewest pods of a domain count as 0."""
    by_affinity: bool = True
    """nodeAffinityPolicy Honor of a spread: only nodes that match the pod's node selector and node affinity count."""
    by_taints: bool = False
    """nodeTaintsPolicy Honor of a spread: only nodes whose taints the pod tolerates count."""

    def counts(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Returns whether a pod with these labels, in this namespace, is one of the other pods."""
        if namespace not in self.namespaces and EVERYWHERE not in self.namespaces:
            return False
        return all(other.matches(labels) for other in self.others)


class AffinityRule(Struct, frozen=True, gc=False):
    """Required pod affinity: the pod runs only in a topology domain that has certain other pods."""

    topology: str
    others: tuple[Requirement, ...] | None
    """Requirements of the other pods' labels; None if the term has no selector, which no pod matches."""
    namespaces: tuple[str, ...]

    def counts(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Returns whether a pod with these labels, in this namespace, is one of the other pods."""
        if self.others is None or (namespace not in self.namespaces and EVERYWHERE not in self.namespaces):
            return False
        return all(other.matches(labels) for other in self.others)


class HostPort(Struct, frozen=True, gc=False):
    """A hostPort: a port of the node that a container listens on."""

    port: int
    protocol: str = "TCP"
    address: str = ALL_ADDRESSES

    def collides(self, other: HostPort) -> bool:
        """Returns whether the two ports cannot be used on one node. Source: kube-scheduler, framework/types.go,
        HostPortInfo."""
        if (self.port, self.protocol) != (other.port, other.protocol):
            return False
        return self.address == other.address or ALL_ADDRESSES in (self.address, other.address)


def domain_of(node: Node, topology: str) -> str | None:
    """Returns the topology domain of the node, by the key of the label; None if the node is in none. A node without a
    hostname label is a domain of its own, by its name."""
    return node.labels.get(topology, node.name if topology == HOSTNAME_LABEL else None)
