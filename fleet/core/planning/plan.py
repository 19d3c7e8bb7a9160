"""A plan: an immutable proposal. These structs are the published JSON (`docs/schemas/plan.json`)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import UNSET, Struct, UnsetType, field

from fleet.core.objects.node import NodeRef
from fleet.core.planning.estimates import Estimate
from fleet.core.planning.what_if import WhatIf
from fleet.core.policy.policy import Policy
from fleet.core.records.doubt import DoubtKind
from fleet.core.records.held import Held
from fleet.core.releases.release import Release
from fleet.core.rollout.goal import Goal, StandingStart, Start


class PlannedStep(Struct, frozen=True, gc=False):
    """One step of a planned run."""

    step: str
    start: float
    """Seconds from the plan's start, as all times of a plan."""
    end: float


class PlannedEviction(Struct, frozen=True, gc=False):
    """The eviction of one pod in a planned run."""

    pod: str
    """namespace/name"""
    at: float
    ready_at: float | None
    """When the replacement of the pod is Ready. None: the pod has no replacement."""
    budgets: tuple[str, ...] = ()
    """namespace/name of each PodDisruptionBudget."""


class PlannedVote(Struct, frozen=True):
    """A voter of a quorum group that goes down with the node, and comes back with the node."""

    group: str
    member: str
    at: float
    """When the voter goes down."""
    snapshot_at: float | None = None
    leader_to: str = ""
    """The member that takes over leadership just before the voter goes down. Empty: the voter does not lead."""
    commit_seconds: float | None = None
    """How long a commit takes while the voter is away. None: nothing was measured."""
    breaking: tuple[str, ...] = ()
    """The sites of which the loss of a single one would break the quorum while the voter is away."""
    breaking_links: tuple[str, ...] = ()
    """The links between two sites of which the loss of a single one would break the quorum while the voter is away,
    such as `fra-nyc`."""
    etcd: str = ""
    """The version of etcd that the voter runs when the plan is made. Empty: the voter does not report a version, or the
    group is not an etcd."""
    last_before: str = ""
    """The newer minor version that all other voters run. Once this voter runs that version too, no member can go
    back."""
    data: str = ""
    """The version whose storage format the group's data have. An older etcd does not start on these data."""
    brings: str = ""
    """The version of etcd that the release is known to bring to this node. Empty: not known."""


class PlannedRun(Struct, frozen=True):
    """The planned run of one node, with its steps, evictions and votes."""

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
    """The urgency of the node's goal: what a search (`--effort`) added to the pressure of the node's budgets."""


class PlannedHop(Struct, frozen=True):
    """One of several rollouts that bring nodes to a release, because releases that may not be skipped come before it."""

    release: str
    nodes: int
    """The nodes that the rollout reboots."""
    held: int
    start: float
    end: float
    barrier: str | None = None
    """Why the release may not be skipped; may be empty. None: it is no barrier."""


class PlannedHold(Struct, frozen=True):
    """A node that the plan cannot upgrade as things are. The node needs an operator, or more time than the plan
    covers."""

    node: str
    reason: str
    detail: str
    """The reason, as a text for users."""
    cluster: str = ""
    remedy: str = field(default="", name="advice")
    held: Held | None = None
    goal: Goal | None = None
    """The node's part in the rollout. The node goes as soon as nothing holds it any more."""
    others: tuple[Held, ...] = ()
    """Further reasons that an operator has to resolve before the node can go."""
    opens: Literal[True] | UnsetType = UNSET
    """Set for a node that a full limit holds, if the limit opens without an operator: other parties work on all nodes
    that are out. UNSET: `held` and `remedy` say who has to act."""


class PlanWarning(Struct, frozen=True):
    """A condition of the snapshot that may make the rollout differ from the plan."""

    check: str
    """`no-budgets`, `role-moves`, `tolerates-cordon`, ...: docs/workloads.md describes all of them."""
    cluster: str
    """Empty: the warning is about the policy."""
    subject: str
    """A budget (namespace/name), a pool, workloads, pods or a kind."""
    message: str = field(name="words")
    remedy: str


class PlannedDoubt(Struct, frozen=True):
    """A pod that the plan evicts, where fleet cannot know whether another node can take the pod. The plan promises
    nothing about that pod."""

    pod: str
    """namespace/name"""
    node: str
    about: DoubtKind
    subject: str = ""
    """The name of a claim, a scheduler or a selector."""
    message: str = field(default="", name="words")
    """A text that begins with `cannot be known:`."""
    cluster: str = ""


class Effort(Struct, frozen=True):
    """The result of a search for a better order."""

    orders: int
    """The number of orders that were tried after the first one."""
    saved_seconds: float
    """The makespan saved against the first order, which takes at each moment the node with the most work left per unit
    of allowance. Seconds."""


class Assumed(Struct, frozen=True):
    """Says how far off the plan may be where parts of its runs were never measured: the makespan in seconds if these
    parts are quick, and if they are slow."""

    quick_seconds: float
    slow_seconds: float | None
    """None: no window is long enough."""
    parts: dict[str, tuple[float, float]]
    """The seconds that count as quick, and those that count as slow, by part (`stage`, `reboot`, `pod_stop`,
    `pod_start`)."""


SHOWN_DIGITS = 8


def short_id(plan_id: str) -> str:
    """Returns the short form of a plan's id that users see and may use as the plan's name: `p-9c41d07e`."""
    return plan_id[: len("p-") + SHOWN_DIGITS]


class Plan(Struct, frozen=True):
    """An immutable proposal: which nodes are upgraded and when, which nodes are held and why, and how long everything
    takes."""

    plan_id: str
    """`p-` and the SHA-256, in hex, of the canonical JSON (RFC 8785) of the plan with an empty id. Empty: the plan is
    not stored, such as a plan from a dump."""
    target: Release
    policy: Policy
    start: datetime
    makespan_seconds: float
    lower_bound_seconds: float
    bound_by: str
    evictions: int
    pods: int
    """The number of pods that must move at least once."""
    peak_unavailable: int
    runs: tuple[PlannedRun, ...] = ()
    held: tuple[PlannedHold, ...] = ()
    pools: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    p95_seconds: float | None = None
    """The makespan that 95 of 100 rehearsals of the plan with measured times do not exceed. None: too few runs were
    measured."""
    assumed: Assumed | None = None
    """None: every part was measured."""
    fingerprint: dict[str, str] = {}
    """`cluster/node` -> `uid version`: what the plan presumes. `rollout start` refuses the plan where this is no longer
    true."""
    run_seconds: int = 0
    """The longest time that one run is expected to take, in seconds. A run must fit into a window."""
    rolls_back: str = ""
    """The rollout whose nodes this plan returns to what they ran before it. Empty: the plan is not a rollback."""
    times: dict[str, str] = {}
    """The source of the expected durations by part: `default`, or `measured: 31 runs`."""
    durations: tuple[Estimate, ...] = ()
    """The expected duration of each part, by pool and operating system, with the number of samples."""
    what_if: WhatIf | None = None
    """The changes of the plan if binding constraints were loosened. None: no what-if was requested."""
    effort: Effort | None = None
    """None: no search was requested."""
    warnings: tuple[PlanWarning, ...] = ()
    doubts: tuple[PlannedDoubt, ...] = ()
    """About pods on the plan's nodes, including the nodes that are held."""
    hops: tuple[PlannedHop, ...] | UnsetType = UNSET
    """The rollouts, one after another, that bring the nodes to the requested release: the first one is this plan, and the
    release of the last one is what was requested. UNSET: this plan is the only one."""
    by: str | UnsetType = UNSET
    """The user who made the plan, and may therefore not approve the plan. UNSET: the plan was not stored, or an older fleet
    made it."""

    standing: StandingStart | UnsetType = UNSET
    """The standing policy that made the plan for itself. UNSET: a user made the plan."""

    @property
    def maker(self) -> str:
        """Returns who made the plan; empty if that is not known."""
        return self.by if isinstance(self.by, str) else ""

    def begin(self) -> Start:
        """Returns what a rollout of this plan starts with: its nodes in the plan's order, then the nodes that are
        held."""
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
        return Start(
            self.plan_id,
            self.target,
            self.policy,
            planned + held,
            self.run_seconds,
            standing=self.standing,
        )
