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


class Turn(StrEnum):
    """How a step ended."""

    BEGIN = "begin"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    BACK = "back"
    """Somebody else has cordoned the node first: the run waits again, without a slot. Or somebody has uncordoned it
    before its reboot: it is drained again."""
    GONE = "gone"
    """The node was removed by its owner, or another machine stands under its name: nothing has failed."""


NEXT: Mapping[Step, Mapping[Turn, Step]] = {
    Step.PENDING: {
        Turn.BEGIN: Step.STAGE,
        Turn.DONE: Step.DONE,
        Turn.CANCELLED: Step.CANCELLED,
        Turn.GONE: Step.CANCELLED,
    },
    Step.STAGE: {
        Turn.DONE: Step.STAGED,
        Turn.FAILED: Step.FAILED,
        Turn.CANCELLED: Step.CANCELLED,
        Turn.GONE: Step.CANCELLED,
    },
    Step.STAGED: {
        Turn.BEGIN: Step.CORDON,
        Turn.DONE: Step.DONE,
        Turn.CANCELLED: Step.CANCELLED,
        Turn.GONE: Step.CANCELLED,
    },
    Step.CORDON: {
        Turn.DONE: Step.DRAIN,
        Turn.FAILED: Step.RETURN,
        Turn.CANCELLED: Step.RETURN,
        Turn.BACK: Step.STAGED,
        Turn.GONE: Step.CANCELLED,
    },
    Step.DRAIN: {
        Turn.DONE: Step.REBOOT,
        Turn.FAILED: Step.RETURN,
        Turn.CANCELLED: Step.RETURN,
        Turn.GONE: Step.CANCELLED,
    },
    Step.REBOOT: {
        Turn.DONE: Step.VERIFY,
        Turn.FAILED: Step.FAILED,
        Turn.BACK: Step.DRAIN,
        Turn.GONE: Step.CANCELLED,
    },
    Step.VERIFY: {Turn.DONE: Step.UNCORDON, Turn.FAILED: Step.FAILED, Turn.GONE: Step.CANCELLED},
    # Failed there: journals of older versions, to which a node that was gone had failed.
    Step.UNCORDON: {Turn.DONE: Step.SOAK, Turn.FAILED: Step.FAILED, Turn.GONE: Step.CANCELLED},
    Step.SOAK: {Turn.DONE: Step.DONE, Turn.FAILED: Step.FAILED, Turn.GONE: Step.CANCELLED},
    Step.RETURN: {
        Turn.DONE: Step.FAILED,
        Turn.FAILED: Step.FAILED,
        Turn.CANCELLED: Step.CANCELLED,
    },
    Step.DONE: {},
    Step.FAILED: {},
    Step.CANCELLED: {},
}

ENDED = frozenset({Step.DONE, Step.FAILED, Step.CANCELLED})
HAS_SLOT = frozenset(
    {Step.CORDON, Step.DRAIN, Step.REBOOT, Step.VERIFY, Step.UNCORDON, Step.SOAK, Step.RETURN}
)
"""The node counts as out. A failed run that had a slot keeps it until a person releases it (`Run.slot`)."""
DRAINED = frozenset({Step.CORDON, Step.DRAIN})
"""The node is being taken out of service, and no reboot has been asked for yet."""
WAITING = frozenset({Step.PENDING, Step.STAGE, Step.STAGED})
"""The node has not been touched: it works as before, with or without a written image beside."""


def after(step: Step, turn: Turn) -> Step:
    """Raises KeyError where the table has no such way: a bug in the engine."""
    return NEXT[step][turn]
