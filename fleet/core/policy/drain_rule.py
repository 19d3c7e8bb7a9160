"""Drain rules: which pods a rule of the policy applies to, and what a drain does with them."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from fleet.core.objects.pod import Pod
from fleet.core.objects.selector import Selector

DrainBehaviour = Literal["evict", "hold", "wait", "skip", "ask"]
NO_OWNER = "none"
"""Stands in `owners` for pods without a controller."""


class PodRuleTerm(Struct, frozen=True):
    """Matches the pods that meet all of its fields. An empty field is met by every pod."""

    namespaces: tuple[str, ...] = ()
    """Namespaces, one of which the pod is in."""
    selector: Selector = Selector()
    annotations: dict[str, str] = {}
    """Annotations that the pod has, each with exactly this value."""
    owners: tuple[str, ...] = ()
    """Kinds, one of which the pod's controller or that controller's own controller has: `Job`, or `CronJob` for its
    Jobs."""

    def matches(self, pod: Pod, owners: tuple[str, ...]) -> bool:
        """Returns whether the term matches the pod. `owners` are the kinds of the pod's controller and of that
        controller's own controller."""
        if self.namespaces and pod.namespace not in self.namespaces:
            return False
        if self.owners and not any(kind in self.owners for kind in owners or (NO_OWNER,)):
            return False
        if any(pod.annotations.get(key) != value for key, value in self.annotations.items()):
            return False
        return self.selector.matches(pod.labels)


class PodRule(Struct, frozen=True):
    """A rule for single pods. The first rule that matches a pod decides what a drain does with the pod."""

    name: str
    do: DrainBehaviour
    """`evict`: the pod is evicted as its budgets allow, even if the pool holds nodes with such pods; `hold`: fleet does
    not begin the pod's node; `wait`: the drain waits until the pod ends by itself; `skip`: the pod stays on the node,
    as a DaemonSet's pod does; `ask`: the eviction is requested although no budget allows it, since the pod's operator
    acts on the request or on the cordon."""
    pods: tuple[PodRuleTerm, ...] = ()
    """Terms, at least one of which matches the pod; empty for every pod."""
    order: int = 0
    """Pods of a lower order are gone before pods of a higher order are evicted."""
    timeout_seconds: int | None = None
    """Timeout of `wait` and `ask`, in seconds; None for the timeout of the whole drain."""

    def matches(self, pod: Pod, owners: tuple[str, ...]) -> bool:
        """Returns whether the rule applies to the pod. `owners` as in `PodRuleTerm.matches`."""
        return not self.pods or any(term.matches(pod, owners) for term in self.pods)
