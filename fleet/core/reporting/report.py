"""The report of a rollout: who, when, what, from what to what, and the proof of every node.

These structs are the published JSON (`docs/schemas/report.json`); `fleet.core.reporting.reporter` makes them of the journal.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct, field

from fleet.core.planning.estimates import Estimate
from fleet.core.records.audit import Signature, SignedCheckpoint
from fleet.core.records.journal import JournalEntry
from fleet.core.records.requests import RequestCount
from fleet.core.releases.release import Release
from fleet.core.reporting.timeline import ControllerTerm, Eviction, Halt, OperatorCommand, Retry, StepTaken

OUTSIDE_JOURNAL = (
    "at",
    "against",
    "counts.held",
    "held",
    "journal.verdict",
    "requests",
    "runs.held",
    "runs.planned",
)
"""The keys of a report that its entries do not tell: the plan's figures, what nodes wait for at that moment, the counts
of requests, and what its maker has found of the journal. Only the signature of the report vouches for them."""

Ending = Literal["done", "failed", "cancelled", "running", "waiting"]
"""running: a run works on the node. waiting: its run has not begun, or has only written the image."""


class Verdict(Struct, frozen=True):
    """Of whoever checked the journal's hash chain."""

    verified: bool | None = None
    """None: nobody has checked."""
    entries: int = 0
    """Checked, of all rollouts."""
    why: str = ""
    """What is wrong with it, or why it was not checked."""


class PlannedSpan(Struct, frozen=True):
    start: datetime
    end: datetime


class VerificationProof(Struct, frozen=True):
    """What was seen of the node when its run was verified."""

    boot_id_before: str = ""
    boot_id_after: str = ""
    version: str = ""
    digest: str = ""
    kernel: str = ""
    ready: str = ""
    units: str = ""
    """systemd's state, with the units that had failed before already; empty where the machine has none."""
    daemons: str = ""
    """How many DaemonSets had a Ready pod there before, and have one again."""
    reference_digest: str = ""
    """In the reference by which the booted release was staged; empty: it has none, or `digest`."""


class ReportRun(Struct, frozen=True):
    cluster: str
    node: str
    pool: str
    site: str
    zone: str
    canary: bool
    ending: Ending
    step: str
    """The step it is in now, or how it ended."""
    from_version: str
    from_kernel: str
    """As the release stream of the policy tells it; empty where it does not."""
    to_version: str
    """As proven; the wanted one while nothing is proven."""
    to_kernel: str
    begun: datetime | None
    """When its slot was taken."""
    ended: datetime | None
    seconds: float | None
    """From `begun` to `ended`."""
    why: str
    """Why it failed, was cancelled, or had nothing to do."""
    proof: VerificationProof | None
    slot: bool
    """It still counts as out: at work, or failed and not released by a person."""
    released: datetime | None = None
    rolled_back: str = ""
    """The version that it booted instead of the wanted one."""
    log: str = ""
    """The end of the log of the boot that failed, where it has rolled back and the machine has kept one."""
    planned: PlannedSpan | None = None
    """As planned, counted from the start of this rollout."""
    steps: tuple[StepTaken, ...] = ()
    evictions: tuple[Eviction, ...] = ()
    retries: tuple[Retry, ...] = ()
    held: tuple[str, ...] = ()
    """What it waits for now."""


class Hold(Struct, frozen=True):
    """A node whose run has not begun, or was cancelled, because of something that needs a person."""

    cluster: str
    node: str
    reason: str
    message: str = field(name="words")
    remedy: str = field(default="", name="advice")


class Counts(Struct, frozen=True):
    nodes: int
    done: int
    proven: int
    """Of those done: with a proof. The others ran the release already."""
    failed: int
    cancelled: int
    running: int
    waiting: int
    held: int
    """Of those waiting or cancelled: what stands in the way needs a person."""
    unreleased: int
    """Failed runs that keep their slot."""
    evictions: int
    """Pods that were evicted."""
    refusals: int


class Duration(Struct, frozen=True):
    """Of a step that went well, or of whole runs (`run`, from cordon to done)."""

    step: str
    count: int
    median_seconds: float
    p95_seconds: float
    max_seconds: float


class ReportPool(Struct, frozen=True):
    name: str
    nodes: int
    done: int
    failed: int
    peak: int
    """Most slots taken at once."""
    limit: str
    """`max_unavailable` of the policy, such as `5` or `10%`; empty: none."""
    windows: tuple[PlannedSpan, ...] = ()
    """When runs were allowed to start, from the start of the rollout to its end, unless that was always."""
    always_open: bool = True


class Against(Struct, frozen=True):
    """The plan against what came of it. Seconds are from the rollout's start to the end of the last run."""

    plan: str
    planned_seconds: float
    p95_seconds: float | None
    bound_seconds: float
    """No order could be faster, where everything takes as long as the plan expected (`durations`)."""
    bound_by: str
    planned_end: datetime
    eta: datetime | None
    """When it will have ended, by the pace so far; its end, once it has; None while nobody can tell, or no controller is at
    work."""
    seconds: float | None
    """None: not all runs have ended, or some were cancelled: that is not what was planned."""
    planned_evictions: int
    evictions: int
    planned_peak: int
    peak: int
    durations: tuple[Estimate, ...] = ()
    """What the plan expected of each step, of each pool and operating system."""


class JournalSpan(Struct, frozen=True):
    """Where the rollout's entries are in the journal's hash chain."""

    entries: int
    first_seq: int
    first_hash: str
    last_seq: int
    last_hash: str
    verdict: Verdict


class Report(Struct, frozen=True):
    rollout: str
    at: datetime
    """Of this report."""
    state: str
    """running, paused, halted, aborted, finished"""
    why: str
    """Of a halt."""
    by: str
    """Who started it."""
    plan: str
    target: Release
    from_versions: dict[str, int]
    """Nodes by the version that they came from, most first."""
    started: datetime
    ended: datetime | None
    """None: something is still to be done."""
    seconds: float
    """From the start to the end, or until now."""
    clusters: tuple[str, ...]
    counts: Counts
    pools: tuple[ReportPool, ...]
    peak: int
    """Most slots taken at once."""
    peak_at: datetime | None
    durations: tuple[Duration, ...]
    against: Against | None
    """None: the plan was not given."""
    commands: tuple[OperatorCommand, ...]
    halts: tuple[Halt, ...]
    controllers: tuple[ControllerTerm, ...]
    runs: tuple[ReportRun, ...]
    """In the order in which they began; those that have not begun last."""
    held: tuple[Hold, ...]
    journal: JournalSpan
    requests: tuple[RequestCount, ...] = ()
    """Sent to API servers for this rollout, most first; not in the journal: counted by the controllers."""
    entries: tuple[JournalEntry, ...] = ()
    others: tuple[JournalEntry, ...] = ()
    """Of other rollouts, between the first of `entries` and the last of `checkpoints`: the chain goes through them."""
    checkpoints: tuple[SignedCheckpoint, ...] = ()
    """What vouches for the entries (`fleet audit verify --file`)."""
    outside_journal: tuple[str, ...] = OUTSIDE_JOURNAL
    """Which keys of this report do not come from the entries; only `signature` vouches for them."""
    signature: Signature | None = None
    """Over this whole report. None: it was made where there is no signing key."""
