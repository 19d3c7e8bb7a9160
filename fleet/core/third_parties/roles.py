"""Labels that differ between pods of one owner: a role, such as primary, that an operator moves from pod to pod.

A budget that selects by such a label covers other pods after a switch-over, and fleet cannot know beforehand which.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from fleet.core.objects.budget import Budget
from fleet.core.objects.pod import Pod

OWN = frozenset(
    {
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
        "batch.kubernetes.io/job-completion-index",
        "controller-revision-hash",
        "pod-template-hash",
        "pod-template-generation",
    }
)
"""Labels by which Kubernetes names one pod, or one revision of its template. These labels stay with the pod."""
KNOWN = frozenset(
    {
        "cnpg.io/instanceRole",
        "k8s.mariadb.com/role",
        "kubedb.com/role",
        "moco.cybozu.com/role",
        "mysql.oracle.com/cluster-role",
        "postgres-operator.crunchydata.com/role",
        "spilo-role",
        "vault-active",
    }
)
"""Labels that operators are known to move between pods, even if each pod has an owner of its own."""


class Roles:
    """The labels by which pods of one owner differ in one cluster, updated with each pod that is added or changed. An
    update costs one comparison of labels, unless the labels differ."""

    def __init__(self) -> None:
        self._labels: dict[Hashable, tuple[str, dict[str, str]]] = {}
        """Name and labels of the first pod that was seen, by owner."""
        self._differ: dict[Hashable, frozenset[str]] = {}
        """Keys of the labels that differ between pods, by owner."""

    def upsert(self, pod: Pod) -> None:
        """Records the labels of a pod that was added or changed."""
        if pod.owner is None or pod.finished:
            return
        owner = _key(pod)
        name, labels = self._labels.setdefault(owner, (pod.name, pod.labels))
        if labels is pod.labels or labels == pod.labels:
            return
        differing = self._differ.get(owner, frozenset())
        added = frozenset(_differing(name, labels, pod)) - differing
        if added:
            self._differ[owner] = differing | added

    def of(self, pod: Pod) -> frozenset[str]:
        """Returns the keys of the labels that may move between this pod and others of its owner."""
        differing = self._differ.get(_key(pod), frozenset()) if pod.owner is not None else frozenset()
        return differing if KNOWN.isdisjoint(pod.labels) else differing | (KNOWN & pod.labels.keys())

    def selecting(self, budget: Budget, pod: Pod) -> str:
        """Returns the label by which the budget selects this pod and not others of its owner; empty if there is no such
        label."""
        movable = self.of(pod)
        if budget.selector is None or not movable:
            return ""
        selected_by = {
            *budget.selector.match_labels,
            *(expression.key for expression in budget.selector.match_expressions),
        }
        return min(selected_by & movable, default="")


def _key(pod: Pod) -> Hashable:
    assert pod.owner is not None
    return pod.owner.uid or (pod.namespace, pod.owner.kind, pod.owner.name)


def _differing(name: str, labels: dict[str, str], pod: Pod) -> Iterator[str]:
    for key in labels.keys() | pod.labels.keys():
        value, other_value = pod.labels.get(key), labels.get(key)
        if (
            value != other_value
            and key not in OWN
            and not (_names(value, pod.name) and _names(other_value, name))
        ):
            yield key


def _names(value: str | None, name: str) -> bool:
    """Returns whether the value is the pod's own name or ordinal, which no other pod can take over."""
    return value is not None and (value == name or (value.isdigit() and name.endswith(f"-{value}")))
