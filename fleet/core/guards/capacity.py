"""Would the pods of a node land elsewhere? And those that only this node can take: may they wait for it?"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from fleet.core.guards import budgets
from fleet.core.held import Held, Reason
from fleet.core.pod import Pod, PodRef
from fleet.core.room import Lack, Room
from fleet.core.view import ClusterView

NAMED = 5
"""Pods that are named; there may be a hundred on a node."""


def held(node: str, pods: Sequence[tuple[Pod, Sequence[PodRef]]], room: Room) -> Held | None:
    """`pods`: to drain, each with its budgets. A pod with a budget may wait for the node itself to come back where no
    other could ever take it: its owner has said how many may be away, and until it is Ready again the budget lets no
    other go. Of one without a budget nobody has said that it may be away."""
    patient = {pod.uid for pod, budgets in pods if budgets}
    lonely = room.pinned(node, [pod for pod, budgets in pods if not budgets])
    if lonely:
        return Held(Reason.PINNED, str(lonely[0].ref))
    lack = room.lack(node, [pod for pod, _ in pods], patient)
    if lack is None:
        return None
    asked = lack.pod.requests
    facts: dict[str, str | int] = {
        "cpu": asked.cpu,
        "memory": _mebibytes(asked.memory),
        "lacks": _lacks(lack),
    }
    return Held(Reason.CAPACITY, str(lack.pod.ref), facts)


def together(node: str, view: ClusterView, ref: PodRef, count: int) -> Held | None:
    """More pods that only this node can take than their budget ever lets be away: the first ones wait for the node, and
    the others could never follow. `count`: pods of the node that take from the budget."""
    most = budgets.room(view.budgets[ref])
    if not 0 < most < count:
        return None
    bound = view.room.bound(node, [pod for pod, refs in view.load(node).pods if ref in refs and pod.ready])
    if len(bound) <= most:
        return None
    named = ", ".join(str(pod.ref) for pod in bound[:NAMED])
    rest = f" and {len(bound) - NAMED} more" if len(bound) > NAMED else ""
    facts: dict[str, str | int] = {"count": len(bound), "room": most, "pods": named + rest}
    return Held(Reason.PINNED_TOGETHER, str(ref), facts)


def last(node: str, view: ClusterView, left: Sequence[Pod]) -> Collection[str]:
    """Uids of pods that go when the others of their budget have gone: only this node can take them, so that until it is
    back they keep what the budget allows."""
    asking: dict[PodRef, list[Pod]] = {}
    for pod in left:
        for ref in view.refs_of(pod):
            if not pod.deleting and budgets.takes(pod, view.budgets[ref]):
                asking.setdefault(ref, []).append(pod)
    later: set[str] = set()
    for ref, pods in asking.items():
        if len(pods) > budgets.room(view.budgets[ref]):
            bound = {pod.uid for pod in view.room.bound(node, pods)}
            if len(bound) < len(pods):
                later |= bound
    return later


def _lacks(lack: Lack) -> str:
    if lack.apart:
        return "its anti-affinity or topology spread leaves it no other node"
    if not lack.suitable:
        return "no other open node suits its node selector, affinity and tolerations"
    asked = lack.pod.requests
    short = []
    if lack.cpu < asked.cpu:
        short.append(f"{lack.cpu}m cpu")
    if lack.memory < asked.memory:
        short.append(f"{_mebibytes(lack.memory)} memory")
    if lack.places < 1:
        short.append("no place for another pod")
    what = f"at most {', '.join(short)} free" if short else "not enough of all of it free on one"
    return f"{lack.suitable} other open nodes suit it, with {what} beside pods on their way"


def _mebibytes(number: int) -> str:
    return f"{number / (1 << 20):.0f} MiB"
