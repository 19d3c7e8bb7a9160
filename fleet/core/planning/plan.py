"""A plan: an immutable proposal. These structs are the published JSON (`docs/schemas/plan.json`)."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct, field

from fleet.core.objects.node import NodeRef
from fleet.core.planning.estimates import Estimate
from fleet.core.planning.what_if import WhatIf
from fleet.core.policy.policy import Policy
from fleet.core.records.doubt import DoubtKind
from fleet.core.records.held import Held
from fleet.core.releases.release import Release
from fleet.core.rollout.goal import Goal, Start


class PlannedStep(Struct, frozen=True):
    step: str
    start: float
    """Seconds from the plan's start, as are all times here."""
    end: float


class PlannedEviction(Struct, frozen=True):
    pod: str
    """namespace/name"""
    at: float
    ready_at: float | None
    """When its replacement is Ready; None where none comes."""
    budgets: tuple[str, ...] = ()
    """namespace/name"""


class PlannedVote(Struct, frozen=True):
    """A voter of a quorum group goes with the node, and comes back with it."""

    group: str
    member: str
    at: float
    """When it goes."""
    snapshot_at: float | None = None
    leader_to: str = ""
    """Who leads from just before then, where it led."""
    commit_seconds: float | None = None
    """What a commit takes while it is away. None: nothing was measured."""
    breaking: tuple[str, ...] = ()
    """Sites whose loss would break what remains."""
    breaking_links: tuple[str, ...] = ()
    """Between two of them, the same: `fra-nyc`."""
    etcd: str = ""
    """The version of etcd that the voter runs when the plan is made; empty: not told, or the group is no etcd."""
    last_before: str = ""
    """The newer minor version that all others run: once this voter runs it too, no member can go back."""
    data: str = ""
    """The version whose format the group's data have: an older etcd does not start on them."""
    brings: str = ""
    """The version of etcd that the release is known to bring to this node; empty: not known."""


class PlannedRun(Struct, frozen=True):
    node: str
    pool: str
    release: str
    start: float
    end: float
    steps: tuple[PlannedStep, ...] = ()
    evictions: tuple[PlannedEviction, ...] = ()
    cluster: str = ""
    site: str = ""
    zone: str = ""
    uid: str = ""
    from_version: str = ""
    canary: bool = False
    votes: tuple[PlannedVote, ...] = ()
    urgency: float = 0.0
    """As of its goal: what a search (`--effort`) added to the pressure of its budgets."""


class PlannedHold(Struct, frozen=True):
    """A node that the plan cannot upgrade as things are: it needs a person, or more time than the plan covers."""

    node: str
    reason: str
    detail: str
    """The words for people."""
    cluster: str = ""
    remedy: str = field(default="", name="advice")
    held: Held | None = None
    goal: Goal | None = None
    """Its part of the rollout: it goes as soon as nothing holds it any more."""
    others: tuple[Held, ...] = ()
    """What else needs somebody to act before it can go."""


class PlanWarning(Struct, frozen=True):
    """What the snapshot shows and may make the rollout come out otherwise than the plan."""

    check: str
    """`no-budgets`, `role-moves`, `tolerates-cordon`, ...: docs/workloads.md names them all."""
    cluster: str
    """Empty: of the policy."""
    subject: str
    """A budget (namespace/name), a pool, workloads, pods, a kind."""
    message: str = field(name="words")
    remedy: str


class PlannedDoubt(Struct, frozen=True):
    """Whether a pod that the plan evicts finds a place depends on what fleet cannot know: the plan promises nothing of
    that pod."""

    pod: str
    """namespace/name"""
    node: str
    about: DoubtKind
    subject: str = ""
    """A name: of a claim, a scheduler, a selector."""
    message: str = field(default="", name="words")
    """cannot be known: ..."""
    cluster: str = ""


class Effort(Struct, frozen=True):
    """What a search for a better order has come to."""

    orders: int
    """Tried, beside the first."""
    saved_seconds: float
    """Against the first order, which takes at each moment what has the most work left per unit of allowance."""


class Assumed(Struct, frozen=True):
    """How far off the plan may be where parts of its runs were never measured: what it takes if they are quick, and if
    they are slow. Seconds."""

    quick_seconds: float
    slow_seconds: float | None
    """None: no window is found for it."""
    parts: dict[str, tuple[float, float]]
    """`stage`, `reboot`, `pod_stop`, `pod_start`: what is quick, and what is slow."""


SHOWN_DIGITS = 8


def short_id(plan_id: str) -> str:
    """What people are shown of a plan's id, and may give as its name: `p-9c41d07e`."""
    return plan_id[: len("p-") + SHOWN_DIGITS]


class Plan(Struct, frozen=True):
    plan_id: str
    """`p-` and the SHA-256, in hex, of the canonical JSON (RFC 8785) of the plan with an empty id. Empty: it is not
    stored, such as a plan of a dump."""
    target: Release
    policy: Policy
    start: datetime
    makespan_seconds: float
    lower_bound_seconds: float
    bound_by: str
    evictions: int
    pods: int
    """Pods that must move at least once."""
    peak_unavailable: int
    runs: tuple[PlannedRun, ...] = ()
    held: tuple[PlannedHold, ...] = ()
    pools: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    p95_seconds: float | None = None
    """What 95 of 100 rehearsals of the plan with measured times do not exceed. None: too few runs were measured."""
    assumed: Assumed | None = None
    """None: every part was measured."""
    fingerprint: dict[str, str] = {}
    """`cluster/node` -> `uid version`: what the plan presumes; `rollout start` refuses where it is no longer so."""
    run_seconds: int = 0
    """How long one run takes at most, as far as can be said: what must fit into a window."""
    rolls_back: str = ""
    """The rollout whose nodes this plan brings back to what they ran before it; empty: it does not."""
    times: dict[str, str] = {}
    """Where the expected durations come from, per step: `default`, or `measured: 31 runs`."""
    durations: tuple[Estimate, ...] = ()
    """What the plan expects of each step, of each pool and operating system, and from how many samples."""
    what_if: WhatIf | None = None
    """What would come of it if what binds were loosened; None: nobody has asked."""
    effort: Effort | None = None
    """None: nobody has asked for a search."""
    warnings: tuple[PlanWarning, ...] = ()
    doubts: tuple[PlannedDoubt, ...] = ()
    """Of pods on the plan's nodes, also of those that are held."""

    def begin(self) -> Start:
        """What a rollout of this plan starts with: its nodes in the plan's order, then those that are held."""
        planned = tuple(
            Goal(
                NodeRef(run.cluster, run.node),
                run.uid,
                run.pool,
                run.site,
                run.zone,
                run.from_version,
                run.canary,
                run.urgency,
                {vote.group: vote.brings for vote in run.votes if vote.brings},
            )
            for run in self.runs
        )
        held = tuple(hold.goal for hold in self.held if hold.goal is not None)
        return Start(self.plan_id, self.target, self.policy, planned + held, self.run_seconds)
