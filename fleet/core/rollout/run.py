"""A run: one node's way through a rollout."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.releases.release import Release
from fleet.core.rollout.decisions import StepFinished
from fleet.core.rollout.goal import Goal
from fleet.core.rollout.returning_pods import EvictionMemory
from fleet.core.rollout.steps import ENDED, HAS_SLOT, WAITING, Step, StepResult

T = TypeVar("T")


class Run(Struct, frozen=True, gc=False):
    """One node's way through a rollout. A run with a `slot` counts as out until the run succeeds or is released."""

    goal: Goal
    release: Release
    step: Step = Step.PENDING
    since: datetime | None = None
    """When the step began."""
    begun: datetime | None = None
    """When the run took its slot."""
    slot: bool = False
    boot_id: str = ""
    """The boot id before the reboot."""
    why: str = ""
    """Why the run failed, was cancelled or waits again."""
    attempts: int = 0
    daemons: tuple[str, ...] = ()
    """DaemonSets whose pods were Ready on the node before the reboot."""
    proof: dict[str, str] = {}
    rolled_back: str = ""
    """The version that the machine booted instead of the wanted one, with its digest where the versions are equal."""
    log: str = ""
    """The end of the log of the failed boot, if the machine has rolled back."""
    identity: tuple[str, ...] = ()
    """The identity of the machine before its reboot (`core/objects/identity.py`). Empty until then."""
    failed_units: tuple[str, ...] = ()
    """The systemd units that had failed before the reboot. Only read if the Machine object that recorded them is
    lost."""
    evicted: dict[str, EvictionMemory] = {}
    """The evictions of this drain, by workload: from the node's last cordon until its reboot or its return."""
    asks: tuple[str, ...] = ()
    """The groups of operators' pods that go only after a request to their operator, while the run has its slot. Only
    one node of a group goes at a time."""
    cancelled: bool = False
    """True: an abort, or another party's work on the node, stopped the run. The node is given back, and nothing has
    failed."""
    labels: dict[str, str | None] = {}
    """The node's labels before the reboot, limited to those by which DaemonSets of its cluster select nodes. None: the
    node had no label with that key."""
    etcd: dict[str, str] = {}
    """The version of etcd that the node's voter ran before the reboot, by quorum group."""
    etcd_after: dict[str, str] = {}
    """The version of etcd that the node's voter ran after the soak, by quorum group."""
    comes_again: bool = False
    """True: budgets have let nothing go for too long. The node is given back, and the run waits for its slot again."""

    @property
    def node(self) -> NodeRef:
        return self.goal.node

    @property
    def ended(self) -> bool:
        return self.step in ENDED

    @property
    def touched(self) -> bool:
        return self.slot or self.step in HAS_SLOT

    @property
    def waiting(self) -> bool:
        return self.step in WAITING


def after_step(run: Run, ended: StepFinished, at: datetime) -> Run:
    """Returns the run as it is after the step that the record is about."""
    step = ended.to
    return replace(
        run,
        step=step,
        since=at,
        begun=at if step is Step.CORDON else run.begun,
        slot=step in HAS_SLOT or (run.slot and step is Step.FAILED),
        boot_id=_value_or(ended.boot_id, run.boot_id),
        why="" if step is Step.CORDON else _value_or(ended.why, run.why),
        daemons=tuple(_value_or(ended.daemons, run.daemons)),
        proof=_value_or(ended.proof, run.proof),
        rolled_back=_value_or(ended.rolled_back, run.rolled_back),
        log=_value_or(ended.log, run.log),
        identity=tuple(_value_or(ended.identity, run.identity)),
        failed_units=tuple(_value_or(ended.failed_units, run.failed_units)),
        evicted=run.evicted if step in (Step.DRAIN, Step.REBOOT) else {},
        asks=tuple(_value_or(ended.asks, run.asks)) if step in HAS_SLOT else (),
        cancelled=run.cancelled or ended.turn is StepResult.CANCELLED,
        labels=_value_or(ended.labels, run.labels),
        etcd=_value_or(ended.etcd, run.etcd),
        etcd_after=_value_or(ended.etcd_after, run.etcd_after),
        comes_again=step is Step.RETURN and ended.turn is StepResult.BACK,
    )


def _value_or(value: T | UnsetType, before: T) -> T:
    """Returns the value of the record, or the previous value where the record has none."""
    return before if value is UNSET else value
