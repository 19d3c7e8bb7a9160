"""What a policy says of single pods in a drain: which pods, and what is done with them."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from fleet.core.objects.pod import Pod
from fleet.core.objects.selector import Selector

DrainBehaviour = Literal["evict", "hold", "wait", "skip", "ask"]
NO_OWNER = "none"
"""Stands for the kind of a controller that a pod does not have."""


class PodRuleTerm(Struct, frozen=True):
    """Pods that meet all of this. What is left empty is met by every pod."""

    namespaces: tuple[str, ...] = ()
    """One of them."""
    selector: Selector = Selector()
    annotations: dict[str, str] = {}
    """Each with exactly this value."""
    owners: tuple[str, ...] = ()
    """Kinds, one of which the pod's controller or the controller of that has: `Job`, or `CronJob` for its Jobs."""

    def matches(self, pod: Pod, owners: tuple[str, ...]) -> bool:
        """`owners`: the kinds of the pod's controller and of the controller's own."""
        if self.namespaces and pod.namespace not in self.namespaces:
            return False
        if self.owners and not any(kind in self.owners for kind in owners or (NO_OWNER,)):
            return False
        if any(pod.annotations.get(key) != value for key, value in self.annotations.items()):
            return False
        return self.selector.matches(pod.labels)


class PodRule(Struct, frozen=True):
    """The first rule that matches a pod says what is done with it."""

    name: str
    do: DrainBehaviour
    """`evict` as its budgets allow, whatever the pool says of such pods; `hold`: its node is not begun; `wait`: the
    pod is left to end by itself; `skip`: it stays, as a DaemonSet's pod does; `ask`: the eviction is sent although
    no budget allows it, since the pod's operator acts upon the request or the cordon."""
    pods: tuple[PodRuleTerm, ...] = ()
    """Any of them. Empty: every pod."""
    order: int = 0
    """Pods of a lower order are gone before those of a higher one are evicted."""
    timeout_seconds: int | None = None
    """Of `wait` and `ask`; None: the drain's own."""

    def matches(self, pod: Pod, owners: tuple[str, ...]) -> bool:
        return not self.pods or any(term.matches(pod, owners) for term in self.pods)
