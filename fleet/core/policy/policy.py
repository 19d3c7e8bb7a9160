"""What people allow: pools, limits, drain rules, windows. Parsed once and whole by `fleet.config`, before anything runs."""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated, Literal

from msgspec import Meta, Struct

from fleet.core.objects.node import SITE_LABEL, Node
from fleet.core.objects.selector import Selector
from fleet.core.policy.drain_rule import PodRule
from fleet.core.quorum.groups import QuorumGroup
from fleet.core.quorum.quorum import Quorum, QuorumRule
from fleet.core.releases.release import Release, Stream, is_release

AtLeastOne = Annotated[int, Meta(extra={"least": 1})]
"""Of a policy's key: `fleet.config.document.rule` refuses less. Not a bound of the JSON schema."""


class Amount(Struct, frozen=True):
    """A number of nodes, or a percentage of those it is about."""

    number: int
    percent: bool = False

    def of(self, total: int) -> int:
        """A percentage rounds down, but a limit that is not zero lets at least one node go."""
        if not self.percent:
            return self.number
        return max(1, total * self.number // 100) if self.number else 0

    def __str__(self) -> str:
        return f"{self.number}{'%' if self.percent else ''}"


class Limits(Struct, frozen=True):
    """How many nodes may be out at once. Those that are out for other reasons count too. None: no such limit."""

    max_unavailable: Amount | None = Amount(1)
    """Of the pool, over all its clusters. In `Policy.limits`: of the whole fleet."""
    per_zone: Amount | None = None
    per_site: Amount | None = None
    per_cluster: Amount | None = None


class DrainRule(Struct, frozen=True):
    unmanaged: Literal["hold", "evict"] = "hold"
    """Pods without a controller: nobody makes them anew."""
    local_data: Literal["hold", "evict"] = "evict"
    """Pods with an emptyDir that is not memory."""
    host_path: Literal["hold", "evict"] = "evict"
    no_room: Literal["hold", "evict"] = "hold"
    """Pods that would find no place on another node."""
    volumes: Literal["wait", "ignore"] = "wait"
    """Volumes of pods that have left, and that are still attached to the node."""
    grace_seconds: int | None = None
    """None: each pod's own."""
    timeout_seconds: AtLeastOne = 3600
    """A drain that takes longer fails, and its node is given back."""
    rules: tuple[PodRule, ...] = ()
    """For single pods: the first that matches."""


class StageRule(Struct, frozen=True):
    concurrency: AtLeastOne = 10
    """Machines that write the new image at once."""
    timeout_seconds: AtLeastOne = 1800


class RebootRule(Struct, frozen=True):
    timeout_seconds: AtLeastOne = 900
    """From the reboot until the node is Ready again on its new boot."""


class Window(Struct, frozen=True):
    """Weekly, half-open: runs may start in [start, end), its end never interrupts one.

    `end` at or before `start` is on the next day. Wall-clock times of `zone` (IANA name).
    """

    days: tuple[int, ...]
    """0 is Monday."""
    start: time
    end: time
    zone: str = "UTC"


class Freeze(Struct, frozen=True):
    """A calendar ban [begin, until); beats every window."""

    name: str
    begin: datetime
    until: datetime


MachineReach = Literal["agent", "ssh", "playbook"]
"""How machines are reached: by an agent that runs on each; or, over ssh or by playbooks, from where fleet's controller
runs."""
PLAYBOOKS = ("facts", "preflight", "stage", "reboot", "verify", "rollback", "collect-logs")
"""The steps that are playbooks."""


class Pool(Struct, frozen=True):
    """Nodes that share a policy and a stream. Every node is in exactly one: the first whose terms it meets."""

    name: str
    selector: Selector = Selector()
    clusters: tuple[str, ...] = ()
    """Empty: all."""
    stream: str = ""
    version: str = ""
    """Pins the pool to a version of the stream; empty: the newest."""
    limits: Limits = Limits()
    drain: DrainRule = DrainRule()
    stage: StageRule = StageRule()
    reboot: RebootRule = RebootRule()
    soak_seconds: int = 60
    canaries: int = 1
    """Nodes that are proven before the rest begins."""
    failure_limit: int | Amount = 1
    """Failed runs that halt the rollout; a percentage is of the rollout's nodes in this pool."""
    windows: tuple[Window, ...] = ()
    """None: always open."""
    reach: MachineReach = "agent"
    source: str = ""
    """With ssh, of operating systems that need it: where releases are. An agent is told so itself."""
    playbooks: dict[str, str] = {}
    """With playbook, by step: files that stand in the place of fleet's own. Absolute paths."""

    def holds(self, cluster: str, node: Node) -> bool:
        return (not self.clusters or cluster in self.clusters) and self.selector.matches(node.labels)


class Policy(Struct, frozen=True):
    pools: tuple[Pool, ...] = ()
    streams: tuple[Stream, ...] = ()
    limits: Limits = Limits(max_unavailable=None)
    freezes: tuple[Freeze, ...] = ()
    quorums: tuple[QuorumGroup, ...] = ()

    def quorum_rule(self, group: Quorum) -> QuorumRule:
        """One that the policy does not name goes by its own annotation, or else by the defaults."""
        named = next((each.rule for each in self.quorums if each.name == group.name), None)
        return named or group.rule or QuorumRule()

    def pool(self, name: str) -> Pool | None:
        for pool in self.pools:
            if pool.name == name:
                return pool
        return None

    def pool_of(self, cluster: str, node: Node) -> Pool | None:
        for pool in self.pools:
            if pool.holds(cluster, node):
                return pool
        return None

    def stream(self, name: str) -> Stream | None:
        for stream in self.streams:
            if stream.name == name:
                return stream
        return None

    def target(self, pool: Pool) -> Release | None:
        """The release that the pool's nodes should run; None where its stream has none or not that version."""
        stream = self.stream(pool.stream)
        if stream is None:
            return None
        return stream.find(pool.version) if pool.version else stream.newest

    @property
    def ways(self) -> frozenset[MachineReach]:
        """In which some pool's machines are reached."""
        return frozenset(pool.reach for pool in self.pools)

    @property
    def remote(self) -> bool:
        """The controller works on machines of some pool itself."""
        return bool(self.ways - {"agent"})

    def find_release(self, version: str) -> Release | None:
        return next((found for stream in self.streams if (found := stream.find(version))), None)

    def version_of(self, told: Release | None) -> str:
        """Returns how the streams name what a host tells; where none has it, the host's own word. Empty: nothing is told.

        An image may tell no version, or that of the image that it was built on.
        """
        if told is None:
            return ""
        likely = self.find_release(told.version)
        if likely is not None and is_release(told, likely):
            return likely.version
        every = (release for stream in self.streams for release in stream.releases)
        return next((release.version for release in every if is_release(told, release)), told.version)


def site_of(node: Node, cluster_site: str) -> str:
    """A node's own label beats the site of its cluster."""
    return node.labels.get(SITE_LABEL, cluster_site)
