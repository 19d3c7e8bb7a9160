"""The steps of a run. What follows what is data: this table, and nothing else, knows it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Step(StrEnum):
    PENDING = "pending"
    """Waits for its turn to stage."""
    STAGE = "stage"
    """The new image is written while the node works."""
    STAGED = "staged"
    """Waits for a slot; the guards say why."""
    CORDON = "cordon"
    DRAIN = "drain"
    REBOOT = "reboot"
    VERIFY = "verify"
    UNCORDON = "uncordon"
    SOAK = "soak"
    DONE = "done"
    RETURN = "return"
    """A run that failed or was aborted before its reboot gives the node back: it is uncordoned."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    """An abort came before the run had rebooted the node, or the node was removed by its owner at any time."""


class StepResult(StrEnum):
    """How a step ended."""

    BEGIN = "begin"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    BACK = "back"
    """Somebody else has cordoned the node first: the run waits again, without a slot. Or somebody has uncordoned the node
    before its reboot: it is drained again."""
    GONE = "gone"
    """The node was removed by its owner, or another machine stands under its name: nothing has failed."""


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
    # Failed there: journals of older versions, to which a node that was gone had failed.
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
    },
    Step.DONE: {},
    Step.FAILED: {},
    Step.CANCELLED: {},
}

ENDED = frozenset({Step.DONE, Step.FAILED, Step.CANCELLED})
HAS_SLOT = frozenset(
    {Step.CORDON, Step.DRAIN, Step.REBOOT, Step.VERIFY, Step.UNCORDON, Step.SOAK, Step.RETURN}
)
"""The node counts as unavailable. A failed run that had a slot keeps it until a person releases it (`Run.slot`)."""
DRAINED = frozenset({Step.CORDON, Step.DRAIN})
"""The node is being taken out of service, and no reboot has been asked for yet."""
WAITING = frozenset({Step.PENDING, Step.STAGE, Step.STAGED})
"""The node has not been touched: it works as before, with or without a written image beside."""


def next_step(step: Step, result: StepResult) -> Step:
    """Returns the step that follows. Raises KeyError where the table has no such way: a bug in the engine."""
    return NEXT[step][result]
