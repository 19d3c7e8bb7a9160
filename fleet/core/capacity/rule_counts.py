"""Counts of pods by node and by domain, for one rule about who may be near whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fleet.core.objects.demand import UNSCHEDULABLE, Demand
from fleet.core.objects.node import Node
from fleet.core.objects.placement import AffinityRule, SpreadRule, domain_of

PlacementRules = tuple[SpreadRule | AffinityRule, ...]


class NodeInclusion(NamedTuple):
    """Which nodes count for a topology spread (node inclusion policies).

    Source: kube-scheduler, podtopologyspread/common.go.
    """

    keys: tuple[str, ...]
    """Labels that a node must have: the topology keys of all spread rules of the pod."""
    selects: Demand | None
    """Only nodes that this node selector and affinity allow; None: whatever they are (nodeAffinityPolicy Ignore)."""
    tolerations: Demand | None
    """Only nodes whose taints this tolerates; None: whatever the taints are (nodeTaintsPolicy Ignore)."""

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
    """The topology domains that one kind of rule is about, with the number of nodes in each."""

    __slots__ = ("nodes", "topology", "where")

    def __init__(self, topology: str, where: NodeInclusion | None, nodes: Iterable[Node]) -> None:
        self.topology = topology
        self.where = where
        self.nodes: Counter[str] = Counter()
        for node in nodes:
            self.count(node, 1)

    def of(self, node: Node) -> str | None:
        """Returns the domain in which the node counts, or None."""
        if self.where is not None and not self.where.counts(node):
            return None
        return domain_of(node, self.topology)

    def count(self, node: Node, sign: int) -> None:
        # Where every node counts, the number of domains is never asked for.
        domain = self.of(node) if self.where is not None else None
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
        """Only of nodes that count; domains with none are left out."""
        self.levels: Counter[int] = Counter()
        """By number of pods: how many domains have so many."""

    @property
    def spread(self) -> bool:
        return self.domains.where is not None

    def about(self, namespace: str, labels: Mapping[str, str]) -> bool:
        return all(rule.counts(namespace, labels) for rule in self.rules)

    def add(self, name: str, node: Node | None, number: int) -> None:
        self.by_node[name] += number
        if not self.by_node[name]:
            del self.by_node[name]
        domain = self.domains.of(node) if node is not None else None
        if domain is not None:
            self.shift(domain, number)

    def shift(self, domain: str, number: int) -> None:
        """Adds to the count of a domain, or takes from it."""
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
        """Returns the number of pods in the domain that has fewest; 0 where there are fewer domains than `at_least`."""
        domains = len(self.domains.nodes)
        if domains < max(1, at_least) or domains > len(self.by_domain):
            return 0
        return min(self.levels)

    def clear(self) -> None:
        self.by_node.clear()
        self.by_domain.clear()
        self.levels.clear()
