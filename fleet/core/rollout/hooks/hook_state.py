"""Tracks how far one hook of a rollout is."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from fleet.core.objects.node import NodeRef
from fleet.core.policy.hooks.hook import AnyHook, HookMoment
from fleet.core.policy.policy import Policy


class HookResult(StrEnum):
    """Says how a hook ended."""

    RUNNING = "running"
    """It has not ended."""
    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """It was started, and nobody knows whether it has done its work."""
    NOT_STARTED = "not-started"
    """Its cluster could not be worked on. It is tried again, however often."""
    STOPPED = "stopped"
    """fleet has stopped it, because nothing waits for it any more."""


class HookPlace(Struct, frozen=True, order=True, gc=False):
    """Names what a hook belongs to."""

    moment: HookMoment
    subject: str = ""
    """The node as cluster/name, or the name of the stage. Empty for the rollout."""

    @property
    def node(self) -> NodeRef | None:
        return NodeRef.parse(self.subject) if self.moment.of_node else None

    @property
    def when(self) -> str:
        """Returns the moment in the words of messages."""
        return self.moment.value.replace("_", " the ")

    def __str__(self) -> str:
        return f"{self.when} {self.subject}" if self.subject else self.when

    def hooks(self, policy: Policy, pool: str = "") -> tuple[AnyHook, ...]:
        """Returns the hooks that the policy has at this place. `pool`: the pool of the node."""
        if self.moment.of_node:
            rule = policy.pool(pool)
            found = rule.hooks if rule is not None else None
        elif self.subject:
            found = next((stage.hooks for stage in policy.stages or () if stage.name == self.subject), None)
        else:
            found = policy.hooks
        return found.at(self.moment) if found else ()


class HookState(Struct, frozen=True):
    """The state of one hook since it was first started, read from the journal."""

    started: datetime
    """When the last attempt began."""
    attempt: int = 1
    result: HookResult = HookResult.RUNNING
    ended: datetime | None = None
    message: str = ""
    repeats: int = 0
    """How often an attempt whose outcome nobody knew was run again."""
    overruled: bool = False
    """True: an operator lets it pass, whatever it does."""

    @property
    def running(self) -> bool:
        return self.result is HookResult.RUNNING

    @property
    def passed(self) -> bool:
        return self.result is HookResult.PASSED or (self.overruled and not self.running)


HookKey = tuple[HookPlace, str]
"""The place and the name of a hook."""
