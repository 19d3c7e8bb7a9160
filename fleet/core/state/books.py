"""The engine's books: kept up to date by every observation, so that a decision need not look at the whole fleet.

They know the views of the clusters, which node is in which rollout, how many are out in each scope, what budgets are
claimed for; and when something changes, they say whose waiting that may end (queue), and who has to be looked at
(agenda).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime

from fleet.core.capacity.unplaceable import PodShape
from fleet.core.cluster.view import ClusterView
from fleet.core.objects.attachment import Attachment
from fleet.core.objects.budget import Budget
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node, NodeRef
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.objects.volumes import PersistentVolume, PersistentVolumeClaim
from fleet.core.policy.policy import Amount, Pool, site_of
from fleet.core.quorum.quorum import Quorum
from fleet.core.records.held import Held, Reason
from fleet.core.releases.release import is_release
from fleet.core.rollout.action import Evict, Outcome, Result
from fleet.core.rollout.event import (
    ClusterEvent,
    ClusterLost,
    ClusterObject,
    ClusterSynced,
    Deleted,
    Upserted,
)
from fleet.core.rollout.rollout import Rollout, Run
from fleet.core.rollout.steps import DRAINED, HAS_SLOT, Step
from fleet.core.state.agenda import EngineState
from fleet.core.state.limits import DisruptionLimits, Scope, scopes
from fleet.core.state.operator_requests import OperatorRequests
from fleet.core.state.reservations import BudgetKey, BudgetReservations
from fleet.core.state.wait_queue import WaitKey, WaitQueue
from fleet.core.third_parties.notice import Notice

UNDRAINED = frozenset({Step.PENDING, Step.STAGE, Step.STAGED, Step.CORDON, Step.DRAIN})

MINDS_PODS = frozenset({Step.STAGED, Step.CORDON, Step.DRAIN, Step.REBOOT, Step.VERIFY})
"""Steps in which a run may go on, or be held, because of a pod on its node."""

MINDS_VOLUMES = frozenset({Step.DRAIN, Step.REBOOT})
"""Steps in which a run may go on, or be held, because of a volume that is attached to its node."""


class EngineIndex:
    def __init__(
        self, sites: Mapping[str, str], views: Mapping[str, ClusterView] | None = None, salt: str = ""
    ) -> None:
        self.sites = dict(sites)
        """Of each cluster."""
        self.rollouts: dict[str, Rollout] = {}
        self.state = EngineState(salt)
        self.state.views.update(views or {})
        for view in self.state.views.values():
            for group in view.quorums.values():
                self.state.quorums.upsert(group)
        self.queue = WaitQueue()
        self.limits = DisruptionLimits()
        self.reservations = BudgetReservations()
        self._of: dict[NodeRef, Rollout] = {}
        self._order: dict[NodeRef, int] = {}
        self.operator_requests = OperatorRequests()
        self._short: dict[str, dict[WaitKey, None]] = {}
        """By cluster: what waits for room there."""
        self._scarce: dict[str, dict[PodShape, dict[WaitKey, None]]] = {}
        """The same, of what no open node has room for."""
        self._in_work: dict[str, dict[str, None]] = {}
        """By cluster: nodes that a run has a slot for, and has not failed on."""
        self._until_back: dict[str, dict[WaitKey, None]] = {}
        """By cluster: what waits for room that comes back with the nodes in work."""

    def add(self, rollout: Rollout) -> None:
        """An active rollout takes precedence over an ended one that still has something on the same node."""
        self.rollouts[rollout.id] = rollout
        for order, ref in enumerate(rollout.runs):
            if rollout.active or ref not in self._of:
                self._of[ref] = rollout
                self._order[ref] = order
                self.state.view(ref.cluster).set_drain_rules(
                    ref.name, rollout.pool(rollout.runs[ref]).drain.rules
                )
                self.operator_requests.update(rollout.runs[ref])
                self._note_work(rollout.runs[ref])
                self.state.mark_dirty(ref)
        for view in self.state.views.values():
            for name in view.nodes:
                self._place(NodeRef(view.name, name))
            self._count_demand(view.name)
        for ref, run in rollout.runs.items():
            if run.step in DRAINED and self.rollout_of(ref) is rollout:
                self._leave(ref)
        for ref in rollout.runs:
            if self.state.node(ref) is None:
                self._place(ref)

    def rollout_of(self, ref: NodeRef) -> Rollout | None:
        return self._of.get(ref)

    def run_of(self, ref: NodeRef) -> Run | None:
        rollout = self._of.get(ref)
        return rollout.runs[ref] if rollout is not None else None

    def order(self, ref: NodeRef) -> int:
        """Place in the plan."""
        return self._order[ref]

    def observe(self, event: ClusterEvent, now: datetime) -> None:
        match event:
            case Upserted(cluster, thing):
                if isinstance(thing, Quorum):
                    self.state.quorums.update_upgraded(thing, now)
                self._see(cluster, thing)
            case Deleted(cluster, thing):
                self._lose(cluster, thing)
            case Outcome():
                self._settle(event, now)
            case ClusterSynced(cluster):
                view = self.state.view(cluster)
                view.why_lost, view.synced_at, view.server_version = "", now, event.server_version
                self._count_demand(cluster)
                self._look_at_all(cluster)
            case ClusterLost(cluster, why, led_by_another):
                view = self.state.view(cluster)
                view.why_lost, view.led_by_another = why, led_by_another
                self._look_at_all(cluster)

    def update_unavailable(self, ref: NodeRef) -> None:
        """Whether the node is out now: ours, unavailable for other reasons, or not to be seen."""
        node, view = self.state.node(ref), self.state.view(ref.cluster)
        kept = self._kept(ref)
        self.state.quorums.mark(ref, kept)
        out = kept or node is None or not node.available or not view.synced
        for scope in self.limits.set_unavailable(ref, out):
            self.queue.open(("scope", scope))

    def released(self, ref: NodeRef) -> None:
        """A person has given the slot of its failed run back."""
        self._place(ref)
        self._look_at(ref)
        self.open_quorums(ref)

    def kept_by_other(self, ref: NodeRef, rollout: Rollout) -> Held | None:
        """The failed run of another rollout keeps its slot on the node: until a person has released it, nothing is
        done there, and what the node rolled back from is not tried on it again."""
        others = (each for each in self.rollouts.values() if each is not rollout and _keeps(each, ref))
        by = next(others, None)
        if by is None:
            return None
        run = by.runs[ref]
        if run.rolled_back and is_release(run.release, rollout.release):
            told = (("by", by.id), ("booted", run.rolled_back), ("release", run.release.version))
            return Held(Reason.ROLLED_BACK, ref.name, dict(told))
        return Held(Reason.OTHER_ROLLOUT, ref.name, {"by": by.id})

    def step_changed(self, run: Run) -> None:
        """A run of these books has come into another step."""
        ref = run.node
        if run.step in DRAINED:
            self.reservations.reserve(self.state.view(ref.cluster), ref)
            self._leave(ref)
        else:
            self._open_budgets(self.reservations.release_all(ref))
            if self.state.view(ref.cluster).capacity.end_drain(ref.name):
                self._open_room(ref.cluster)
        if run.step is not Step.DRAIN:
            self.state.drain_ended(ref)
        for group in self.operator_requests.update(run):
            self.queue.open(("asked", ref.cluster, group))
        self._note_work(run)
        if run.ended:
            self.queue.drop(ref)
            self._place(ref)
        if run.ended or run.waiting:
            self.state.forget_group_actions(ref)
        self.update_unavailable(ref)
        self.state.mark_dirty(ref)
        self.open_quorums(ref)

    def open_quorums(self, ref: NodeRef) -> None:
        """Something has changed for the nodes that share a quorum group with this one."""
        for group in self.state.quorums.of(ref):
            self._open_quorum(group.name)

    def _open_quorum(self, name: str) -> None:
        """Each node waits for reasons of its own: one that may not go yet keeps no other from it."""
        for ref in self.state.quorums.nodes(name):
            self.queue.open(("quorum", name, ref))

    def in_work(self, cluster: str) -> Collection[str]:
        """Names of the cluster's nodes that a run has a slot for, and has not failed on."""
        return self._in_work.get(cluster, {}).keys()

    def _note_work(self, run: Run) -> None:
        """Where no node, or one node less, is in work, room that was expected of it may not come."""
        cluster, name = run.node
        names = self._in_work.setdefault(cluster, {})
        if run.step in HAS_SLOT:
            names[name] = None
        elif name in names:
            del names[name]
            if not names or run.step is not Step.DONE:
                for key in self._until_back.pop(cluster, ()):
                    self.queue.open(key)

    def free_evictions(self, ref: PodRef, view: ClusterView) -> int:
        """Evictions that the budget grants and nobody has reserved."""
        return max(0, view.allowance(ref) - self.reservations.reserved((view.name, ref)))

    def room_key(self, ref: NodeRef, lacking: Held) -> WaitKey:
        """Opens when there may be more room for the pod that has just been found to have no place."""
        key = ("room", ref.cluster, lacking.subject)
        room = self.state.view(ref.cluster).capacity
        shortage = room.lacking_shape(ref.name) if lacking.reason in (Reason.CAPACITY, Reason.ROOM) else None
        if lacking.reason is Reason.ROOM:
            self._until_back.setdefault(ref.cluster, {})[key] = None
        if shortage is None:
            return self._with_room(ref.cluster, key)
        self._scarce.setdefault(ref.cluster, {}).setdefault(shortage, {})[key] = None
        return key

    def pinned_key(self, ref: NodeRef) -> WaitKey:
        """Opens when another node may take the pods of this one, or a budget lets more of them be away. Others that wait
        for the same budget do not stand behind it."""
        return self._with_room(ref.cluster, ("pinned", ref))

    def _with_room(self, cluster: str, key: WaitKey) -> WaitKey:
        self._short.setdefault(cluster, {})[key] = None
        return key

    def notices_for(self, ref: NodeRef, now: datetime) -> list[Notice]:
        """What other parties say of the node. Where that has an end to come, the node is looked at again then."""
        notices = self.state.view(ref.cluster).notices(ref.name)
        for each in notices:
            if each.until is not None and now < each.until:
                self.state.wake_at(ref, each.until)
        return notices

    def _open_room(self, cluster: str) -> None:
        for key in self._short.pop(cluster, ()):
            self.queue.open(key)
        if scarce := self._scarce.get(cluster):
            room = self.state.view(cluster).capacity
            for shortage in [each for each in scarce if room.eased(each)]:
                for key in scarce.pop(shortage):
                    self.queue.open(key)

    def _leave(self, ref: NodeRef) -> None:
        view = self.state.view(ref.cluster)
        view.capacity.start_drain(ref.name, view.to_drain(ref.name))

    def _look_at(self, ref: NodeRef) -> None:
        if ref in self._of:
            self.state.mark_dirty(ref)
            self.queue.open(("node", ref))

    def _look_at_all(self, cluster: str) -> None:
        nodes = self.state.view(cluster).nodes
        for name in nodes:
            self.update_unavailable(NodeRef(cluster, name))
        for ref in self._of:
            if ref.cluster == cluster:
                if ref.name not in nodes:
                    self._place(ref)
                self._look_at(ref)

    def _see(self, cluster: str, thing: ClusterObject) -> None:
        view = self.state.view(cluster)
        match thing:
            case Pod():
                self._see_pod(cluster, thing)
            case Node():
                ref = NodeRef(cluster, thing.name)
                before = view.nodes.get(thing.name)
                view.upsert(thing)
                if before is None or before.labels != thing.labels:
                    self._place(ref)
                self.update_unavailable(ref)
                self._look_at(ref)
                self._open_room(cluster)
            case Budget():
                key = (cluster, thing.ref)
                before_it = view.budgets.get(key[1])
                view.upsert(thing)
                if before_it is None or before_it.selector != thing.selector:
                    self.queue.open(("budgets", cluster, thing.namespace))
                self._open_budget(key)
                if before_it is None or before_it.most_at_once != thing.most_at_once:
                    self._open_room(cluster)
                for ref in self.reservations.reserved_by(key):
                    self.state.mark_dirty(ref)
            case Machine():
                view.upsert(thing)
                self._look_at(NodeRef(cluster, thing.name))
            case Attachment():
                view.upsert(thing)
                self._look_at_volumes(NodeRef(cluster, thing.node))
            case Quorum():
                self._look_at_group(thing.name)
                view.upsert(thing)
                self.state.quorums.upsert(thing)
                self._look_at_group(thing.name)
            case PersistentVolume() | PersistentVolumeClaim():
                view.upsert(thing)
                self._open_room(cluster)
            case _:
                self._look_at_noticed(cluster, view.upsert(thing))

    def _look_at_noticed(self, cluster: str, nodes: Iterable[str]) -> None:
        """Another party says something else of them."""
        for name in nodes:
            self._look_at(NodeRef(cluster, name))

    def _look_at_volumes(self, ref: NodeRef) -> None:
        run = self.run_of(ref)
        if run is not None and run.step in MINDS_VOLUMES:
            self._look_at(ref)

    def _look_at_group(self, name: str) -> None:
        self._open_quorum(name)
        for ref in self.state.quorums.nodes(name):
            self._look_at(ref)

    def _see_pod(self, cluster: str, pod: Pod) -> None:
        view = self.state.view(cluster)
        before, servers = view.pods.get(pod.uid), view.servers if pod.api_server else None
        self._relabel(view, before, pod)
        self._look_at_noticed(cluster, view.upsert(pod))
        if servers is not None and servers != view.servers:
            self._look_at_all(cluster)
        if before is None or _is_well(before) != _is_well(pod):
            self._open_for_health(view, pod)
        if not pod.node:
            if before is not None and before.stuck != pod.stuck:
                self._open_room(cluster)
            return
        if before is None or before.node != pod.node or before.finished != pod.finished:
            self._open_room(cluster)
        ref = NodeRef(cluster, pod.node)
        run = self.run_of(ref)
        if run is None:
            return
        if before is None or before.node != pod.node:
            if run.step in UNDRAINED and view.synced:
                self.reservations.count_demand(view, pod, 1)
            if run.step in (Step.CORDON, Step.DRAIN):
                self.reservations.reserve_pod(view, ref, pod)
        if pod.deleting:
            self._open_budgets(self.reservations.release(ref, pod.uid))
        if run.step in MINDS_PODS:
            self._look_at(ref)

    def _open_for_health(self, view: ClusterView, pod: Pod) -> None:
        """How much a budget can allow goes by how many of its pods are Ready, which its status may have told before."""
        if view.synced and not pod.stays:
            for ref in view.refs_of(pod):
                self.queue.open(("budget", view.name, ref))

    def _relabel(self, view: ClusterView, before: Pod | None, pod: Pod) -> None:
        """Somebody has changed its labels, as an operator does that makes another pod the primary: it may be under other
        budgets now."""
        if before is None or before.labels == pod.labels or before.node != pod.node:
            return
        ref = NodeRef(view.name, pod.node)
        run = self.run_of(ref) if pod.node else None
        if run is None:
            return
        if run.step in UNDRAINED and view.synced:
            self.reservations.count_demand(view, before, -1)
            self.reservations.count_demand(view, pod, 1)
        if run.step in DRAINED:
            self._open_budgets(self.reservations.release(ref, pod.uid))
            self.reservations.reserve_pod(view, ref, pod)

    def _lose(self, cluster: str, thing: ClusterObject) -> None:
        view = self.state.view(cluster)
        match thing:
            case Pod():
                self._lose_pod(cluster, view.pods.get(thing.uid, thing))
            case Node():
                ref = NodeRef(cluster, thing.name)
                view.delete(thing)
                self._place(ref)
                self._look_at(ref)
            case Budget():
                view.delete(thing)
                self.queue.open(("budget", cluster, thing.ref))
                self.queue.open(("budgets", cluster, thing.namespace))
                for ref in self.reservations.reserved_by((cluster, thing.ref)):
                    self.state.mark_dirty(ref)
            case Attachment():
                view.delete(thing)
                self._look_at_volumes(NodeRef(cluster, thing.node))
            case Quorum():
                self._look_at_group(thing.name)
                view.delete(thing)
                self.state.quorums.delete(thing.name)
            case _:
                self._look_at_noticed(cluster, view.delete(thing))

    def _lose_pod(self, cluster: str, pod: Pod) -> None:
        view = self.state.view(cluster)
        ref = NodeRef(cluster, pod.node)
        run = self.run_of(ref)
        if run is not None and run.step in UNDRAINED and view.synced:
            self.reservations.count_demand(view, pod, -1)
        if not _is_well(pod):
            self._open_for_health(view, pod)
        self._look_at_noticed(cluster, view.delete(pod))
        if pod.api_server:
            self._look_at_all(cluster)
        # The budget's status has counted its eviction by now, and may have been told before this.
        debited = view.remove_pending_eviction(pod.uid)
        self._open_budgets(self.reservations.release(ref, pod.uid))
        if debited is not None:
            self._open_budget((cluster, debited))
        self.state.forget_pod(ref, pod.uid)
        self._open_room(cluster)
        if run is not None and run.step in MINDS_PODS:
            self._look_at(ref)

    def _settle(self, outcome: Outcome, now: datetime) -> None:
        action = outcome.action
        self.state.settle(outcome, now)
        rollout = self.rollouts.get(action.rollout)
        if rollout is not None:
            rollout.add_outcome(action.id, outcome.result)
        if isinstance(action, Evict) and outcome.result in (Result.DONE, Result.GONE):
            self._open_budgets(self.reservations.release(action.node, action.pod_uid))

    def _open_budgets(self, keys: Iterable[BudgetKey]) -> None:
        for key in keys:
            self._open_budget(key)

    def _open_budget(self, key: BudgetKey) -> None:
        cluster, ref = key
        view = self.state.view(cluster)
        if ref not in view.budgets or self.free_evictions(ref, view) > 0:
            self.queue.open(("budget", *key))

    def _kept(self, ref: NodeRef) -> bool:
        """A run keeps its slot there, be it of a rollout that has ended."""
        return any(_keeps(each, ref) for each in self.rollouts.values())

    def _place(self, ref: NodeRef) -> None:
        """Which limits the node counts for: those of the pool that it is in, and those of its run's."""
        limits: dict[tuple[Scope, Amount], None] = {}
        for rollout in self.rollouts.values():
            if rollout.active:
                for pool, site, zone in self._places(rollout, ref):
                    own = scopes(ref, pool.name, site, zone, pool.limits, rollout.policy.limits)
                    limits.update(dict.fromkeys(own))
        before = self.limits.assign(ref, limits)
        self.update_unavailable(ref)
        for scope in (*before, *(scope for scope, _ in limits)):
            self.queue.open(("scope", scope))

    def _places(self, rollout: Rollout, ref: NodeRef) -> Iterator[tuple[Pool, str, str]]:
        """Pools, each with site and zone. A node that cannot be seen is where its goal says, as long as it may be
        there or a run keeps its slot."""
        node, run, view = self.state.node(ref), rollout.runs.get(ref), self.state.view(ref.cluster)
        site = self.sites.get(ref.cluster, "")
        if node is not None:
            now = rollout.policy.pool_of(ref.cluster, node)
            meant = rollout.pool(run) if run is not None and (self._kept(ref) or not run.ended) else None
            if now is not None:
                yield now, site_of(node, site), node.zone
            if meant is not None and meant is not now:
                yield meant, site_of(node, site), node.zone
        elif run is not None and (self._kept(ref) or not view.synced):
            yield rollout.pool(run), run.goal.site or site, run.goal.zone

    def _count_demand(self, cluster: str) -> None:
        view = self.state.view(cluster)
        self.reservations.forget_demand(cluster)
        for pod in view.pods.values() if self.rollouts else ():
            run = self.run_of(NodeRef(cluster, pod.node)) if pod.node else None
            if run is not None and run.step in UNDRAINED:
                self.reservations.count_demand(view, pod, 1)


def _keeps(rollout: Rollout, ref: NodeRef) -> bool:
    return ref in rollout.runs and rollout.runs[ref].slot


def _is_well(pod: Pod) -> bool:
    """Ready, or not expected to be."""
    return pod.ready or pod.deleting or pod.finished
