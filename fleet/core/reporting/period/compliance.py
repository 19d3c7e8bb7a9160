"""A report's part on compliance: which share of the nodes ran each release in time, and how long nodes were exposed.

These structs are part of the published JSON (`docs/schemas/period-report.json`); `measure.py` computes them. One
release on one node is one obligation. It is due at the end of the deadline's days, and belongs to the span and to the
quarter in which it is due, so that no obligation counts twice.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

from fleet.core.approval.exceptions import ExceptionState
from fleet.core.releases.release import Advisory
from fleet.core.reporting.period.deadline import Deadline

Punctuality = Literal["in-time", "late", "overdue", "open", "excepted"]
"""`in-time`: the node ran the release, or a newer one, when it was due. `late`: it did so after that. `overdue`: it
still does not. `open`: it is not due yet, and the node does not run it. `excepted`: it did not run it when it was due,
and a granted exception was in force at every moment since, until it did or until the end of the span."""


class PunctualityCounts(Struct, frozen=True):
    """Counts how many obligations were met."""

    due: int
    """in_time + late + overdue + excepted"""
    in_time: int
    late: int
    overdue: int
    open: int
    """Nodes that do not run a release whose time is not over yet."""
    share: float | None
    """in_time / due, from 0 to 1. None: nothing was due."""
    excepted: int = 0
    """Nodes for which an exception was in force. They count as due, and not as in time."""


class ReleaseCompliance(Struct, frozen=True):
    """One release of a stream, on all nodes whose pools follow the stream."""

    stream: str
    version: str
    counted_from: datetime | None
    """None: the stream does not name the date, so that nothing can be computed for this release."""
    due: datetime | None
    covered: bool
    """False: the deadline's rule is not about this release, because no advisory that it fixes is severe enough."""
    advisories: tuple[Advisory, ...]
    counts: PunctualityCounts
    median_days: float | None
    """Days until a node ran the release, or a newer one; of the nodes that do. None: none does."""
    p95_days: float | None
    max_days: float | None
    exposure_node_days: float
    """Days within the span in which a node did not run the release after it was published, summed over the nodes."""


class ExceptionCause(Struct, frozen=True):
    """Something on record that kept a node from a release in time. fleet does not judge whether it excuses it."""

    kind: Literal["pinned", "freeze", "failed", "cancelled", "no-rollout", "unknown-version"]
    """`pinned`: the policy pins the pool to another version. `freeze`: a freeze fell into the time that was allowed.
    `failed`, `cancelled`: how a run of the node ended since the release. `no-rollout`: no rollout was started for the
    node between the release and its due time. `unknown-version`: the node's version is in no stream, or was never
    seen."""
    detail: str


class GrantedException(Struct, frozen=True):
    """An exception that two users decided on: the journal has who asked for it, and who granted it."""

    id: str
    """Such as `x-1`."""
    nodes: tuple[str, ...]
    """As `cluster/name`."""
    pools: tuple[str, ...]
    version: str
    """Empty: every release."""
    state: ExceptionState
    """At the end of the span, or as the report is made."""
    until: datetime
    reason: str
    owner: str
    author: str
    requested: datetime
    approver: str
    """Never the author. Empty: nobody has granted it."""
    granted: datetime | None
    revoked: datetime | None
    lapses_in_days: float | None
    """None: it is not in force."""
    excepted: int
    """The obligations of this report that are `excepted` and that it covers."""


class ComplianceException(Struct, frozen=True):
    """A node that did not run a release in time."""

    cluster: str
    node: str
    pool: str
    version: str
    """The version of the release that was due."""
    due: datetime
    state: Literal["late", "overdue", "excepted"]
    met: datetime | None
    """When the node ran the release. None: it does not yet."""
    days_over: float
    """Days from `due` until the node ran the release, or until the end of the span."""
    causes: tuple[ExceptionCause, ...]
    granted: tuple[str, ...] = ()
    """The granted exceptions that cover the node and the release, by id."""


class QuarterCompliance(Struct, frozen=True):
    """The obligations that were due in one quarter, as they stood at its end."""

    quarter: str
    counts: PunctualityCounts
    exposure_node_days: float


class Compliance(Struct, frozen=True):
    """The compliance of the nodes in the span, under one deadline."""

    deadline: Deadline
    nodes: int
    """The nodes of pools that follow a stream."""
    counts: PunctualityCounts
    """The obligations that were due in the span; `open`: those that are due after its end."""
    carried_over: int
    """Obligations that were due before the span and are not met at its end."""
    exposure_node_days: float
    """Days within the span in which a node lacked at least one published release, summed over the nodes."""
    exposed_at_end: int
    """Nodes that lack a published release at the end of the span."""
    releases: tuple[ReleaseCompliance, ...]
    """The releases that were due in the span, are open at its end, or have no date. Newest first."""
    trend: tuple[QuarterCompliance, ...]
    """The last four quarters up to the end of the span, oldest first."""
    exceptions: tuple[ComplianceException, ...]
    granted: tuple[GrantedException, ...] = ()
    """The exceptions that users asked for, which cover nodes of this report and were not over before the span."""
