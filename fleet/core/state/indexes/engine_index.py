"""The engine's indexes, updated with every event, so that a decision need not look at the whole fleet.

`EngineIndex` passes each event to the indexes that it concerns; `wakeups.py` wakes the runs whose wait may end.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from fleet.core.cluster.view import ClusterView
from fleet.core.objects.attachment import Attachment
from fleet.core.objects.budget import Budget
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node, NodeRef
from fleet.core.objects.pod import Pod
from fleet.core.objects.volumes import PersistentVolume, PersistentVolumeClaim
from fleet.core.quorum.quorum import Quorum
from fleet.core.rollout.action import Evict, Outcome, Result
from fleet.core.rollout.event import (
    ClusterEvent,
    ClusterLost,
    ClusterObject,
    ClusterSynced,
    Deleted,
    Upserted,
)
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import DRAINED, Step
from fleet.core.state.engine_state import EngineState
from fleet.core.state.indexes.limit_index import LimitIndex
from fleet.core.state.indexes.run_index import RunIndex
from fleet.core.state.indexes.wakeups import WakeUps
from fleet.core.state.limits import DisruptionLimits
from fleet.core.state.operator_requests import OperatorRequests
from fleet.core.state.reservations import BudgetReservations
from fleet.core.state.wait_queue import WaitKey, WaitQueue
from fleet.core.third_parties.notice import Notice

UNDRAINED = frozenset({Step.PENDING, Step.STAGE, Step.STAGED, Step.CORDON, Step.DRAIN})
"""Steps in which the pods of a node still have to be drained."""
POD_STEPS = frozenset({Step.STAGED, Step.CORDON, Step.DRAIN, Step.REBOOT, Step.VERIFY})
"""Steps in which a run may go on, or be held, because of a pod on its node."""


class EngineIndex:
    def __init__(
        self,
        sites: Mapping[str, str],
        state: EngineState | None = None,
        limits: DisruptionLimits | None = None,
    ) -> None:
        """`sites`: the site of each cluster. `state`, `limits`: the filled ones of another engine, if there are any."""
        self.runs = RunIndex()
        self.state = state if state is not None else EngineState()
        self.queue = WaitQueue()
        self.limits = limits if limits is not None else DisruptionLimits()
        self.reservations = BudgetReservations()
        self.operator_requests = OperatorRequests()
        self.wakeups = WakeUps(self.runs, self.state, self.queue, self.reservations)
        self._limit_index = LimitIndex(sites, self.runs, self.state, self.queue, self.limits)

    def add(self, rollout: Rollout) -> None:
        """Adds a new rollout, or one that was rebuilt from the journal."""
        for ref in self.runs.add(rollout):
            rules = rollout.pool(rollout.runs[ref]).drain.rules
            self.state.view(ref.cluster).set_drain_rules(ref.name, rules)
            self.operator_requests.update(rollout.runs[ref])
            self.wakeups.step_changed(rollout.runs[ref])
            self.state.mark_dirty(ref)
        for view in self.state.views.values():
            for name in view.nodes:
                self._limit_index.assign(NodeRef(view.name, name))
            self._count_demand(view.name)
        for ref, run in rollout.runs.items():
            if run.step in DRAINED and self.runs.rollout_of(ref) is rollout:
                self._start_drain(ref)
        for ref in rollout.runs:
            if self.state.node(ref) is None:
                self._limit_index.assign(ref)

    def observe(self, event: ClusterEvent, now: datetime) -> None:
        """Updates the indexes with an event."""
        match event:
            case Upserted():
                self._upsert(self.state.view(event.cluster), event.obj, now)
            case Deleted():
                self._delete(self.state.view(event.cluster), event.obj)
            case Outcome():
                self._settle(event, now)
            case ClusterSynced(cluster):
                view = self.state.view(cluster)
                view.why_lost, view.synced_at, view.server_version = "", now, event.server_version
                self._count_demand(cluster)
                self._wake_cluster(cluster)
            case ClusterLost(cluster, why, led_by_another):
                view = self.state.view(cluster)
                view.why_lost, view.led_by_another = why, led_by_another
                self._wake_cluster(cluster)

    def released(self, ref: NodeRef) -> None:
        """Frees the slot of a failed run after an operator has released the node."""
        self._limit_index.assign(ref)
        self.wakeups.wake_node(ref)
        self.wakeups.open_quorums(ref)

    def step_changed(self, run: Run) -> None:
        """Updates the indexes after a run has entered another step."""
        ref = run.node
        if run.step in DRAINED:
            self.reservations.reserve(self.state.view(ref.cluster), ref)
            self._start_drain(ref)
        else:
            self.wakeups.open_budgets(self.reservations.release_all(ref))
            if self.state.view(ref.cluster).capacity.end_drain(ref.name):
                self.wakeups.open_capacity(ref.cluster)
        if run.step is not Step.DRAIN:
            self.state.drains.end(ref)
        for group in self.operator_requests.update(run):
            self.queue.open(WaitKey("operator", (ref.cluster, group)))
        self.wakeups.step_changed(run)
        if run.ended:
            self.queue.drop(ref)
            self._limit_index.assign(ref)
        if run.ended or run.waiting:
            self.state.actions.forget_group_actions(ref)
        self._limit_index.update_unavailable(ref)
        self.state.mark_dirty(ref)
        self.wakeups.open_quorums(ref)

    def notices_for(self, ref: NodeRef, now: datetime) -> list[Notice]:
        """Returns the notices of third parties about the node, and sets timers for the ends of those that expire."""
        notices = self.state.view(ref.cluster).notices(ref.name)
        for notice in notices:
            if notice.until is not None and now < notice.until:
                self.state.timers.wake_at(ref, notice.until)
        return notices

    def _start_drain(self, ref: NodeRef) -> None:
        view = self.state.view(ref.cluster)
        view.capacity.start_drain(ref.name, view.to_drain(ref.name))

    def _wake_cluster(self, cluster: str) -> None:
        """Updates and wakes every node of a cluster that was synced or lost."""
        nodes = self.state.view(cluster).nodes
        for name in nodes:
            self._limit_index.update_unavailable(NodeRef(cluster, name))
        for ref in self.runs.nodes_of(cluster):
            if ref.name not in nodes:
                self._limit_index.assign(ref)
            self.wakeups.wake_node(ref)

    def _upsert(self, view: ClusterView, obj: ClusterObject, now: datetime) -> None:
        cluster = view.name
        match obj:
            case Pod():
                self._upsert_pod(view, obj)
            case Node():
                ref = NodeRef(cluster, obj.name)
                before = view.nodes.get(obj.name)
                view.upsert(obj)
                if before is None or before.labels != obj.labels:
                    self._limit_index.assign(ref)
                self._limit_index.update_unavailable(ref)
                self.wakeups.wake_node(ref)
                self.wakeups.open_capacity(cluster)
            case Budget():
                key = (cluster, obj.ref)
                selector_changes = view.budget_index.selector_changes
                previous = view.budgets.get(key[1])
                view.upsert_budget(key[1], obj)
                if selector_changes != view.budget_index.selector_changes:
                    self.queue.open(WaitKey("budgets", (cluster, obj.namespace)))
                self.wakeups.open_budget(key)
                if previous is None or previous.most_at_once != obj.most_at_once:
                    self.wakeups.open_capacity(cluster)
                self.wakeups.wake_reservers(key)
            case Machine():
                view.upsert(obj)
                self.wakeups.wake_node(NodeRef(cluster, obj.name))
            case Attachment():
                view.upsert(obj)
                self.wakeups.volume_changed(NodeRef(cluster, obj.node))
            case Quorum():
                self.state.quorums.update_upgraded(obj, now)
                self.wakeups.quorum_read(obj.name)
                view.upsert(obj)
                self.state.quorums.upsert(obj)
                self.wakeups.quorum_read(obj.name)
            case PersistentVolume() | PersistentVolumeClaim():
                view.upsert(obj)
                self.wakeups.open_capacity(cluster)
            case _:
                self.wakeups.wake_nodes(cluster, view.upsert(obj))

    def _upsert_pod(self, view: ClusterView, pod: Pod) -> None:
        cluster = view.name
        before, servers = view.pods.get(pod.uid), view.servers if pod.api_server else None
        self._relabel_pod(view, before, pod)
        self.wakeups.wake_nodes(cluster, view.upsert_pod(before, pod))
        if servers is not None and servers != view.servers:
            self._wake_cluster(cluster)
        if before is None or _ready_or_leaving(before) != _ready_or_leaving(pod):
            self.wakeups.open_for_readiness(view, pod)
        if not pod.node:
            if before is not None and before.stuck != pod.stuck:
                self.wakeups.open_capacity(cluster)
            return
        came = before is None or before.node != pod.node
        if before is None or came or before.finished != pod.finished:
            self.wakeups.open_capacity(cluster)
        ref = NodeRef(cluster, pod.node)
        run = self.runs.run_of(ref)
        if run is None:
            return
        if came:
            if run.step in UNDRAINED and view.synced:
                self.reservations.count_demand(view, pod, 1)
            if run.step in (Step.CORDON, Step.DRAIN):
                self.reservations.reserve_pod(view, ref, pod)
        if pod.deleting:
            self.wakeups.open_budgets(self.reservations.release(ref, pod.uid))
        if run.step in POD_STEPS:
            self.wakeups.wake_node(ref)

    def _relabel_pod(self, view: ClusterView, before: Pod | None, pod: Pod) -> None:
        """Moves the reservations of a pod whose labels have changed to its present budgets, for example when an operator
        makes another pod the primary."""
        if before is None or before.labels is pod.labels:
            return
        if before.labels == pod.labels or before.node != pod.node:
            return
        ref = NodeRef(view.name, pod.node)
        run = self.runs.run_of(ref) if pod.node else None
        if run is None:
            return
        if run.step in UNDRAINED and view.synced:
            self.reservations.count_demand(view, before, -1)
            self.reservations.count_demand(view, pod, 1)
        if run.step in DRAINED:
            self.wakeups.open_budgets(self.reservations.release(ref, pod.uid))
            self.reservations.reserve_pod(view, ref, pod)

    def _delete(self, view: ClusterView, obj: ClusterObject) -> None:
        cluster = view.name
        match obj:
            case Pod():
                self._delete_pod(view, view.pods.get(obj.uid, obj))
            case Node():
                ref = NodeRef(cluster, obj.name)
                view.delete(obj)
                self._limit_index.assign(ref)
                self.wakeups.wake_node(ref)
            case Budget():
                view.delete(obj)
                self.queue.open(WaitKey("budget", (cluster, obj.ref)))
                self.queue.open(WaitKey("budgets", (cluster, obj.namespace)))
                self.wakeups.wake_reservers((cluster, obj.ref))
            case Attachment():
                view.delete(obj)
                self.wakeups.volume_changed(NodeRef(cluster, obj.node))
            case Quorum():
                self.wakeups.quorum_read(obj.name)
                view.delete(obj)
                self.state.quorums.delete(obj.name)
            case _:
                self.wakeups.wake_nodes(cluster, view.delete(obj))

    def _delete_pod(self, view: ClusterView, pod: Pod) -> None:
        cluster = view.name
        ref = NodeRef(cluster, pod.node)
        run = self.runs.run_of(ref)
        if run is not None and run.step in UNDRAINED and view.synced:
            self.reservations.count_demand(view, pod, -1)
        if not _ready_or_leaving(pod):
            self.wakeups.open_for_readiness(view, pod)
        self.wakeups.wake_nodes(cluster, view.delete(pod))
        if pod.api_server:
            self._wake_cluster(cluster)
        # The budget's status counts the eviction by now, and may have been reported before the pod was.
        debited = view.pending_evictions.gone(pod.uid)
        self.wakeups.open_budgets(self.reservations.release(ref, pod.uid))
        if debited is not None:
            self.wakeups.open_budget((cluster, debited))
        self.state.forget_pod(ref, pod.uid)
        self.wakeups.open_capacity(cluster)
        if run is not None and run.step in POD_STEPS:
            self.wakeups.wake_node(ref)

    def _settle(self, outcome: Outcome, now: datetime) -> None:
        action = outcome.action
        self.state.settle(outcome, now)
        rollout = self.runs.rollouts.get(action.rollout)
        if rollout is not None:
            rollout.add_outcome(action.id, outcome.result)
        if isinstance(action, Evict) and outcome.result in (Result.DONE, Result.GONE):
            self.wakeups.open_budgets(self.reservations.release(action.node, action.pod_uid))

    def _count_demand(self, cluster: str) -> None:
        """Counts again how many evictions the drains of a cluster will take from its budgets."""
        view = self.state.view(cluster)
        self.reservations.forget_demand(cluster)
        for pod in view.pods.values() if self.runs.rollouts else ():
            run = self.runs.run_of(NodeRef(cluster, pod.node)) if pod.node else None
            if run is not None and run.step in UNDRAINED:
                self.reservations.count_demand(view, pod, 1)


def _ready_or_leaving(pod: Pod) -> bool:
    """Returns whether the pod is Ready, or not expected to be."""
    return pod.ready or pod.deleting or pod.finished
