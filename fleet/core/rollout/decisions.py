"""The decisions of the engine: the journal's records of the form `decision` that change a rollout."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from fleet.core.objects.node import NodeRef
from fleet.core.policy.gate import GateVerdict
from fleet.core.policy.hooks.hook import HookMoment
from fleet.core.rollout.hooks.hook_state import HookPlace, HookResult
from fleet.core.rollout.record import TypedRecord
from fleet.core.rollout.stages.gate_state import GatePoint
from fleet.core.rollout.steps import Step, StepResult


class DecisionRecord(TypedRecord, frozen=True, gc=False, kw_only=True):
    """A decision that changes the state of a rollout."""

    form = "decision"


class StepFinished(DecisionRecord, frozen=True, gc=False, kw_only=True, tag="step"):
    """A run has gone from one step to the next. Fields that are UNSET keep their values in the run."""

    node: NodeRef
    turn: StepResult
    to: Step
    why: str | UnsetType = UNSET
    boot_id: str | UnsetType = UNSET
    daemons: tuple[str, ...] | UnsetType = UNSET
    proof: dict[str, str] | UnsetType = UNSET
    boot_id_after: str | UnsetType = UNSET
    """The boot id of the failed boot, if the machine has rolled back."""
    rolled_back: str | UnsetType = UNSET
    log: str | UnsetType = UNSET
    identity: tuple[str, ...] | UnsetType = UNSET
    failed_units: tuple[str, ...] | UnsetType = UNSET
    asks: tuple[str, ...] | UnsetType = UNSET
    labels: dict[str, str | None] | UnsetType = UNSET
    etcd: dict[str, str] | UnsetType = UNSET
    etcd_after: dict[str, str] | UnsetType = UNSET


class RunRetried(DecisionRecord, frozen=True, gc=False, kw_only=True, tag="retry"):
    """The present step of the run is tried again."""

    node: NodeRef
    why: str


class RolloutHalted(DecisionRecord, frozen=True, gc=False, kw_only=True, tag="halt"):
    """Too many nodes have failed, and an operator decides how the rollout goes on."""

    why: str


class RolloutFinished(DecisionRecord, frozen=True, gc=False, kw_only=True, tag="finish"):
    """Nothing is left to do in the rollout."""


class CanaryAppointed(DecisionRecord, frozen=True, gc=False, kw_only=True, tag="canary"):
    """The node takes the place of a canary that was not proven or cannot go."""

    node: NodeRef
    why: str = ""


class CanaryDismissed(DecisionRecord, frozen=True, gc=False, kw_only=True, tag="no-canary"):
    """The node is no longer a canary."""

    node: NodeRef
    why: str = ""


class NodeReregistered(DecisionRecord, frozen=True, gc=False, kw_only=True, tag="re-registered"):
    """The same machine has registered again, as another Node object."""

    node: NodeRef
    uid: str
    """The uid of the new Node object."""
    was: str | UnsetType = UNSET
    """The uid of the previous Node object."""
    why: str | UnsetType = UNSET


class NodeCleaned(DecisionRecord, frozen=True, gc=False, kw_only=True, tag="tidied"):
    """Nothing of the ended rollout is left on a node that was released."""

    node: NodeRef


class GateReached(DecisionRecord, frozen=True, gc=False, kw_only=True, tag="gates"):
    """The rollout has come to a point with gates, and asks them from now on."""

    point: GatePoint


class WorkloadsNoted(DecisionRecord, frozen=True, gc=False, kw_only=True, tag="workloads"):
    """Holds how ready the workloads on the nodes of a point are, right before the first of these nodes in the cluster
    begins. A gate behind the point compares with this."""

    point: GatePoint
    cluster: str
    ready: dict[str, int]
    """The number of Ready pods by kind, namespace and name, such as `Deployment shop/web`."""
    left_out: int = 0
    """The number of workloads beyond the most that one record names."""


class GateMeasured(DecisionRecord, frozen=True, gc=False, kw_only=True, tag="gate-measured"):
    """A measurement of a gate said something else than the one before."""

    point: GatePoint
    gate: str
    verdict: GateVerdict
    message: str = ""


class GatePassed(DecisionRecord, frozen=True, gc=False, kw_only=True, tag="gate-passed"):
    """A gate has passed, for good."""

    point: GatePoint
    gate: str
    why: str = ""
    """The message of the last measurement."""


class GateFailed(DecisionRecord, frozen=True, gc=False, kw_only=True, tag="gate-failed"):
    """A gate has failed: the rollout halts. When an operator resumes the rollout, the gate is asked anew."""

    point: GatePoint
    gate: str
    why: str


class HookRecord(DecisionRecord, frozen=True, gc=False, kw_only=True):
    """A record about one attempt of a hook."""

    node: NodeRef | None = None
    """The node of a hook of a node."""
    moment: HookMoment
    stage: str | UnsetType = UNSET
    """The stage of a hook of a stage."""
    hook: str
    attempt: int

    @property
    def place(self) -> HookPlace:
        return HookPlace(self.moment, str(self.node) if self.node is not None else self.stage or "")


class HookStarted(HookRecord, frozen=True, gc=False, kw_only=True, tag="hook-started"):
    """A hook is run from now on."""


class HookEnded(HookRecord, frozen=True, gc=False, kw_only=True, tag="hook-ended"):
    """A hook has ended."""

    result: HookResult
    message: str = ""
    output: str = ""
    """The end of its output, without secrets."""


DECISIONS: tuple[type[DecisionRecord], ...] = (
    StepFinished,
    RunRetried,
    RolloutHalted,
    RolloutFinished,
    CanaryAppointed,
    CanaryDismissed,
    NodeReregistered,
    NodeCleaned,
    GateReached,
    WorkloadsNoted,
    GateMeasured,
    GatePassed,
    GateFailed,
    HookStarted,
    HookEnded,
)
