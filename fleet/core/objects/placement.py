"""Where a pod may be, besides room, taints and its node selector: required affinity and spread of the Kubernetes API.

What is only preferred holds nobody.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from fleet.core.objects.node import Node
from fleet.core.objects.selector import Requirement

HOSTNAME_LABEL = "kubernetes.io/hostname"
ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 - a hostIP that stands for every address of the node
EVERYWHERE = "*"
"""Stands for all namespaces."""


class NodeTerm(Struct, frozen=True, gc=False):
    """One of the nodeSelectorTerms: all of it must match. One without anything in it matches no node."""

    expressions: tuple[Requirement, ...] = ()
    fields: tuple[Requirement, ...] = ()
    """Of the node's name, `metadata.name`."""

    def matches(self, node: Node) -> bool:
        if not self.expressions and not self.fields:
            return False
        name = {"metadata.name": node.name}
        return all(each.matches(node.labels) for each in self.expressions) and all(
            each.matches(name) for each in self.fields
        )


class SpreadRule(Struct, frozen=True, gc=False):
    """The pod keeps its distance from certain others: required anti-affinity, or a spread that must hold
    (DoNotSchedule)."""

    topology: str
    """The label of nodes that tells which are one domain: a host, a zone."""
    others: tuple[Requirement, ...]
    """What the labels of those others are; all of them must match."""
    namespaces: tuple[str, ...]
    """Where the others are."""
    skew: int = 0
    """0: none of them in the same domain. Otherwise how many more there may be than in the domain that has fewest."""
    min_domains: int = 1
    """Of a spread: with fewer domains than this, the fewest is taken to be none (minDomains)."""
    by_affinity: bool = True
    """Of a spread: only nodes that the pod's node selector and affinity allow count (nodeAffinityPolicy Honor)."""
    by_taints: bool = False
    """Of a spread: only nodes whose taints the pod tolerates count (nodeTaintsPolicy Honor)."""

    def counts(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """A pod with these labels is one of the others."""
        if namespace not in self.namespaces and EVERYWHERE not in self.namespaces:
            return False
        return all(each.matches(labels) for each in self.others)


class AffinityRule(Struct, frozen=True, gc=False):
    """The pod goes only where certain others are in the same domain (required pod affinity)."""

    topology: str
    others: tuple[Requirement, ...] | None
    """What the labels of those others are; None: there are none, since the term has no selector."""
    namespaces: tuple[str, ...]

    def counts(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """A pod with these labels is one of the others."""
        if self.others is None or (namespace not in self.namespaces and EVERYWHERE not in self.namespaces):
            return False
        return all(each.matches(labels) for each in self.others)


class HostPort(Struct, frozen=True, gc=False):
    """A port of the node that a container listens on."""

    port: int
    protocol: str = "TCP"
    address: str = ALL_ADDRESSES

    def collides(self, other: HostPort) -> bool:
        """Source: kube-scheduler, framework/types.go, HostPortInfo."""
        if (self.port, self.protocol) != (other.port, other.protocol):
            return False
        return self.address == other.address or ALL_ADDRESSES in (self.address, other.address)


def domain_of(node: Node, topology: str) -> str | None:
    """None: it is in none. A node without a hostname label is its own host."""
    return node.labels.get(topology, node.name if topology == HOSTNAME_LABEL else None)
