"""Holds what the figures of a report follow from beside the journal. The report carries it, so that every figure can
be computed again from an exported journal.

These structs are part of the published JSON (`docs/schemas/period-report.json`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Policy, Pool
from fleet.core.reporting.period.history import NodeHistory, Sighting


class SeenNode(Struct, frozen=True, gc=False):
    """A node as the inventory has it at the end of the span, or as the report is made."""

    cluster: str
    node: str
    pool: str = ""
    """Empty: no pool of the policy has the node."""
    version: str = ""
    """The version that its agent reports, seen since `since`. Empty: none was reported by then."""
    since: datetime | None = None
    gone: datetime | None = None
    """When the inventory lost a node that rollouts have named. None: the node is there."""


class PeriodEvidence(Struct, frozen=True):
    """The inputs of compliance that are not in the journal."""

    nodes: tuple[SeenNode, ...]
    policy: Policy | None
    """The policy as the report was made: it may list releases that no rollout has named yet, and may have moved pools.
    Only with what compliance reads. None: there is no policy with pools."""


def read_by_compliance(policy: Policy) -> Policy:
    """Returns the policy with nothing but what compliance reads: the streams, which pool follows which, and freezes."""
    pools = tuple(Pool(pool.name, stream=pool.stream, version=pool.version) for pool in policy.pools)
    return Policy(pools, policy.streams, freezes=policy.freezes, calendars=policy.calendars)


def histories(
    known: Mapping[NodeRef, NodeHistory], evidence: PeriodEvidence, end: datetime
) -> dict[NodeRef, NodeHistory]:
    """Returns the histories from the journal with what the inventory has seen before `end`. The inventory decides on
    the pool, since a node may have moved."""
    found = dict(known)
    for seen in evidence.nodes:
        ref = NodeRef(seen.cluster, seen.node)
        before = found.get(ref) or NodeHistory(ref.cluster, ref.name, seen.pool)
        known_version = seen.version and seen.since is not None and seen.since < end
        more = [Sighting(seen.since, seen.version)] if known_version and seen.since is not None else []
        found[ref] = replace(
            before,
            pool=seen.pool or before.pool,
            sightings=[*before.sightings, *more],
            gone=seen.gone if seen.gone is not None and seen.gone < end else before.gone,
        )
    return found


def policies(from_journal: Sequence[Policy], evidence: PeriodEvidence) -> list[Policy]:
    """Returns the policies of the rollouts and the present one, oldest first."""
    return [*from_journal, *([evidence.policy] if evidence.policy is not None else [])]
