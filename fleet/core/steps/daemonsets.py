"""Decides which DaemonSets must have a Ready pod on a node that has come back from its reboot.

A DaemonSet that was Ready there before the reboot must be Ready again, as long as it exists and wants the node. A DaemonSet
that wants the node only since its labels have changed, such as a driver for the new kernel, must be Ready too. A DaemonSet
that would have wanted the node before, and had no Ready pod there, was unhealthy before or was created independently: it
does not count for this node's upgrade.
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
"""The time for which a proof waits for another DaemonSet in the place of one that no longer wants the node: an operator in
the cluster creates the other one after the labels have changed."""
MOST_LABELS = 200
"""The maximum number of label keys that are recorded for one run: users of a cluster can create DaemonSets that select by
any number of labels."""


def ready(node: str, view: ClusterView) -> tuple[str, ...]:
    """Returns the DaemonSets, as `namespace/name`, whose pods are Ready on this node."""
    pods_of = _pods(node, view).items()
    return tuple(sorted(name for name, pods in pods_of if any(_ready(pod) for pod in pods)))


def labels(node: Node, view: ClusterView) -> dict[str, str | None]:
    """Returns the node's values of the labels that DaemonSets of its cluster select by; None for a label that the node
    lacks."""
    keys = {
        key
        for daemonset in view.daemonsets.values()
        if daemonset.daemon
        for key in daemonset.daemon.label_keys()
    }
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
    templates = ((str(daemonset.ref), daemonset.daemon) for daemonset in view.daemonsets.values())
    return tuple(
        sorted(
            name
            for name, template in templates
            if name in run.daemons
            and template is not None
            and template.place(node) is DaemonSetFit.NONE
            and template.place(before) is not DaemonSetFit.NONE
        )
    )


def _required(run: Run, node: Node, view: ClusterView) -> set[str]:
    """Returns those of the DaemonSets that were Ready before which must be Ready again.

    One that cannot be read counts as wanting the node where a pod of its own is there.
    """
    daemonsets = {str(daemonset.ref): daemonset for daemonset in view.daemonsets.values()}
    with_pod = {
        name for name, pods in _pods(node.name, view).items() if any(not pod.deleting for pod in pods)
    }
    required: set[str] = set()
    for name in run.daemons:
        current = daemonsets.get(name)
        if current is None:
            wanted = name in with_pod
        elif current.daemon is None:
            wanted = True
        else:
            place = current.daemon.place(node)
            wanted = place is DaemonSetFit.RUN or (place is DaemonSetFit.KEEP and name in with_pod)
        if wanted:
            required.add(name)
    return required


def _newcomers(run: Run, node: Node, view: ClusterView) -> set[str]:
    before = _before(run, node)
    if before.labels == node.labels:
        return set()
    return {
        str(daemonset.ref)
        for daemonset in view.daemonsets.values()
        if daemonset.daemon is not None
        and daemonset.daemon.place(node) is DaemonSetFit.RUN
        and daemonset.daemon.place(before) is DaemonSetFit.NONE
    }


def _before(run: Run, node: Node) -> Node:
    """Returns the node with the labels that it had before the reboot; labels that were not recorded keep their present
    values."""
    changed = {key: value for key, value in run.labels.items() if node.labels.get(key) != value}
    if not changed:
        return node
    unchanged = {key: value for key, value in node.labels.items() if key not in changed}
    return replace(
        node, labels=unchanged | {key: value for key, value in changed.items() if value is not None}
    )


def _not_ready(names: set[str], node: Node, view: ClusterView) -> tuple[str, ...]:
    pods = _pods(node.name, view)
    pods_of = ((name, pods.get(name, [])) for name in sorted(names))
    return tuple(
        f"{name} ({_state(own_pods)})"
        for name, own_pods in pods_of
        if not any(_ready(pod) for pod in own_pods)
    )


def _state(pods: list[Pod]) -> str:
    staying = [pod for pod in pods if not pod.deleting]
    if not staying:
        return "being deleted" if pods else "no pod"
    return "Pending" if staying[0].phase == "Pending" else "not Ready"


def _pods(node: str, view: ClusterView) -> dict[str, list[Pod]]:
    """Returns the pods of DaemonSets on the node, by the name of their DaemonSet."""
    by_daemonset: dict[str, list[Pod]] = {}
    for pod in view.pod_index.on_node(node):
        if pod.daemon and pod.owner is not None:
            by_daemonset.setdefault(f"{pod.namespace}/{pod.owner.name}", []).append(pod)
    return by_daemonset


def _ready(pod: Pod) -> bool:
    return pod.ready and not pod.deleting
