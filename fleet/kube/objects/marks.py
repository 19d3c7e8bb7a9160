"""The marks that fleet leaves on a Node, as merge patches: each changes only what must change, and is None where
nothing must."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from fleet.core.objects.node import CORDON_ANNOTATION, PENDING_TAINT, ROLLOUT_ANNOTATION
from fleet.core.third_parties import keep_off
from fleet.kube.objects.wire import ApiStruct

UNSCHEDULABLE_TAINT = "node.kubernetes.io/unschedulable"
"""The taint that the node controller adds for `unschedulable`, and removes a little later than the field is
cleared."""

MergePatch = dict[str, Any]


class MarkedMeta(ApiStruct, frozen=True):
    uid: str = ""
    resource_version: str = ""
    annotations: dict[str, str] | None = None


class MarkedSpec(ApiStruct, frozen=True):
    unschedulable: bool = False
    taints: list[dict[str, Any]] | None = None
    """The taints as they are: a patch of the list writes all of them back."""


class MarkedNodeInfo(ApiStruct, frozen=True):
    boot_id: str = field(name="bootID", default="")


class MarkedStatus(ApiStruct, frozen=True):
    node_info: MarkedNodeInfo = MarkedNodeInfo()


class MarkedNode(ApiStruct, frozen=True):
    """The parts of a Node that carry fleet's marks and its boot id."""

    metadata: MarkedMeta = MarkedMeta()
    spec: MarkedSpec = MarkedSpec()
    status: MarkedStatus = MarkedStatus()

    @property
    def annotations(self) -> dict[str, str]:
        return self.metadata.annotations or {}

    @property
    def cordoned_by(self) -> str:
        return self.annotations.get(CORDON_ANNOTATION, "")

    @property
    def rollout(self) -> str:
        return self.annotations.get(ROLLOUT_ANNOTATION, "")


class CordonedByOther(Struct, frozen=True):
    """Another party has cordoned the node first."""

    by: str


def mark(node: MarkedNode, rollout: str) -> MergePatch | None:
    """Returns the patch that marks a waiting node: the rollout's annotation and the pending taint."""
    if node.rollout == rollout and _has(node, PENDING_TAINT):
        return None
    taint = {"key": PENDING_TAINT, "effect": "PreferNoSchedule"}
    return {
        "metadata": {"annotations": {ROLLOUT_ANNOTATION: rollout}},
        "spec": {"taints": [*_taints_without(node, PENDING_TAINT), taint]},
    }


def unmark(node: MarkedNode, rollout: str) -> MergePatch | None:
    """Returns the patch that removes the rollout's mark, and the annotations that keep autoscalers off the node."""
    ours = node.rollout == rollout
    gone = (*((ROLLOUT_ANNOTATION,) if ours else ()), *keep_off.removals(node.annotations, rollout))
    if not gone:
        return None
    patch: MergePatch = {"metadata": {"annotations": dict.fromkeys(gone)}}
    if ours and _has(node, PENDING_TAINT):
        patch["spec"] = {"taints": _taints_without(node, PENDING_TAINT)}
    return patch


def cordon(node: MarkedNode, rollout: str) -> MergePatch | CordonedByOther | None:
    """Returns the patch that cordons the node; CordonedByOther where another party has cordoned it."""
    if node.spec.unschedulable:
        return None if node.cordoned_by == rollout else CordonedByOther(node.cordoned_by or "somebody else")
    added = {CORDON_ANNOTATION: rollout} | keep_off.additions(node.annotations, rollout)
    return {"metadata": {"annotations": added}, "spec": {"unschedulable": True}}


def uncordon(node: MarkedNode, rollout: str) -> MergePatch | None:
    """Returns the patch that uncordons the node. A cordon that is not the rollout's stays; the rollout's pending taint
    and annotations are removed in any case."""
    annotations: MergePatch = dict.fromkeys(keep_off.removals(node.annotations, rollout))
    spec: MergePatch = {}
    leaving: list[str] = []
    if node.rollout == rollout:
        annotations[ROLLOUT_ANNOTATION] = None
        leaving.append(PENDING_TAINT)
    if node.cordoned_by == rollout:
        annotations[CORDON_ANNOTATION] = None
        spec["unschedulable"] = None
        leaving.append(UNSCHEDULABLE_TAINT)
    if any(_has(node, key) for key in leaving):
        spec["taints"] = _taints_without(node, *leaving)
    if not annotations:
        return None
    return {"metadata": {"annotations": annotations}} | ({"spec": spec} if spec else {})


def _has(node: MarkedNode, taint: str) -> bool:
    return any(found.get("key") == taint for found in node.spec.taints or ())


def _taints_without(node: MarkedNode, *keys: str) -> list[dict[str, Any]]:
    return [taint for taint in node.spec.taints or () if taint.get("key") not in keys]
