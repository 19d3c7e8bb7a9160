"""Counts of pods by node and by topology domain, for one rule of affinity, anti-affinity or topology spread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fleet.core.objects.demand import UNSCHEDULABLE, Demand
from fleet.core.objects.node import Node
from fleet.core.objects.placement import AffinityRule, SpreadRule, domain_of

PlacementRules = tuple[SpreadRule | AffinityRule, ...]


class NodeInclusion(NamedTuple):
    """Says which nodes count for a topology spread (node inclusion policies).

    Source: kube-scheduler, podtopologyspread/common.go.
    """

    keys: tuple[str, ...]
    """Keys of the labels that a node must have: the topology keys of all spread rules of the pod."""
    selects: Demand | None
    """Only nodes that match this node selector and node affinity count; None for all nodes (nodeAffinityPolicy
    Ignore)."""
    tolerations: Demand | None
    """Only nodes whose taints are tolerated by this demand count; None for all nodes (nodeTaintsPolicy Ignore)."""

    def counts(self, node: Node) -> bool:
        """Returns whether pods on the node count for the rule."""
        if any(domain_of(node, key) is None for key in self.keys):
            return False
        if self.selects is not None and not self.selects.selects(node):
            return False
        if self.tolerations is None:
            return True
        return self.tolerations.tolerates_all(node) and (
            not node.unschedulable or self.tolerations.tolerates(UNSCHEDULABLE)
        )


class TopologyDomains:
    """The topology domains of one topology key and node inclusion, with the number of nodes in each."""

    __slots__ = ("inclusion", "nodes", "topology")

    def __init__(self, topology: str, inclusion: NodeInclusion | None, nodes: Iterable[Node]) -> None:
        self.topology = topology
        self.inclusion = inclusion
        self.nodes: Counter[str] = Counter()
        for node in nodes:
            self.count(node, 1)

    def of(self, node: Node) -> str | None:
        """Returns the domain in which the node counts; None if the node does not count."""
        if self.inclusion is not None and not self.inclusion.counts(node):
            return None
        return domain_of(node, self.topology)

    def count(self, node: Node, sign: int) -> None:
        """Adds the node to its domain (`sign` +1), or removes the node from its domain (-1)."""
        # If every node counts, the number of domains is never needed.
        domain = self.of(node) if self.inclusion is not None else None
        if domain is not None:
            self.nodes[domain] += sign
            if not self.nodes[domain]:
                del self.nodes[domain]


class RuleCounts:
    """Counts the pods that all of `rules` match, by node and by domain."""

    __slots__ = ("by_domain", "by_node", "domains", "levels", "rules")

    def __init__(self, rules: PlacementRules, domains: TopologyDomains) -> None:
        self.rules = rules
        self.domains = domains
        self.by_node: Counter[str] = Counter()
        self.by_domain: Counter[str] = Counter()
        """Number of pods by domain, of nodes that count; domains without pods are left out."""
        self.levels: Counter[int] = Counter()
        """Number of domains by the number of pods in the domain."""

    @property
    def spread(self) -> bool:
        """True if the rule is a topology spread constraint."""
        return self.domains.inclusion is not None

    def about(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Returns whether all of the rules apply to pods with these labels in this namespace."""
        return all(rule.counts(namespace, labels) for rule in self.rules)

    def add(self, name: str, node: Node | None, number: int) -> None:
        """Adds a number of pods on the node `name`, possibly negative. `node` is None if the Node is not known."""
        self.by_node[name] += number
        if not self.by_node[name]:
            del self.by_node[name]
        domain = self.domains.of(node) if node is not None else None
        if domain is not None:
            self.shift(domain, number)

    def shift(self, domain: str, number: int) -> None:
        """Adds a number of pods, possibly negative, to the count of a domain."""
        before = self.by_domain[domain]
        after = before + number
        if before:
            self.levels[before] -= 1
            if not self.levels[before]:
                del self.levels[before]
        if after:
            self.by_domain[domain] = after
            self.levels[after] += 1
        else:
            del self.by_domain[domain]

    def fewest(self, at_least: int) -> int:
        """Returns the number of pods in the domain with the fewest; 0 if there are fewer domains than `at_least`."""
        domains = len(self.domains.nodes)
        if domains < max(1, at_least) or domains > len(self.by_domain):
            return 0
        return min(self.levels)

    def clear(self) -> None:
        """Removes all pods from the counts."""
        self.by_node.clear()
        self.by_domain.clear()
        self.levels.clear()


class LabelSetCounts:
    """The pods of one kind: same namespace, labels and rules."""

    __slots__ = ("by_node", "deleting", "repelled", "repelled_by", "rule_counts")

    def __init__(self, rule_counts: Iterable[RuleCounts]) -> None:
        self.by_node: dict[str, int] = {}
        """Number of pods by node."""
        self.deleting: dict[str, int] = {}
        """Number of pods that are being deleted, by node; spread rules do not count such pods."""
        self.rule_counts = list(rule_counts)
        """The counts of the rules that apply to these pods."""
        self.repelled: list[RuleCounts] = []
        """The counts of pods whose anti-affinity keeps pods of this kind away."""
        self.repelled_by: list[int] = [0, 0]
        """How many of the anti-affinity rules for the kind's namespace, and for all namespaces, have been checked for
        `repelled`."""

    def count(self, node: str, sign: int) -> None:
        """Adds one to the pods of the node, or takes one off."""
        _add(self.by_node, node, sign)

    def count_deleting(self, node: str, sign: int) -> None:
        """Adds one to the pods of the node that are being deleted, or takes one off."""
        _add(self.deleting, node, sign)


def _add(counts: dict[str, int], node: str, sign: int) -> None:
    """Adds one to the node's count, or takes one off; a count of zero is not kept."""
    number = counts.get(node, 0) + sign
    if number:
        counts[node] = number
    else:
        counts.pop(node, None)
