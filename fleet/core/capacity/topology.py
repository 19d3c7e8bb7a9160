"""Which pods are where, as far as others must keep their distance from them, or must be near them.

Pods of one kind are counted together, so that a change of one costs one addition for each rule that is about it.
Source: kube-scheduler, plugins interpodaffinity and podtopologyspread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from msgspec.structs import replace

from fleet.core.capacity.rule_counts import NodeInclusion, PlacementRules, RuleCounts, TopologyDomains
from fleet.core.objects.demand import Demand
from fleet.core.objects.node import Node
from fleet.core.objects.placement import EVERYWHERE, SpreadRule, domain_of
from fleet.core.objects.pod import Pod

PodKind = tuple[str, tuple[tuple[str, str], ...], tuple[SpreadRule, ...]]
"""Namespace, labels and rules, as one pod has them: those of another order are another kind, counted apart."""


class LabelSetCounts:
    """All pods of one kind."""

    __slots__ = ("by_node", "deleting", "repelled", "repelled_by", "rule_counts")

    def __init__(self, tallies: Iterable[RuleCounts]) -> None:
        self.by_node: dict[str, int] = {}
        self.deleting: Counter[str] = Counter()
        """Of these, those that are being deleted: spreads do not count them."""
        self.rule_counts = list(tallies)
        """Of the rules that are about them."""
        self.repelled: list[RuleCounts] = []
        """Of those that keep their distance from pods of this kind."""
        self.repelled_by: list[int] = [0, 0]
        """How many of the repelling rules of its namespace, and of all namespaces, have been looked at."""


class PlacementCheck:
    """Says of one pod where its neighbours let it go, as things stand when it is asked. Made by `TopologyCounts.judge`."""

    __slots__ = ("_apart", "_first", "_near", "_spreads", "constrained")

    def __init__(
        self,
        apart: list[RuleCounts],
        spreads: list[tuple[RuleCounts, SpreadRule, int]],
        near: list[RuleCounts],
        first: bool,
    ) -> None:
        self._apart = apart
        self._spreads = spreads
        self._near = near
        self._first = first
        """The pod is one of those that it wants to be near: the first of them may go anywhere."""
        self.constrained = bool(apart or spreads or near)
        """False: no neighbour matters to this pod."""

    def allows(self, node: Node) -> bool:
        return (
            all(self._free(tally, node) for tally in self._apart)
            and all(self._level(tally, rule, own, node) for tally, rule, own in self._spreads)
            and (not self._near or self._beside(node))
        )

    def _free(self, tally: RuleCounts, node: Node) -> bool:
        if not tally.by_domain:
            return True
        domain = domain_of(node, tally.domains.topology)
        return domain is None or not tally.by_domain.get(domain)

    def _level(self, tally: RuleCounts, rule: SpreadRule, own: int, node: Node) -> bool:
        domain = domain_of(node, rule.topology)
        if domain is None:
            return False
        here = tally.by_domain.get(domain, 0) + own
        return here <= rule.skew or here - tally.fewest(rule.min_domains) <= rule.skew

    def _beside(self, node: Node) -> bool:
        there = True
        for tally in self._near:
            domain = domain_of(node, tally.domains.topology)
            if domain is None:
                return False
            there = there and tally.by_domain.get(domain, 0) > 0
        return there or (self._first and not any(tally.by_domain for tally in self._near))


class TopologyCounts:
    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._crowds: dict[PodKind, LabelSetCounts] = {}
        self._domains: dict[tuple[str, NodeInclusion | None], TopologyDomains] = {}
        self._tallies: dict[tuple[PlacementRules, TopologyDomains], RuleCounts] = {}
        self._about: dict[str, list[RuleCounts]] = {}
        """By the namespace of the pods that they are about."""
        self._repelling: dict[SpreadRule, RuleCounts] = {}
        """The pods that have that rule, by the rule."""
        self._repels: dict[str, list[RuleCounts]] = {}
        """The same, by the namespace of the pods from which they keep their distance."""

    def upsert_node(self, node: Node) -> None:
        before = self._nodes.get(node.name)
        if before is not None and (before.labels, before.taints, before.unschedulable) == (
            node.labels,
            node.taints,
            node.unschedulable,
        ):
            self._nodes[node.name] = node
            return
        self._replace(node.name, before, node)

    def delete_node(self, name: str) -> None:
        before = self._nodes.get(name)
        if before is not None:
            self._replace(name, before, None)

    @contextmanager
    def cordoned(self, name: str) -> Iterator[None]:
        """Meanwhile the node counts as it will once it is cordoned: a cordon is a taint to spreads that honour taints."""
        node = self._nodes.get(name)
        if node is None or node.unschedulable:
            yield
            return
        closed = replace(node, unschedulable=True)
        self._replace(name, node, closed)
        try:
            yield
        finally:
            self._replace(name, closed, node)

    def _replace(self, name: str, before: Node | None, after: Node | None) -> None:
        for domains in self._domains.values():
            for node, sign in ((before, -1), (after, 1)):
                if node is not None:
                    domains.count(node, sign)
        for tally in (*self._tallies.values(), *self._repelling.values()):
            if number := tally.by_node.get(name, 0):
                old = tally.domains.of(before) if before is not None else None
                new = tally.domains.of(after) if after is not None else None
                if old != new:
                    for domain, sign in ((old, -1), (new, 1)):
                        if domain is not None:
                            tally.shift(domain, sign * number)
        if after is None:
            del self._nodes[name]
        else:
            self._nodes[name] = after

    def count_pod(self, pod: Pod, sign: int) -> None:
        """A pod has come to its node (+1), or is gone from it (-1)."""
        self.count_pod_on(pod, pod.node, sign)

    def count_pod_on(self, pod: Pod, name: str, sign: int) -> None:
        """As `take`, on another node than the one that the pod names."""
        crowd = self._crowd(pod)
        number = crowd.by_node.get(name, 0) + sign
        if number:
            crowd.by_node[name] = number
        else:
            crowd.by_node.pop(name, None)
        if pod.deleting:
            crowd.deleting[name] += sign
        if crowd.rule_counts:
            node = self._nodes.get(name)
            for tally in crowd.rule_counts:
                if not (pod.deleting and tally.spread):
                    tally.add(name, node, sign)

    def count_deleting(self, pod: Pod) -> None:
        """A pod that has been taken is being deleted now."""
        crowd = self._crowd(pod)
        crowd.deleting[pod.node] += 1
        for tally in crowd.rule_counts:
            if tally.spread:
                tally.add(pod.node, self._nodes.get(pod.node), -1)

    def allow(self, pod: Pod, node: Node) -> bool:
        """The pod may come to the node as things stand."""
        return self.check(pod).allows(node)

    def check(self, pod: Pod) -> PlacementCheck:
        if not (pod.apart or pod.near or self._repels):
            return ALWAYS_ALLOWED
        apart = self._repelled(pod) if self._repels else []
        spreads: list[tuple[RuleCounts, SpreadRule, int]] = []
        if pod.apart:
            keys = tuple(rule.topology for rule in pod.apart if rule.skew)
            for rule in pod.apart:
                if not rule.skew:
                    apart.append(self._tally((rule,), rule.topology, None))
                    continue
                where = _where(rule, pod, keys)
                own = int(rule.counts(pod.namespace, pod.labels))
                spreads.append((self._tally((rule,), rule.topology, where), rule, own))
        near = [self._tally(pod.near, each.topology, None) for each in pod.near]
        first = bool(near) and all(rule.counts(pod.namespace, pod.labels) for rule in pod.near)
        return PlacementCheck(apart, spreads, near, first)

    def _repelled(self, pod: Pod) -> list[RuleCounts]:
        """The pods that keep their distance from this one."""
        crowd = self._crowd(pod)
        for index, namespace in enumerate((pod.namespace, EVERYWHERE)):
            there = self._repels.get(namespace, ())
            for tally in there[crowd.repelled_by[index] :]:
                if tally.about(pod.namespace, pod.labels) and tally not in crowd.repelled:
                    crowd.repelled.append(tally)
            crowd.repelled_by[index] = len(there)
        return list(crowd.repelled)

    def _crowd(self, pod: Pod) -> LabelSetCounts:
        kind = (pod.namespace, tuple(pod.labels.items()), pod.apart)
        crowd = self._crowds.get(kind)
        if crowd is None:
            near = (*self._about.get(pod.namespace, ()), *self._about.get(EVERYWHERE, ()))
            about = [tally for tally in near if _counted(tally, kind)]
            own = [self._repelling_by(rule) for rule in pod.apart if not rule.skew]
            crowd = self._crowds[kind] = LabelSetCounts(dict.fromkeys([*about, *own]))
        return crowd

    def _repelling_by(self, rule: SpreadRule) -> RuleCounts:
        tally = self._repelling.get(rule)
        if tally is None:
            tally = self._repelling[rule] = RuleCounts((rule,), self._domains_of(rule.topology, None))
            for namespace in rule.namespaces:
                self._repels.setdefault(namespace, []).append(tally)
        return tally

    def _tally(self, rules: PlacementRules, topology: str, where: NodeInclusion | None) -> RuleCounts:
        domains = self._domains_of(topology, where)
        tally = self._tallies.get((rules, domains))
        if tally is None:
            tally = self._tallies[rules, domains] = RuleCounts(rules, domains)
            for namespace in rules[0].namespaces:
                self._about.setdefault(namespace, []).append(tally)
            for kind, crowd in self._crowds.items():
                if _counted(tally, kind):
                    crowd.rule_counts.append(tally)
                    for name, number in crowd.by_node.items():
                        less = crowd.deleting[name] if tally.spread else 0
                        if number > less:
                            tally.add(name, self._nodes.get(name), number - less)
        return tally

    def _domains_of(self, topology: str, where: NodeInclusion | None) -> TopologyDomains:
        domains = self._domains.get((topology, where))
        if domains is None:
            domains = self._domains[topology, where] = TopologyDomains(topology, where, self._nodes.values())
        return domains


ALWAYS_ALLOWED = PlacementCheck([], [], [], False)


def _where(rule: SpreadRule, pod: Pod, keys: tuple[str, ...]) -> NodeInclusion:
    demand = Demand.of(pod)
    selects = demand._replace(tolerations=()) if demand.selector or demand.affinity else None
    bears = Demand((), pod.tolerations)
    return NodeInclusion(keys, selects if rule.by_affinity else None, bears if rule.by_taints else None)


def _counted(tally: RuleCounts, kind: PodKind) -> bool:
    """A spread with an empty selector counts nobody."""
    namespace, labels, _ = kind
    if tally.spread and not tally.rules[0].others:
        return False
    return tally.about(namespace, dict(labels))
