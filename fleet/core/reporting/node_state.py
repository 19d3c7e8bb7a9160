"""The row of one node in the status: its fields, its columns, and how they are derived from what is known about the node
and from its part in a rollout. `StatusNode` is published JSON (`docs/schemas/status.json`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from msgspec import UNSET, Struct, UnsetType

from fleet.core.objects.known_node import AlikeNodes, KnownNode
from fleet.core.objects.machine import EtcChanges, Machine
from fleet.core.objects.node import Node, NodeRef
from fleet.core.policy.policy import Policy, Pool
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import HALTING
from fleet.core.releases.release import Release, is_release
from fleet.core.reporting.ended_rollout import EndedRollout, EndedRun
from fleet.core.rollout.steps import HAS_SLOT, Step

if TYPE_CHECKING:
    # A fleet without an active rollout need not import what a rollout is made of.
    from fleet.core.rollout.rollout import Rollout
    from fleet.core.rollout.run import Run

NodeState = Literal["patched", "outdated", "running", "held", "failed", "drifted", "orphan", "unknown"]
"""running: a run works on the node. held: a rollout wants to upgrade the node, and something that needs an operator
stands in the way. unknown: the cluster of the node is unreachable, or nothing has reported the node's OS. drifted: the
booted release is not in the release stream of the node's pool."""


class StatusNode(Struct, frozen=True, gc=False):
    """One node of the fleet, with its release, its state and its part in a rollout."""

    cluster: str
    site: str
    zone: str
    pool: str
    """Empty: no pool of the policy contains the node."""
    name: str
    os: str
    """The OS image as the kubelet reports it."""
    version: str
    """The version of the booted release. Empty: not reported."""
    kernel: str
    booted: str
    """The digest of the booted release."""
    staged: str
    """The version of the staged release. Empty: no release is staged."""
    target: str
    """The version that the node's pool wants. Empty: not known."""
    state: NodeState
    step: str = ""
    """The step of the node's run, if the node is in a rollout."""
    rollout: str = ""
    held: tuple[str, ...] = ()
    since: datetime | None = None
    """When the node entered `state`: the booted release, or the step, began then. None: not known."""
    ready: bool | None = None
    schedulable: bool = True
    last_seen: datetime | None = None
    kubelet: str = ""
    pods: int | None = 0
    """How many pods are bound to the node. Null: the status is of a past moment, and pods have no history."""
    kernel_arguments: str = ""
    """The kernel's command line without secrets, as the machine's agent reports it. Empty: not reported."""
    layered: tuple[str, ...] = ()
    """Packages that were installed on top of the booted release."""
    live_patches: tuple[str, ...] = ()
    """Names of the live patches that the kernel runs, as the machine's agent reports them."""
    systemd: str = ""
    """The state of the machine's systemd: running, degraded, starting, ... Empty: the machine has no systemd, or
    nothing was reported."""
    failed_units: tuple[str, ...] = ()
    reference_digest: str = ""
    """The digest in the reference by which the booted release was staged, such as that of an index over several
    architectures."""
    etc: EtcChanges | UnsetType = UNSET
    """The files in /etc that are not as the booted release brings them. Missing: nothing reports them."""


WIDE: tuple[tuple[str, str], ...] = (
    ("NODE", "name"),
    ("CLUSTER", "cluster"),
    ("SITE", "site"),
    ("ZONE", "zone"),
    ("POOL", "pool"),
    ("STATE", "state"),
    ("STEP", "step"),
    ("VERSION", "version"),
    ("STAGED", "staged"),
    ("TARGET", "target"),
    ("KERNEL", "kernel"),
    ("PODS", "pods"),
    ("SINCE", "since"),
    ("SEEN", "last_seen"),
    ("HELD", "held"),
)
"""The columns of `fleet status -o wide`, from left to right: the head, and the field of `StatusNode` below it."""


class RolloutPart(Struct, frozen=True, gc=False):
    """A node's part in the last rollout that contains the node."""

    rollout: Rollout | EndedRollout
    run: Run | EndedRun
    active: bool
    """Whether the rollout is active."""
    held: tuple[Held, ...] = ()
    held_since: datetime | None = None


def parts_of(
    rollouts: Iterable[Rollout | EndedRollout],
    held: Mapping[NodeRef, tuple[Held, ...]],
    held_since: Mapping[NodeRef, datetime] = {},
) -> dict[tuple[str, str], RolloutPart]:
    """Returns, by cluster and node, each node's part in the last rollout that has touched the node or has yet to."""
    parts: dict[tuple[str, str], RolloutPart] = {}
    for rollout in rollouts:
        if isinstance(rollout, EndedRollout):
            parts.update(_parts_of_ended(rollout))
            continue
        active = rollout.active
        for ref, run in rollout.runs.items():
            if run.step is not Step.CANCELLED:
                waits = held.get(ref, ()) if active else ()
                parts[ref] = RolloutPart(rollout, run, active, waits, held_since.get(ref))
    return parts


def _parts_of_ended(rollout: EndedRollout) -> Iterator[tuple[NodeRef, RolloutPart]]:
    """Yields each node with its part. Nodes that did not fail share theirs: nothing else of their runs is shown."""
    shared: dict[Step, RolloutPart] = {}
    for ref, run in rollout.of_nodes:
        if run.step is Step.FAILED:
            yield ref, RolloutPart(rollout, run, active=False)
        elif run.step is not Step.CANCELLED:
            part = shared.get(run.step)
            if part is None:
                part = shared[run.step] = RolloutPart(rollout, run, active=False)
            yield ref, part


class ReportedRelease:
    """A release that hosts report, or none, with the policy's answers about it, each found once: thousands of nodes run
    the same."""

    def __init__(self, release: Release | None, policy: Policy) -> None:
        self.release = release
        self.version = policy.version_of(release)
        """The version by which the policy's streams know the release."""
        self._policy = policy
        self._compared: tuple[Release | None, bool] = (None, False)
        self._drifted: dict[str, bool] = {}

    def is_release(self, wanted: Release) -> bool:
        """Returns whether the release is the wanted one."""
        compared, same = self._compared
        if compared is not wanted:
            same = is_release(self.release, wanted)
            self._compared = wanted, same
        return same

    def drifted_from(self, stream_name: str) -> bool:
        """Returns whether the stream has other releases alone. False where there is no such stream."""
        if stream_name not in self._drifted:
            stream = self._policy.stream(stream_name)
            self._drifted[stream_name] = stream is not None and not any(
                is_release(self.release, each) for each in stream.releases
            )
        return self._drifted[stream_name]


class ReleaseNames:
    """The releases that hosts report, and those that pools want, by the policy."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._reported: dict[Release | None, ReportedRelease] = {}
        self._targets: dict[str, Release | None] = {}

    def reported(self, release: Release | None) -> ReportedRelease:
        """Returns what the policy knows of the release."""
        found = self._reported.get(release)
        if found is None:
            found = self._reported[release] = ReportedRelease(release, self.policy)
        return found

    def target(self, pool: Pool) -> Release | None:
        """Returns the release that the pool's nodes should run."""
        if pool.name not in self._targets:
            self._targets[pool.name] = self.policy.target(pool)
        return self._targets[pool.name]


NO_NODE = Node("", "", ready=None, unschedulable=True)
NO_MACHINE = Machine("")
NO_RELEASE = Release("")


def describe(
    known: KnownNode | AlikeNodes,
    names: ReleaseNames,
    part: RolloutPart | None,
    reachable: bool,
    last_seen: datetime | None = None,
    pods: int | None = None,
) -> StatusNode:
    """Returns the row of the node in the status. `names`: of the fleet's policy. `part`: the node's part in a rollout.
    `reachable`: whether the node's cluster answers. `last_seen`: when it answered last. `pods`: how many are bound to
    the node; None: not known."""
    node, machine = known.node or NO_NODE, known.machine or NO_MACHINE
    pool = names.policy.pool_of(known.cluster, node) if known.node is not None else None
    target = _target(names, pool, part)
    booted, units = names.reported(machine.booted), machine.units
    state = _state(known, booted, pool, target, part, reachable)
    release = booted.release or NO_RELEASE
    in_rollout = part is not None and (part.active or state == "failed")
    return StatusNode(
        cluster=known.cluster,
        site=known.site,
        zone=node.zone,
        pool=pool.name if pool is not None else "",
        name=known.name,
        os=node.os_image,
        version=booted.version,
        kernel=node.kernel or machine.kernel,
        booted=release.digest,
        staged=names.reported(machine.staged).version if machine.staged is not None else "",
        target=target.version if target is not None else "",
        state=state,
        step=str(part.run.step) if part is not None and in_rollout else "",
        rollout=part.rollout.id if part is not None and in_rollout else "",
        held=_messages(part, state) if part is not None else (),
        since=_since(known, part, state),
        ready=node.ready,
        schedulable=not node.unschedulable,
        last_seen=last_seen,
        kubelet=node.kubelet,
        pods=pods,
        kernel_arguments=machine.kernel_arguments,
        layered=machine.layered,
        live_patches=machine.live_patches,
        systemd=units.state if units is not None else "",
        failed_units=units.failed if units is not None else (),
        reference_digest=release.reference_digest,
        etc=machine.etc if machine.etc is not None else UNSET,
    )


def _since(known: KnownNode | AlikeNodes, part: RolloutPart | None, state: NodeState) -> datetime | None:
    """Returns when the node entered its state, or None if that is not known."""
    if part is not None and state in ("running", "failed"):
        return part.run.since
    if part is not None and state == "held" and part.held_since is not None:
        return part.held_since
    return known.since


def _messages(part: RolloutPart, state: NodeState) -> tuple[str, ...]:
    if state == "failed":
        return tuple(message for message in (part.run.why, *(held.message for held in part.held)) if message)
    return tuple(held.message for held in needs_action_first(part.held)) if part.held else ()


def needs_action_first(held: Iterable[Held]) -> tuple[Held, ...]:
    """Returns the reasons that need an operator first, then those that pass by themselves. The order is otherwise
    kept."""
    return tuple(sorted(held, key=lambda reason: not reason.needs_action))


def _target(names: ReleaseNames, pool: Pool | None, part: RolloutPart | None) -> Release | None:
    """Returns the release that the rollout in progress brings, else the release that the policy wants, else the release
    that the last rollout brought."""
    if part is not None and part.active:
        return part.rollout.release
    wanted = names.target(pool) if pool is not None else None
    if wanted is None and part is not None and part.run.step is Step.DONE:
        return part.rollout.release
    return wanted


def _state(
    known: KnownNode | AlikeNodes,
    booted: ReportedRelease,
    pool: Pool | None,
    target: Release | None,
    part: RolloutPart | None,
    reachable: bool,
) -> NodeState:
    if not reachable:
        return "unknown"
    if known.node is None:
        return "orphan"
    patched = target is not None and booted.is_release(target)
    if part is not None and (state := _state_in(part, patched)):
        return state
    if booted.release is None:
        return "unknown"
    if patched:
        return "patched"
    if pool is not None and booted.drifted_from(pool.stream):
        return "drifted"
    return "outdated" if target is not None else "unknown"


def _state_in(part: RolloutPart, patched: bool) -> NodeState | None:
    """Returns the state that the node's run determines. Returns None where the run adds nothing to what the node itself
    shows."""
    run = part.run
    if run.step is Step.FAILED and (run.slot or (run.begun is None and not patched)):
        return "failed"
    if not part.active:
        return None
    # This also holds while the image is written: what an operator must fix is shown without waiting for the image.
    if run.waiting and any(held.needs_action and held.reason not in HALTING for held in part.held):
        return "held"
    return "running" if run.step in HAS_SLOT or run.step is Step.STAGE else None
