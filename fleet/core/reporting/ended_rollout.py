"""A rollout that has ended, with what the status of its nodes needs of it, read from the JSON of a checkpoint.

A status names few nodes of such a rollout: those that failed, and, where a pool wants no release, the last that they
were given. Reading the rest of thousands of goals and runs, and the classes that stand for them, takes longer than all
else that a status does.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec
from msgspec import Raw, Struct, field

from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Policy
from fleet.core.releases.release import Release
from fleet.core.rollout.steps import ENDED, WAITING, Step


class EndedRun(Struct, frozen=True, gc=False, array_like=True):
    """The first fields of `RunCheckpoint`, in the same order."""

    step: Step = Step.PENDING
    since: datetime | None = None
    begun: datetime | None = None
    slot: bool = False
    boot_id: str = ""
    why: str = ""

    @property
    def ended(self) -> bool:
        return self.step in ENDED

    @property
    def waiting(self) -> bool:
        return self.step in WAITING


class EndedGoal(Struct, frozen=True, gc=False):
    """The node of a goal."""

    node: NodeRef


class EndedStart(Struct, frozen=True):
    """Has what an ended rollout had to do."""

    plan: str
    release: Release
    goals: tuple[EndedGoal, ...]
    stored_policy: Raw = field(name="policy")

    @property
    def policy(self) -> Policy:
        """The policy of the rollout. Decoded when it is asked for, which the present status never does."""
        return msgspec.json.decode(self.stored_policy, type=Policy)


class EndedRollout(Struct, frozen=True):
    """The part of a `RolloutCheckpoint` that a status needs where the rollout has ended. The checkpoint of one that goes
    on is read in full."""

    id: str
    start: EndedStart
    started_at: datetime
    state: str
    """A `RolloutState`."""
    ended_at: datetime | None = None
    """None: the rollout goes on."""
    runs: tuple[EndedRun, ...] = ()
    """In the order of the goals."""

    @property
    def release(self) -> Release:
        return self.start.release

    @property
    def is_whole(self) -> bool:
        """Returns whether there is a run for each goal."""
        return len(self.runs) == len(self.start.goals)

    @property
    def of_nodes(self) -> Iterator[tuple[NodeRef, EndedRun]]:
        """Yields each node with its run."""
        for goal, run in zip(self.start.goals, self.runs, strict=True):
            yield goal.node, run

    def was_otherwise(self, at: datetime) -> bool:
        """Returns whether the rollout had been started by then, and what it was is not to be seen here: it had not ended,
        or a failed node that has no slot now may still have had one."""
        if self.started_at > at:
            return False
        return (self.ended_at is None or self.ended_at > at) or any(
            run.step is Step.FAILED and not run.slot and run.since is not None and run.since <= at
            for run in self.runs
        )
