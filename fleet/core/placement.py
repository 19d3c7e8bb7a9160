"""Where a pod may be, besides room, taints and its node selector: required affinity and spread of the Kubernetes API.

What is only preferred holds nobody.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from fleet.core.node import Node
from fleet.core.selector import Requirement

HOSTNAME_LABEL = "kubernetes.io/hostname"
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


class Apart(Struct, frozen=True, gc=False):
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

    def counts(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """A pod with these labels is one of the others."""
        if namespace not in self.namespaces and EVERYWHERE not in self.namespaces:
            return False
        return all(each.matches(labels) for each in self.others)


def domain_of(node: Node, topology: str) -> str | None:
    """None: it is in none. A node without a hostname label is its own host."""
    return node.labels.get(topology, node.name if topology == HOSTNAME_LABEL else None)
