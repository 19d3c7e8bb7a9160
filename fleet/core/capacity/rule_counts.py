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
    """Which nodes count for a spread. Source: kube-scheduler, podtopologyspread/common.go."""

    keys: tuple[str, ...]
    """Labels that a node must have: those of all spreads of the pod."""
    selects: Demand | None
    """By node selector and affinity; None: whatever the pod's are (nodeAffinityPolicy Ignore)."""
    tolerations: Demand | None
    """By taints; None: whatever the node's are (nodeTaintsPolicy Ignore)."""

    def counts(self, node: Node) -> bool:
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
    """The domains that one kind of spread is over, with how many nodes each has."""

    __slots__ = ("nodes", "topology", "where")

    def __init__(self, topology: str, where: NodeInclusion | None, nodes: Iterable[Node]) -> None:
        self.topology = topology
        self.where = where
        self.nodes: Counter[str] = Counter()
        for node in nodes:
            self.count(node, 1)

    def of(self, node: Node) -> str | None:
        """The domain in which the node counts; None: in none."""
        if self.where is not None and not self.where.counts(node):
            return None
        return domain_of(node, self.topology)

    def count(self, node: Node, sign: int) -> None:
        # Where every node counts nobody asks how many domains there are.
        domain = self.of(node) if self.where is not None else None
        if domain is not None:
            self.nodes[domain] += sign
            if not self.nodes[domain]:
                del self.nodes[domain]


class RuleCounts:
    """The pods that one rule is about: those that all of `rules` match."""

    __slots__ = ("by_domain", "by_node", "domains", "levels", "rules")

    def __init__(self, rules: PlacementRules, domains: TopologyDomains) -> None:
        self.rules = rules
        self.domains = domains
        self.by_node: Counter[str] = Counter()
        self.by_domain: Counter[str] = Counter()
        """Only of nodes that count, and without zeros."""
        self.levels: Counter[int] = Counter()
        """How many domains have so many of them."""

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
        """How many there are in the domain that has fewest; 0 where there are fewer domains than `at_least`."""
        domains = len(self.domains.nodes)
        if domains < max(1, at_least) or domains > len(self.by_domain):
            return 0
        return min(self.levels)

    def clear(self) -> None:
        self.by_node.clear()
        self.by_domain.clear()
        self.levels.clear()
