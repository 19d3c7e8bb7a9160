"""What a drain does with a pod: by the policy's rules, by the pod's own marks, by what is known of its controller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from fleet.core.objects.pod import Pod
from fleet.core.objects.workload import Workload
from fleet.core.policy.drain_rule import DrainBehaviour, PodRule
from fleet.core.third_parties.operators import KEYS, asked_by, follows

CAPI_LABEL = "cluster.x-k8s.io/drain"
HOLDS: Mapping[str, str] = {
    "karpenter.sh/do-not-disrupt": "true",
    "karpenter.sh/do-not-evict": "true",
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    "autoscaling.cast.ai/removal-disabled": "true",
}
"""Annotations by which a pod's owner asks autoscalers not to evict it, with the value that means it. The second is the
first one's name in Karpenter before 0.32."""

OWN_TIME = frozenset({"wait", "ask"})
"""What is done with pods that may take a time of their own, which budgets and room elsewhere do not tell."""
NOT_EVICTED = frozenset({"wait", "skip"})


class Treatment(Struct, frozen=True, gc=False):
    do: DrainBehaviour = "evict"
    by: str = ""
    """Who says so, in words; empty: nobody, so it is evicted as every other pod."""
    rule: bool = False
    """A rule of the policy says so: it beats what the pool says of pods without a controller or with local data."""
    order: int = 0
    timeout_seconds: int | None = None
    group: str = ""
    """With `ask`: of the nodes of one group, one at a time is asked."""


EVICTED = Treatment()
MARKS = KEYS | {CAPI_LABEL}
"""Labels, one of which a pod has that is treated in a way of its own by its labels."""


def is_plain(pod: Pod) -> bool:
    """Nothing about the pod itself asks for a treatment of its own. Cheap: it is asked of every pod, again and again."""
    return (
        not pod.annotations
        and MARKS.isdisjoint(pod.labels)
        and (pod.owner is None or pod.owner.kind != "Job")
    )


def treatment(pod: Pod, rules: Sequence[PodRule], controller: Workload | None) -> Treatment:
    """`controller`: of the pod, where it is known. The policy's first rule that matches comes before all else."""
    if rules:
        owners = owners_of(pod, controller)
        for rule in rules:
            if rule.matches(pod, owners):
                return _by_rule(pod, rule)
    return _by_marks(pod) or _by_controller(pod, controller) or EVICTED


def owners_of(pod: Pod, controller: Workload | None) -> tuple[str, ...]:
    """Kinds of the pod's controller and of the controller's own; empty: it has none."""
    if pod.owner is None:
        return ()
    above = controller.owner if controller is not None else None
    return (pod.owner.kind, above.kind) if above is not None else (pod.owner.kind,)


def _by_rule(pod: Pod, rule: PodRule) -> Treatment:
    operator = asked_by(pod) if rule.do == "ask" else None
    group = operator.group_of(pod) if operator is not None else f"rule {rule.name}"
    return Treatment(
        rule.do,
        f"rule {rule.name} of the policy",
        True,
        rule.order,
        rule.timeout_seconds,
        group if rule.do == "ask" else "",
    )


def _by_marks(pod: Pod) -> Treatment | None:
    """Labels and annotations that other tools have made a convention."""
    label = pod.labels.get(CAPI_LABEL, "").lower()
    if label == "skip":
        return Treatment("skip", f"label {CAPI_LABEL}: skip")
    if label == "wait-completed":
        return Treatment("wait", f"label {CAPI_LABEL}: wait-completed")
    held = next((key for key, value in HOLDS.items() if pod.annotations.get(key) == value), None)
    return Treatment("hold", f'annotation {held}: "{HOLDS[held]}"') if held is not None else None


def _by_controller(pod: Pod, controller: Workload | None) -> Treatment | None:
    if controller is not None and controller.fails_by_eviction:
        return Treatment("wait", f"Job {controller.ref}, which fails with the first pod that it loses")
    if why := follows(pod):
        return Treatment("wait", why)
    operator = asked_by(pod)
    if operator is not None:
        return Treatment("ask", f"{operator.name}: {operator.signal}", group=operator.group_of(pod))
    return None
