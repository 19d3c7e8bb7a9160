"""The states of a rollout, the steps of a run, and the table of the steps that follow. No other code knows the order of
steps."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class RolloutState(StrEnum):
    """The state of a rollout."""

    RUNNING = "running"
    PAUSED = "paused"
    HALTED = "halted"
    """Too many nodes have failed, and an operator decides."""
    ABORTED = "aborted"
    FINISHED = "finished"


class Step(StrEnum):
    """A step of a run."""

    PENDING = "pending"
    """The run waits for its turn to stage."""
    STAGE = "stage"
    """The new image is written while the node works."""
    STAGED = "staged"
    """The run waits for a slot. The guards give the reason."""
    CORDON = "cordon"
    DRAIN = "drain"
    REBOOT = "reboot"
    VERIFY = "verify"
    UNCORDON = "uncordon"
    SOAK = "soak"
    DONE = "done"
    RETURN = "return"
    """The run failed, was aborted or waited for budgets in vain before its reboot, and gives the node back: the node is
    uncordoned."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    """An abort came before the run had rebooted the node, or the owner of the node removed the node at any time."""


class StepResult(StrEnum):
    """Says how a step ended."""

    BEGIN = "begin"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    BACK = "back"
    """Another party has cordoned the node first, or budgets have let nothing go for too long: the run waits again, without
    a slot. Or another party has uncordoned the node before its reboot: the node is drained again."""
    GONE = "gone"
    """The owner of the node has removed the node, or another machine has its name. Nothing has failed."""


NEXT: Mapping[Step, Mapping[StepResult, Step]] = {
    Step.PENDING: {
        StepResult.BEGIN: Step.STAGE,
        StepResult.DONE: Step.DONE,
        StepResult.CANCELLED: Step.CANCELLED,
        StepResult.GONE: Step.CANCELLED,
    },
    Step.STAGE: {
        StepResult.DONE: Step.STAGED,
        StepResult.FAILED: Step.FAILED,
        StepResult.CANCELLED: Step.CANCELLED,
        StepResult.GONE: Step.CANCELLED,
    },
    Step.STAGED: {
        StepResult.BEGIN: Step.CORDON,
        StepResult.DONE: Step.DONE,
        StepResult.CANCELLED: Step.CANCELLED,
        StepResult.GONE: Step.CANCELLED,
    },
    Step.CORDON: {
        StepResult.DONE: Step.DRAIN,
        StepResult.FAILED: Step.RETURN,
        StepResult.CANCELLED: Step.RETURN,
        StepResult.BACK: Step.STAGED,
        StepResult.GONE: Step.CANCELLED,
    },
    Step.DRAIN: {
        StepResult.DONE: Step.REBOOT,
        StepResult.FAILED: Step.RETURN,
        StepResult.CANCELLED: Step.RETURN,
        StepResult.BACK: Step.RETURN,
        StepResult.GONE: Step.CANCELLED,
    },
    Step.REBOOT: {
        StepResult.DONE: Step.VERIFY,
        StepResult.FAILED: Step.FAILED,
        StepResult.BACK: Step.DRAIN,
        StepResult.GONE: Step.CANCELLED,
    },
    Step.VERIFY: {
        StepResult.DONE: Step.UNCORDON,
        StepResult.FAILED: Step.FAILED,
        StepResult.GONE: Step.CANCELLED,
    },
    # FAILED: a hook after the node has failed. The node stays cordoned.
    Step.UNCORDON: {
        StepResult.DONE: Step.SOAK,
        StepResult.FAILED: Step.FAILED,
        StepResult.GONE: Step.CANCELLED,
    },
    Step.SOAK: {StepResult.DONE: Step.DONE, StepResult.FAILED: Step.FAILED, StepResult.GONE: Step.CANCELLED},
    Step.RETURN: {
        StepResult.DONE: Step.FAILED,
        StepResult.FAILED: Step.FAILED,
        StepResult.CANCELLED: Step.CANCELLED,
        StepResult.BACK: Step.STAGED,
    },
    Step.DONE: {},
    Step.FAILED: {},
    Step.CANCELLED: {},
}

ENDED = frozenset({Step.DONE, Step.FAILED, Step.CANCELLED})
HAS_SLOT = frozenset(
    {Step.CORDON, Step.DRAIN, Step.REBOOT, Step.VERIFY, Step.UNCORDON, Step.SOAK, Step.RETURN}
)
"""The steps in which the node counts as unavailable. A failed run that had a slot keeps the slot until an operator
releases it (`Run.slot`)."""
DRAINED = frozenset({Step.CORDON, Step.DRAIN})
"""The steps in which the node is being taken out of service and no reboot has been requested yet."""
WAITING = frozenset({Step.PENDING, Step.STAGE, Step.STAGED})
"""The steps in which the node has not been touched: it works as before, whether or not an image is written already."""


def next_step(step: Step, result: StepResult) -> Step:
    """Returns the step that follows. Raises KeyError for a result that the table does not have for the step, which is a
    bug in the engine."""
    return NEXT[step][result]
