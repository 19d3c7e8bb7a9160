"""The statuses of the objects that are the policy, from what the database knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from fleet.app.operator.policy import AssembledPolicy
from fleet.app.releases.listing import feed_states
from fleet.app.reporting.status import fleet_status, held_in
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.standing.outlook import outlook
from fleet.app.wiring.home import Home
from fleet.config.objects.kinds import KINDS
from fleet.core.custom_resources.condition import ConditionState
from fleet.core.custom_resources.condition_reason import ConditionReason
from fleet.core.custom_resources.policy_conditions import (
    ObjectMistakes,
    PolicyFacts,
    fleet_config_status,
    freeze_status,
    quorum_group_status,
    release_stream_status,
    upgrade_policy_status,
)
from fleet.core.custom_resources.policy_objects import (
    FleetConfigStatus,
    FreezeStatus,
    QuorumGroupStatus,
    ReleaseStreamStatus,
    UpgradePolicyStatus,
)
from fleet.core.custom_resources.rollout_conditions import HeldByNode, rollout_conditions
from fleet.core.policy.policy import Policy
from fleet.core.policy.schedule import Schedules
from fleet.core.releases.release_list import FeedState
from fleet.core.reporting.status import FleetStatus
from fleet.core.rollout.rollout import Rollout
from fleet.core.standing.standing_pool import StandingPool

AHEAD = timedelta(days=366)
"""How far ahead the next window and the next time of a freeze are looked for."""
JsonObject = Mapping[str, Any]
S = TypeVar("S")


class ObjectStatus(Struct, frozen=True):
    """The status that an object is to have."""

    kind: str
    name: str
    status: Struct


class Known(Struct, frozen=True):
    """The facts of the database, and the policy in force."""

    policy: Policy
    fleet: FleetStatus
    rollouts: Sequence[Rollout]
    """Those that are active."""
    held: HeldByNode
    feeds: Mapping[str, FeedState]
    """The feeds of streams, by stream."""
    waits: Mapping[str, ConditionState]
    """What keeps the standing policies of pools from starting a rollout now, by pool."""
    names: Mapping[str, str]
    """The names of the objects of rollouts, by the rollout's id, where that is another one."""
    schedules: Schedules
    """Those of the policy, which all objects share: they are costly to compute."""
    now: datetime


def known(home: Home, names: Mapping[str, str]) -> Known:
    """Reads the database. `names`: as in `Known`."""
    policy, rollouts = home.policy_if_any(), Rollouts.load(home.store)
    automatic = [pool.name for pool in policy.automatic]
    standing = outlook(home, automatic).pools if automatic else ()
    return Known(
        policy=policy,
        fleet=fleet_status(home, rollouts=rollouts.all, standing=standing, count_pods=False),
        rollouts=rollouts.active,
        held=held_in(home, rollouts.active),
        feeds=feed_states(home),
        waits=_waits(standing),
        names=names,
        schedules=Schedules(policy),
        now=home.now(),
    )


def _waits(standing: Iterable[StandingPool]) -> dict[str, ConditionState]:
    return {
        pool.pool: ConditionState("Progressing", "False", ConditionReason.WAITING, pool.why.message)
        for pool in standing
        if pool.why is not None
    }


def statuses(
    objects: Sequence[JsonObject], assembled: AssembledPolicy, found: Known
) -> Iterator[ObjectStatus]:
    """Yields the status that each of the objects is to have."""
    for each in objects:
        kind, name = str(each["kind"]), str(each["metadata"]["name"])
        yield ObjectStatus(kind, name, _status(kind, each, _mistakes(each, assembled), found))


def _status(kind: str, each: JsonObject, mistakes: ObjectMistakes, found: Known) -> Struct:
    generation, name, now = int(each["metadata"].get("generation", 0)), policy_name(each), found.now
    match kind:
        case "UpgradePolicy":
            facts = _facts(name, found)
            return upgrade_policy_status(
                status_before(each, UpgradePolicyStatus), mistakes, facts, now, generation
            )
        case "ReleaseStream":
            stream = next((stream for stream in found.policy.streams if stream.name == name), None)
            versions = [release.version for release in stream.releases] if stream is not None else []
            before = status_before(each, ReleaseStreamStatus)
            return release_stream_status(before, mistakes, versions, found.feeds.get(name), now, generation)
        case "Freeze":
            span = _freeze_span(name, found)
            return freeze_status(status_before(each, FreezeStatus), mistakes, span, now, generation)
        case "QuorumGroup":
            group = next((group for group in found.fleet.quorums if group.name == name), None)
            return quorum_group_status(
                status_before(each, QuorumGroupStatus), mistakes, group, now, generation
            )
        case _:
            return fleet_config_status(status_before(each, FleetConfigStatus), mistakes, now, generation)


def policy_name(each: JsonObject) -> str:
    """Returns the name that the object has in the policy: that of the object, unless its spec gives another one."""
    return str((each.get("spec") or {}).get("name") or each["metadata"]["name"])


def status_before(each: JsonObject, kind: type[S]) -> S:
    """Returns the status that the object has; an empty one where there is none, or one that cannot be read."""
    try:
        return msgspec.convert(each.get("status") or {}, kind)
    except msgspec.ValidationError:
        return kind()


def _mistakes(each: JsonObject, assembled: AssembledPolicy) -> ObjectMistakes:
    own = f"{KINDS[each['kind']].plural}/{each['metadata']['name']}"
    return ObjectMistakes(
        assembled.problems.get(own, ()),
        tuple(name for name in assembled.problems if name != own),
        tuple(caution.message for caution in assembled.cautions if caution.place.file == own),
    )


def _facts(name: str, found: Known) -> PolicyFacts:
    nodes = tuple(node for node in found.fleet.nodes if node.pool == name and node.state != "orphan")
    rollout = next(
        (each for each in found.rollouts if any(run.goal.pool == name for run in each.runs.values())), None
    )
    conditions = rollout_conditions(rollout, found.held) if rollout is not None else ()
    return PolicyFacts(
        version=next((node.target for node in nodes if node.target), ""),
        nodes=nodes,
        rollout=found.names.get(rollout.id, rollout.id) if rollout is not None else "",
        progressing=next((each for each in conditions if each.type == "Progressing"), None),
        waits_for=found.waits.get(name),
        next_window=_next_window(name, found),
    )


def _next_window(name: str, found: Known) -> datetime | None:
    """Returns when a window of one of the pool's places opens next; None where one is open, or none opens."""
    places = {(node.cluster, node.site) for node in found.fleet.nodes if node.pool == name}
    opens: list[datetime] = []
    for place in places:
        schedule = found.schedules.of(name, *place)
        spans = [] if schedule.unread else schedule.open_spans(found.now, found.now + AHEAD)
        opens += [span[0] for span in spans[:1]]
    return min(opens) if opens and min(opens) > found.now else None


def _freeze_span(name: str, found: Known) -> tuple[datetime, datetime] | UnsetType:
    """Returns the time in which the freeze holds, now or next; UNSET if it has ended."""
    during = found.schedules.freezes.during(found.now, found.now + AHEAD)
    spans = sorted(
        (freeze.begin, freeze.until)
        for freeze in during
        if freeze.name == name or freeze.name.startswith(f"{name}: ")
    )
    return spans[0] if spans else UNSET
