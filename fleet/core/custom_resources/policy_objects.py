"""The status of the objects that are the policy: whether each is in force, and what is true of its nodes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from fleet.core.custom_resources.condition import StatusCondition
from fleet.core.custom_resources.rollout import Count

MOST_VERSIONS = 32
Observed = Annotated[Count, Meta(description="The metadata.generation that the status is about.")]
Conditions = Annotated[
    tuple[StatusCondition, ...], Meta(description="What is true of the object now.", max_length=16)
]


class FleetConfigStatus(Struct, frozen=True, rename="camel", omit_defaults=True):
    observed_generation: Observed = 0
    conditions: Conditions = ()


class NodesOfVersion(Struct, frozen=True, rename="camel"):
    """Nodes that run one version."""

    version: str
    nodes: Count


class UpgradePolicyStatus(Struct, frozen=True, rename="camel", omit_defaults=True):
    observed_generation: Observed = 0
    conditions: Conditions = ()
    version: Annotated[str, Meta(description="The version that its nodes should run.")] | UnsetType = UNSET
    nodes: Annotated[Count, Meta(description="Nodes that belong to the policy.")] | UnsetType = UNSET
    up_to_date: Annotated[Count, Meta(description="Nodes that run the version.")] | UnsetType = UNSET
    working: Annotated[Count, Meta(description="Nodes in work.")] | UnsetType = UNSET
    held: (
        Annotated[Count, Meta(description="Nodes that should be upgraded and may not begin now.")] | UnsetType
    ) = UNSET
    failed: Annotated[Count, Meta(description="Nodes whose upgrade has failed.")] | UnsetType = UNSET
    versions: Annotated[
        tuple[NodesOfVersion, ...],
        Meta(description="What the nodes run, the most frequent first.", max_length=MOST_VERSIONS),
    ] = ()
    rollout: Annotated[str, Meta(description="The Rollout that works on its nodes now.")] | UnsetType = UNSET
    next_window: (
        Annotated[
            datetime, Meta(description="When a window opens next; not given while one is open.", tz=True)
        ]
        | UnsetType
    ) = UNSET


class ReleaseStreamStatus(Struct, frozen=True, rename="camel", omit_defaults=True):
    observed_generation: Observed = 0
    conditions: Conditions = ()
    newest: Annotated[str, Meta(description="The newest version.")] | UnsetType = UNSET
    releases: Annotated[Count, Meta(description="How many releases it has.")] | UnsetType = UNSET
    read_at: Annotated[datetime, Meta(description="When its feed was read last.", tz=True)] | UnsetType = (
        UNSET
    )


class FreezeStatus(Struct, frozen=True, rename="camel", omit_defaults=True):
    observed_generation: Observed = 0
    conditions: Conditions = ()
    begins_at: (
        Annotated[datetime, Meta(description="When it begins, or began: now or next.", tz=True)] | UnsetType
    ) = UNSET
    ends_at: Annotated[datetime, Meta(description="When it ends then.", tz=True)] | UnsetType = UNSET


class QuorumGroupStatus(Struct, frozen=True, rename="camel", omit_defaults=True):
    observed_generation: Observed = 0
    conditions: Conditions = ()
    voters: Annotated[Count, Meta(description="How many members vote.")] | UnsetType = UNSET
    healthy: Annotated[Count, Meta(description="How many of them are healthy.")] | UnsetType = UNSET
