"""What the fleet looks like now. These structs are the published JSON (`docs/schemas/status.json`)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

from fleet.core.quorum.quorum import Link
from fleet.core.reporting.standstill import Standstill

NodeState = Literal["patched", "outdated", "running", "held", "failed", "drifted", "orphan", "unknown"]
"""running: a run works on it. held: a rollout wants it and something lasting stands in the way. unknown: its
cluster is unreachable, or nobody has told its OS. drifted: what it boots is no release of its pool's stream."""


class StatusCluster(Struct, frozen=True):
    name: str
    sites: tuple[str, ...]
    reachable: bool
    last_seen: datetime | None
    error: str = ""
    version: str = ""
    """Of its API server."""
    nodes: int = 0
    simulated: bool = False
    skew: tuple[str, ...] = ()
    """Versions that are further apart than they may be, in words."""


class StatusNode(Struct, frozen=True):
    cluster: str
    site: str
    zone: str
    pool: str
    """Empty: no pool of the policy has it."""
    name: str
    os: str
    """The OS image as the kubelet says it."""
    version: str
    """Of the booted release; empty where nobody has told."""
    kernel: str
    booted: str
    """Digest."""
    staged: str
    """Version of the staged release; empty: none."""
    target: str
    """Version that its pool wants; empty: none known."""
    state: NodeState
    step: str = ""
    """Of its run, if it is in a rollout."""
    rollout: str = ""
    held: tuple[str, ...] = ()
    since: datetime | None = None
    """When it came into `state`, as far as that is known: the booted release, or the step, began then."""
    ready: bool | None = None
    schedulable: bool = True
    last_seen: datetime | None = None
    kubelet: str = ""
    pods: int = 0
    kernel_arguments: str = ""
    """As the machine's agent tells them, without secrets; empty where none has told."""
    layered: tuple[str, ...] = ()
    """Packages that somebody put on top of the booted release."""
    systemd: str = ""
    """State of the machine's systemd: running, degraded, starting, ...; empty: it has none, or nobody has told."""
    failed_units: tuple[str, ...] = ()
    reference_digest: str = ""
    """In the reference by which the booted release was staged, such as that of an index over several architectures."""


class StatusPool(Struct, frozen=True):
    """A row of the overview: one pool in one cluster."""

    site: str
    cluster: str
    pool: str
    nodes: int
    patched: int
    target: str
    rollout: str = ""
    rollout_state: str = ""
    eta_seconds: int | None = None
    note: str = ""


class StatusMember(Struct, frozen=True):
    """Of a quorum group; what is not told is None or empty."""

    name: str
    node: str
    site: str
    voter: bool
    """False: a learner or an observer."""
    started: bool
    leader: bool
    index: int | None
    """The last entry that it has applied."""
    behind: int | None
    """Entries, of the foremost member's."""
    alarms: tuple[str, ...]
    version: str
    size: int
    """Of its database, in bytes."""
    in_use: int
    """Of `size`, what is not free for reuse."""
    seconds: float | None
    """The round trip from where it was asked."""
    ails: str
    """Why it does not count as healthy, in words; empty: it does."""


class StatusQuorum(Struct, frozen=True):
    """A quorum group as it was read last."""

    name: str
    cluster: str
    kind: str
    voters: int
    healthy: int
    """Voters that answer, are in step and have no alarm."""
    needed: int
    """Of them, so that the group decides, with the policy's margin."""
    leader: str = ""
    """Empty: none, or nobody tells."""
    leader_node: str = ""
    ailing: tuple[str, ...] = ()
    """Members and why, in words."""
    declared: bool = False
    """Known by the readiness of its pods alone."""
    unread: str = ""
    """Why it could not be asked."""
    read_at: datetime | None = None
    members: tuple[StatusMember, ...] = ()
    links: tuple[Link, ...] = ()
    """Round trips between its sites, where they are measured."""
    commit_seconds: float | None = None
    """What a commit takes now."""


class Summary(Struct, frozen=True):
    nodes: int = 0
    patched: int = 0
    states: dict[str, int] = {}
    kernels: dict[str, int] = {}
    versions: dict[str, int] = {}
    pools: tuple[StatusPool, ...] = ()


class FleetStatus(Struct, frozen=True):
    at: datetime
    clusters: tuple[StatusCluster, ...]
    nodes: tuple[StatusNode, ...]
    summary: Summary
    quorums: tuple[StatusQuorum, ...] = ()
    standstill: Standstill | None = None
    """None: a controller is at work, or nothing is left to do."""
