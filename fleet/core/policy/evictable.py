"""Decides whether a pod may be evicted, by the drain rules and by the limits of the Eviction API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from fleet.core.objects.pod import Pod, PodRef
from fleet.core.policy.policy import DrainRule
from fleet.core.policy.treatment import EVICTED, Treatment
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason


def held(pod: Pod, budgets: Sequence[PodRef], rule: DrainRule, treated: Treatment = EVICTED) -> Held | None:
    """Returns why the pod may not be evicted; None if the pod may be. `budgets` are all budgets that match the pod;
    `treated` is what the drain does with the pod."""
    if treated.do == "wait":
        return None
    if treated.do == "hold" and not pod.deleting:
        return Held(Reason.POD_HELD, str(pod.ref), {"by": treated.by})
    if len(budgets) > 1 and not pod.ignores_budgets:
        names = _first(sorted(map(str, budgets)))
        return Held(Reason.SEVERAL_BUDGETS, str(pod.ref), {"budgets": names})
    if treated.rule:
        return None
    if pod.owner is None and rule.unmanaged == "hold":
        return Held(Reason.UNMANAGED, str(pod.ref))
    if pod.local_data and rule.local_data == "hold":
        return Held(Reason.LOCAL_DATA, str(pod.ref))
    if pod.host_path and rule.host_path == "hold":
        return Held(Reason.HOST_PATH, str(pod.ref))
    return _grace(pod, rule)


def _grace(pod: Pod, rule: DrainRule) -> Held | None:
    """Returns the reason if the pod's grace period is longer than the drain's timeout: a drain that times out would
    have killed the pod for nothing."""
    seconds = grace_of(pod, rule)
    if pod.deleting or seconds <= rule.timeout_seconds:
        return None
    source = "terminationGracePeriodSeconds" if rule.grace_seconds is None else "drain.grace"
    return Held(
        Reason.GRACE,
        str(pod.ref),
        {"grace": seconds, "timeout": rule.timeout_seconds, "source": source},
    )


def grace_of(pod: Pod, rule: DrainRule) -> int:
    """Returns how many seconds the pod may take to stop after its eviction."""
    return pod.grace_seconds if rule.grace_seconds is None else rule.grace_seconds


def going(pod: Pod, rule: DrainRule) -> Held | None:
    """Returns the reason if the pod is being deleted already and has a longer grace period than the drain's timeout:
    fleet waits for the pod before it begins the node."""
    if not pod.deleting or pod.grace_seconds <= rule.timeout_seconds:
        return None
    until = f" and has time until {pod.gone_by:%Y-%m-%d %H:%M} UTC" if pod.gone_by is not None else ""
    why = f"{until}; its {pod.grace_seconds} s are more than drain.timeout, {rule.timeout_seconds} s"
    return Held(Reason.TERMINATING, str(pod.ref), {"why": why})


STUCK_AFTER = timedelta(minutes=10)
"""A pod that still exists this long after its grace period needs an operator: the kubelet kills a pod when its grace
period is over, and volumes take minutes at most."""
NAMED = 3
"""Maximum number of names that a message lists."""


def stuck(pod: Pod, now: datetime) -> Held | None:
    """Returns the reason if the pod has been Terminating far beyond its grace period: no drain of its node would ever
    end."""
    if pod.gone_by is None or now < pod.gone_by + STUCK_AFTER:
        return None
    names = finalizers(pod)
    if names:
        remedy = (
            f"see that what owns {names} does its work and takes it away from the pod's metadata.finalizers"
        )
    else:
        remedy = (
            "see in the kubelet's log why it cannot end it; only if its containers are gone: "
            f"kubectl delete pod {pod.name} -n {pod.namespace} --force"
        )
    facts: dict[str, str | int] = {
        "since": f"{pod.gone_by:%Y-%m-%d %H:%M} UTC",
        "why": f": finalizer {names}" if names else "",
        "remedy": remedy,
    }
    return Held(Reason.STUCK_TERMINATING, str(pod.ref), facts)


def finalizers(pod: Pod) -> str:
    """Returns the names of the pod's finalizers for a message; empty if the pod has none."""
    if not pod.finalizers:
        return ""
    return _first(pod.finalizer_names) or "(not named)"


def _first(names: Sequence[str]) -> str:
    """Returns the first names and how many more there are: users of a namespace may create any number of objects."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
