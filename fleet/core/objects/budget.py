"""A PodDisruptionBudget, with the status that its controller wrote."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from fleet.core.objects.pod import Pod, PodRef
from fleet.core.objects.selector import Selector


class Budget(Struct, frozen=True, gc=False):
    namespace: str
    name: str
    uid: str
    selector: Selector | None = None
    """None matches no pod; one without terms matches every pod of the namespace (policy/v1)."""
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
    """Names of pods whose eviction was granted and whose deletion the controller has not seen yet."""
    failure: str = ""
    """Message of a failed sync (condition DisruptionAllowed, reason SyncFailed); it then allows none."""
    resource_version: str = ""

    @property
    def ref(self) -> PodRef:
        return PodRef(self.namespace, self.name)

    @property
    def rule(self) -> str:
        """The budget's own words, such as `minAvailable 1`."""
        if self.min_available is not None:
            return f"minAvailable {self.min_available}"
        return f"maxUnavailable {self.max_unavailable}"

    @property
    def observed(self) -> bool:
        return self.observed_generation >= self.generation

    @property
    def most_at_once(self) -> int:
        """Disruptions that it allows at once when every pod is healthy."""
        return max(0, self.expected_pods - self.desired_healthy)

    @property
    def never_allows(self) -> bool:
        """It allows nothing even when every pod is healthy. What is closed only for now opens by itself."""
        return bool(self.failure) or self.most_at_once == 0

    @property
    def scarcity(self) -> float:
        """Pods for each disruption that it allows at once."""
        return self.expected_pods / max(1, self.most_at_once)

    def charges(self, pod: Pod) -> bool:
        """Whether an eviction of this pod uses up one of its disruptions.

        Unready pods go without using one: always under AlwaysAllow, and under IfHealthyBudget while the rest is healthy
        enough. Where it is not, they need an allowance that the budget does not have.
        Source: the API server's eviction subresource.
        """
        if pod.ignores_budgets:
            return False
        if pod.ready:
            return True
        if self.unhealthy_policy == "AlwaysAllow":
            return False
        return not (self.current_healthy >= self.desired_healthy > 0)

    def matches(self, pod: Pod) -> bool:
        return (
            self.selector is not None
            and pod.namespace == self.namespace
            and self.selector.matches(pod.labels)
        )


def share(amount: int | str, total: int) -> int:
    """Pods that a budget's rule means. Percentages round up, as its controller does for both rules."""
    if isinstance(amount, int):
        return amount
    return -(-int(amount.removesuffix("%")) * total // 100)
