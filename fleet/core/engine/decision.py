"""The decision of the engine: records for the journal, actions, the reasons that hold nodes, and the time of the next
decision."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from fleet.core.objects.node import NodeRef
from fleet.core.records.held import Held
from fleet.core.rollout.action import AnyAction
from fleet.core.rollout.codec import Journaled


class Decision(Struct, frozen=True):
    """The decision of the engine at one moment."""

    log: tuple[Journaled, ...] = ()
    """The records for the journal, in order: decisions, and the intents of `actions`."""
    actions: tuple[AnyAction, ...] = ()
    """The actions to perform once the log is committed, in any order."""
    held: dict[NodeRef, tuple[Held, ...]] = {}
    """The changes since the last decision. An empty tuple means that nothing holds the node any more."""
    wake: datetime | None = None
    """When to decide again if no event is observed before."""
