"""Wakes the runs whose wait may end when something changes: opens their wait keys, or marks them dirty."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from fleet.core.capacity.unplaceable import PodShape
from fleet.core.cluster.view import ClusterView
from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import HAS_SLOT, Step
from fleet.core.state.engine_state import EngineState
from fleet.core.state.indexes.run_index import RunIndex
from fleet.core.state.reservations import BudgetKey, BudgetReservations
from fleet.core.state.wait_queue import WaitKey, WaitQueue

VOLUME_STEPS = frozenset({Step.DRAIN, Step.REBOOT})
"""Steps in which a run may go on, or be held, because of a volume that is attached to its node."""


class WakeUps:
    def __init__(
        self, runs: RunIndex, state: EngineState, queue: WaitQueue, reservations: BudgetReservations
    ) -> None:
        self._runs = runs
        self._state = state
        self._queue = queue
        self._reservations = reservations
        self._capacity_keys: dict[str, dict[WaitKey, None]] = {}
        """The wait keys of runs that wait for free capacity in a cluster, by cluster."""
        self._shape_keys: dict[str, dict[PodShape, dict[WaitKey, None]]] = {}
        """The same for runs with a pod for whose shape no open node has room, by cluster and shape."""
        self._in_work: dict[str, dict[str, None]] = {}
        """The names of the nodes for which a run has a slot and has not failed, by cluster."""
        self._upgraded: dict[str, dict[str, None]] = {}
        """The names of the nodes whose run is done, by cluster."""
        self._until_back: dict[str, dict[WaitKey, None]] = {}
        """The wait keys of runs that wait for the capacity of the nodes in work, by cluster."""

    def wake_node(self, ref: NodeRef) -> None:
        """Marks the node's run dirty, and opens the wait key of the node."""
        if ref in self._runs:
            self._state.mark_dirty(ref)
            self._queue.open(WaitKey("node", ref))

    def wake_nodes(self, cluster: str, nodes: Iterable[str]) -> None:
        for name in nodes:
            self.wake_node(NodeRef(cluster, name))

    def volume_changed(self, ref: NodeRef) -> None:
        """Wakes the node's run after a volume was attached to the node or detached from it."""
        run = self._runs.run_of(ref)
        if run is not None and run.step in VOLUME_STEPS:
            self.wake_node(ref)

    def quorum_read(self, name: str) -> None:
        """Wakes the runs of a quorum group's nodes after the group was read again."""
        self.open_quorum(name)
        for ref in self._state.quorums.nodes(name):
            self.wake_node(ref)

    def wake_reservers(self, key: BudgetKey) -> None:
        """Wakes the runs whose drains have reserved evictions from a budget that has changed."""
        for ref in self._reservations.reserved_by(key):
            self._state.mark_dirty(ref)

    def open_quorums(self, ref: NodeRef) -> None:
        """Opens the keys of the quorum groups that have a member on this node."""
        for group in self._state.quorums.of(ref):
            self.open_quorum(group.name)

    def open_quorum(self, name: str) -> None:
        """Opens one key for each node of the group: each node waits for reasons of its own, and a node that may not go yet
        holds up no other."""
        for ref in self._state.quorums.nodes(name):
            self._queue.open(WaitKey("quorum", (name, ref)))

    def free_evictions(self, ref: PodRef, view: ClusterView) -> int:
        """Returns the evictions that the budget allows and no drain has reserved."""
        return max(0, view.pending_evictions.allowance(ref) - self._reservations.reserved((view.name, ref)))

    def free_evictions_soon(self, ref: PodRef, view: ClusterView) -> int:
        """Returns the same for the time when every pod that fleet has evicted is replaced.

        A node that begins with these stands in line: it is cordoned, and evicts a pod when the pod before it is replaced.
        """
        reserved = self._reservations.reserved((view.name, ref))
        return max(0, view.pending_evictions.allowance_soon(ref) - reserved)

    def open_budgets(self, keys: Iterable[BudgetKey]) -> None:
        for key in keys:
            self.open_budget(key)

    def open_budget(self, key: BudgetKey) -> None:
        """Opens the budget's key, if the budget has evictions left, now or soon, or is gone."""
        waited = WaitKey("budget", key)
        if not self._queue.awaits(waited):
            return
        cluster, ref = key
        view = self._state.view(cluster)
        if ref not in view.budgets or self.free_evictions_soon(ref, view) > 0:
            self._queue.open(waited)

    def open_for_readiness(self, view: ClusterView, pod: Pod) -> None:
        """Opens the pod's budgets: what a budget can allow depends on how many of its pods are Ready, and its status may
        have reported that before the pod did."""
        if view.synced and not pod.stays:
            for ref in view.budget_index.refs_of(pod):
                self._queue.open(WaitKey("budget", (view.name, ref)))

    def capacity_key(self, ref: NodeRef, held: Held) -> WaitKey:
        """Returns the key that opens when there may be more capacity for the pod that has just been found to have no
        place."""
        key = WaitKey("capacity", (ref.cluster, held.subject))
        capacity = self._state.view(ref.cluster).capacity
        if held.reason is Reason.ROOM:
            self._until_back.setdefault(ref.cluster, {})[key] = None
        shape = capacity.lacking_shape(ref.name) if held.reason in (Reason.CAPACITY, Reason.ROOM) else None
        if shape is None:
            return self._with_capacity(ref.cluster, key)
        self._shape_keys.setdefault(ref.cluster, {}).setdefault(shape, {})[key] = None
        return key

    def in_work(self, cluster: str) -> Collection[str]:
        """Returns the names of the cluster's nodes that a run has a slot for, and has not failed on."""
        return self._in_work.get(cluster, {}).keys()

    def upgraded(self, cluster: str) -> int:
        """Returns how many of the cluster's nodes have a run that is done."""
        return len(self._upgraded.get(cluster, ()))

    def step_changed(self, run: Run) -> None:
        """Updates whether the run's node is in work, and whether it is upgraded.

        Where no node is in work any more, or a run has failed, capacity that was expected of it may not come.
        """
        cluster, name = run.node
        names = self._in_work.setdefault(cluster, {})
        upgraded = self._upgraded.setdefault(cluster, {})
        if run.step is Step.DONE:
            upgraded[name] = None
        else:
            upgraded.pop(name, None)
        if run.step in HAS_SLOT:
            names[name] = None
        elif name in names:
            del names[name]
            self._queue.open(WaitKey("upgraded", cluster))
            if not names or run.step is not Step.DONE:
                for key in self._until_back.pop(cluster, ()):
                    self._queue.open(key)

    def pinned_key(self, ref: NodeRef) -> WaitKey:
        """Returns the key that opens when another node may take the pods of this node, or a budget allows more of them to be
        away.

        Others that wait for the same budget do not stand behind this node.
        """
        return self._with_capacity(ref.cluster, WaitKey("pinned", ref))

    def _with_capacity(self, cluster: str, key: WaitKey) -> WaitKey:
        self._capacity_keys.setdefault(cluster, {})[key] = None
        return key

    def open_capacity(self, cluster: str) -> None:
        """Opens the keys of runs that wait for capacity which may be free now."""
        for key in self._capacity_keys.pop(cluster, ()):
            self._queue.open(key)
        if waiting := self._shape_keys.get(cluster):
            capacity = self._state.view(cluster).capacity
            for shape in [waited for waited in waiting if capacity.may_fit_now(waited)]:
                for key in waiting.pop(shape):
                    self._queue.open(key)
