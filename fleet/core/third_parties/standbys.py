"""Which pods could take over from one whose operator hands over to another of its cluster before it lets it go.

Where there is none on another node the operator never lets it go: asking for its eviction would be waited for in vain.
"""

from __future__ import annotations

from fleet.core.objects.pod import Pod
from fleet.core.third_parties.operators import asked_by, cluster_of


class Standbys:
    def __init__(self) -> None:
        self._of: dict[str, dict[str, str]] = {}
        """By cluster of an operator and uid of the pod: the node."""

    def see(self, before: Pod | None, pod: Pod | None) -> set[str]:
        """Returns the nodes of which pods may have got, or lost, somebody who could take over. None: the pod was not
        known, or is gone."""
        old, new = _place(before), _place(pod)
        if old == new:
            return set()
        told: set[str] = set()
        for cluster, _ in {old, new}:
            told |= set(self._of.get(cluster, {}).values())
        if before is not None and old[0]:
            self._of[old[0]].pop(before.uid, None)
        if pod is not None and new[0]:
            self._of.setdefault(new[0], {})[pod.uid] = new[1]
        return (told | {old[1], new[1]}) - {""}

    def lacking(self, pod: Pod) -> str:
        """Returns what helps where nobody on another node could take over from the pod; empty: somebody could, or the
        operator needs nobody."""
        operator = asked_by(pod)
        if operator is None or not operator.alone:
            return ""
        others = self._of.get(operator.group_of(pod), {}).values()
        return "" if any(node not in ("", pod.node) for node in others) else operator.alone


def _place(pod: Pod | None) -> tuple[str, str]:
    """Returns the cluster of an operator that the pod is in, and its node; empty: none that matters."""
    if pod is None or pod.deleting or pod.finished or not (cluster := cluster_of(pod)):
        return "", ""
    return cluster, pod.node
