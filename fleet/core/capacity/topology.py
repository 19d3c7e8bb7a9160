"""Counts the pods of a cluster for the rules of affinity, anti-affinity and topology spread that apply to them.

Pods with the same labels and rules are counted together, so that a change costs one addition for each rule that
applies. Source: kube-scheduler, plugins interpodaffinity and podtopologyspread.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from msgspec.structs import replace

from fleet.core.capacity.rule_counts import (
    LabelSetCounts,
    NodeInclusion,
    PlacementRules,
    RuleCounts,
    TopologyDomains,
)
from fleet.core.objects.demand import Demand
from fleet.core.objects.node import Node
from fleet.core.objects.placement import EVERYWHERE, SpreadRule, domain_of
from fleet.core.objects.pod import Pod

PodKind = tuple[str, frozenset[tuple[str, str]], tuple[SpreadRule, ...]]
"""Namespace, labels and rules of a pod."""


class PlacementCheck:
    """Decides where affinity rules allow one pod, by the current counts. Created by `TopologyCounts.check`."""

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
        """True if the pod matches its own affinity rules: the first such pod may go to any node."""
        self.constrained = bool(apart or spreads or near)
        """False if no rule limits where this pod can run."""

    def allows(self, node: Node) -> bool:
        """Returns whether the rules allow the pod on the node."""
        return (
            all(self._no_conflict(rule_counts, node) for rule_counts in self._apart)
            and all(
                self._within_skew(rule_counts, rule, own, node) for rule_counts, rule, own in self._spreads
            )
            and (not self._near or self._near_others(node))
        )

    def _no_conflict(self, rule_counts: RuleCounts, node: Node) -> bool:
        if not rule_counts.by_domain:
            return True
        domain = domain_of(node, rule_counts.domains.topology)
        return domain is None or not rule_counts.by_domain.get(domain)

    def _within_skew(self, rule_counts: RuleCounts, rule: SpreadRule, own: int, node: Node) -> bool:
        domain = domain_of(node, rule.topology)
        if domain is None:
            return False
        pods = rule_counts.by_domain.get(domain, 0) + own
        return pods <= rule.skew or pods - rule_counts.fewest(rule.min_domains) <= rule.skew

    def _near_others(self, node: Node) -> bool:
        all_present = True
        for rule_counts in self._near:
            domain = domain_of(node, rule_counts.domains.topology)
            if domain is None:
                return False
            all_present = all_present and rule_counts.by_domain.get(domain, 0) > 0
        return all_present or (self._first and not any(rule_counts.by_domain for rule_counts in self._near))


class TopologyCounts:
    """The counts of one cluster, for all rules that its pods have; updated with each change of a node or pod."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._by_kind: dict[PodKind, LabelSetCounts] = {}
        self._of_last: dict[str, tuple[Pod, LabelSetCounts]] = {}
        """The pod of each owner that was looked up last, with the counts of its kind; by uid of the owner. Pods of one
        template have equal labels and rules, and then their counts are found without a look-up by all of them."""
        self._domains: dict[tuple[str, NodeInclusion | None], TopologyDomains] = {}
        self._by_rules: dict[tuple[PlacementRules, TopologyDomains], RuleCounts] = {}
        self._by_namespace: dict[str, list[RuleCounts]] = {}
        """The counts of `_by_rules`, by the namespace of the pods that the rules apply to."""
        self._anti_affinity: dict[SpreadRule, RuleCounts] = {}
        """The counts of the pods that have the rule, by anti-affinity rule."""
        self._anti_affinity_by_namespace: dict[str, list[RuleCounts]] = {}
        """The same counts, by the namespace of the pods that the rule keeps away."""

    def upsert_node(self, node: Node) -> None:
        """Records a node that was added or changed."""
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
        """Records that the node is gone."""
        before = self._nodes.get(name)
        if before is not None:
            self._replace(name, before, None)

    @contextmanager
    def cordoned(self, name: str) -> Iterator[None]:
        """Counts the node as cordoned inside the `with` block: a spread that honours taints takes a cordon for a
        taint."""
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
        """Moves the counts of the node's pods to the domains of its new state."""
        for domains in self._domains.values():
            for node, sign in ((before, -1), (after, 1)):
                if node is not None:
                    domains.count(node, sign)
        for rule_counts in (*self._by_rules.values(), *self._anti_affinity.values()):
            if number := rule_counts.by_node.get(name, 0):
                old = rule_counts.domains.of(before) if before is not None else None
                new = rule_counts.domains.of(after) if after is not None else None
                if old != new:
                    for domain, sign in ((old, -1), (new, 1)):
                        if domain is not None:
                            rule_counts.shift(domain, sign * number)
        if after is None:
            del self._nodes[name]
        else:
            self._nodes[name] = after

    def count_pod(self, pod: Pod, sign: int) -> None:
        """Adds a pod to the counts of its node (`sign` +1), or removes the pod from them (-1)."""
        self.count_pod_on(pod, pod.node, sign)

    def count_pod_on(self, pod: Pod, name: str, sign: int) -> None:
        """Does as `count_pod`, for the node `name` in place of the pod's own."""
        counts = self._counts_of(pod)
        counts.count(name, sign)
        if pod.deleting:
            counts.count_deleting(name, sign)
        if counts.rule_counts:
            node = self._nodes.get(name)
            for rule_counts in counts.rule_counts:
                if not (pod.deleting and rule_counts.spread):
                    rule_counts.add(name, node, sign)

    def count_deleting(self, pod: Pod) -> None:
        """Records that a pod that has been counted is being deleted now."""
        counts = self._counts_of(pod)
        counts.count_deleting(pod.node, 1)
        for rule_counts in counts.rule_counts:
            if rule_counts.spread:
                rule_counts.add(pod.node, self._nodes.get(pod.node), -1)

    def allow(self, pod: Pod, node: Node) -> bool:
        """Returns whether the rules allow the pod on the node by the current counts."""
        return self.check(pod).allows(node)

    def check(self, pod: Pod) -> PlacementCheck:
        """Returns a check of the topology rules of one pod."""
        if not (pod.apart or pod.near or self._anti_affinity_by_namespace):
            return ALWAYS_ALLOWED
        apart = self._repelling_pods(pod) if self._anti_affinity_by_namespace else []
        spreads: list[tuple[RuleCounts, SpreadRule, int]] = []
        if pod.apart:
            keys = tuple(rule.topology for rule in pod.apart if rule.skew)
            for rule in pod.apart:
                if not rule.skew:
                    apart.append(self._rule_counts((rule,), rule.topology, None))
                    continue
                inclusion = _node_inclusion(rule, pod, keys)
                own = int(rule.counts(pod.namespace, pod.labels))
                spreads.append((self._rule_counts((rule,), rule.topology, inclusion), rule, own))
        near = [self._rule_counts(pod.near, term.topology, None) for term in pod.near]
        first = bool(near) and all(rule.counts(pod.namespace, pod.labels) for rule in pod.near)
        return PlacementCheck(apart, spreads, near, first)

    def _repelling_pods(self, pod: Pod) -> list[RuleCounts]:
        """Returns the counts of pods whose anti-affinity keeps this pod away."""
        counts = self._counts_of(pod)
        for index, namespace in enumerate((pod.namespace, EVERYWHERE)):
            with_anti_affinity = self._anti_affinity_by_namespace.get(namespace, ())
            for rule_counts in with_anti_affinity[counts.repelled_by[index] :]:
                if rule_counts.about(pod.namespace, pod.labels) and rule_counts not in counts.repelled:
                    counts.repelled.append(rule_counts)
            counts.repelled_by[index] = len(with_anti_affinity)
        return list(counts.repelled)

    def _counts_of(self, pod: Pod) -> LabelSetCounts:
        """Returns the counts of the pods of this pod's kind."""
        if pod.owner is not None:
            last = self._of_last.get(pod.owner.uid)
            if last is not None and _of_one_kind(last[0], pod):
                return last[1]
            counts = self._find_counts(pod)
            self._of_last[pod.owner.uid] = pod, counts
            return counts
        return self._find_counts(pod)

    def _find_counts(self, pod: Pod) -> LabelSetCounts:
        kind = (pod.namespace, frozenset(pod.labels.items()), pod.apart)
        counts = self._by_kind.get(kind)
        if counts is None:
            near = (*self._by_namespace.get(pod.namespace, ()), *self._by_namespace.get(EVERYWHERE, ()))
            about = [rule_counts for rule_counts in near if _counted(rule_counts, kind)]
            own = [self._anti_affinity_counts(rule) for rule in pod.apart if not rule.skew]
            counts = self._by_kind[kind] = LabelSetCounts(dict.fromkeys([*about, *own]))
        return counts

    def _anti_affinity_counts(self, rule: SpreadRule) -> RuleCounts:
        """Returns the counts of the pods that have this anti-affinity rule."""
        rule_counts = self._anti_affinity.get(rule)
        if rule_counts is None:
            rule_counts = self._anti_affinity[rule] = RuleCounts(
                (rule,), self._domains_of(rule.topology, None)
            )
            for namespace in rule.namespaces:
                self._anti_affinity_by_namespace.setdefault(namespace, []).append(rule_counts)
        return rule_counts

    def _rule_counts(
        self, rules: PlacementRules, topology: str, inclusion: NodeInclusion | None
    ) -> RuleCounts:
        """Returns the counts of the pods that all of the rules apply to; the first call for the rules counts the
        pods."""
        domains = self._domains_of(topology, inclusion)
        rule_counts = self._by_rules.get((rules, domains))
        if rule_counts is None:
            rule_counts = self._by_rules[rules, domains] = RuleCounts(rules, domains)
            for namespace in rules[0].namespaces:
                self._by_namespace.setdefault(namespace, []).append(rule_counts)
            for kind, counts in self._by_kind.items():
                if _counted(rule_counts, kind):
                    counts.rule_counts.append(rule_counts)
                    for name, number in counts.by_node.items():
                        less = counts.deleting.get(name, 0) if rule_counts.spread else 0
                        if number > less:
                            rule_counts.add(name, self._nodes.get(name), number - less)
        return rule_counts

    def _domains_of(self, topology: str, inclusion: NodeInclusion | None) -> TopologyDomains:
        domains = self._domains.get((topology, inclusion))
        if domains is None:
            domains = self._domains[topology, inclusion] = TopologyDomains(
                topology, inclusion, self._nodes.values()
            )
        return domains


ALWAYS_ALLOWED = PlacementCheck([], [], [], False)
"""The check of a pod that no rule limits."""


def _of_one_kind(one: Pod, other: Pod) -> bool:
    """Returns whether the pods are of one `PodKind`."""
    return one.labels == other.labels and one.apart == other.apart and one.namespace == other.namespace


def _node_inclusion(rule: SpreadRule, pod: Pod, keys: tuple[str, ...]) -> NodeInclusion:
    """Returns which nodes count for a spread rule of the pod. `keys` are the topology keys of all of its spread
    rules."""
    demand = Demand.of(pod)
    selects = demand._replace(tolerations=()) if demand.selector or demand.affinity else None
    taints_only = Demand((), pod.tolerations)
    return NodeInclusion(keys, selects if rule.by_affinity else None, taints_only if rule.by_taints else None)


def _counted(rule_counts: RuleCounts, kind: PodKind) -> bool:
    """Returns whether the rule counts pods of this kind. A spread rule with an empty selector counts no pod."""
    namespace, labels, _ = kind
    if rule_counts.spread and not rule_counts.rules[0].others:
        return False
    return rule_counts.about(namespace, dict(labels))
