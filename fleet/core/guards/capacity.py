"""Would the pods of a node land elsewhere?"""

from __future__ import annotations

from collections.abc import Sequence

from fleet.core.held import Held, Reason
from fleet.core.pod import Pod
from fleet.core.room import Lack, Room


def held(node: str, pods: Sequence[Pod], room: Room) -> Held | None:
    lack = room.lack(node, pods)
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
    if not lack.suitable:
        return "no other open node suits its node selector and tolerations"
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
