"""Would the pods of a node land elsewhere?"""

from __future__ import annotations

from collections.abc import Sequence

from fleet.core.held import Held, Reason
from fleet.core.pod import Pod, PodRef
from fleet.core.room import Lack, Room


def held(node: str, pods: Sequence[tuple[Pod, Sequence[PodRef]]], room: Room) -> Held | None:
    """`pods`: to drain, each with its budgets. A pod with a budget may wait for the node itself to come back, where the
    distance that it keeps from its like leaves it no other: its owner has said how many may be away, and until it is
    Ready again the budget lets no other go."""
    patient = {pod.uid for pod, budgets in pods if budgets}
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
