"""Which pods are where, as far as others keep their distance from them.

Pods with the same labels are counted together, so that a change of one costs one addition for each rule that is about
it. Source: kube-scheduler, plugins interpodaffinity and podtopologyspread. Not followed: that a pod which keeps its
distance also keeps others away which do not ask for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from fleet.core.demand import Demand
from fleet.core.node import Node
from fleet.core.placement import EVERYWHERE, Apart, domain_of
from fleet.core.pod import Pod

Kind = tuple[str, tuple[tuple[str, str], ...]]
"""Namespace and labels, as one pod has them: those of another order are another kind, counted apart."""


class Tally:
    """The pods that one rule is about."""

    __slots__ = ("by_domain", "by_node", "rule")

    def __init__(self, rule: Apart) -> None:
        self.rule = rule
        self.by_node: Counter[str] = Counter()
        self.by_domain: Counter[str] = Counter()


class Crowd:
    """All pods of one kind."""

    __slots__ = ("by_node", "tallies")

    def __init__(self, tallies: Iterable[Tally]) -> None:
        self.by_node: dict[str, int] = {}
        self.tallies = list(tallies)
        """Of the rules that are about them."""


class Neighbours:
    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._crowds: dict[Kind, Crowd] = {}
        self._tallies: dict[Apart, Tally] = {}
        self._about: dict[str, list[Tally]] = {}
        """By the namespace of the pods that they are about."""

    def see_node(self, node: Node) -> None:
        before = self._nodes.get(node.name)
        self._nodes[node.name] = node
        if before is None or before.labels != node.labels:
            for tally in self._tallies.values():
                if tally.by_node[node.name] and _moved(tally.rule.topology, before, node):
                    self._count(tally)

    def lose_node(self, name: str) -> None:
        for tally in self._tallies.values():
            domain = self._domain(name, tally.rule.topology)
            if domain is not None:
                tally.by_domain[domain] -= tally.by_node[name]
        self._nodes.pop(name, None)

    def take(self, pod: Pod, sign: int) -> None:
        """A pod has come to its node (+1), or is gone from it (-1)."""
        crowd = self._crowd(pod)
        number = crowd.by_node.get(pod.node, 0) + sign
        if number:
            crowd.by_node[pod.node] = number
        else:
            del crowd.by_node[pod.node]
        for tally in crowd.tallies:
            self._add(tally, pod.node, sign)

    def allow(self, pod: Pod, node: Node, away: Collection[str] = ()) -> bool:
        """The pod may come to the node as things stand, but for the pods on the nodes that are `away`."""
        return all(self._allows(rule, pod, node, away) for rule in pod.apart)

    def on(self, rule: Apart, nodes: Iterable[str]) -> int:
        """How many pods that the rule is about are on these nodes."""
        by_node = self._tally(rule).by_node
        return sum(by_node[name] for name in nodes)

    def _allows(self, rule: Apart, pod: Pod, node: Node, away: Collection[str]) -> bool:
        domain = domain_of(node, rule.topology)
        if domain is None:
            return rule.skew == 0
        here = self._in(rule, domain, away)
        if rule.skew == 0:
            return here == 0
        own = rule.counts(pod.namespace, pod.labels)
        if here + own <= rule.skew:
            return True
        return here + own - min(self._in(rule, each, away) for each in self._domains(rule, pod)) <= rule.skew

    def _in(self, rule: Apart, domain: str, away: Collection[str]) -> int:
        tally = self._tally(rule)
        there = tally.by_domain[domain]
        return there - sum(
            tally.by_node[name]
            for name in away
            if tally.by_node[name] and self._domain(name, rule.topology) == domain
        )

    def _domains(self, rule: Apart, pod: Pod) -> set[str]:
        """Those that the pod could be in by its node selector and affinity. Taints do not count here."""
        demand = Demand.of(pod)._replace(tolerations=())
        nodes = (node for node in self._nodes.values() if demand.selects(node))
        return {domain for node in nodes if (domain := domain_of(node, rule.topology)) is not None}

    def _domain(self, name: str, topology: str) -> str | None:
        node = self._nodes.get(name)
        return domain_of(node, topology) if node is not None else None

    def _crowd(self, pod: Pod) -> Crowd:
        kind = (pod.namespace, tuple(pod.labels.items()))
        crowd = self._crowds.get(kind)
        if crowd is None:
            near = (*self._about.get(pod.namespace, ()), *self._about.get(EVERYWHERE, ()))
            about = (tally for tally in near if tally.rule.counts(pod.namespace, pod.labels))
            crowd = self._crowds[kind] = Crowd(dict.fromkeys(about))
        return crowd

    def _tally(self, rule: Apart) -> Tally:
        tally = self._tallies.get(rule)
        if tally is None:
            tally = self._tallies[rule] = Tally(rule)
            for namespace in rule.namespaces:
                self._about.setdefault(namespace, []).append(tally)
            self._count(tally)
        return tally

    def _count(self, tally: Tally) -> None:
        """From nothing."""
        tally.by_node.clear()
        tally.by_domain.clear()
        for (namespace, labels), crowd in self._crowds.items():
            if tally.rule.counts(namespace, dict(labels)):
                if tally not in crowd.tallies:
                    crowd.tallies.append(tally)
                for name, number in crowd.by_node.items():
                    self._add(tally, name, number)

    def _add(self, tally: Tally, name: str, number: int) -> None:
        tally.by_node[name] += number
        domain = self._domain(name, tally.rule.topology)
        if domain is not None:
            tally.by_domain[domain] += number


def _moved(topology: str, before: Node | None, node: Node) -> bool:
    """The node is in another domain now; one that was not known was in none."""
    return before is None or domain_of(before, topology) != domain_of(node, topology)
