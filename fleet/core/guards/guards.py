"""The list of all guards, in the order in which they are asked, with the moments at which they are asked and the wait keys
of the runs that they hold.

Staging, admission, drain and reboot ask the guards of this list and no others. `fleet status` shows the first reason that is
found; cheaper guards come before more expensive ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import Flag, auto
from functools import cache

from msgspec import Struct

from fleet.core.guards import (
    architecture,
    kubelet_skew,
    nodes,
    phasing,
    quorum_groups,
    third_parties,
    upgrade_path,
)
from fleet.core.guards.context import Blocker, GuardContext
from fleet.core.guards.pods import drainable, first_nodes, own_pod, volumes
from fleet.core.records.held import Held
from fleet.core.state.wait_queue import WaitKey

Ask = Callable[[GuardContext], Iterable[Blocker]]
"""Returns the reasons that hold the run; empty: nothing holds the run."""


class Moment(Flag):
    """The moments at which guards are asked about a run."""

    STAGING = auto()
    """Before the image is written."""
    SLOT = auto()
    """Before the node gets its slot, and is cordoned."""
    PLAN = auto()
    """The same in a plan alone, after all others."""
    DRAIN = auto()
    """Before the cordon and during the whole drain. A reason stops the evictions, and gives the node back."""
    DRAINED = auto()
    """On the drained node, before the drain ends."""
    REBOOT = auto()
    """Right before the reboot is requested. A reason takes the run back into its drain, which has to ask the same."""


class Guard(Struct, frozen=True):
    """One guard. `docs/contributing/guard.md` shows how to add one."""

    moments: Moment
    ask: Ask


def of_node(held: Callable[[GuardContext], Held | None]) -> Ask:
    """Returns a guard's function for a single answer, which may change whenever the node, its Machine, or what others
    report of it changes."""

    def ask(context: GuardContext) -> Iterable[Blocker]:
        blocking = held(context)
        return () if blocking is None else ((WaitKey("node", context.ref), blocking),)

    return ask


def _kept_by_failed_run(context: GuardContext) -> Held | None:
    return context.index.runs.kept_by_other(context.ref, context.rollout)


def _nodes(context: GuardContext) -> Held | None:
    ref, now = context.ref, context.now
    notices = context.index.notices_for(ref, now)
    uid, rollout = context.run.goal.uid, context.rollout.id
    return nodes.held(ref.name, uid, context.node, context.machine, rollout, notices, now)


def _third_parties(context: GuardContext) -> Held | None:
    name = context.ref.name
    return third_parties.held(name, context.view.notices(name), context.now)


def _boot_id(context: GuardContext) -> Held | None:
    return nodes.without_boot_id(context.node) if context.node is not None else None


def _kubelet_skew(context: GuardContext) -> Held | None:
    release = context.run.release
    return kubelet_skew.held(context.view.name, release, context.view.servers) if release.kubelet else None


def _architecture(context: GuardContext) -> Held | None:
    return architecture.held(context.node, context.run.release) if context.node is not None else None


def _upgrade_path(context: GuardContext) -> Held | None:
    machine = context.machine
    booted = machine.booted if machine is not None else None
    return upgrade_path.held(booted, context.run.release, context.rollout.paths(context.run))


def _volumes(context: GuardContext) -> Held | None:
    return volumes.held(context.ref.name, context.view, context.rollout.pool(context.run).drain)


def _limits(context: GuardContext) -> Iterable[Blocker]:
    full = context.index.limits.held(context.ref)
    return () if full is None else ((WaitKey("scope", full[0]), full[1]),)


STAGING, SLOT, DRAINED, REBOOT = Moment.STAGING, Moment.SLOT, Moment.DRAINED, Moment.REBOOT

GUARDS: tuple[Guard, ...] = (
    Guard(SLOT, of_node(_kept_by_failed_run)),
    Guard(STAGING | SLOT | DRAINED | REBOOT, of_node(_nodes)),
    Guard(Moment.DRAIN, of_node(_third_parties)),
    Guard(DRAINED | REBOOT, of_node(_boot_id)),
    Guard(STAGING | SLOT | DRAINED | REBOOT, of_node(_kubelet_skew)),
    Guard(STAGING | SLOT, of_node(_architecture)),
    Guard(STAGING | SLOT, of_node(_upgrade_path)),
    Guard(SLOT, of_node(phasing.held)),
    Guard(DRAINED | REBOOT, of_node(_volumes)),
    Guard(SLOT, _limits),
    Guard(SLOT, quorum_groups.held_or_later),
    Guard(DRAINED | REBOOT, quorum_groups.held),
    Guard(SLOT, first_nodes.held),
    Guard(SLOT, drainable.held),
    # Last: the lead is handed over only if nothing else holds the node.
    Guard(SLOT, of_node(own_pod.held)),
    Guard(Moment.PLAN, drainable.unpredictable),
)


@cache
def guards_at(moment: Moment) -> tuple[Ask, ...]:
    """Returns the guards that are asked at one of these moments, in order."""
    return tuple(guard.ask for guard in GUARDS if guard.moments & moment)


def blockers(moment: Moment, context: GuardContext) -> Iterator[Blocker]:
    """Yields the reasons that hold the run at this moment, each with its wait key."""
    for ask in guards_at(moment):
        yield from ask(context)


def held_at(moment: Moment, context: GuardContext) -> Held | None:
    """Returns the first reason that holds the run at this moment, or None."""
    return next((held for _, held in blockers(moment, context)), None)
