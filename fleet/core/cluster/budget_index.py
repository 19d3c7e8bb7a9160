"""The budgets of a cluster, indexed for the question which of them match a pod."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from fleet.core.cluster.pod_index import PodIndex
from fleet.core.objects.budget import Budget
from fleet.core.objects.pod import Pod, PodRef


class MatchedBudgets(NamedTuple):
    """The budgets that match the pods with these labels."""

    terms: int
    """The count in `BudgetIndex._terms` at the time of matching."""
    namespace: str
    labels: dict[str, str]
    refs: tuple[PodRef, ...]


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
        self._matching: dict[str, MatchedBudgets] = {}
        """The matches that were found so far, by uid of the pod. Pods of one template share theirs."""
        self._of_last: dict[str, MatchedBudgets] = {}
        """The match that was found last for a pod of each owner, by uid of the owner."""
        self.selector_changes = 0
        """The number of times that a budget was added or deleted, or its selector has changed."""
        self._unready: dict[PodRef, dict[str, Pod]] = {}
        """Pods that should be Ready and are not, by budget and uid, of the namespaces in `_unready_terms`."""
        self._unready_refs: dict[str, tuple[PodRef, ...]] = {}
        """The budgets under which a pod is in `_unready`, by uid of the pod."""
        self._unready_terms: dict[str, int] = {}
        """The count in `_terms` at which the unready pods of a namespace were matched."""

    def refs_of(self, pod: Pod) -> tuple[PodRef, ...]:
        """Returns the names of every budget that matches the pod."""
        terms = self._terms.get(pod.namespace, 0)
        found = self._matching.get(pod.uid)
        if (
            found is None
            or found.terms != terms
            or (found.labels is not pod.labels and found.labels != pod.labels)
        ):
            found = self._matching[pod.uid] = self._matched(pod, terms)
        return found.refs

    def upsert(self, ref: PodRef, budget: Budget) -> None:
        """Records a budget that was added or changed, by its name `ref`."""
        before = self.budgets.get(ref)
        if before is None or (before.selector is not budget.selector and before.selector != budget.selector):
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

    def unready(self, ref: PodRef, pods: PodIndex) -> Collection[Pod]:
        """Returns the pods of the budget that should be Ready and are not. `pods`: all pods of the cluster, which are
        matched anew after a budget of the namespace was added, deleted or given another selector."""
        terms = self._terms.get(ref.namespace, 0)
        if self._unready_terms.get(ref.namespace) != terms:
            for known in [known for known in self._unready if known.namespace == ref.namespace]:
                del self._unready[known]
            self._unready_terms[ref.namespace] = terms
            for pod in pods.unready(ref.namespace):
                self._add_unready(pod)
        return self._unready.get(ref, {}).values()

    def upsert_pod(self, pod: Pod) -> None:
        """Records a pod that was added or changed."""
        if pod.namespace not in self._unready_terms:
            return
        if pod.uid in self._unready_refs:
            self._remove_unready(pod.uid)
        if not pod.ready and pod.should_be_ready:
            self._add_unready(pod)

    def forget_pod(self, uid: str) -> None:
        """Records that the pod is gone."""
        self._matching.pop(uid, None)
        self._remove_unready(uid)

    def _add_unready(self, pod: Pod) -> None:
        refs = self._unready_refs[pod.uid] = self.refs_of(pod)
        for ref in refs:
            self._unready.setdefault(ref, {})[pod.uid] = pod

    def _remove_unready(self, uid: str) -> None:
        for ref in self._unready_refs.pop(uid, ()):
            if pods := self._unready.get(ref):
                pods.pop(uid, None)

    def _matched(self, pod: Pod, terms: int) -> MatchedBudgets:
        owner = pod.owner.uid if pod.owner is not None else ""
        last = self._of_last.get(owner)
        if (
            last is not None
            and last.terms == terms
            and last.labels == pod.labels
            and last.namespace == pod.namespace
        ):
            return last
        found = self._of_last[owner] = MatchedBudgets(
            terms, pod.namespace, pod.labels, tuple(self._match(pod))
        )
        return found

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
