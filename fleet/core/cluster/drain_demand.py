"""The demand of one node's drain on budgets, computed once and valid until the node's pods or the set of budgets
change."""

from __future__ import annotations

from collections.abc import Mapping

from fleet.core.objects.budget import Budget
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.policy import evictable
from fleet.core.policy.drain_rule import DrainBehaviour
from fleet.core.policy.policy import DrainRule
from fleet.core.policy.treatment import EVICTED, OWN_TIME, Treatment
from fleet.core.records.held import Held

MatchedPod = tuple[Pod, tuple[PodRef, ...]]
"""A pod to drain, with every budget that matches the pod."""


class DrainDemand:
    """The pods that the drain of one node removes, and what the drain takes from their budgets."""

    __slots__ = ("_free_of", "_needs", "budgets", "deleting", "pods", "terms", "treated")

    def __init__(
        self,
        matched: tuple[MatchedPod, ...],
        budgets: Mapping[PodRef, Budget],
        terms: int,
        treated: Mapping[str, Treatment],
    ) -> None:
        self.treated = treated
        """Treatment by the pod's uid, of pods that are not simply evicted as their budgets allow."""
        self.terms = terms
        """The count of changes to the cluster's budget selectors when the demand was computed."""
        self.pods = matched
        self.deleting = tuple(pod for pod, _ in matched if pod.deleting)
        scarce = {ref: (-budgets[ref].scarcity, ref) for _, refs in matched for ref in refs}
        self.budgets: tuple[PodRef, ...] = tuple(sorted(scarce, key=scarce.__getitem__))
        """All budgets of the pods, the scarcest first, by their status when the demand was computed."""
        self._needs: Mapping[PodRef, tuple[int, Pod]] | None = None
        """The result of `needs`; None until it is computed, or if it may change with the status of a budget."""
        self._free_of: DrainRule | None = None
        """The drain rule that is known not to hold any of these pods; None if there is none."""

    def held(self, rule: DrainRule) -> list[tuple[Pod, Held]]:
        """Returns the pods that may not be evicted even if budgets allow, each with the reason."""
        if self._free_of is rule:
            return []
        treated = self.treated
        held_pods = [
            (pod, held)
            for pod, refs in self.pods
            if (held := evictable.held(pod, refs, rule, treated.get(pod.uid, EVICTED)))
        ]
        if not held_pods:
            self._free_of = rule
        return held_pods

    @property
    def moving(self) -> tuple[MatchedPod, ...]:
        """The pods that are evicted and need a place on another node. The other pods end by themselves, or their
        operator moves them."""
        if not self.treated:
            return self.pods
        return tuple(pod for pod in self.pods if self.treated.get(pod[0].uid, EVICTED).do not in OWN_TIME)

    def left_to_end(self) -> list[tuple[Pod, Treatment]]:
        """Returns the pods that are left to end by themselves."""
        return [(pod, treated) for pod, treated, _ in self._with_treatment("wait")]

    def requested_evictions(
        self, budgets: Mapping[PodRef, Budget]
    ) -> list[tuple[Pod, Treatment, tuple[PodRef, ...]]]:
        """Returns the pods whose eviction is requested although no budget allows one, each with its treatment and the
        budgets that the eviction takes from."""
        return [
            (pod, treated, tuple(ref for ref in refs if budgets[ref].charges(pod)))
            for pod, treated, refs in self._with_treatment("ask")
        ]

    def _with_treatment(self, do: DrainBehaviour) -> list[tuple[Pod, Treatment, tuple[PodRef, ...]]]:
        """Returns the pods with this treatment, each with the treatment and its budgets."""
        if not self.treated:
            return []
        treated_pods = ((pod, self.treated.get(pod.uid, EVICTED), refs) for pod, refs in self.pods)
        return [entry for entry in treated_pods if entry[1].do == do]

    def needs(self, budgets: Mapping[PodRef, Budget]) -> Mapping[PodRef, tuple[int, Pod]]:
        """Returns, by budget, how many disruptions the pods take from the budget, and one of the pods; the scarcest
        budget first."""
        if self._needs is not None:
            return self._needs
        unordered: dict[PodRef, tuple[int, Pod]] = {}
        settled = True
        for pod, refs in self.pods:
            do = self.treated.get(pod.uid, EVICTED).do if self.treated else "evict"
            if do == "wait":
                continue
            if do == "ask":
                settled = False
                refs = tuple(ref for ref in refs if not budgets[ref].never_allows)
            # What an unready pod takes from a budget depends on the budget's current status.
            settled = settled and pod.ready
            for ref in refs:
                if budgets[ref].charges(pod):
                    unordered[ref] = (unordered[ref][0] + 1 if ref in unordered else 1, pod)
        needs = {ref: unordered[ref] for ref in self.budgets if ref in unordered}
        if settled:
            self._needs = needs
        return needs
