"""The evictions that nodes will take from budgets: nodes that still wait (demand), and nodes between cordon and reboot
(reservations)."""

from __future__ import annotations

from fleet.core.cluster.view import ClusterView
from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.policy.treatment import NOT_EVICTED

BudgetKey = tuple[str, PodRef]
"""Cluster and budget."""


class BudgetReservations:
    def __init__(self) -> None:
        self._demand: dict[str, dict[PodRef, int]] = {}
        """The evictions that waiting nodes will take from budgets, by cluster and budget."""
        self._reserved: dict[NodeRef, dict[str, tuple[BudgetKey, ...]]] = {}
        """The budgets that a pod's eviction takes from, by node and the pod's uid."""
        self._reserved_by: dict[BudgetKey, dict[str, NodeRef]] = {}
        """The same reservations by budget and the pod's uid."""

    def count_demand(self, view: ClusterView, pod: Pod, change: int) -> None:
        """Counts a pod that has come to a node which still has to be drained (+1), or has left such a node (-1)."""
        if not pod.stays and view.treatment(pod).do not in NOT_EVICTED:
            demand = self._demand.setdefault(view.name, {})
            for ref in view.budget_index.refs_of(pod):
                demand[ref] = max(0, demand.get(ref, 0) + change)

    def forget_demand(self, cluster: str) -> None:
        """Forgets the demand of a cluster, which is about to be counted again."""
        self._demand.pop(cluster, None)

    def pressure(self, view: ClusterView, node: str) -> float:
        """Returns the most evictions left per unit of allowance among the budgets of the node's pods."""
        most, demand = 0.0, self._demand.get(view.name, {})
        for ref in view.drain_demand(node).budgets:
            work = demand.get(ref, 0)
            if work > most:
                most = max(most, work / max(1, view.budgets[ref].most_at_once))
        return most

    def reserve(self, view: ClusterView, ref: NodeRef) -> None:
        """Reserves the evictions that the drain of the node will take from budgets, so that no other node takes them."""
        for pod in view.to_drain(ref.name):
            self.reserve_pod(view, ref, pod)

    def reserve_pod(self, view: ClusterView, ref: NodeRef, pod: Pod) -> None:
        """Reserves from the budgets of a pod that is about to be evicted."""
        if pod.stays or pod.deleting or view.treatment(pod).do in NOT_EVICTED:
            return
        self.release(ref, pod.uid)
        refs = view.budget_index.refs_of(pod)
        keys = tuple((view.name, ref) for ref in refs if view.budgets[ref].charges(pod))
        if keys:
            self._reserved.setdefault(ref, {})[pod.uid] = keys
        for key in keys:
            self._reserved_by.setdefault(key, {})[pod.uid] = ref

    def release(self, ref: NodeRef, pod_uid: str) -> tuple[BudgetKey, ...]:
        """Removes the reservation of a pod whose eviction was granted, or that is gone. Returns the budgets that have more
        evictions for other nodes now."""
        reserved = self._reserved.get(ref)
        if reserved is None:
            return ()
        keys = reserved.pop(pod_uid, ())
        if not reserved:
            del self._reserved[ref]
        for key in keys:
            self._reserved_by[key].pop(pod_uid, None)
        return keys

    def release_all(self, ref: NodeRef) -> list[BudgetKey]:
        uids = list(self._reserved.get(ref, ()))
        return [key for uid in uids for key in self.release(ref, uid)]

    def reserved(self, key: BudgetKey) -> int:
        return len(self._reserved_by.get(key, ()))

    def reserved_by(self, key: BudgetKey) -> list[NodeRef]:
        """Returns the nodes being drained whose pods have reserved evictions from the budget."""
        return list(dict.fromkeys(self._reserved_by.get(key, {}).values()))
