"""The budgets of a cluster, indexed for the question which of them match a pod."""

from __future__ import annotations

from collections.abc import Iterable

from fleet.core.objects.budget import Budget
from fleet.core.objects.pod import Pod, PodRef


class BudgetIndex:
    """The budgets of one cluster by name, by namespace and by label, and the matches found so far."""

    def __init__(self) -> None:
        self.budgets: dict[PodRef, Budget] = {}
        self._by_label: dict[tuple[str, str, str], dict[PodRef, None]] = {}
        """The budgets whose selector requires a label, by namespace, key and value of the label."""
        self._by_namespace: dict[str, dict[PodRef, None]] = {}
        """The budgets whose selector requires no particular label, by namespace."""
        self._terms: dict[str, int] = {}
        """The number of changes of the set of budgets or of their selectors, by namespace."""
        self._matching: dict[str, tuple[int, dict[str, str], tuple[PodRef, ...]]] = {}
        """The matches that were found so far, by uid of the pod: the count in `_terms` and the labels at the time of
        matching, and the matching budgets."""
        self.selector_changes = 0
        """The number of times that a budget was added or deleted, or its selector has changed."""

    def refs_of(self, pod: Pod) -> tuple[PodRef, ...]:
        """Returns the names of every budget that matches the pod."""
        terms = self._terms.get(pod.namespace, 0)
        cached = self._matching.get(pod.uid)
        if cached is None or cached[0] != terms or (cached[1] is not pod.labels and cached[1] != pod.labels):
            cached = self._matching[pod.uid] = (terms, pod.labels, tuple(self._match(pod)))
        return cached[2]

    def upsert(self, budget: Budget) -> None:
        """Records a budget that was added or changed."""
        ref = budget.ref
        before = self.budgets.get(ref)
        if before is None or before.selector != budget.selector:
            self.delete(ref)
            self._terms[budget.namespace] = self._terms.get(budget.namespace, 0) + 1
            self.selector_changes += 1
            self._index(budget)[ref] = None
        self.budgets[ref] = budget

    def delete(self, ref: PodRef) -> None:
        """Records that the budget is gone."""
        budget = self.budgets.pop(ref, None)
        if budget is not None:
            self._terms[ref.namespace] = self._terms.get(ref.namespace, 0) + 1
            self.selector_changes += 1
            self._index(budget).pop(ref, None)

    def forget_pod(self, uid: str) -> None:
        """Records that the pod is gone."""
        self._matching.pop(uid, None)

    def _match(self, pod: Pod) -> Iterable[PodRef]:
        candidates = dict(self._by_namespace.get(pod.namespace, {}))
        for key, value in pod.labels.items():
            candidates.update(self._by_label.get((pod.namespace, key, value), {}))
        return (ref for ref in candidates if self.budgets[ref].matches(pod))

    def _index(self, budget: Budget) -> dict[PodRef, None]:
        """Returns the entry of the label index, or else of the namespace index, that the budget belongs to."""
        if budget.selector is not None and budget.selector.match_labels:
            key, value = min(budget.selector.match_labels.items())
            return self._by_label.setdefault((budget.namespace, key, value), {})
        return self._by_namespace.setdefault(budget.namespace, {})
