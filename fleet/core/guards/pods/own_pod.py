"""Holds the node that the controller itself runs on: a standby elsewhere takes the lead first, as another member of an etcd
does before its leader's node goes.

Where no standby can take over, because the database is a file that one controller alone uses, the pod is evicted like any
other, and the controller continues from the journal on another node; or the drain leaves the pod, which goes down and comes
back with its node, and continues there. One of the two has to be possible.
"""

from __future__ import annotations

from datetime import timedelta

from fleet.core.guards.context import GuardContext
from fleet.core.objects.pod import Pod
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.returning_pods import tolerates_cordons
from fleet.core.state.own_pod import OwnPod, replicas, standby, together

LOOK = timedelta(seconds=10)
"""The time after which it is looked again whether a standby is Ready, or the node lets the controller go."""


def held(context: GuardContext) -> Held | None:
    """Returns what holds the controller's own node; None for any other node, and where the controller may be evicted."""
    own = context.state.own
    pod = own.on(context.view, context.ref) if own is not None else None
    if own is None or pod is None:
        return None
    holds = _held(context, own, pod)
    if holds is not None:
        context.state.timers.wake_at(context.ref, context.now + LOOK)
    return holds


def _held(context: GuardContext, own: OwnPod, pod: Pod) -> Held | None:
    view, node = context.view, context.ref.name
    wanted = replicas(view, pod)
    if own.database == "server" and wanted > 1:
        successor = standby(view, pod)
        if successor is not None and own.planned:
            return None
        if successor is not None:
            params: dict[str, str | int] = {"pod": str(successor.ref), "node": successor.node}
            return Held(Reason.HAND_OVER, node, params)
        # Where all replicas are on this node, one of them has to be evicted before there can be a standby elsewhere.
        if not together(view, pod):
            return Held(Reason.NO_STANDBY, node, {"pod": str(pod.ref), "replicas": wanted})
    if own.database == "pod":
        return Held(Reason.CONTROLLER_DATA, node, {"pod": str(pod.ref)})
    if view.treatment(pod).do == "skip":
        others = sum(len(context.index.wakeups.in_work(cluster)) for cluster in context.state.views)
        if others:
            return Held(Reason.OTHERS_FIRST, node, {"pod": str(pod.ref), "count": others})
        # A kubelet that shuts down in order, or a long reboot, ends the pod. The next one has to start on the same node,
        # which is cordoned until a controller has proved the upgrade.
        if tolerates_cordons(pod):
            return None
    if view.capacity.pinned(node, [pod]):
        return Held(Reason.CONTROLLER_STAYS, node, {"pod": str(pod.ref)})
    return None
