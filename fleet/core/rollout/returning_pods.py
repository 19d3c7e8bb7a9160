"""Remembers the evictions of a drain, by workload, so that a workload that comes back to the node is not evicted for
ever.

The memory is a part of the run and is rebuilt from the journal, so that it survives a controller that is killed. The
memory counts pods and needs no clock: pods beyond the number that was on the node when the drain began have come back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from msgspec import Struct

from fleet.core.objects.demand import UNSCHEDULABLE
from fleet.core.objects.pod import Pod
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import Evict

PAUSES = (5.0, 15.0, 45.0)
"""Seconds before a pod that came back is evicted, by how often its workload has come back. After the last pause the run
fails."""
LATE = timedelta(seconds=10)
"""The time after the node's cordon in which a pod that appears may have been there before: watches of different kinds have
no common order. All pods that appear in this time count as having been there."""


class EvictionMemory(Struct, frozen=True, gc=False, array_like=True):
    """The evictions of one workload's pods from one node."""

    there: int
    """The number of pods that were on the node before the first eviction, as far as known."""
    pods: tuple[str, ...] = ()
    """The uids of the pods whose eviction was sent and not refused."""


def eviction_sent(memories: Mapping[str, EvictionMemory], action: Evict) -> dict[str, EvictionMemory]:
    """Returns the memory after the eviction is intended."""
    before = memories.get(action.workload, EvictionMemory(0))
    pods = before.pods if action.pod_uid in before.pods else (*before.pods, action.pod_uid)
    return {**memories, action.workload: EvictionMemory(max(before.there, action.there), pods)}


def eviction_refused(memories: Mapping[str, EvictionMemory], action: Evict) -> dict[str, EvictionMemory]:
    """Returns the memory after the server has refused the eviction."""
    before = memories.get(action.workload, EvictionMemory(0))
    pods = tuple(uid for uid in before.pods if uid != action.pod_uid)
    return {**memories, action.workload: EvictionMemory(before.there, pods)}


def times_returned(evicted: EvictionMemory | None, pod_uid: str) -> int:
    """Returns how often the workload has come back, including this pod. 0: the pod was there before the drain, or was
    evicted already."""
    if evicted is None or not evicted.pods or pod_uid in evicted.pods:
        return 0
    return max(0, len(evicted.pods) + 1 - evicted.there)


def tolerates_cordons(pod: Pod) -> bool:
    """Returns whether the scheduler may bind the pod to a cordoned node."""
    return any(toleration.tolerates(UNSCHEDULABLE) for toleration in pod.tolerations)


def held(pod: Pod, workload: str, node: str, times: int) -> Held:
    """Returns what holds a pod whose workload has come back to the node `times` times, including this pod."""
    facts: dict[str, str | int] = {
        "pod": str(pod.ref),
        "node": node,
        "times": "once" if times == 1 else f"{times} times",
        "why": _why(pod),
        "then": f"fleet evicts it again after {PAUSES[times - 1]:.0f} s"
        if times <= len(PAUSES)
        else "it stays",
    }
    return Held(Reason.COMES_BACK, workload, facts)


def _why(pod: Pod) -> str:
    tolerating = next(
        (toleration for toleration in pod.tolerations if toleration.tolerates(UNSCHEDULABLE)), None
    )
    if tolerating is None:
        return "its pods do not tolerate a cordon, so something binds them to the node past the scheduler (spec.nodeName)"
    if not tolerating.key:
        return "its pods tolerate every taint, a cordon's too"
    return f"its pods tolerate {UNSCHEDULABLE.key}"
