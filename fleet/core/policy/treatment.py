"""Decides what a drain does with a pod: by the policy's rules, the pod's labels and annotations, or its controller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from fleet.core.objects.pod import Pod
from fleet.core.objects.workload import Workload
from fleet.core.policy.drain_rule import DrainBehaviour, PodRule
from fleet.core.third_parties.operators import KEYS, follows, operator_of

# Label of pods by which Cluster API decides how to drain them.
CAPI_LABEL = "cluster.x-k8s.io/drain"
HOLDS: Mapping[str, str] = {
    "karpenter.sh/do-not-disrupt": "true",
    "karpenter.sh/do-not-evict": "true",
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    "autoscaling.cast.ai/removal-disabled": "true",
}
"""Annotations by which a pod's owner asks autoscalers not to evict the pod, with the value that each annotation needs
for that. Before 0.32 Karpenter's annotation was `do-not-evict`."""

OWN_TIME = frozenset({"wait", "ask"})
"""Treatments of pods whose end cannot be predicted from budgets and from free capacity on other nodes."""
NOT_EVICTED = frozenset({"wait", "skip"})
"""Treatments by which a pod is not evicted."""


class Treatment(Struct, frozen=True, gc=False):
    """The treatment of one pod by a drain, and the reason."""

    do: DrainBehaviour = "evict"
    by: str = ""
    """The rule, label, annotation or controller that decides the treatment, for messages; empty for a pod that is
    evicted like any other."""
    rule: bool = False
    """True if a rule of the policy decides the treatment. Such a rule takes precedence over the pool's settings for
    pods without a controller or with local data."""
    order: int = 0
    timeout_seconds: int | None = None
    group: str = ""
    """With `ask`: the group of pods of which only those of one node at a time are asked to leave."""


EVICTED = Treatment()
"""The treatment of a pod that is simply evicted as its budgets allow."""
MARKS = KEYS | {CAPI_LABEL}
"""Label keys by which a pod may have a treatment of its own."""


def is_plain(pod: Pod) -> bool:
    """Returns whether no label, annotation or Job gives the pod a treatment of its own. The check is cheap, since it
    runs for every pod and often."""
    return (
        not pod.annotations
        and MARKS.isdisjoint(pod.labels)
        and (pod.owner is None or pod.owner.kind != "Job")
    )


def treatment(pod: Pod, rules: Sequence[PodRule], controller: Workload | None) -> Treatment:
    """Returns what a drain does with the pod: by the policy's first rule that matches, or else by labels and
    annotations, or else by the controller. `controller` is the pod's own, if it is known."""
    if rules:
        owners = owners_of(pod, controller)
        for rule in rules:
            if rule.matches(pod, owners):
                return _by_rule(pod, rule)
    return _by_marks(pod) or _by_controller(pod, controller) or EVICTED


def owners_of(pod: Pod, controller: Workload | None) -> tuple[str, ...]:
    """Returns the kinds of the pod's controller and of that controller's own controller; empty for a pod without
    one."""
    if pod.owner is None:
        return ()
    above = controller.owner if controller is not None else None
    return (pod.owner.kind, above.kind) if above is not None else (pod.owner.kind,)


def _by_rule(pod: Pod, rule: PodRule) -> Treatment:
    operator = operator_of(pod) if rule.do == "ask" else None
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
    """Returns the treatment by labels and annotations that other tools have established; None if the pod has none of
    them."""
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
    operator = operator_of(pod)
    if operator is not None:
        return Treatment("ask", f"{operator.name}: {operator.signal}", group=operator.group_of(pod))
    return None
