"""The status of the objects that are the policy. Pure: the same facts give the same status."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from msgspec import UNSET, Struct, UnsetType

from fleet.core.custom_resources.condition import ConditionState, ConditionStatus, shown, updated
from fleet.core.custom_resources.condition_reason import ConditionReason as Why
from fleet.core.custom_resources.policy_objects import (
    MOST_VERSIONS,
    FleetConfigStatus,
    FreezeStatus,
    NodesOfVersion,
    QuorumGroupStatus,
    ReleaseStreamStatus,
    UpgradePolicyStatus,
)
from fleet.core.releases.release_list import FeedState
from fleet.core.reporting.node_state import StatusNode
from fleet.core.reporting.status import StatusQuorum


class ObjectMistakes(Struct, frozen=True):
    """The findings of the reader about one object."""

    problems: tuple[str, ...] = ()
    """Its mistakes: the last policy without mistakes stays in force."""
    elsewhere: tuple[str, ...] = ()
    """Other objects with mistakes: none of the objects is in force as it is now, until these are corrected."""
    conflicts: tuple[str, ...] = ()
    """Why it may not do what it says, although it is in force."""


def ready(mistakes: ObjectMistakes) -> ConditionState:
    """Returns whether the object is in force as it is now."""
    if mistakes.problems:
        return ConditionState("Ready", "False", Why.INVALID, "; ".join(mistakes.problems))
    if mistakes.elsewhere:
        names = ", ".join(mistakes.elsewhere)
        return ConditionState(
            "Ready", "False", Why.INVALID, f"the last policy stays in force, since {names} has mistakes"
        )
    if mistakes.conflicts:
        return ConditionState("Ready", "True", Why.CONFLICT, "; ".join(mistakes.conflicts))
    return ConditionState("Ready", "True", Why.IN_FORCE, "the object is in force")


class PolicyFacts(Struct, frozen=True):
    """The facts about the nodes of one UpgradePolicy."""

    version: str
    """The version that the nodes should run. Empty: none is known."""
    nodes: tuple[StatusNode, ...]
    """The policy's nodes, without those that are orphans."""
    rollout: str = ""
    """The object of the rollout that works on them now. Empty: none does."""
    progressing: ConditionState | None = None
    """The rollout's condition `Progressing`; None without one."""
    waits_for: ConditionState | None = None
    """What keeps a standing policy from starting a rollout now; None: nothing, or the policy has no `upgrade: auto`."""
    next_window: datetime | None = None
    """When a window opens next. None: one is open, or there is none."""


def upgrade_policy_status(
    before: UpgradePolicyStatus, mistakes: ObjectMistakes, facts: PolicyFacts, now: datetime, generation: int
) -> UpgradePolicyStatus:
    """Returns the status that the object has from now on. `before`: the one that it has."""
    states: Counter[str] = Counter(node.state for node in facts.nodes)
    conditions = (
        ready(mistakes),
        _up_to_date(facts, states),
        _progressing(facts),
        _held(facts, states),
        _degraded(states),
    )
    versions = Counter(shown(node.version) for node in facts.nodes if node.version)
    ordered = sorted(versions.items(), key=lambda each: (-each[1], each[0]))
    return UpgradePolicyStatus(
        observed_generation=generation,
        conditions=updated(before.conditions, conditions, generation, now),
        version=facts.version or UNSET,
        nodes=len(facts.nodes),
        up_to_date=states["patched"],
        working=states["running"],
        held=states["held"],
        failed=states["failed"],
        versions=tuple(NodesOfVersion(*each) for each in ordered[:MOST_VERSIONS]),
        rollout=facts.rollout or UNSET,
        next_window=UNSET if facts.next_window is None else facts.next_window.replace(microsecond=0),
    )


def _up_to_date(facts: PolicyFacts, states: Counter[str]) -> ConditionState:
    def answer(status: ConditionStatus, reason: Why, message: str) -> ConditionState:
        return ConditionState("UpToDate", status, reason, message)

    if not facts.nodes:
        return answer("Unknown", Why.NO_NODES, "the policy selects no node")
    if not facts.version:
        return answer("Unknown", Why.NO_STREAM, "no stream says what the nodes should run")
    if states["unknown"]:
        return answer("Unknown", Why.UNKNOWN_NODES, f"what {states['unknown']} nodes run is not known")
    missing = len(facts.nodes) - states["patched"]
    if not missing:
        return answer("True", Why.CURRENT, f"all {len(facts.nodes)} nodes run {facts.version}")
    reason = Why.IN_PROGRESS if facts.rollout else Why.OUTDATED
    return answer("False", reason, f"{missing} of {len(facts.nodes)} nodes do not run {facts.version}")


def _progressing(facts: PolicyFacts) -> ConditionState:
    if facts.progressing is not None:
        return facts.progressing
    if facts.waits_for is not None:
        return ConditionState("Progressing", "False", facts.waits_for.reason, facts.waits_for.message)
    return ConditionState("Progressing", "False", Why.IDLE, "no rollout works on the nodes")


def _held(facts: PolicyFacts, states: Counter[str]) -> ConditionState:
    if number := states["held"]:
        node = next(each for each in facts.nodes if each.state == "held")
        message = f"{number} nodes wait for an operator; {node.name}: {'; '.join(node.held[:1])}"
        return ConditionState("Held", "True", Why.WAITING, message)
    return ConditionState("Held", "False", Why.NOTHING_HELD, "no node waits for an operator")


def _degraded(states: Counter[str]) -> ConditionState:
    if number := states["failed"]:
        nodes = "1 node has" if number == 1 else f"{number} nodes have"
        return ConditionState("Degraded", "True", Why.NODES_FAILED, f"{nodes} failed")
    return ConditionState("Degraded", "False", Why.AS_EXPECTED, "no node has failed")


def fleet_config_status(
    before: FleetConfigStatus, mistakes: ObjectMistakes, now: datetime, generation: int
) -> FleetConfigStatus:
    return FleetConfigStatus(generation, updated(before.conditions, (ready(mistakes),), generation, now))


def release_stream_status(
    before: ReleaseStreamStatus,
    mistakes: ObjectMistakes,
    versions: Sequence[str],
    feed: FeedState | None,
    now: datetime,
    generation: int,
) -> ReleaseStreamStatus:
    """Returns the status of a stream. `versions`: its releases, oldest first. `feed`: None where it has none."""
    states = (ready(mistakes),) if feed is None else (ready(mistakes), _feed_read(feed))
    read_at = feed.read_at if feed is not None else None
    return ReleaseStreamStatus(
        observed_generation=generation,
        conditions=updated(before.conditions, states, generation, now),
        newest=versions[-1] if versions else UNSET,
        releases=len(versions),
        read_at=UNSET if read_at is None else read_at.replace(microsecond=0),
    )


def _feed_read(feed: FeedState) -> ConditionState:
    if feed.problem:
        return ConditionState("FeedRead", "False", Why.FEED_UNREADABLE, feed.problem)
    if feed.read_at is None:
        return ConditionState("FeedRead", "Unknown", Why.FEED_UNREAD, f"{feed.feed} was not read yet")
    return ConditionState("FeedRead", "True", Why.AS_EXPECTED, f"the releases are those of {feed.feed}")


def freeze_status(
    before: FreezeStatus,
    mistakes: ObjectMistakes,
    span: tuple[datetime, datetime] | UnsetType,
    now: datetime,
    generation: int,
) -> FreezeStatus:
    """Returns the status of a freeze. `span`: the time in which it holds, now or next; UNSET: it has ended."""
    active = not isinstance(span, UnsetType) and span[0] <= now < span[1] and not mistakes.problems
    until = "" if isinstance(span, UnsetType) else f" until {span[1]:%Y-%m-%d %H:%M} UTC"
    states = (
        ready(mistakes),
        ConditionState(
            "Active",
            "True",
            Why.ACTIVE,
            f"no node begins{until}",
        )
        if active
        else ConditionState("Active", "False", Why.NOT_ACTIVE, "it does not hold now"),
    )
    return FreezeStatus(
        observed_generation=generation,
        conditions=updated(before.conditions, states, generation, now),
        begins_at=UNSET if isinstance(span, UnsetType) else span[0],
        ends_at=UNSET if isinstance(span, UnsetType) else span[1],
    )


def quorum_group_status(
    before: QuorumGroupStatus,
    mistakes: ObjectMistakes,
    group: StatusQuorum | None,
    now: datetime,
    generation: int,
) -> QuorumGroupStatus:
    """Returns the status of a group. `group`: as last read; None: it was never read."""
    if group is None or group.unread:
        message = group.unread if group is not None else "the group was not read yet"
        degraded = ConditionState("Degraded", "Unknown", Why.UNKNOWN_NODES, message)
    elif group.healthy < group.voters:
        message = "; ".join(group.ailing) or f"{group.healthy} of {group.voters} voters are healthy"
        degraded = ConditionState("Degraded", "True", Why.MEMBERS_MISSING, message)
    else:
        degraded = ConditionState(
            "Degraded", "False", Why.AS_EXPECTED, f"all {group.voters} voters are healthy"
        )
    return QuorumGroupStatus(
        observed_generation=generation,
        conditions=updated(before.conditions, (ready(mistakes), degraded), generation, now),
        voters=UNSET if group is None else group.voters,
        healthy=UNSET if group is None else group.healthy,
    )
