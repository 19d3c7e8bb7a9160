"""A PodDisruptionBudget, with the status that its controller wrote."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from fleet.core.objects.pod import Pod, PodRef
from fleet.core.objects.selector import Selector


class Budget(Struct, frozen=True, gc=False):
    """A PodDisruptionBudget (policy/v1): its specification and its status."""

    namespace: str
    name: str
    uid: str
    selector: Selector | None = None
    """None matches no pod; a selector without terms matches every pod of the namespace (policy/v1)."""
    min_available: int | str | None = None
    """A number, or a percentage such as "50%" (rounded up)."""
    max_unavailable: int | str | None = None
    unhealthy_policy: Literal["IfHealthyBudget", "AlwaysAllow"] = "IfHealthyBudget"
    generation: int = 1
    observed_generation: int = 1
    disruptions_allowed: int = 0
    current_healthy: int = 0
    desired_healthy: int = 0
    expected_pods: int = 0
    disrupted: frozenset[str] = frozenset()
    """Names of the pods whose eviction was granted and whose deletion the disruption controller has not observed
    yet."""
    failure: str = ""
    """Message of a failed sync (condition DisruptionAllowed, reason SyncFailed); the budget then allows no
    disruption."""
    resource_version: str = ""

    @property
    def ref(self) -> PodRef:
        return PodRef(self.namespace, self.name)

    @property
    def rule(self) -> str:
        """The rule in the budget's specification, such as `minAvailable 1`."""
        if self.min_available is not None:
            return f"minAvailable {self.min_available}"
        return f"maxUnavailable {self.max_unavailable}"

    @property
    def observed(self) -> bool:
        """True if the status is that of the current generation of the specification."""
        return self.observed_generation >= self.generation

    @property
    def most_at_once(self) -> int:
        """Number of disruptions that the budget allows at once when every pod is healthy."""
        return max(0, self.expected_pods - self.desired_healthy)

    @property
    def never_allows(self) -> bool:
        """True if the budget allows no disruption even when every pod is healthy. A budget that allows none only at the
        moment does so again without an operator."""
        return bool(self.failure) or self.most_at_once == 0

    @property
    def scarcity(self) -> float:
        """Number of pods for each disruption that the budget allows at once."""
        return self.expected_pods / max(1, self.most_at_once)

    def charges(self, pod: Pod) -> bool:
        """Returns whether an eviction of this pod uses up one of the budget's disruptions.

        An unready pod is evicted without using one: always under AlwaysAllow, and under IfHealthyBudget while the other
        pods are healthy enough. While the other pods are not, the eviction needs a disruption that the budget does not
        allow. Source: the API server's eviction subresource.
        """
        if pod.ignores_budgets:
            return False
        if pod.ready:
            return True
        if self.unhealthy_policy == "AlwaysAllow":
            return False
        return not (self.current_healthy >= self.desired_healthy > 0)

    def matches(self, pod: Pod) -> bool:
        """Returns whether the budget covers the pod: same namespace, and the selector matches the pod's labels."""
        return (
            self.selector is not None
            and pod.namespace == self.namespace
            and self.selector.matches(pod.labels)
        )


def share(amount: int | str, total: int) -> int:
    """Returns the number of pods that a budget's rule stands for, out of `total` pods.

    Percentages are rounded up, as the disruption controller does for both minAvailable and maxUnavailable.
    """
    if isinstance(amount, int):
        return amount
    return -(-int(amount.removesuffix("%")) * total // 100)
