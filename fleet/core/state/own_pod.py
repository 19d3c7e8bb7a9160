"""The pod that the controller runs in, where it runs in a cluster that it upgrades."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from fleet.core.cluster.view import ClusterView
from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import Pod

DatabasePlace = Literal["server", "volume", "pod"]
"""Where the controller's database is: on a server; in a file on a volume of the pod; in a file that is lost with the
pod."""


class OwnPod(Struct, frozen=True):
    """The pod of the controller that asks."""

    cluster: str
    namespace: str
    name: str
    database: DatabasePlace = "server"
    planned: bool = False
    """True: a plan is made for it, and no controller waits until another one leads."""

    def on(self, view: ClusterView, ref: NodeRef) -> Pod | None:
        """Returns the pod if it runs on the node; else None."""
        if view.name != self.cluster or ref.cluster != self.cluster:
            return None
        pods = view.pod_index.on_node(ref.name)
        return next((pod for pod in pods if (pod.namespace, pod.name) == (self.namespace, self.name)), None)


def standby(view: ClusterView, own: Pod) -> Pod | None:
    """Returns a pod of the same workload that can take over: Ready, on another node that is Ready and takes pods. None
    if there is none."""
    ready = (pod for pod in view.pods.values() if pod.node not in ("", own.node) and _ready(view, pod))
    return next((pod for pod in ready if _same_workload(view, pod, own)), None)


def together(view: ClusterView, own: Pod) -> bool:
    """Returns whether another pod of the same workload is on the same node."""
    pods = (pod for pod in view.pod_index.on_node(own.node) if pod.uid != own.uid and not pod.finished)
    return any(_same_workload(view, pod, own) for pod in pods)


def _same_workload(view: ClusterView, pod: Pod, own: Pod) -> bool:
    workload = workload_of(view, own) if pod.namespace == own.namespace else ""
    return bool(workload) and workload_of(view, pod) == workload


def replicas(view: ClusterView, own: Pod) -> int:
    """Returns how many pods the workload of the controller is to have; 1 if that is not known."""
    workload = view.workloads.get(workload_of(view, own))
    return workload.replicas if workload is not None else 1


def workload_of(view: ClusterView, pod: Pod) -> str:
    """Returns the uid of the pod's workload, which for a Deployment is not that of the ReplicaSet; empty for a pod
    without one."""
    if pod.owner is None:
        return ""
    controller = view.workloads.get(pod.owner.uid)
    return controller.owner.uid if controller is not None and controller.owner is not None else pod.owner.uid


def _ready(view: ClusterView, pod: Pod) -> bool:
    node = view.nodes.get(pod.node)
    takes_pods = node is not None and node.ready is True and not node.unschedulable
    return takes_pods and pod.ready and not pod.deleting and pod.phase == "Running"
