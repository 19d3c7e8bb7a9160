"""Which DaemonSets must have a Ready pod on a node that has come back from its reboot.

A DaemonSet that was Ready there before the reboot must be so again, as long as it exists and wants the node. One that
wants the node only since its labels have changed, such as a driver for the kernel that runs now, must be Ready too.
One that would have wanted the node as it was, and had no Ready pod there, was unhealthy before or came for reasons of its
own: it says nothing about this node's upgrade.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from fleet.core.cluster.view import ClusterView
from fleet.core.objects.daemonset import DaemonSetFit
from fleet.core.objects.node import Node
from fleet.core.objects.pod import Pod
from fleet.core.rollout.run import Run

SUCCESSOR = timedelta(seconds=60)
"""So long a proof waits for another DaemonSet in the place of one that no longer wants the node: an operator of the
cluster creates it after the labels have changed."""
MOST_LABELS = 200
"""Label keys that are noted for one run: anybody who may make DaemonSets can make them select by many."""


def ready(node: str, view: ClusterView) -> tuple[str, ...]:
    """Returns the DaemonSets, as `namespace/name`, whose pods are Ready on this node."""
    found = _pods(node, view).items()
    return tuple(sorted(name for name, pods in found if any(_ready(pod) for pod in pods)))


def labels(node: Node, view: ClusterView) -> dict[str, str | None]:
    """Returns the node's values of the labels that DaemonSets of its cluster select by; None where it lacks one."""
    keys = {key for each in view.daemonsets.values() if each.daemon for key in each.daemon.label_keys()}
    return {key: node.labels.get(key) for key in sorted(keys)[:MOST_LABELS]}


def not_ready(run: Run, node: Node, view: ClusterView) -> tuple[str, ...]:
    """Returns the DaemonSets that must be Ready on the node and are not, each with the state of its pod there."""
    return _not_ready(_required(run, node, view) | _newcomers(run, node, view), node, view)


def newcomers_not_ready(run: Run, node: Node, view: ClusterView) -> tuple[str, ...]:
    """Returns those of `not_ready` that want the node only since its labels have changed."""
    return _not_ready(_newcomers(run, node, view), node, view)


def without_successor(run: Run, node: Node, view: ClusterView, now: datetime) -> tuple[str, ...]:
    """Returns the DaemonSets that wanted the node before the reboot and no longer do, while another may still come."""
    if run.since is None or now >= run.since + SUCCESSOR or _newcomers(run, node, view):
        return ()
    before = _before(run, node)
    found = ((str(each.ref), each.daemon) for each in view.daemonsets.values())
    return tuple(
        sorted(
            name
            for name, asks in found
            if name in run.daemons
            and asks is not None
            and asks.place(node) is DaemonSetFit.NONE
            and asks.place(before) is not DaemonSetFit.NONE
        )
    )


def _required(run: Run, node: Node, view: ClusterView) -> set[str]:
    """Returns those of the DaemonSets that were Ready before which must be Ready again.

    One that cannot be read counts as wanting the node where a pod of its own is there.
    """
    known = {str(each.ref): each for each in view.daemonsets.values()}
    there = {name for name, pods in _pods(node.name, view).items() if any(not pod.deleting for pod in pods)}
    required: set[str] = set()
    for name in run.daemons:
        found = known.get(name)
        if found is None:
            wanted = name in there
        elif found.daemon is None:
            wanted = True
        else:
            place = found.daemon.place(node)
            wanted = place is DaemonSetFit.RUN or (place is DaemonSetFit.KEEP and name in there)
        if wanted:
            required.add(name)
    return required


def _newcomers(run: Run, node: Node, view: ClusterView) -> set[str]:
    before = _before(run, node)
    if before.labels == node.labels:
        return set()
    return {
        str(each.ref)
        for each in view.daemonsets.values()
        if each.daemon is not None
        and each.daemon.place(node) is DaemonSetFit.RUN
        and each.daemon.place(before) is DaemonSetFit.NONE
    }


def _before(run: Run, node: Node) -> Node:
    """Returns the node with the labels that it had before the reboot; those that nobody noted are as they are now."""
    changed = {key: value for key, value in run.labels.items() if node.labels.get(key) != value}
    if not changed:
        return node
    kept = {key: value for key, value in node.labels.items() if key not in changed}
    return replace(node, labels=kept | {key: value for key, value in changed.items() if value is not None})


def _not_ready(names: set[str], node: Node, view: ClusterView) -> tuple[str, ...]:
    pods = _pods(node.name, view)
    found = ((name, pods.get(name, [])) for name in sorted(names))
    return tuple(f"{name} ({_state(its)})" for name, its in found if not any(_ready(pod) for pod in its))


def _state(pods: list[Pod]) -> str:
    staying = [pod for pod in pods if not pod.deleting]
    if not staying:
        return "being deleted" if pods else "no pod"
    return "Pending" if staying[0].phase == "Pending" else "not Ready"


def _pods(node: str, view: ClusterView) -> dict[str, list[Pod]]:
    """Returns the pods of DaemonSets on the node, by the name of their DaemonSet."""
    found: dict[str, list[Pod]] = {}
    for pod in view.pods_on(node):
        if pod.daemon and pod.owner is not None:
            found.setdefault(f"{pod.namespace}/{pod.owner.name}", []).append(pod)
    return found


def _ready(pod: Pod) -> bool:
    return pod.ready and not pod.deleting
