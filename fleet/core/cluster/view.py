"""The engine's view of one cluster: its objects as last seen, and the indexes that decisions use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from fleet.core.capacity.capacity import ClusterCapacity
from fleet.core.cluster.budget_index import BudgetIndex
from fleet.core.cluster.drain_demand import DrainDemand
from fleet.core.cluster.notices import Notices
from fleet.core.cluster.pending_evictions import PendingEvictions
from fleet.core.cluster.pod_index import PodIndex
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.attachment import Attachment
from fleet.core.objects.budget import Budget
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.objects.volumes import PersistentVolume, PersistentVolumeClaim
from fleet.core.objects.workload import Workload
from fleet.core.policy.drain_rule import PodRule
from fleet.core.policy.treatment import EVICTED, Treatment, is_plain, treatment
from fleet.core.quorum.quorum import Quorum
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.event import ClusterObject
from fleet.core.third_parties.maintenance import Maintenance
from fleet.core.third_parties.notice import Notice, once_done
from fleet.core.third_parties.roles import Roles
from fleet.core.third_parties.standbys import Standbys


class ClusterView:
    """The objects of one cluster as last seen, with indexes; updated with each event."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.capacity = ClusterCapacity()
        self.roles, self.standbys = Roles(), Standbys()
        self._notices = Notices()
        self.why_lost, self.led_by_another = "", False
        """Why the cluster does not answer, or which controller leads there instead; empty if the cluster answers, or
        was not asked yet. `led_by_another` is True in the second case."""
        # When all objects had been listed; None before.
        self.synced_at: datetime | None = None
        self.server_version = ""
        self.api_servers: dict[str, str] = {}
        """Versions of the API servers that run in pods of the cluster, by uid of the pod."""
        self.nodes: dict[str, Node] = {}
        self.machines: dict[str, Machine] = {}
        self.workloads: dict[str, Workload] = {}
        """Workloads by uid."""
        self.daemonsets: dict[PodRef, Workload] = {}
        """The workloads that are DaemonSets, by namespace and name."""
        self.quorums: dict[str, Quorum] = {}
        """The quorum groups that the cluster's driver reports, by name. Their members may be on nodes of other
        clusters."""
        self.budget_index = BudgetIndex()
        self.budgets: Mapping[PodRef, Budget] = self.budget_index.budgets
        self.pending_evictions = PendingEvictions(self.budgets)
        self.pod_index = PodIndex()
        self.pods: Mapping[str, Pod] = self.pod_index.pods
        """Pods by uid."""
        self._attachments: dict[str, dict[str, Attachment]] = {}
        """Attachments by node and name."""
        self._to_drain: dict[str, dict[str, Pod]] = {}
        """The pods that must leave the node before a reboot, unless a drain rule leaves them there; by node and uid."""
        self._rules: dict[str, tuple[PodRule, ...]] = {}
        """Drain rules for the node's pods, by node; nodes without rules may be left out."""
        self._own_treatment: dict[str, set[str]] = {}
        """Uids of the pods to drain whose own labels, annotations or Job ask for a treatment other than eviction; by
        node."""
        self._drain_demands: dict[str, DrainDemand] = {}
        """Drain demands by node, as far as they were computed."""

    @classmethod
    def of(cls, snapshot: Snapshot) -> ClusterView:
        """Returns a new view with the objects of one snapshot."""
        view = cls(snapshot.cluster)
        for obj in snapshot.objects():
            view.upsert(obj)
        return view

    @property
    def synced(self) -> bool:
        """True if all objects have been listed and are watched."""
        return self.synced_at is not None and not self.why_lost

    @property
    def lost(self) -> Held:
        """Says why the cluster's nodes are held while the view is not `synced`."""
        reason = Reason.LED_BY_ANOTHER if self.why_lost and self.led_by_another else Reason.UNREACHABLE
        return Held(reason, self.name, {"why": self.why_lost or "it has not been read yet"})

    @property
    def servers(self) -> set[str]:
        """All versions of the cluster's API servers."""
        return {version for version in (self.server_version, *self.api_servers.values()) if version}

    def notices(self, node: str) -> list[Notice]:
        """Returns all notices of third parties about the node."""
        return self._notices.of(node)

    def attachments_on(self, node: str) -> Iterable[Attachment]:
        """Returns the volume attachments of the node."""
        return self._attachments.get(node, {}).values()

    def to_drain(self, node: str) -> list[Pod]:
        """Returns the pods that must leave the node before a reboot: all but DaemonSet and static pods, finished pods,
        and those that a drain rule leaves on the node."""
        pods = self._to_drain.get(node, {}).values()
        if self.has_default_treatment(node):
            return list(pods)
        return [pod for pod in pods if self.treatment(pod).do != "skip"]

    def has_default_treatment(self, node: str) -> bool:
        """Returns whether no drain rule applies to the node, and none of its pods asks for another treatment than an
        eviction as its budgets allow."""
        return not self._rules.get(node) and not self._own_treatment.get(node)

    def staying(self, node: str) -> tuple[str, ...]:
        """Returns the uids of the pods that a drain rule leaves on the node."""
        pods = self._to_drain.get(node, {})
        return tuple(uid for uid, pod in pods.items() if self.treatment(pod).do == "skip")

    def set_drain_rules(self, node: str, rules: tuple[PodRule, ...]) -> None:
        """Sets the drain rules for the node's pods."""
        if self._rules.get(node, ()) != rules:
            self._rules[node] = rules
            self._drain_demands.pop(node, None)

    def treatment(self, pod: Pod) -> Treatment:
        """Returns what a drain does with the pod on its node."""
        rules = self._rules.get(pod.node, ())
        if not rules and is_plain(pod):
            return EVICTED
        controller = self.workloads.get(pod.owner.uid) if pod.owner is not None else None
        decided = treatment(pod, rules, controller)
        in_vain = decided.do == "ask" and not decided.rule and self.standbys.lacking(pod)
        return EVICTED if in_vain else decided

    def drain_demand(self, node: str) -> DrainDemand:
        """Returns the demand of the node's drain on budgets."""
        demand = self._drain_demands.get(node)
        if demand is None or demand.terms != self.budget_index.selector_changes:
            pods = self.to_drain(node)
            matched = tuple((pod, self.budget_index.refs_of(pod)) for pod in pods)
            treated = {} if self.has_default_treatment(node) else self._treated_otherwise(pods)
            demand = DrainDemand(matched, self.budgets, self.budget_index.selector_changes, treated)
            if all(self._controller_known(pod) for pod in pods):
                self._drain_demands[node] = demand
        return demand

    def _treated_otherwise(self, pods: Iterable[Pod]) -> dict[str, Treatment]:
        """Returns the treatments, by the pod's uid, other than an eviction as the budgets allow."""
        treatments = {pod.uid: self.treatment(pod) for pod in pods}
        return {uid: treated for uid, treated in treatments.items() if treated is not EVICTED}

    def _controller_known(self, pod: Pod) -> bool:
        """Returns whether the pod's treatment can be decided: its controller has been seen, or the treatment does not
        depend on the controller."""
        if pod.owner is None or pod.owner.uid in self.workloads:
            return True
        return pod.owner.kind != "Job" and not any(
            term.owners for rule in self._rules.get(pod.node, ()) for term in rule.pods
        )

    def upsert(self, obj: ClusterObject) -> set[str]:
        """Records an object that was added or changed.

        Returns the nodes for which the notices in objects of third parties, or the treatment of pods, may have changed.
        """
        match obj:
            case Pod():
                return self.upsert_pod(self.pods.get(obj.uid), obj)
            case Node():
                self.nodes[obj.name] = obj
                self.capacity.upsert_node(obj, once_done(obj))
            case Budget():
                self.upsert_budget(obj.ref, obj)
                return set()
            case Machine():
                self.machines[obj.name] = obj
            case Workload():
                self.workloads[obj.uid] = obj
                if obj.kind == "DaemonSet":
                    self.daemonsets[obj.ref] = obj
            case PersistentVolume() | PersistentVolumeClaim():
                self.capacity.upsert_volume(obj)
            case Attachment():
                self._attachments.setdefault(obj.node, {})[obj.name] = obj
            case Quorum():
                self.quorums[obj.name] = obj
            case Maintenance():
                pass
        return self._notices.upsert(obj)

    def delete(self, obj: ClusterObject) -> set[str]:
        """Removes an object that was deleted; returns what `upsert` returns."""
        affected: set[str] = set()
        match obj:
            case Pod():
                affected = self._update_standbys(self.pods.get(obj.uid), None)
                self._delete_pod(obj.uid)
            case Node():
                self.nodes.pop(obj.name, None)
                self.capacity.delete_node(obj.name)
            case Budget():
                self.budget_index.delete(obj.ref)
                self.pending_evictions.delete_budget(obj.ref)
            case Machine():
                self.machines.pop(obj.name, None)
            case Workload():
                self.workloads.pop(obj.uid, None)
                current = self.daemonsets.get(obj.ref) if obj.kind == "DaemonSet" else None
                if current is not None and current.uid == obj.uid:
                    del self.daemonsets[obj.ref]
            case PersistentVolume() | PersistentVolumeClaim():
                self.capacity.delete_volume(obj)
            case Attachment():
                self._attachments.get(obj.node, {}).pop(obj.name, None)
            case Quorum():
                self.quorums.pop(obj.name, None)
            case Maintenance():
                pass
        return self._notices.delete(obj) | affected

    def _update_standbys(self, before: Pod | None, pod: Pod | None) -> set[str]:
        """Records the change of a pod for `standbys`, and forgets the drain demands of the nodes with pods that depend
        on the pod.

        The treatment of pods of one operator's cluster depends on the nodes of its other pods. Returns the names of
        these nodes.
        """
        nodes = self.standbys.pod_changed(before, pod)
        for node in nodes:
            self._drain_demands.pop(node, None)
        return nodes

    def upsert_budget(self, ref: PodRef, budget: Budget) -> None:
        """Does as `upsert`, for a budget whose name is known."""
        self.budget_index.upsert(ref, budget)
        self.pending_evictions.budget_updated(ref, budget, self.pods)

    def upsert_pod(self, before: Pod | None, pod: Pod) -> set[str]:
        """Does as `upsert`, for a pod whose last state is known; `before` is None if the pod was not."""
        affected = self._update_standbys(before, pod)
        if before is not None and before.node != pod.node:
            self._remove_from_node(before)
        self.capacity.upsert_pod(before, pod)
        if pod.api_server:
            self.api_servers[pod.uid] = pod.api_server
        self.pod_index.upsert(before, pod)
        self.budget_index.upsert_pod(pod)
        if before is None or before.labels is not pod.labels or before.owner is not pod.owner:
            self.roles.upsert(pod)
        if pod.node:
            self._put_on_node(before, pod)
        if pod.deleting:
            self.pending_evictions.seen(pod.uid)
        return self._notices.upsert(pod) | affected

    def _put_on_node(self, before: Pod | None, pod: Pod) -> None:
        node = pod.node
        if not pod.stays and not pod.finished:
            pods = self._to_drain.get(node)
            if pods is None:
                pods = self._to_drain[node] = {}
            pods[pod.uid] = pod
            if not is_plain(pod):
                self._own_treatment.setdefault(node, set()).add(pod.uid)
            elif before is not None:
                self._has_no_own_treatment(pod)
        elif before is not None:
            self._to_drain.get(node, {}).pop(pod.uid, None)
            self._has_no_own_treatment(pod)
        self._drain_demands.pop(node, None)

    def _delete_pod(self, uid: str) -> None:
        pod = self.pod_index.delete(uid)
        self.api_servers.pop(uid, None)
        self.budget_index.forget_pod(uid)
        if pod is not None:
            self.capacity.delete_pod(pod)
            self._remove_from_node(pod)
        self.pending_evictions.seen(uid)

    def _has_no_own_treatment(self, pod: Pod) -> None:
        """Records that the pod does not ask for a treatment of its own any more."""
        if marked := self._own_treatment.get(pod.node):
            marked.discard(pod.uid)

    def _remove_from_node(self, pod: Pod) -> None:
        """Removes the pod from the indexes of its node."""
        if pod.node:
            self._has_no_own_treatment(pod)
            self._to_drain.get(pod.node, {}).pop(pod.uid, None)
            self._drain_demands.pop(pod.node, None)
