"""Evictions by fleet that the status of their budget does not count yet."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto

from fleet.core.objects.budget import Budget
from fleet.core.objects.pod import Pod, PodRef


class EvictionState(Enum):
    """State of an eviction by fleet that the budget's status does not count yet."""

    SENT = auto()
    """The eviction was requested."""
    SEEN = auto()
    """fleet has seen that the pod is being deleted; the budget's next status counts the eviction."""


class PendingEvictions:
    """The pending evictions of one cluster. `budgets`: its budgets as last seen."""

    def __init__(self, budgets: Mapping[PodRef, Budget]) -> None:
        self._budgets = budgets
        self._states: dict[PodRef, dict[str, EvictionState]] = {}
        """The states of the evictions, by budget and by uid of the pod."""
        self._budget_of: dict[str, PodRef] = {}
        """The budget that an eviction takes from, by uid of the evicted pod."""

    def allowance(self, ref: PodRef) -> int:
        """Returns how many evictions the budget allows now, less the evictions by fleet that its status does not count
        yet."""
        budget = self._budgets[ref]
        if not budget.observed:
            return 0
        pending = self._states.get(ref)
        return max(0, budget.disruptions_allowed - len(pending)) if pending else budget.disruptions_allowed

    def add(self, ref: PodRef, pod: Pod) -> None:
        """Records that fleet has issued an eviction of the pod, which takes from the budget `ref`."""
        self._states.setdefault(ref, {})[pod.uid] = EvictionState.SENT
        self._budget_of[pod.uid] = ref

    def remove(self, pod_uid: str) -> PodRef | None:
        """Removes an eviction that was not granted, or whose pod is gone. Returns the budget that the eviction was
        counted against; None if there is none."""
        budget = self._budget_of.pop(pod_uid, None)
        if budget is not None:
            self._states.get(budget, {}).pop(pod_uid, None)
        return budget

    def seen(self, uid: str) -> None:
        """Records that the evicted pod is being deleted or gone."""
        budget = self._budget_of.get(uid)
        if budget is not None and uid in self._states.get(budget, {}):
            self._states[budget][uid] = EvictionState.SEEN

    def budget_updated(self, budget: Budget, pods: Mapping[str, Pod]) -> None:
        """Removes the evictions that the budget's new status counts. `pods`: those of the cluster, by uid."""
        pending = self._states.get(budget.ref)
        if not pending:
            return
        counted = [
            uid
            for uid, state in pending.items()
            if state is EvictionState.SEEN or ((pod := pods.get(uid)) and pod.name in budget.disrupted)
        ]
        for uid in counted:
            self.remove(uid)

    def delete_budget(self, ref: PodRef) -> None:
        """Records that the budget is gone."""
        self._states.pop(ref, None)
