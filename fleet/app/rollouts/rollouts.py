"""All rollouts in the journal: found by id, and listed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING

from msgspec import Struct

from fleet.core.records.errors import UsageError
from fleet.core.rollout.goal import StartApproval
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import Step

if TYPE_CHECKING:
    from fleet.store import Store


class Rollouts:
    """All rollouts in the journal by id, oldest first."""

    def __init__(self, rollouts: Mapping[str, Rollout], seq: int) -> None:
        self.by_id = dict(rollouts)
        self.seq = seq
        """The last entry of the journal that they include. 0: the journal is empty."""

    @classmethod
    def load(cls, store: Store) -> Rollouts:
        from fleet.drivers.journal.checkpoints import standing

        found = standing(store.journal, store.folds)
        return cls(found.rollouts, found.seq)

    @property
    def all(self) -> list[Rollout]:
        return list(self.by_id.values())

    @property
    def active(self) -> list[Rollout]:
        return [rollout for rollout in self.all if rollout.active]

    @property
    def next_id(self) -> str:
        numbers = [int(ident[2:]) for ident in self.by_id if ident.startswith("r-") and ident[2:].isdigit()]
        return f"r-{max(numbers, default=0) + 1}"

    def named(self, ident: str) -> Rollout:
        """Returns the rollout of that id. Raises UsageError that suggests the nearest id."""
        if ident in self.by_id:
            return self.by_id[ident]
        near = get_close_matches(ident, self.by_id, 1)
        raise UsageError(
            f"there is no rollout {ident}", f"{near[0]} is one" if near else "fleet rollout list"
        )

    def choose(self, ident: str = "") -> Rollout:
        """Returns the named rollout; without a name the only active one. Raises UsageError where there is not exactly
        one."""
        if ident:
            return self.named(ident)
        if len(self.active) == 1:
            return self.active[0]
        if not self.active:
            raise UsageError("no rollout is active", "name one of fleet rollout list")
        names = ", ".join(rollout.id for rollout in self.active)
        raise UsageError(f"{len(self.active)} rollouts are active: {names}", "name one of them")

    def last(self, ident: str = "") -> Rollout:
        """Returns the named rollout; without a name the active one, or else the newest. For commands that only
        read."""
        if not ident and not self.by_id:
            raise UsageError(
                "there is no rollout yet",
                "fleet plan --pool POOL --to VERSION, then fleet rollout start PLAN",
            )
        if ident or len(self.active) > 1:
            return self.choose(ident)
        return self.active[0] if self.active else max(self.all, key=lambda rollout: rollout.started_at)

    def failed_run(self, name: str) -> tuple[Rollout, Run]:
        """Returns the failed run that keeps its slot on that node. Raises UsageError where there is none, or more than
        one."""
        found = [
            (rollout, run)
            for rollout in self.all
            for run in rollout.runs.values()
            if run.step is Step.FAILED and run.slot and name in (run.node.name, str(run.node))
        ]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(str(run.node) for _, run in found)
            raise UsageError(f"{name} is ambiguous: {names}", "name the cluster too: CLUSTER/NODE")
        raise UsageError(
            f"no failed run of {name} keeps a slot", "fleet explain NODE shows what became of it"
        )


class RolloutSummary(Struct, frozen=True):
    """One rollout in a list."""

    rollout: str
    plan: str
    pools: tuple[str, ...]
    clusters: tuple[str, ...]
    version: str
    state: str
    why: str
    by: str
    started_at: datetime
    ended_at: datetime | None
    nodes: int
    done: int
    failed: int
    cancelled: int
    eta_seconds: int | None = None
    asked_by: str = ""
    """The user who made the plan. Empty: the policy has no rule about approvals."""
    approved_by: tuple[str, ...] = ()


def summary_of(rollout: Rollout, eta: int | None = None) -> RolloutSummary:
    """Summarizes one rollout for a list. `eta`: seconds until its end; None: unknown."""
    approval = rollout.start.approval
    return RolloutSummary(
        rollout=rollout.id,
        plan=rollout.start.plan,
        pools=tuple(dict.fromkeys(run.goal.pool for run in rollout.runs.values())),
        clusters=tuple(dict.fromkeys(ref.cluster for ref in rollout.runs)),
        version=rollout.release.version,
        state=str(rollout.state),
        why=rollout.why,
        by=rollout.by,
        started_at=rollout.started_at,
        ended_at=rollout.ended_at,
        nodes=len(rollout.runs),
        done=rollout.counts[Step.DONE],
        failed=rollout.counts[Step.FAILED],
        cancelled=rollout.counts[Step.CANCELLED],
        eta_seconds=eta,
        asked_by=approval.asked_by if isinstance(approval, StartApproval) else "",
        approved_by=tuple(each.by.name for each in approval.given)
        if isinstance(approval, StartApproval)
        else (),
    )
