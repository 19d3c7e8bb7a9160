"""The disruption controller: counts a budget's pods as they change, and writes its status a little later.

The counts are kept as pods change, so that one change costs one budget's work. Source: kubernetes,
pkg/controller/disruption/disruption.go.
"""

from __future__ import annotations

from collections import Counter

from msgspec.structs import replace

from fleet.core.objects.budget import Budget, share
from fleet.core.objects.pod import Pod, PodRef
from fleet.model.objects import Objects, WorkloadKey, controller_of

SCALABLE = frozenset({"ReplicaSet", "Deployment", "StatefulSet", "ReplicationController"})
SCALELESS = {
    "DaemonSet": "daemonsets.apps does not implement the scale subresource",
    "Job": "jobs.batch does not implement the scale subresource",
    "Node": "nodes does not implement the scale subresource",
}


class BudgetCounts:
    """Counts how many pods a budget matches now, and how many of them are healthy."""

    __slots__ = ("healthy", "owners", "total")

    def __init__(self) -> None:
        self.total = 0
        self.healthy = 0
        """Pods that are Ready and not being deleted."""
        self.owners: Counter[WorkloadKey] = Counter()


class DisruptionController:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._counts: dict[PodRef, BudgetCounts] = {}
        self._covering: dict[PodRef, tuple[PodRef, ...]] = {}
        self._matches: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[PodRef, ...]] = {}
        self._matched: dict[WorkloadKey, tuple[dict[str, str], tuple[PodRef, ...]]] = {}
        """The labels of a workload's last pod, with the budgets that match these labels."""
        self._by_label: dict[tuple[str, str, str], dict[PodRef, None]] = {}
        """Budgets by namespace and a label that their selector needs; without the label if the selector needs none."""
        self._of_owner: dict[WorkloadKey, set[PodRef]] = {}
        self.dirty: dict[PodRef, None] = {}
        """Budgets whose status may be out of date. The writer of the statuses empties the set."""
        for ref, budget in objects.budgets.items():
            self._counts[ref] = BudgetCounts()
            self._list(ref, budget)
        for ref, pod in objects.pods.items():
            self._begin(ref, pod)
        objects.pod_listeners.append(self._pod_changed)

    def covering(self, pod: PodRef) -> tuple[PodRef, ...]:
        """Returns the budgets that match a pod."""
        return self._covering.get(pod, ())

    def budget_changed(self, ref: PodRef) -> None:
        """Counts the budget's namespace again after the budget was created, changed or deleted."""
        namespace = ref.namespace
        refs = [budget for budget in self._objects.budgets if budget.namespace == namespace]
        for label in [label for label in self._by_label if label[0] == namespace]:
            del self._by_label[label]
        for changed in refs:
            self._list(changed, self._objects.budgets[changed])
        self._matches = {key: matches for key, matches in self._matches.items() if key[0] != namespace}
        self._matched.clear()
        self._counts.pop(ref, None)
        for changed in refs:
            self._counts[changed] = BudgetCounts()
        for pod_ref, pod in self._objects.pods.items():
            if pod.namespace == namespace:
                self._begin(pod_ref, pod)
        if ref in self._objects.budgets:
            self.dirty[ref] = None

    def scaled(self, key: WorkloadKey) -> None:
        """Marks the budgets of a workload whose number of replicas has changed."""
        for ref in sorted(self._of_owner.get(key, ())):
            if ref in self._counts:
                self.dirty[ref] = None

    def write(self, ref: PodRef) -> None:
        """Writes the budget's status."""
        budget = self._objects.budgets.get(ref)
        if budget is None:
            return
        tally = self._counts[ref]
        expected, desired, failure = self._expect(budget, tally)
        if failure:
            new = replace(budget, disruptions_allowed=0, failure=failure)
        else:
            allowed = max(0, tally.healthy - desired) if expected > 0 else 0
            new = replace(
                budget,
                observed_generation=budget.generation,
                disruptions_allowed=allowed,
                current_healthy=tally.healthy,
                desired_healthy=desired,
                expected_pods=expected,
                disrupted=frozenset(),
                failure="",
            )
        if new != budget:
            self._objects.put_budget(new)

    def _expect(self, budget: Budget, counts: BudgetCounts) -> tuple[int, int, str]:
        """Returns the expected pods, the healthy pods that the budget wants, and why these cannot be computed (empty
        if they can)."""
        min_available, max_unavailable = budget.min_available, budget.max_unavailable
        if isinstance(min_available, int):
            return counts.total, min_available, ""
        if min_available is None and max_unavailable is None:
            return counts.total, 0, ""
        expected = 0
        for key in counts.owners:
            if key.kind in SCALELESS:
                return 0, 0, SCALELESS[key.kind]
            if budget.failure and key.kind not in SCALABLE:
                # Only the server knows whether a custom resource has a scale, and it has reported that this one has none.
                return 0, 0, budget.failure
            expected += self._scale(key, counts)
        if min_available is not None:
            return expected, share(min_available, expected), ""
        assert max_unavailable is not None
        return expected, max(0, expected - share(max_unavailable, expected)), ""

    def _scale(self, key: WorkloadKey, counts: BudgetCounts) -> int:
        """Returns the number of replicas of a workload; of an unknown one the number of its pods."""
        workload = self._objects.workloads.get(key)
        return counts.owners[key] if workload is None else workload.replicas

    def _list(self, ref: PodRef, budget: Budget) -> None:
        if budget.selector is None:
            return
        label = next(iter(budget.selector.match_labels.items()), ("", ""))
        self._by_label.setdefault((ref.namespace, *label), {})[ref] = None

    def _begin(self, ref: PodRef, pod: Pod) -> None:
        key = controller_of(pod)
        self._count(pod, key, self._cover(ref, key, pod), 1)

    def _cover(self, ref: PodRef, key: WorkloadKey | None, pod: Pod) -> tuple[PodRef, ...]:
        """Returns the budgets that match the labels. Pods of one workload share the labels object, as they come from
        one template."""
        cached = self._matched.get(key) if key is not None else None
        if cached is not None and cached[0] is pod.labels:
            matching = cached[1]
        else:
            matching = self._match(pod)
            if key is not None:
                self._matched[key] = (pod.labels, matching)
        if matching:
            self._covering[ref] = matching
        else:
            self._covering.pop(ref, None)
        return matching

    def _match(self, pod: Pod) -> tuple[PodRef, ...]:
        key = (pod.namespace, tuple(pod.labels.items()))
        matching = self._matches.get(key)
        if matching is None:
            budgets = self._objects.budgets
            keys = [(pod.namespace, "", ""), *((pod.namespace, *label) for label in pod.labels.items())]
            refs = {ref: None for label_key in keys for ref in self._by_label.get(label_key, ())}
            matching = self._matches[key] = tuple(ref for ref in refs if budgets[ref].matches(pod))
        return matching

    def _count(self, pod: Pod, key: WorkloadKey | None, refs: tuple[PodRef, ...], sign: int) -> None:
        healthy = _healthy(pod)
        for ref in refs:
            tally = self._counts[ref]
            tally.total += sign
            tally.healthy += sign * healthy
            if key is not None:
                tally.owners[key] += sign
                if tally.owners[key] <= 0:
                    del tally.owners[key]
                self._of_owner.setdefault(key, set()).add(ref)

    def _pod_changed(self, ref: PodRef, key: WorkloadKey | None, old: Pod | None, new: Pod | None) -> None:
        if old is None:
            assert new is not None
            refs = self._cover(ref, key, new)
            self._count(new, key, refs, 1)
        elif new is None:
            refs = self._covering.pop(ref, ())
            self._count(old, key, refs, -1)
        elif new.labels is not old.labels and new.labels != old.labels:
            before = self._covering.get(ref, ())
            self._count(old, key, before, -1)
            after = self._cover(ref, key, new)
            self._count(new, key, after, 1)
            refs = tuple(dict.fromkeys((*before, *after)))
        else:
            change = _healthy(new) - _healthy(old)
            if not change and new.deleting == old.deleting:
                return
            refs = self._covering.get(ref, ())
            for changed in refs:
                self._counts[changed].healthy += change
        for changed in refs:
            self.dirty[changed] = None


def _healthy(pod: Pod) -> bool:
    return pod.ready and not pod.deleting
