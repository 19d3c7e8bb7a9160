"""Decodes PodDisruptionBudgets."""

from __future__ import annotations

import re
from sys import intern
from typing import Any

from fleet.core.objects.budget import Budget
from fleet.core.objects.selector import Selector
from fleet.kube.objects.errors import one_line
from fleet.kube.objects.sharing import MESSAGE_MOST, condition
from fleet.kube.objects.wire import ApiStruct, Condition, Meta


class BudgetSpec(ApiStruct, frozen=True):
    selector: Selector | None = None
    min_available: int | str | None = None
    max_unavailable: int | str | None = None
    unhealthy_pod_eviction_policy: str | None = None


class BudgetStatus(ApiStruct, frozen=True):
    observed_generation: int = 0
    disruptions_allowed: int = 0
    current_healthy: int = 0
    desired_healthy: int = 0
    expected_pods: int = 0
    disrupted_pods: dict[str, Any] | None = None
    conditions: tuple[Condition, ...] | None = None


class BudgetWire(ApiStruct, frozen=True):
    metadata: Meta = Meta()
    spec: BudgetSpec = BudgetSpec()
    status: BudgetStatus = BudgetStatus()


_PERCENT = re.compile(r"[0-9]{1,9}%")


def budget_of(found: BudgetWire) -> Budget:
    """Converts a PodDisruptionBudget. Raises ValueError for a number of pods that no API server accepts."""
    meta, spec, status = found.metadata, found.spec, found.status
    allowed = condition(status.conditions, "DisruptionAllowed")
    failed = allowed is not None and allowed.reason == "SyncFailed"
    policy = spec.unhealthy_pod_eviction_policy
    return Budget(
        namespace=intern(meta.namespace),
        name=meta.name,
        uid=meta.uid,
        selector=spec.selector,
        min_available=_share(spec.min_available, "minAvailable"),
        max_unavailable=_share(spec.max_unavailable, "maxUnavailable"),
        unhealthy_policy="AlwaysAllow" if policy == "AlwaysAllow" else "IfHealthyBudget",
        generation=meta.generation,
        observed_generation=status.observed_generation,
        disruptions_allowed=status.disruptions_allowed,
        current_healthy=status.current_healthy,
        desired_healthy=status.desired_healthy,
        expected_pods=status.expected_pods,
        disrupted=frozenset(status.disrupted_pods or ()),
        failure=one_line(allowed.message or allowed.reason, MESSAGE_MOST)
        if failed and allowed is not None
        else "",
        resource_version=meta.resource_version,
    )


def _share(found: int | str | None, key: str) -> int | str | None:
    """Checks a number or percentage as the API server does. Raises ValueError with the key. Source: kubernetes,
    apis/policy/validation."""
    if found is None or (_PERCENT.fullmatch(found) if isinstance(found, str) else found >= 0):
        return found
    raise ValueError(f"{key}: expected a number or a percentage such as 50%, found {str(found)[:40]!r}")
