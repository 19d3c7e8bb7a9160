"""Changes of a cluster by others while fleet works: users, other controllers, failures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from fleet.core.objects.attachment import Attachment
from fleet.core.objects.budget import Budget
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node, Taint
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.objects.selector import Selector
from fleet.core.objects.volumes import PersistentVolume
from fleet.core.objects.workload import Workload
from fleet.core.third_parties.maintenance import Maintenance
from fleet.model.control_plane.controllers import Controllers
from fleet.model.control_plane.daemons import Daemons
from fleet.model.control_plane.disruption import DisruptionController
from fleet.model.control_plane.kubelet import Kubelets
from fleet.model.control_plane.volumes import AttachController
from fleet.model.objects import Objects, WorkloadKey


class ExternalChanges:
    """Makes the changes at the model's own time (`Model.now`). Raises KeyError for an object that does not exist."""

    def __init__(
        self,
        objects: Objects,
        controllers: Controllers,
        disruption: DisruptionController,
        kubelets: Kubelets,
        daemons: Daemons,
        volumes: AttachController,
        settle: Callable[[], None],
    ) -> None:
        self._objects = objects
        self._controllers = controllers
        self._disruption = disruption
        self._kubelets = kubelets
        self._daemons = daemons
        self._volumes = volumes
        self._settle = settle

    def cordon(self, node: str) -> None:
        self._change_node(node, unschedulable=True)

    def uncordon(self, node: str) -> None:
        """Uncordons the node as `kubectl uncordon` does: annotations stay."""
        self._change_node(node, unschedulable=False)

    def taint(self, node: str, *taints: Taint) -> None:
        """Replaces all taints of the node."""
        self._change_node(node, taints=taints)

    def annotate(self, node: str, key: str, value: str | None) -> None:
        """Sets an annotation; None removes the annotation."""
        annotations = {k: v for k, v in self._objects.nodes[node].annotations.items() if k != key}
        self._change_node(node, annotations=annotations | ({} if value is None else {key: value}))

    def label(self, node: str, key: str, value: str | None) -> None:
        """Sets a label; None removes the label."""
        labels = {k: v for k, v in self._objects.nodes[node].labels.items() if k != key}
        self._change_node(node, labels=labels | ({} if value is None else {key: value}))

    def node_ready(self, node: str, ready: bool | None) -> None:
        """Sets what the kubelet reports as Ready. None: it does not report any more, and its pods neither start nor
        stop."""
        if ready is None:
            self._kubelets.down(node)
        self._change_node(node, ready=ready)
        if ready:
            self._kubelets.up(node)
        self._settle()

    def set_boot_id(self, node: str, boot_id: str) -> None:
        """Sets the boot id that the kubelet reports."""
        self._change_node(node, boot_id=boot_id)

    def add_node(self, node: Node, machine: Machine | None = None) -> None:
        """Adds a node; also another machine under a name that was there before."""
        if node.name in self._objects.nodes:
            self.delete_node(node.name)
        self._objects.put_node(node)
        if machine is not None:
            self._objects.put_machine(machine)
        self._controllers.start_daemons(node.name)
        self._settle()

    def delete_node(self, node: str) -> None:
        """Deletes the node with its Machine, and removes its pods."""
        current = self._objects.nodes[node]
        self._objects.drop_node(current)
        machine = self._objects.machines.get(node)
        if machine is not None:
            self._objects.drop_machine(machine)
        self._kubelets.node_gone(current)
        self._volumes.node_gone(node)
        self._settle()

    def delete_node_kept(self, node: str) -> None:
        """Deletes the Node object, which a finalizer keeps."""
        self._change_node(node, deleting=True)

    def forget_node(self, node: str) -> None:
        """Deletes the Node object of a machine that lives on, as a cloud's controller does; its Machine object goes too.
        The machine registers again when its kubelet starts: at its next boot, or by `register`."""
        current, machine = self._objects.nodes[node], self._objects.machines[node]
        self._objects.drop_node(current)
        self._objects.drop_machine(machine)
        self._kubelets.forgotten(current, machine)
        self._settle()

    def register(self, node: str, uid: str) -> None:
        """Restarts the kubelet of a machine without a Node object, which registers again."""
        if self._kubelets.register(node, uid):
            machine = self._objects.machines[node]
            self._objects.put_machine(machine, reported=True)
        self._settle()

    def delete_machine(self, name: str) -> None:
        self._objects.drop_machine(self._objects.machines[name])

    def put_machine(self, machine: Machine) -> None:
        self._objects.put_machine(machine)

    def scale(self, kind: str, workload: PodRef, replicas: int) -> None:
        """Scales a workload. The ReplicaSets of a Deployment follow."""
        key = WorkloadKey(kind, *workload)
        self._objects.put_workload(replace(self._objects.workloads[key], replicas=replicas))
        for owned in [key, *self._owned_by(key)]:
            current = self._objects.workloads[owned]
            if current.replicas != replicas:
                self._objects.put_workload(replace(current, replicas=replicas))
            self._controllers.scale(owned)
            self._disruption.scaled(owned)
        self._settle()

    def declare(self, kind: str, workload: PodRef, quorum: str | None, selector: Selector) -> None:
        """Annotates the workload as a quorum group, or removes the annotation."""
        current = self._objects.workloads[WorkloadKey(kind, *workload)]
        pod_selector = None if quorum is None else selector
        self._objects.put_workload(replace(current, quorum=quorum, selector=pod_selector))
        self._settle()

    def put_daemonset(self, daemonset: Workload) -> None:
        """Adds a DaemonSet with its template, or changes the template of one that is there."""
        self._daemons.put(daemonset)
        self._settle()

    def delete_daemonset(self, name: PodRef) -> None:
        self._daemons.drop(self._objects.workloads[WorkloadKey("DaemonSet", *name)])
        self._settle()

    def put_attachment(self, volume: PersistentVolume, attachment: Attachment) -> None:
        """Attaches a volume that no pod of the model uses. It stays attached until it is dropped."""
        self._objects.put_volume(volume)
        self._objects.put_attachment(attachment)

    def drop_attachment(self, name: str) -> None:
        self._objects.drop_attachment(self._objects.attachments[name])

    def attachable(self, claim: PodRef) -> None:
        """Attaches the claim's volume to the nodes whose pods use the claim."""
        self._volumes.attachable(claim)

    def keep_attached(self, node: str, why: str | None) -> None:
        """Makes the CSI driver detach nothing from this node, for that reason; None: it detaches again."""
        if why is None:
            self._volumes.let_go(node)
        else:
            self._volumes.stay(node, why)

    def put_workload(self, workload: Workload) -> None:
        """Adds or changes a workload without creating pods."""
        self._objects.put_workload(workload)

    def delete_workload(self, workload: Workload) -> None:
        """Deletes the workload. Its pods stay."""
        self._objects.drop_workload(workload)

    def put_maintenance(self, maintenance: Maintenance) -> None:
        self._objects.put_maintenance(maintenance)

    def delete_maintenance(self, maintenance: Maintenance) -> None:
        self._objects.drop_maintenance(maintenance)

    def put_budget(self, budget: Budget) -> None:
        """Adds a budget, or changes one that is there. Its status is out of date until its controller has seen the
        change."""
        old = self._objects.budgets.get(budget.ref)
        if old is None:
            fresh = Budget(namespace=budget.namespace, name=budget.name, uid=budget.uid)
            old = replace(fresh, generation=0, observed_generation=0)
        self._objects.put_budget(
            replace(
                old,
                selector=budget.selector,
                min_available=budget.min_available,
                max_unavailable=budget.max_unavailable,
                unhealthy_policy=budget.unhealthy_policy,
                generation=old.generation + 1,
            )
        )
        self._disruption.budget_changed(budget.ref)
        self._settle()

    def delete_budget(self, budget: PodRef) -> None:
        self._objects.drop_budget(self._objects.budgets[budget])
        self._disruption.budget_changed(budget)
        self._settle()

    def add_pod(self, pod: Pod) -> None:
        """Adds a pod as it is, on the node that it names."""
        self._objects.put_pod(pod)
        self._settle()

    def place_pod(self, pod: PodRef, node: str) -> None:
        """Binds a pod that has no node, as another scheduler does."""
        self._objects.change_pod(self._objects.pods[pod], node=node)
        self._settle()

    def annotate_pod(self, pod: PodRef, annotations: Mapping[str, str]) -> None:
        """Replaces all annotations of a pod."""
        self._objects.change_pod(self._objects.pods[pod], annotations=dict(annotations))
        self._settle()

    def pod_ready(self, pod: PodRef, ready: bool) -> None:
        """Makes the pod Ready, as its readiness probe does; a Pending pod starts."""
        current = self._objects.pods[pod]
        fields: dict[str, Any] = {"ready": ready}
        if ready:
            fields["phase"] = "Running"
        self._objects.change_pod(current, **fields)
        self._settle()

    def relabel(self, pod: PodRef, key: str, value: str) -> None:
        """Sets the role label of a pod, as an operator does that moves a primary."""
        current = self._objects.pods[pod]
        self._objects.change_pod(current, labels=current.labels | {key: value})
        self._settle()

    def finish_pod(self, pod: PodRef, failed: bool = False) -> None:
        """Ends the pod's containers."""
        current = self._objects.pods[pod]
        self._objects.change_pod(current, phase="Failed" if failed else "Succeeded", ready=False)
        self._settle()

    def delete_pod(self, pod: PodRef) -> None:
        """Deletes the pod without asking any budget."""
        self._controllers.delete(self._objects.pods[pod])
        self._settle()

    def take_finalizers(self, pod: PodRef) -> None:
        """Removes the pod's finalizers, as their owner or a user does. A pod that is being deleted goes once its containers
        are gone."""
        changed = self._objects.change_pod(self._objects.pods[pod], finalizers=False, finalizer_names=())
        if changed.deleting and not changed.ready:
            self._objects.drop_pod(changed)
        self._settle()

    def _owned_by(self, key: WorkloadKey) -> list[WorkloadKey]:
        return [
            owned
            for owned, candidate in self._objects.workloads.items()
            if candidate.owner is not None
            and (candidate.owner.kind, candidate.namespace, candidate.owner.name) == key
        ]

    def _change_node(self, name: str, **fields: Any) -> None:
        self._objects.put_node(self._objects.nodes[name], **fields)
        self._settle()
