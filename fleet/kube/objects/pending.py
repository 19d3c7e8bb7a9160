"""What a pod waits for before a scheduler can find it a node, and what of that fleet cannot judge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from sys import intern

from fleet.core.objects.pod import Stuck
from fleet.core.records.doubt import Doubt, DoubtKind
from fleet.kube.objects import wire

SCHEDULER = "default-scheduler"


def stuck(found: wire.PodWire) -> Stuck:
    if found.spec.node_name:
        return ""
    if found.spec.scheduling_gates:
        return "gated"
    conditions = found.status.conditions or ()
    scheduled = next((each for each in conditions if each.type == "PodScheduled"), None)
    if scheduled is None or scheduled.status != "False":
        return ""
    if scheduled.reason == "SchedulingGated":
        return "gated"
    return "unschedulable" if scheduled.reason == "Unschedulable" else ""


def claims(volumes: Iterable[wire.Volume]) -> tuple[str, ...]:
    return tuple(
        intern(each.persistent_volume_claim.claim_name)
        for each in volumes
        if each.persistent_volume_claim is not None
    )


def own_claims(pod: str, volumes: Iterable[wire.Volume]) -> tuple[str, ...]:
    """Returns the names of the claims of ephemeral volumes. Source: kubernetes, component-helpers/storage/ephemeral."""
    return tuple(f"{pod}-{each.name}" for each in volumes if each.ephemeral is not None)


def doubts(found: wire.PodWire) -> Iterator[Doubt]:
    """What decides where the pod can be, its neighbours aside, and cannot be judged."""
    spec = found.spec
    if spec.scheduler_name not in ("", SCHEDULER):
        yield Doubt(DoubtKind.SCHEDULER, intern(spec.scheduler_name))
    for claim in spec.resource_claims or ():
        yield Doubt(DoubtKind.RESOURCE_CLAIM, intern(claim.name))
    if found.status.extended_resource_claim_status != wire.NULL:
        yield Doubt(DoubtKind.RESOURCE_CLAIM, "of an extended resource")
    if spec.scheduling_group is not None:
        yield Doubt(DoubtKind.GANG, spec.scheduling_group.pod_group_name)
    for volume in spec.volumes or ():
        if volume.ephemeral is not None:
            yield Doubt(DoubtKind.VOLUME_MADE, intern(volume.name))
