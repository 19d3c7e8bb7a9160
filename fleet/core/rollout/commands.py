"""What people order: the journal's records of the form `command`."""

from __future__ import annotations

from collections.abc import Mapping

from fleet.core.objects.node import NodeRef
from fleet.core.rollout.goal import Start
from fleet.core.rollout.record import TypedRecord


class CommandRecord(TypedRecord, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What a person orders, and why."""

    form = "command"
    reason: str = ""
    """As the person gave it; empty: none was given."""


class RolloutStarted(CommandRecord, frozen=True, gc=False, kw_only=True, tag="start"):
    """The record's detail is `start` itself."""

    start: Start


class RolloutPaused(CommandRecord, frozen=True, gc=False, kw_only=True, tag="pause"):
    """Nothing new begins; what has begun goes on."""


class RolloutResumed(CommandRecord, frozen=True, gc=False, kw_only=True, tag="resume"):
    """A paused or halted rollout goes on. After a halt, its failures no longer count."""


class RolloutAborted(CommandRecord, frozen=True, gc=False, kw_only=True, tag="abort"):
    """Nothing new begins, for good."""


class NodeReleased(CommandRecord, frozen=True, gc=False, kw_only=True, tag="release"):
    """An operator has looked at the failed node: its slot becomes free."""

    node: NodeRef


class JournalAccepted(CommandRecord, frozen=True, gc=False, kw_only=True, tag="accept"):
    """A cluster that has seen a later journal may be worked in with this one."""

    cluster: str
    place: str
    """The entry that the cluster has seen (`JournalEntry.place`)."""


class LogRequested(CommandRecord, frozen=True, gc=False, kw_only=True, tag="log"):
    """A person reads the log of a machine's last boot."""

    node: NodeRef
    lines: int
    unit: str = ""
    """Of systemd; empty: of all."""


class HostsClaimed(CommandRecord, frozen=True, gc=False, kw_only=True, tag="claim"):
    """The hosts of a cluster are this fleet's from now on, whoever had them."""

    cluster: str


COMMANDS: tuple[type[CommandRecord], ...] = (
    RolloutStarted,
    RolloutPaused,
    RolloutResumed,
    RolloutAborted,
    NodeReleased,
    JournalAccepted,
    LogRequested,
    HostsClaimed,
)

ORDERS: Mapping[str, type[CommandRecord]] = {
    str(each.__struct_config__.tag): each for each in (RolloutPaused, RolloutResumed, RolloutAborted)
}
"""What a person orders for a rollout as a whole, by the word that `fleet rollout` has for it."""
