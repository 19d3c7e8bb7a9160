"""Evictions by fleet until their budget has recovered: first its status does not count them, then their replacements are not
Ready."""

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
        self._replaced_elsewhere: set[str] = set()
        """The uids of the evicted pods whose replacement need not wait for their node to come back."""
        self._replacing: dict[PodRef, int] = {}
        """The evicted pods that the status counts, and whose replacement on another node is not Ready yet, by budget."""

    def allowance(self, ref: PodRef) -> int:
        """Returns how many evictions the budget allows now, less the evictions by fleet that its status does not count
        yet."""
        budget = self._budgets[ref]
        if not budget.observed:
            return 0
        pending = self._states.get(ref)
        return max(0, budget.disruptions_allowed - len(pending)) if pending else budget.disruptions_allowed

    def allowance_soon(self, ref: PodRef) -> int:
        """Returns how many evictions the budget allows once the pods that fleet has evicted are replaced on other nodes.

        Pods that are missing for another reason are not expected to be replaced.
        """
        budget = self._budgets[ref]
        if not budget.observed:
            return 0
        replacing = self._replacing.get(ref, 0)
        if not replacing and not self._states.get(ref):
            return budget.disruptions_allowed
        replaced = budget.disruptions_allowed + replacing
        return max(self.allowance(ref), min(budget.most_at_once, replaced))

    def add(self, ref: PodRef, pod: Pod, tied: bool) -> None:
        """Records that fleet has issued an eviction of the pod, which takes from the budget `ref`. `tied`: only its node can
        take its replacement."""
        self._states.setdefault(ref, {})[pod.uid] = EvictionState.SENT
        self._budget_of[pod.uid] = ref
        if not tied:
            self._replaced_elsewhere.add(pod.uid)

    def remove(self, pod_uid: str) -> PodRef | None:
        """Removes an eviction that was not granted. Returns the budget that the eviction was counted against; None if there
        is none."""
        budget = self._budget_of.pop(pod_uid, None)
        if budget is not None:
            self._states.get(budget, {}).pop(pod_uid, None)
            self._replaced_elsewhere.discard(pod_uid)
        return budget

    def gone(self, pod_uid: str) -> PodRef | None:
        """Records that the evicted pod is gone: the budget's status counts its eviction by now. Returns that budget; None if
        fleet has not evicted the pod, or the eviction was counted before."""
        replaced = pod_uid in self._replaced_elsewhere
        budget = self.remove(pod_uid)
        if budget is not None and budget in self._budgets:
            self._count(budget, self._budgets[budget], int(replaced))
        return budget

    def give_up(self, ref: PodRef) -> None:
        """Records that the replacements under this budget are not expected to become Ready any more."""
        self._replacing.pop(ref, None)

    def seen(self, uid: str) -> None:
        """Records that the evicted pod is being deleted or gone."""
        budget = self._budget_of.get(uid)
        if budget is not None and uid in self._states.get(budget, {}):
            self._states[budget][uid] = EvictionState.SEEN

    def budget_updated(self, ref: PodRef, budget: Budget, pods: Mapping[str, Pod]) -> None:
        """Moves the evictions that the new status of the budget `ref` counts to those whose replacement is awaited, and
        forgets those whose replacement is Ready. `pods`: those of the cluster, by uid."""
        replaced = 0
        if states := self._states.get(ref):
            counted = [
                uid
                for uid, state in states.items()
                if state is EvictionState.SEEN or ((pod := pods.get(uid)) and pod.name in budget.disrupted)
            ]
            replaced = sum(uid in self._replaced_elsewhere for uid in counted)
            for uid in counted:
                self.remove(uid)
        if replaced or ref in self._replacing:
            self._count(ref, budget, replaced)

    def delete_budget(self, ref: PodRef) -> None:
        """Records that the budget is gone."""
        self._states.pop(ref, None)
        self._replacing.pop(ref, None)

    def _count(self, ref: PodRef, budget: Budget, more: int) -> None:
        """Counts evictions whose replacement is awaited: no more than the budget lacks."""
        lacking = budget.most_at_once - budget.disruptions_allowed
        replacing = min(self._replacing.get(ref, 0) + more, lacking)
        if replacing > 0:
            self._replacing[ref] = replacing
        else:
            self._replacing.pop(ref, None)
