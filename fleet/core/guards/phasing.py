"""Holds a node that the publisher of a release does not offer the release yet."""

from __future__ import annotations

from datetime import datetime

from msgspec import UnsetType

from fleet.core.guards.context import GuardContext
from fleet.core.objects.node import Node
from fleet.core.policy.policy import Pool
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.releases.phasing import EPOCH
from fleet.core.releases.release import Release
from fleet.core.releases.wariness import wariness_of


def held(context: GuardContext) -> Held | None:
    """Returns what holds a node that the release is not offered to at present, or None."""
    release = context.run.release
    if context.node is None or isinstance(release.rollout, UnsetType):
        return None
    opens = offered_at(release, context.node, context.rollout.pool(context.run))
    if opens is not None and opens <= context.now:
        return None
    percent = int(release.rollout.offered(context.now) * 100)
    facts: dict[str, str | int] = {"release": release.version, "percent": percent}
    if opens is None:
        return Held(Reason.NOT_OFFERED, context.ref.name, facts)
    context.state.timers.opens_at(context.ref, opens)
    return Held(Reason.OFFERED_LATER, context.ref.name, {**facts, "at": f"{opens:%Y-%m-%d %H:%M} UTC"})


def offered_at(release: Release, node: Node | None, pool: Pool) -> datetime | None:
    """Returns since when, or from when on, the release is offered to a node of the pool; None: never, as things are."""
    if isinstance(release.rollout, UnsetType) or node is None:
        return EPOCH
    return release.rollout.opens(wariness(node, pool))


def wariness(node: Node, pool: Pool) -> float:
    """Returns the place of a node in phased rollouts: its pool's, or its own by its machine-id, or by its name if it
    reports no id."""
    if isinstance(pool.rollout_wariness, float):
        return pool.rollout_wariness
    return wariness_of(node.machine_id or node.name)
