"""Conditions by the conventions of the Kubernetes API (metav1.StatusCondition)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from fleet.core.text.visible import visible_lines

ConditionStatus = Literal["True", "False", "Unknown"]
ConditionType = Literal[
    "Ready", "UpToDate", "Approved", "Progressing", "Held", "Degraded", "Complete", "Active", "FeedRead"
]
MOST_MESSAGE = 32768


class ConditionState(Struct, frozen=True):
    """A condition as it is now, without the time of its last change."""

    type: ConditionType
    status: ConditionStatus
    reason: str
    """A word in CamelCase, for programs."""
    message: str


class StatusCondition(Struct, frozen=True, rename="camel"):
    """A condition as the API has it."""

    type: Annotated[ConditionType, Meta(description="What the condition is about.")]
    status: ConditionStatus
    reason: Annotated[
        str,
        Meta(
            description="Why, in one word for programs.",
            pattern="^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
            min_length=1,
            max_length=1024,
        ),
    ]
    message: Annotated[str, Meta(description="Why, for users.", max_length=MOST_MESSAGE)]
    last_transition_time: Annotated[
        datetime, Meta(description="When the status of the condition changed last.", tz=True)
    ]
    observed_generation: Annotated[
        int, Meta(description="The metadata.generation of the spec that this is about.", ge=0)
    ]


def updated(
    before: Iterable[StatusCondition], states: Iterable[ConditionState], generation: int, now: datetime
) -> tuple[StatusCondition, ...]:
    """Returns the conditions that an object has from now on, in the order of `states`. The time of a condition changes
    only with its status. What clusters and machines have said in the messages is escaped: kubectl shows it in terminals."""
    known = {condition.type: condition for condition in before}

    def since(state: ConditionState) -> datetime:
        last = known.get(state.type)
        # The API keeps whole seconds.
        at = now.replace(microsecond=0)
        return last.last_transition_time if last is not None and last.status == state.status else at

    return tuple(
        StatusCondition(
            state.type, state.status, state.reason, shown(state.message), since(state), generation
        )
        for state in states
    )


def shown(text: str) -> str:
    """Returns the text as a status has it: in visible characters, and not longer than a message may be."""
    return visible_lines(text)[:MOST_MESSAGE]
