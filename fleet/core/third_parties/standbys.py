"""Finds the pods that could take over from a pod whose operator hands over to another pod before it lets the pod go.

If no such pod is on another node, the operator never lets the pod go, and fleet would wait for the eviction in vain.
"""

from __future__ import annotations

from fleet.core.objects.pod import Pod
from fleet.core.third_parties.operators import KEYS, cluster_of, operator_of


class Standbys:
    """The nodes of the pods that could take over, by the operator's cluster; updated with each pod of a cluster."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, str]] = {}
        """Name of the node, by cluster of an operator and uid of the pod."""

    def pod_changed(self, before: Pod | None, pod: Pod | None) -> set[str]:
        """Records the change of a pod, from `before` (None if the pod was not known) to `pod` (None if the pod is
        gone).

        Returns the nodes with pods for which the pods that could take over may have changed.
        """
        if _of_no_operator(before) and _of_no_operator(pod):
            return set()
        old, new = _place(before), _place(pod)
        if old == new:
            return set()
        affected: set[str] = set()
        for cluster, _ in {old, new}:
            affected |= set(self._of.get(cluster, {}).values())
        if before is not None and old[0]:
            self._of[old[0]].pop(before.uid, None)
        if pod is not None and new[0]:
            self._of.setdefault(new[0], {})[pod.uid] = new[1]
        return (affected | {old[1], new[1]}) - {""}

    def lacking(self, pod: Pod) -> str:
        """Returns what helps if no pod on another node could take over from the pod. Empty if one could, or the pod's
        operator needs none."""
        operator = operator_of(pod)
        if operator is None or not operator.alone:
            return ""
        nodes = self._of.get(operator.group_of(pod), {}).values()
        return "" if any(node not in ("", pod.node) for node in nodes) else operator.alone


def _of_no_operator(pod: Pod | None) -> bool:
    """Returns whether the pod is in no operator's cluster, as nearly all pods are."""
    return pod is None or KEYS.isdisjoint(pod.labels)


def _place(pod: Pod | None) -> tuple[str, str]:
    """Returns the operator's cluster that the pod belongs to, and its node; both empty if there is none, or the pod
    ends."""
    if pod is None or pod.deleting or pod.finished or not (cluster := cluster_of(pod)):
        return "", ""
    return cluster, pod.node
