"""What the engine knows of one cluster: its objects as last seen, and the indexes that decisions need."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import Enum, auto
from itertools import islice

from fleet.core.capacity.capacity import ClusterCapacity
from fleet.core.cluster.drain_demand import DrainDemand
from fleet.core.cluster.notices import Notices
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
from fleet.core.third_parties.notice import Notice, of_node, once_done
from fleet.core.third_parties.roles import Roles
from fleet.core.third_parties.standbys import Standbys

KEEP_PODS = frozenset(
    {"Deployment", "ReplicaSet", "StatefulSet", "ReplicationController", "CronJob", "DaemonSet"}
)
"""Kinds that make a pod anew, under their own name, when one is gone."""
MOST_UNREADY = 500
"""At most so many pods of a namespace are looked at to name those of a budget that are not Ready."""


class PendingEviction(Enum):
    """An eviction of ours that the budget's status does not count yet."""

    SENT = auto()
    SEEN = auto()
    """The pod was seen to be deleted; the budget's next status counts the eviction."""


class ClusterView:
    def __init__(self, name: str) -> None:
        self.name = name
        self.capacity = ClusterCapacity()
        self.roles, self.standbys = Roles(), Standbys()
        self.reported_notices = Notices()
        """What objects of other parties say of nodes; `notices` adds what the nodes themselves say."""
        self.why_lost, self.led_by_another = "", False
        """Why the cluster does not answer, or is led by another controller; empty: it answers, or was not asked yet."""
        self.synced_at: datetime | None = None
        self.server_version = ""
        self.api_servers: dict[str, str] = {}
        """Versions of the API servers that are pods of the cluster, by uid of the pod."""
        self.nodes: dict[str, Node] = {}
        self.machines: dict[str, Machine] = {}
        self.workloads: dict[str, Workload] = {}
        """By uid."""
        self.daemonsets: dict[PodRef, Workload] = {}
        """The DaemonSets among them, by namespace and name."""
        self.quorums: dict[str, Quorum] = {}
        """Those that the cluster's driver reports; their members may be on nodes of other clusters."""
        self.budgets: dict[PodRef, Budget] = {}
        self.pods: dict[str, Pod] = {}
        """By uid."""
        self._attachments: dict[str, dict[str, Attachment]] = {}
        """By node and name."""
        self._pods_on: dict[str, dict[str, Pod]] = {}
        """By node and uid."""
        self._to_drain: dict[str, dict[str, Pod]] = {}
        """By node and uid: pods that must go before a reboot, if no drain rule leaves them."""
        self._rules: dict[str, tuple[PodRule, ...]] = {}
        """By node: the drain rules for its pods; only where there are some."""
        self._own_treatment: dict[str, set[str]] = {}
        """By node: uids of pods to drain that ask for a treatment of their own."""
        self._unready: dict[str, dict[str, Pod]] = {}
        """Pods that should be Ready and are not, by namespace and uid."""
        self._by_label: dict[tuple[str, str, str], dict[PodRef, None]] = {}
        """(namespace, key, value) -> budgets whose selector needs that label."""
        self._by_namespace: dict[str, dict[PodRef, None]] = {}
        """By namespace: budgets whose selector needs no certain label."""
        self._terms: dict[str, int] = {}
        """By namespace: how often its budgets, or what they select, have changed."""
        self._matching: dict[str, tuple[int, dict[str, str], tuple[PodRef, ...]]] = {}
        """By uid of the pod: the count of `_terms` and the labels by which it was matched, and the budgets found."""
        self._drain_demands: dict[str, DrainDemand] = {}
        """By node."""
        self._selector_changes = 0
        """How often a budget has come, gone or changed its selector."""
        self._pending_evictions: dict[PodRef, dict[str, PendingEviction]] = {}
        """By budget, then by the pod's uid."""
        self._pending_budget: dict[str, PodRef] = {}
        """By uid of the pod: the budget that its eviction takes from."""

    @classmethod
    def of(cls, snapshot: Snapshot) -> ClusterView:
        """Returns a new view with the objects of one snapshot."""
        view = cls(snapshot.cluster)
        for thing in snapshot.things():
            view.upsert(thing)
        return view

    @property
    def synced(self) -> bool:
        """Everything has been listed and is watched."""
        return self.synced_at is not None and not self.why_lost

    @property
    def lost(self) -> Held:
        """What the cluster's nodes wait for, where it is not `synced`."""
        reason = Reason.LED_BY_ANOTHER if self.why_lost and self.led_by_another else Reason.UNREACHABLE
        return Held(reason, self.name, {"why": self.why_lost or "it has not been read yet"})

    @property
    def servers(self) -> set[str]:
        """Versions of the API servers."""
        return {version for version in (self.server_version, *self.api_servers.values()) if version}

    def notices(self, node: str) -> list[Notice]:
        """Returns all that other parties say of the node."""
        found = self.nodes.get(node)
        return [*(of_node(found) if found is not None else ()), *self.reported_notices.of(node)]

    def pods_on(self, node: str) -> Iterable[Pod]:
        return self._pods_on.get(node, {}).values()

    def attachments_on(self, node: str) -> Iterable[Attachment]:
        return self._attachments.get(node, {}).values()

    def to_drain(self, node: str) -> list[Pod]:
        """Returns the pods that must go before a reboot: neither bound to the node for good, nor left there by a drain rule,
        nor finished."""
        found = self._to_drain.get(node, {}).values()
        if self.has_default_treatment(node):
            return list(found)
        return [pod for pod in found if self.treatment(pod).do != "skip"]

    def has_default_treatment(self, node: str) -> bool:
        """Returns whether all pods of the node are simply evicted as their budgets allow: no rule or mark asks for more."""
        return not self._rules.get(node) and not self._own_treatment.get(node)

    def staying(self, node: str) -> tuple[str, ...]:
        """Returns the uids of the pods that a drain rule leaves on the node."""
        found = self._to_drain.get(node, {})
        return tuple(uid for uid, pod in found.items() if self.treatment(pod).do == "skip")

    def set_drain_rules(self, node: str, rules: tuple[PodRule, ...]) -> None:
        """Sets the drain rules that hold for the node's pods from now on."""
        if self._rules.get(node, ()) != rules:
            self._rules[node] = rules
            self._drain_demands.pop(node, None)

    def treatment(self, pod: Pod) -> Treatment:
        """Returns what a drain does with the pod on its node."""
        rules = self._rules.get(pod.node, ())
        if not rules and is_plain(pod):
            return EVICTED
        controller = self.workloads.get(pod.owner.uid) if pod.owner is not None else None
        found = treatment(pod, rules, controller)
        in_vain = found.do == "ask" and not found.rule and self.standbys.lacking(pod)
        return EVICTED if in_vain else found

    def drain_demand(self, node: str) -> DrainDemand:
        """Returns what the node's drain asks of budgets."""
        known = self._drain_demands.get(node)
        if known is None or known.terms != self._selector_changes:
            own = self.to_drain(node)
            matched = tuple((pod, self.refs_of(pod)) for pod in own)
            treated = {pod.uid: found for pod in own if (found := self.treatment(pod)) is not EVICTED}
            known = DrainDemand(matched, self.budgets, self._selector_changes, treated)
            if all(self._controller_known(pod) for pod in own):
                self._drain_demands[node] = known
        return known

    def _controller_known(self, pod: Pod) -> bool:
        """Returns whether what a drain does with the pod depends on no controller that has not been seen yet."""
        if pod.owner is None or pod.owner.uid in self.workloads:
            return True
        return pod.owner.kind != "Job" and not any(
            term.owners for rule in self._rules.get(pod.node, ()) for term in rule.pods
        )

    def budgets_of(self, pod: Pod) -> list[Budget]:
        """Returns every budget that matches the pod; the Eviction API accepts one at most."""
        return [self.budgets[ref] for ref in self.refs_of(pod)]

    def refs_of(self, pod: Pod) -> tuple[PodRef, ...]:
        """Returns the names of every budget that matches the pod."""
        terms = self._terms.get(pod.namespace, 0)
        known = self._matching.get(pod.uid)
        if known is None or known[0] != terms or (known[1] is not pod.labels and known[1] != pod.labels):
            known = self._matching[pod.uid] = (terms, pod.labels, tuple(self._match(pod)))
        return known[2]

    def _match(self, pod: Pod) -> Iterable[PodRef]:
        candidates = dict(self._by_namespace.get(pod.namespace, {}))
        for key, value in pod.labels.items():
            candidates.update(self._by_label.get((pod.namespace, key, value), {}))
        return (ref for ref in candidates if self.budgets[ref].matches(pod))

    def workload_of(self, pod: Pod) -> str:
        """Returns the workload's name as users know it: for a ReplicaSet, that of its Deployment."""
        if pod.owner is None:
            return str(pod.ref)
        workload = self.workloads.get(pod.owner.uid)
        owner = workload.owner if workload is not None and workload.owner is not None else pod.owner
        return f"{pod.namespace}/{owner.name}"

    def controller_of(self, pod: Pod) -> str:
        """Returns what keeps the pod running, with its kind: a Deployment and not its ReplicaSet."""
        if pod.owner is None:
            return f"Pod {pod.ref}"
        workload = self.workloads.get(pod.owner.uid)
        owner = workload.owner if workload is not None and workload.owner is not None else pod.owner
        return f"{owner.kind} {pod.namespace}/{owner.name}"

    def is_one_off(self, pod: Pod) -> bool:
        """Nothing that is known keeps such pods running: whatever made it may make another under another name."""
        if pod.owner is None:
            return True
        workload = self.workloads.get(pod.owner.uid)
        owner = workload.owner if workload is not None and workload.owner is not None else pod.owner
        return owner.kind not in KEEP_PODS

    def unready(self, budget: Budget) -> list[Pod]:
        """Returns the pods of the budget that are not Ready, by name; where a namespace has very many, some of them."""
        found = islice(self._unready.get(budget.namespace, {}).values(), MOST_UNREADY)
        return sorted((pod for pod in found if budget.matches(pod)), key=lambda pod: pod.ref)

    def allowance(self, ref: PodRef) -> int:
        """Returns how many evictions the budget allows now, less those of ours that its status does not count yet."""
        budget = self.budgets[ref]
        if not budget.observed:
            return 0
        pending = self._pending_evictions.get(ref)
        return max(0, budget.disruptions_allowed - len(pending)) if pending else budget.disruptions_allowed

    def add_pending_eviction(self, ref: PodRef, pod: Pod) -> None:
        """Notes that an eviction of the pod is issued, which takes from that budget."""
        self._pending_evictions.setdefault(ref, {})[pod.uid] = PendingEviction.SENT
        self._pending_budget[pod.uid] = ref

    def remove_pending_eviction(self, pod_uid: str) -> PodRef | None:
        """Drops an eviction that was not granted, or whose pod is gone; returns the budget that it was counted against."""
        budget = self._pending_budget.pop(pod_uid, None)
        if budget is not None:
            self._pending_evictions.get(budget, {}).pop(pod_uid, None)
        return budget

    def upsert(self, thing: ClusterObject) -> set[str]:
        """Brings an object up to date.

        Returns the nodes of which objects of other parties say something else now, or whose pods are treated otherwise.
        """
        told: set[str] = set()
        match thing:
            case Pod():
                told = self._stand_by(self.pods.get(thing.uid), thing)
                self._upsert_pod(thing)
            case Node():
                self.nodes[thing.name] = thing
                self.capacity.upsert_node(thing, once_done(thing))
            case Budget():
                self._upsert_budget(thing)
            case Machine():
                self.machines[thing.name] = thing
            case Workload():
                self.workloads[thing.uid] = thing
                if thing.kind == "DaemonSet":
                    self.daemonsets[thing.ref] = thing
            case PersistentVolume() | PersistentVolumeClaim():
                self.capacity.upsert_volume(thing)
            case Attachment():
                self._attachments.setdefault(thing.node, {})[thing.name] = thing
            case Quorum():
                self.quorums[thing.name] = thing
            case Maintenance():
                pass
        return self.reported_notices.upsert(thing) | told

    def delete(self, thing: ClusterObject) -> set[str]:
        """Drops an object that was deleted; returns what `upsert` returns."""
        told: set[str] = set()
        match thing:
            case Pod():
                told = self._stand_by(self.pods.get(thing.uid), None)
                self._delete_pod(thing.uid)
            case Node():
                self.nodes.pop(thing.name, None)
                self.capacity.delete_node(thing.name)
            case Budget():
                self._delete_budget(thing.ref)
                self._pending_evictions.pop(thing.ref, None)
            case Machine():
                self.machines.pop(thing.name, None)
            case Workload():
                self.workloads.pop(thing.uid, None)
                known = self.daemonsets.get(thing.ref) if thing.kind == "DaemonSet" else None
                if known is not None and known.uid == thing.uid:
                    del self.daemonsets[thing.ref]
            case PersistentVolume() | PersistentVolumeClaim():
                self.capacity.delete_volume(thing)
            case Attachment():
                self._attachments.get(thing.node, {}).pop(thing.name, None)
            case Quorum():
                self.quorums.pop(thing.name, None)
            case Maintenance():
                pass
        return self.reported_notices.delete(thing) | told

    def _stand_by(self, before: Pod | None, pod: Pod | None) -> set[str]:
        """What is done with pods of one cluster of an operator goes by where its other pods are."""
        nodes = self.standbys.see(before, pod)
        for node in nodes:
            self._drain_demands.pop(node, None)
        return nodes

    def _upsert_pod(self, pod: Pod) -> None:
        before = self.pods.get(pod.uid)
        if before is not None and before.node != pod.node:
            self._remove_from_node(before)
        self.capacity.upsert_pod(before, pod)
        if pod.api_server:
            self.api_servers[pod.uid] = pod.api_server
        self.pods[pod.uid] = pod
        self.roles.upsert(pod)
        if pod.ready or pod.finished or pod.deleting:
            self._now_ready(pod)
        else:
            self._unready.setdefault(pod.namespace, {})[pod.uid] = pod
        if pod.node:
            self._pods_on.setdefault(pod.node, {})[pod.uid] = pod
            if not pod.stays and not pod.finished:
                self._to_drain.setdefault(pod.node, {})[pod.uid] = pod
                if not is_plain(pod):
                    self._own_treatment.setdefault(pod.node, set()).add(pod.uid)
                elif before is not None:
                    self._has_no_own_treatment(pod)
            elif before is not None:
                self._to_drain.get(pod.node, {}).pop(pod.uid, None)
                self._has_no_own_treatment(pod)
            self._drain_demands.pop(pod.node, None)
        if pod.deleting:
            self._eviction_seen(pod.uid)

    def _delete_pod(self, uid: str) -> None:
        pod = self.pods.pop(uid, None)
        self.api_servers.pop(uid, None)
        self._matching.pop(uid, None)
        if pod is not None:
            self.capacity.delete_pod(pod)
            self._remove_from_node(pod)
            self._now_ready(pod)
        self._eviction_seen(uid)

    def _now_ready(self, pod: Pod) -> None:
        """Notes that the pod is Ready, or is no longer expected to be."""
        if others := self._unready.get(pod.namespace):
            others.pop(pod.uid, None)

    def _has_no_own_treatment(self, pod: Pod) -> None:
        if marked := self._own_treatment.get(pod.node):
            marked.discard(pod.uid)

    def _remove_from_node(self, pod: Pod) -> None:
        """Removes the pod from its node."""
        if pod.node:
            self._has_no_own_treatment(pod)
            self._pods_on[pod.node].pop(pod.uid, None)
            self._to_drain.get(pod.node, {}).pop(pod.uid, None)
            self._drain_demands.pop(pod.node, None)

    def _eviction_seen(self, uid: str) -> None:
        budget = self._pending_budget.get(uid)
        if budget is not None and uid in self._pending_evictions.get(budget, {}):
            self._pending_evictions[budget][uid] = PendingEviction.SEEN

    def _upsert_budget(self, budget: Budget) -> None:
        ref = budget.ref
        before = self.budgets.get(ref)
        if before is None or before.selector != budget.selector:
            self._delete_budget(ref)
            self._terms[budget.namespace] = self._terms.get(budget.namespace, 0) + 1
            self._selector_changes += 1
            self._index(budget)[ref] = None
        self.budgets[ref] = budget
        pending = self._pending_evictions.get(ref)
        if pending:
            counted = [
                uid
                for uid, state in pending.items()
                if state is PendingEviction.SEEN
                or ((pod := self.pods.get(uid)) and pod.name in budget.disrupted)
            ]
            for uid in counted:
                self.remove_pending_eviction(uid)

    def _delete_budget(self, ref: PodRef) -> None:
        budget = self.budgets.pop(ref, None)
        if budget is not None:
            self._terms[ref.namespace] = self._terms.get(ref.namespace, 0) + 1
            self._selector_changes += 1
            self._index(budget).pop(ref, None)

    def _index(self, budget: Budget) -> dict[PodRef, None]:
        if budget.selector is not None and budget.selector.match_labels:
            key, value = min(budget.selector.match_labels.items())
            return self._by_label.setdefault((budget.namespace, key, value), {})
        return self._by_namespace.setdefault(budget.namespace, {})
