"""The report of a rollout: who, when, what, from what to what, and the proof of every node.

These structs are the published JSON (`docs/schemas/report.json`); `fleet.core.reporting.reporter` makes them of the journal.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import UNSET, Struct, UnsetType, field

from fleet.core.planning.estimates import Estimate
from fleet.core.records.audit import Signature, SignedCheckpoint
from fleet.core.records.journal import JournalEntry
from fleet.core.records.requests import RequestCount
from fleet.core.releases.release import Release
from fleet.core.reporting.node_timeline import Eviction, OperatorCommand, QuorumAction, Retry, StepTaken
from fleet.core.reporting.timeline import ControllerTerm, Halt
from fleet.core.rollout.goal import GivenApproval, StandingStart
from fleet.core.rollout.hooks.hook_runs import HookRun

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
"""The keys of a report that do not follow from its journal entries: the plan's figures, what nodes wait for at that
moment, the counts of requests, and the result of checking the journal. Only the signature of the report vouches for
these keys."""

Ending = Literal["done", "failed", "cancelled", "running", "waiting"]
"""`running`: a run works on the node. `waiting`: the node's run has not begun, or has only written the image."""


class Verdict(Struct, frozen=True):
    """The result of checking the journal's hash chain."""

    verified: bool | None = None
    """None: the chain was not checked."""
    entries: int = 0
    """The number of entries that were checked, of all rollouts."""
    why: str = ""
    """The problem of the chain, or the reason why it was not checked."""


class PlannedSpan(Struct, frozen=True):
    """A span of time: of a planned run, or of an open window."""

    start: datetime
    end: datetime


class VerificationProof(Struct, frozen=True):
    """The observation of the node when its run was verified."""

    boot_id_before: str = ""
    boot_id_after: str = ""
    version: str = ""
    digest: str = ""
    kernel: str = ""
    ready: str = ""
    units: str = ""
    """The state of systemd, with the units that had failed before the reboot already. Empty: the machine has no
    systemd."""
    daemons: str = ""
    """How many DaemonSets had a Ready pod on the node before the reboot and have one again."""
    reference_digest: str = ""
    """The digest in the reference by which the booted release was staged. Empty: the reference has no digest, or the
    same one as `digest`."""


class ReportRun(Struct, frozen=True):
    """The run of one node, with its proof, steps and evictions."""

    cluster: str
    node: str
    pool: str
    site: str
    zone: str
    canary: bool
    ending: Ending
    step: str
    """The step that the run is in now, or how the run ended."""
    from_version: str
    from_kernel: str
    """The kernel of that release according to the policy's release stream. Empty: the stream does not name it."""
    to_version: str
    """The proven version, or the wanted one while nothing is proven."""
    to_kernel: str
    begun: datetime | None
    """When the run took its slot."""
    ended: datetime | None
    seconds: float | None
    """Seconds from `begun` to `ended`."""
    why: str
    """Why the run failed, was cancelled, or had nothing to do."""
    proof: VerificationProof | None
    slot: bool
    """True: the node still counts as out, because the run is in work, or has failed and was not released by an
    operator."""
    released: datetime | None = None
    rolled_back: str = ""
    """The version that the machine booted instead of the wanted one."""
    log: str = ""
    """The end of the log of the failed boot, if the machine has rolled back and has kept the log."""
    planned: PlannedSpan | None = None
    """The planned start and end, counted from the start of this rollout."""
    steps: tuple[StepTaken, ...] = ()
    evictions: tuple[Eviction, ...] = ()
    quorums: tuple[QuorumAction, ...] = ()
    """The actions for the quorum groups with a member on the node, in order."""
    retries: tuple[Retry, ...] = ()
    held: tuple[str, ...] = ()
    """The messages of the reasons for which the run waits now."""
    hooks: tuple[HookRun, ...] | UnsetType = UNSET
    """The attempts of the node's hooks, in order. UNSET: it had none."""


class Hold(Struct, frozen=True):
    """A node whose run has not begun, or was cancelled, for a reason that needs an operator."""

    cluster: str
    node: str
    reason: str
    message: str = field(name="words")
    remedy: str = field(default="", name="advice")


class Counts(Struct, frozen=True):
    """The numbers of nodes, evictions and refusals of a rollout."""

    nodes: int
    done: int
    proven: int
    """Nodes of `done` with a proof. The other nodes of `done` ran the release already."""
    failed: int
    cancelled: int
    running: int
    waiting: int
    held: int
    """Waiting or cancelled nodes that are held by something that needs an operator."""
    unreleased: int
    """Failed runs that still have their slot."""
    evictions: int
    """Pods that were evicted."""
    refusals: int


class Duration(Struct, frozen=True):
    """Says how long a step took where it succeeded, or how long whole runs took (`run`: from cordon to done)."""

    step: str
    count: int
    median_seconds: float
    p95_seconds: float
    max_seconds: float


class ReportPool(Struct, frozen=True):
    """The nodes of one pool in a rollout, with the limit and the windows that held them."""

    name: str
    nodes: int
    done: int
    failed: int
    peak: int
    """The most slots that were taken at once."""
    limit: str
    """`max_unavailable` of the policy, such as `5` or `10%`. Empty: no limit."""
    windows: tuple[PlannedSpan, ...] = ()
    """When runs were allowed to start, from the start of the rollout to its end. Empty if they always were."""
    always_open: bool = True


class Against(Struct, frozen=True):
    """The plan compared with the actual rollout. Seconds are from the rollout's start to the end of the last run."""

    plan: str
    planned_seconds: float
    p95_seconds: float | None
    bound_seconds: float
    """The lower bound in seconds: no order could be faster if everything takes as long as the plan expected
    (`durations`)."""
    bound_by: str
    planned_end: datetime
    eta: datetime | None
    """The expected end at the pace so far, or the actual end of a rollout that has ended. None: it cannot be estimated,
    or no controller is at work."""
    seconds: float | None
    """None: not all runs have ended, or some were cancelled, so that the rollout is not comparable with the plan."""
    planned_evictions: int
    evictions: int
    planned_peak: int
    peak: int
    durations: tuple[Estimate, ...] = ()
    """The plan's expected durations of each step, by pool and operating system."""


class JournalSpan(Struct, frozen=True):
    """The location of the rollout's entries in the journal's hash chain."""

    entries: int
    first_seq: int
    first_hash: str
    last_seq: int
    last_hash: str
    verdict: Verdict


class Report(Struct, frozen=True):
    """The whole report of one rollout."""

    rollout: str
    at: datetime
    """When this report was made."""
    state: str
    """running, paused, halted, aborted or finished"""
    why: str
    """Why the rollout was halted."""
    by: str
    """The operator who started the rollout."""
    plan: str
    target: Release
    from_versions: dict[str, int]
    """The number of nodes by the version that they had before, most frequent first."""
    started: datetime
    ended: datetime | None
    """None: something is still to be done."""
    seconds: float
    """Seconds from the start to the end, or until now."""
    clusters: tuple[str, ...]
    counts: Counts
    pools: tuple[ReportPool, ...]
    peak: int
    """The most slots that were taken at once."""
    peak_at: datetime | None
    durations: tuple[Duration, ...]
    against: Against | None
    """None: no plan was given to the report."""
    commands: tuple[OperatorCommand, ...]
    halts: tuple[Halt, ...]
    controllers: tuple[ControllerTerm, ...]
    runs: tuple[ReportRun, ...]
    """In the order in which the runs began; runs that have not begun come last."""
    held: tuple[Hold, ...]
    journal: JournalSpan
    requests: tuple[RequestCount, ...] = ()
    """The requests sent to API servers for this rollout, most frequent first. The controllers count them; they are not
    in the journal."""
    entries: tuple[JournalEntry, ...] = ()
    others: tuple[JournalEntry, ...] = ()
    """Entries of other rollouts between the first of `entries` and the last of `checkpoints`: the hash chain includes
    them."""
    checkpoints: tuple[SignedCheckpoint, ...] = ()
    """Signed checkpoints that vouch for the entries (`fleet audit verify --file`)."""
    outside_journal: tuple[str, ...] = OUTSIDE_JOURNAL
    """The keys of this report that do not come from the entries. Only `signature` vouches for them."""
    asked_by: str = ""
    """The user who made the plan. Empty: the policy has no rule about approvals, so that the journal does not have the
    name."""
    effect: str = ""
    """The hash of what was approved."""
    override_freeze: str = ""
    """The reason that `by` gave for a start in spite of freezes. Empty: the rollout waited for them."""
    approvals: tuple[GivenApproval, ...] = ()
    """The approvals that were in force when the rollout was started."""
    hooks: tuple[HookRun, ...] | UnsetType = UNSET
    """The attempts of the hooks of the rollout and its stages, in order. UNSET: there were none."""
    standing: StandingStart | UnsetType = UNSET
    """The standing policy that started the rollout, and why the release qualified. UNSET: a user started it."""
    signature: Signature | None = None
    """The signature over this whole report. None: the report was made where no signing key is available."""
