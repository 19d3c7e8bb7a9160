"""Describes a standstill: there is something to do, and no controller is at work. Names what stands still, and the
nodes that were being worked on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from fleet.core.text.durations import format_duration

NAMED = 3
"""The number of nodes in mid-air that are named before the rest is counted."""
REMEDY = "fleet run starts a controller, which goes on where this one was"


class MidAir(Struct, frozen=True):
    """A node that a run was working on when the controller stopped. The node may have gone on: a reboot needs no
    controller."""

    cluster: str
    node: str
    step: str
    rollout: str


class Standstill(Struct, frozen=True):
    """Active rollouts that no controller works on."""

    at: datetime
    """When the standstill was observed, by the wall clock, as `since`."""
    since: datetime | None
    """Since when no controller has been at work, to within seconds. None: no controller has worked on this database
    yet."""
    rollouts: tuple[str, ...]
    """The ids of the active rollouts."""
    mid_air: tuple[MidAir, ...] = ()


NOBODY = "no controller is at work"


def sentence(standstill: Standstill) -> str:
    """Returns one line for users: `no controller has been at work for 4h 2m: r-1 stands still, with n-7 (reboot) in
    mid-air`."""
    if standstill.since is None:
        when = "no controller has been at work yet"
    else:
        seconds = (standstill.at - standstill.since).total_seconds()
        when = f"no controller has been at work for {format_duration(seconds)}" if seconds >= 1 else NOBODY
    *others, last = standstill.rollouts
    stands = f"{', '.join(others)} and {last} stand still" if others else f"{last} stands still"
    return f"{when}: {stands}{_mid_air(standstill.mid_air)}"


def _mid_air(nodes: Sequence[MidAir]) -> str:
    if not nodes:
        return ""
    named = ", ".join(f"{node.node} ({node.step})" for node in nodes[:NAMED])
    more = f" and {len(nodes) - NAMED} more" if len(nodes) > NAMED else ""
    return f", with {named}{more} in mid-air"
