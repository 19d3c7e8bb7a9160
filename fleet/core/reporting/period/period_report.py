"""The report of all rollouts of a span of time, with compliance and with what fleet did not see.

These structs are the published JSON (`docs/schemas/period-report.json`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from fleet.core.records.audit import Signature, SignedCheckpoint
from fleet.core.reporting.node_timeline import OperatorCommand
from fleet.core.reporting.period.compliance import Compliance
from fleet.core.reporting.period.evidence import PeriodEvidence
from fleet.core.reporting.period.span import ReportSpan
from fleet.core.reporting.report import Report, Verdict

FROM_INVENTORY = ("compliance", "evidence", "journal.verdict", "rollouts[].against", "unseen")
"""The keys that do not follow from the journal alone: compliance also counts nodes that no rollout has named yet, and
releases that only the present policy lists. All of compliance follows from the journal and `evidence`."""


class FreezeInForce(Struct, frozen=True):
    """A freeze that fell into the span, as a rollout's policy had it."""

    name: str
    begin: datetime
    until: datetime
    rollouts: tuple[str, ...]
    """The rollouts that were started with it in their policy."""
    where: str | UnsetType = UNSET
    """The part of the fleet in which it held, such as `site fra`. UNSET: the whole fleet."""


class UnreachedCluster(Struct, frozen=True):
    """A cluster that did not answer, or was never read."""

    cluster: str
    since: datetime | None
    """Since when it has not answered. None: this is not known."""
    last_seen: datetime | None
    """None: it was never read."""
    why: str


class ForeignBoot(Struct, frozen=True):
    """A boot of a node that no rollout asked for."""

    cluster: str
    node: str
    boot_id: str
    seen: datetime
    """When the boot was first seen."""


class UnreportedNode(Struct, frozen=True):
    """A node about which fleet knows too little."""

    cluster: str
    node: str
    pool: str
    why: Literal["no-agent", "no-node", "no-pool", "no-rollout", "gone"]
    """`no-agent`: no agent has ever reported what the machine runs. `no-node`: there is a machine, and no Node object.
    `no-pool`: no pool of the policy has the node, so nothing is upgraded there. `no-rollout`: no rollout has ever named
    the node, so the journal proves nothing of it. `gone`: rollouts have named the node, and the inventory no longer has
    it."""


class UnseenParts(Struct, frozen=True):
    """The parts that the report cannot vouch for, because fleet did not see them."""

    clusters: tuple[UnreachedCluster, ...] = ()
    """The clusters that cannot be reached when the report is made. The inventory keeps no history of this."""
    boots: tuple[ForeignBoot, ...] = ()
    nodes: tuple[UnreportedNode, ...] = ()
    """At the end of the span, or as the report is made."""
    history_since: datetime | None = None
    """The time of the journal's first entry: nothing is known of what was before."""


class PeriodTotals(Struct, frozen=True):
    """Sums over all rollouts of the report."""

    rollouts: int
    nodes: int
    """Nodes that at least one rollout named."""
    runs: int
    done: int
    proven: int
    failed: int
    cancelled: int
    unfinished: int
    evictions: int
    refusals: int
    halts: int


class PeriodJournal(Struct, frozen=True):
    """The place in the journal up to which the report was made."""

    entries: int
    """Number of entries up to that place."""
    last_seq: int
    last_hash: str
    verdict: Verdict


class PeriodReport(Struct, frozen=True):
    """The report of all rollouts of a span."""

    kind: Literal["fleet period report"]
    at: datetime
    """When this report was made. What was later than `at` or the end of the span is not in it."""
    span: ReportSpan
    pools: tuple[str, ...]
    """The pools that the report is about. Empty: the whole fleet."""
    totals: PeriodTotals
    compliance: Compliance
    rollouts: tuple[Report, ...]
    """The rollouts that were active in the span, oldest first; each as its own report has it, without its journal
    entries."""
    commands: tuple[OperatorCommand, ...]
    """Commands of operators that belong to no rollout."""
    freezes: tuple[FreezeInForce, ...]
    unseen: UnseenParts
    journal: PeriodJournal
    checkpoint: SignedCheckpoint | None = None
    """The signed checkpoint that vouches for the journal up to `journal.last_seq`, or beyond. None: there is none."""
    evidence: PeriodEvidence | None = None
    """What compliance follows from beside the journal. With it and an exported journal every other figure can be
    computed again. None: an older version of fleet made the report."""
    outside_journal: tuple[str, ...] = FROM_INVENTORY
    """The keys that do not come from the journal alone."""
    signature: Signature | None = None
    """The signature over this whole report. None: the report was made where no signing key is available."""
