"""Finds workloads for whose drained pods fleet cannot know whether another node can take them. Used by `fleet lint`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fleet.core.capacity.rescheduled_pods import needs_place_elsewhere
from fleet.core.cluster.snapshot import Snapshot, volumes_of
from fleet.core.objects.pod import Pod
from fleet.core.policy.policy import Policy


class UnknownLanding(NamedTuple):
    """Pods of one workload for which fleet cannot know whether another node can take them, with the reason."""

    subject: str
    """A workload, as namespace/name."""
    message: str


def unknown_landings(policy: Policy, snapshot: Snapshot) -> Iterator[UnknownLanding]:
    """Yields one finding for each workload and reason, about pods on nodes of the policy's pools."""
    pooled = {node.name for node in snapshot.nodes if policy.pool_of(snapshot.cluster, node) is not None}
    volumes = volumes_of(snapshot)
    refs_by_doubt: dict[tuple[str, str], list[str]] = {}
    for pod in snapshot.pods:
        # The inventory does not keep volumes, so nothing is reported about the volumes of a snapshot from the
        # inventory.
        if pod.node in pooled and needs_place_elsewhere(pod) and (pod.doubts or snapshot.claims):
            for doubt in volumes.doubts(pod):
                refs_by_doubt.setdefault((_workload(pod), doubt.message), []).append(str(pod.ref))
    for (workload, message), refs in refs_by_doubt.items():
        pods = refs[0] if len(refs) == 1 else f"{len(refs)} pods, such as {refs[0]}"
        yield UnknownLanding(workload, f"{pods}: {message}")


def _workload(pod: Pod) -> str:
    return f"{pod.namespace}/{pod.owner.name}" if pod.owner is not None else str(pod.ref)
