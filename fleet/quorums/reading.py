"""Asks the members of a group for their state, each in its pod."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from fleet.core.objects.pod import Pod, PodRef
from fleet.core.quorum.groups import GroupMembers, QuorumGroup
from fleet.core.quorum.probe import ExecProbe, HttpProbe, Probe
from fleet.core.quorum.quorum import Quorum
from fleet.core.records.errors import FleetError
from fleet.quorums.group import PodsPlace, pods_of, quorum_of

MOST_ASKED = 100
"""The most members of a group that are asked."""
LOG = logging.getLogger(__name__)
MOST_SECONDS = 20.0
"""The most seconds for all answers of a group together."""


class Asks(Protocol):
    async def ask(self, pod: PodRef, how: HttpProbe | ExecProbe) -> bytes:
        """Returns the body of a successful response, or the output of a command that succeeded. Raises FleetError,
        also where there is none in time."""
        ...


async def read(
    group: QuorumGroup,
    place: PodsPlace,
    pods: Iterable[Pod],
    asks: Asks,
    now: datetime,
    seconds: float = MOST_SECONDS,
) -> Quorum:
    """Asks the members, and returns the group. `pods` are all pods of the group's namespace, or at least the group's own.
    `seconds` is the time limit for all answers together.

    Raises ValueError for an etcd.
    """
    if group.members is None:
        raise ValueError(f"{group.name} is an etcd")
    own, probe = pods_of(group.members, pods), group.members.probe
    answers: dict[str, bytes | str] = {}
    if probe is not None and not group.wrong:
        reachable = [
            pod for pod in own if pod.node and not pod.deleting and _may_ask(group.members, probe, pod)
        ]
        answers = await _in_time(probe, reachable, asks, seconds)
    try:
        return quorum_of(group, place, own, answers, now)
    except Exception as error:
        # An unexpected answer of one workload's pods must not end the work for others.
        LOG.exception("%s: its members' answers are not understood", group.name)
        why = f"its members' answers are not understood: {error!r:.200}"
        return quorum_of(group, place, own, dict.fromkeys(answers, why), now)


def _may_ask(members: GroupMembers, probe: Probe, pod: Pod) -> bool:
    """Returns whether a pod may be asked. A user who may annotate a workload may run commands in its pods, but not in
    other pods that its selector happens to match."""
    if not isinstance(probe.ask, ExecProbe) or not members.owner:
        return True
    return pod.owner is not None and pod.owner.uid == members.owner


async def _in_time(probe: Probe, pods: Sequence[Pod], asks: Asks, seconds: float) -> dict[str, bytes | str]:
    """Returns the answers that come in time. Any user may declare a group by annotation, so one group must not delay
    the groups of others."""
    if len(pods) > MOST_ASKED:
        why = f"it has {len(pods)} pods, and fleet asks {MOST_ASKED} at most"
        return dict.fromkeys((pod.name for pod in pods), why)
    try:
        async with asyncio.timeout(seconds):
            return await _answers(probe, pods, asks)
    except TimeoutError:
        why = f"its members have not all answered within {seconds:.0f} s"
        return dict.fromkeys((pod.name for pod in pods), why)


async def _answers(probe: Probe, pods: Sequence[Pod], asks: Asks) -> dict[str, bytes | str]:
    """Returns the answers; where an answer is costly, only the first one is fetched."""
    if probe.heavy:
        answers: dict[str, bytes | str] = {}
        for pod in pods:
            answers[pod.name] = await _answer(probe, pod, asks)
            if isinstance(answers[pod.name], bytes):
                break
        return answers
    found = await asyncio.gather(*(_answer(probe, pod, asks) for pod in pods))
    return {pod.name: answer for pod, answer in zip(pods, found, strict=True)}


async def _answer(probe: Probe, pod: Pod, asks: Asks) -> bytes | str:
    try:
        return await asks.ask(pod.ref, probe.ask)
    except FleetError as error:
        return error.message
