"""The objects `Rollout`: what a user asks for in `spec`, and what became of it in `status`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from fleet.core.custom_resources.condition import StatusCondition

User = Annotated[str, Meta(min_length=1, max_length=512)]
Line = Annotated[str, Meta(min_length=1, max_length=1024)]
PlanName = Annotated[str, Meta(pattern="^p-[0-9a-f]{1,64}$")]
Count = Annotated[int, Meta(ge=0)]
MOST_HELD = 16


class RolloutVote(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Holds what one user says of the plan."""

    user: Annotated[
        User, Meta(description="Who votes, which must be the user of the request. A user has one vote.")
    ]
    plan: Annotated[PlanName, Meta(description="The plan that the vote is about, as status.plan has it.")]
    verdict: Annotated[
        Literal["Approve", "Reject"],
        Meta(description="Whether the user agrees with the plan."),
    ] = "Approve"
    override_freeze: Annotated[
        bool, Meta(description="Whether the user agrees with a start in spite of a freeze.")
    ] = False
    comment: Annotated[Line, Meta(description="A text for the journal.")] | UnsetType = UNSET


class RolloutSpec(Struct, frozen=True, rename="camel", omit_defaults=True):
    """The nodes of some pools are brought to one version."""

    policies: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=100)], ...],
        Meta(
            description="Names of the UpgradePolicies whose nodes are upgraded. Cannot be changed.",
            min_length=1,
            max_length=64,
        ),
    ]
    user: Annotated[
        User,
        Meta(
            description="Who asks for the spec as it is, votes left out. Must be the user of the request that makes or "
            "changes it; kubectl auth whoami shows the name."
        ),
    ]
    version: (
        Annotated[
            str,
            Meta(
                description="The version to go to. Not given: the newest of the stream, or the pinned one. Cannot be "
                "changed.",
                min_length=1,
                max_length=256,
            ),
        ]
        | UnsetType
    ) = UNSET
    plan: (
        Annotated[
            PlanName,
            Meta(
                description="A plan that fleet has kept, which is carried out as it is. Not given: fleet makes one. "
                "Cannot be changed."
            ),
        ]
        | UnsetType
    ) = UNSET
    paused: Annotated[bool, Meta(description="true: no further node begins. false again: they go on.")] = (
        False
    )
    aborted: Annotated[
        bool,
        Meta(
            description="true: no further node begins, ever; nodes in work are brought back. Cannot be undone."
        ),
    ] = False
    reason: Annotated[Line, Meta(description="Why it is paused, resumed or aborted.")] | UnsetType = UNSET
    override_freeze: (
        Annotated[
            Line,
            Meta(
                description="Why the rollout goes on in spite of freezes. Not given: it waits for their end. Cannot be "
                "changed."
            ),
        ]
        | UnsetType
    ) = UNSET
    votes: Annotated[
        tuple[RolloutVote, ...],
        Meta(description="Approvals and rejections of the plan, each made by its own user.", max_length=64),
    ] = ()


class HeldNodes(Struct, frozen=True, rename="camel"):
    """Nodes that wait for the same reason."""

    reason: Annotated[str, Meta(description="The name of the reason, as fleet explain shows it.")]
    nodes: Annotated[Count, Meta(description="How many nodes wait for it.")]
    message: Annotated[str, Meta(description="The reason of one of them.")]


class RolloutStatus(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Says what became of a rollout."""

    observed_generation: Annotated[
        Count, Meta(description="The metadata.generation that the status is about.")
    ] = 0
    conditions: Annotated[
        tuple[StatusCondition, ...], Meta(description="What is true of the rollout now.", max_length=16)
    ] = ()
    rollout: (
        Annotated[str, Meta(description="Its id in fleet's database, such as r-17, once it has begun.")]
        | UnsetType
    ) = UNSET
    plan: (
        Annotated[str, Meta(description="The plan that is carried out, or that waits for approval.")]
        | UnsetType
    ) = UNSET
    version: Annotated[str, Meta(description="The version that the nodes go to.")] | UnsetType = UNSET
    clusters: Annotated[tuple[str, ...], Meta(description="The clusters of its nodes.")] = ()
    progress: (
        Annotated[str, Meta(description="Nodes that are done, of all of the plan, such as 3/10.")] | UnsetType
    ) = UNSET
    nodes: Annotated[Count, Meta(description="Nodes of the plan.")] | UnsetType = UNSET
    done: Annotated[Count, Meta(description="Nodes that run the version and are proven.")] | UnsetType = UNSET
    working: Annotated[Count, Meta(description="Nodes in work.")] | UnsetType = UNSET
    failed: Annotated[Count, Meta(description="Nodes that have failed.")] | UnsetType = UNSET
    cancelled: Annotated[Count, Meta(description="Nodes that were left out.")] | UnsetType = UNSET
    held: Annotated[
        tuple[HeldNodes, ...],
        Meta(description="Why nodes wait, the most frequent reason first.", max_length=MOST_HELD),
    ] = ()
    approvals_required: (
        Annotated[Count, Meta(description="How many users must approve the plan.")] | UnsetType
    ) = UNSET
    approved_by: Annotated[
        tuple[str, ...], Meta(description="The users whose approvals count.", max_length=64)
    ] = ()
    started_at: Annotated[datetime, Meta(description="When it began.", tz=True)] | UnsetType = UNSET
    expected_end: (
        Annotated[datetime, Meta(description="When it will probably have ended.", tz=True)] | UnsetType
    ) = UNSET
    ended_at: Annotated[datetime, Meta(description="When it ended.", tz=True)] | UnsetType = UNSET
