"""The user's policy: pools, limits, drain rules, windows. `fleet.config` parses the whole policy once, before anything
runs."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from fleet.core.objects.node import SITE_LABEL, Node
from fleet.core.objects.selector import Selector, covers
from fleet.core.policy.alerting.silence import SilenceRule
from fleet.core.policy.bounds import AtLeastOne
from fleet.core.policy.drain_rule import PodRule
from fleet.core.policy.gate import AnyGate
from fleet.core.policy.hooks.hook import Hooks, PlaybookHook
from fleet.core.policy.rollout_stage import RolloutStage
from fleet.core.policy.times.freeze import Freeze, FreezeCalendar
from fleet.core.policy.times.window import RecurringWindow, Window, WindowLevel
from fleet.core.policy.upgrades.upgrade_rule import UpgradeRule
from fleet.core.quorum.groups import QuorumGroup
from fleet.core.quorum.quorum import Quorum, QuorumRule
from fleet.core.releases.release import Release, Stream, is_release


class Amount(Struct, frozen=True):
    """A number of nodes, or a percentage of the nodes to which a limit applies."""

    number: int
    percent: bool = False

    def of(self, total: int) -> int:
        """Returns the number of nodes, out of `total`. A percentage is rounded down, but a percentage above zero is at
        least one node."""
        if not self.percent:
            return self.number
        return max(1, total * self.number // 100) if self.number else 0

    def __str__(self) -> str:
        return f"{self.number}{'%' if self.percent else ''}"


class Limits(Struct, frozen=True):
    """Limits how many nodes may be unavailable at once. Nodes that are unavailable for other reasons count too. None
    for no limit."""

    max_unavailable: Amount | None = Amount(1)
    """Limit of the pool, over all its clusters. In `Policy.limits`: limit of the whole fleet."""
    per_zone: Amount | None = None
    per_site: Amount | None = None
    per_cluster: Amount | None = None


class DrainRule(Struct, frozen=True):
    """Says how the nodes of a pool are drained. `hold`: fleet does not begin a node that has such pods."""

    unmanaged: Literal["hold", "evict"] = "hold"
    """Pods without a controller, which no controller would recreate."""
    local_data: Literal["hold", "evict"] = "evict"
    """Pods with an emptyDir that is not memory."""
    host_path: Literal["hold", "evict"] = "evict"
    """Pods that mount a hostPath."""
    no_room: Literal["hold", "evict"] = "hold"
    """Pods that would fit on no other node."""
    volumes: Literal["wait", "ignore"] = "wait"
    """Volumes that are still attached to the node after their pods are gone."""
    grace_seconds: int | None = None
    """Grace period of evictions in seconds; None for each pod's terminationGracePeriodSeconds."""
    timeout_seconds: AtLeastOne = 3600
    """A drain that takes more seconds fails, and its run gives the node back."""
    rules: tuple[PodRule, ...] = ()
    """Rules for single pods; the first that matches a pod applies."""


class StageRule(Struct, frozen=True):
    """Says how the images of a pool's release are staged."""

    concurrency: AtLeastOne = 10
    """Number of machines that write the new image at once."""
    timeout_seconds: AtLeastOne = 1800
    """Staging that takes more seconds fails."""


class RebootRule(Struct, frozen=True):
    """Says how the machines of a pool are rebooted."""

    timeout_seconds: AtLeastOne = 900
    """Maximum time in seconds from the reboot until the node is Ready again in its new boot."""


MachineReach = Literal["agent", "ssh", "playbook"]
"""How fleet acts on machines: by an agent that runs on each machine, or from the controller over ssh or by
playbooks."""
PLAYBOOKS = ("facts", "preflight", "stage", "reboot", "verify", "rollback", "collect-logs")
"""The names of the playbooks, one for each step."""


class ApprovalRule(Struct, frozen=True):
    """Says which approvals a plan of a pool needs before it is started. A plan's maker never counts as an approver."""

    required: int = 0
    """Number of persons that must have approved; 0: none."""
    valid_seconds: AtLeastOne = 7 * 86400
    """How long an approval that was not used is in force, in seconds."""
    override: int = 0
    """Number of persons that must have approved a start in spite of a freeze; 0: none."""


class Pool(Struct, frozen=True):
    """Nodes that share rules and a stream. A node is in the first pool of the policy that matches the node."""

    name: str
    selector: Selector = Selector()
    clusters: tuple[str, ...] = ()
    """Names of the clusters whose nodes may be in the pool; empty for all."""
    stream: str = ""
    version: str = ""
    """Version of the stream that the pool is pinned to; empty for the newest."""
    limits: Limits = Limits()
    drain: DrainRule = DrainRule()
    stage: StageRule = StageRule()
    reboot: RebootRule = RebootRule()
    soak_seconds: int = 60
    """How long a node is watched after its uncordon, in seconds."""
    canaries: int = 1
    """Number of nodes that are upgraded and verified before the rest begins."""
    failure_limit: int | Amount = 1
    """Number of failed runs that halts the rollout; a percentage is of the rollout's nodes in this pool."""
    windows: tuple[Window, ...] = ()
    """Weekly windows in which runs may start. Without these and `recurring` ones runs may start at any time."""
    recurring: tuple[RecurringWindow, ...] | UnsetType = UNSET
    """Windows by recurrence rules or from calendars."""
    unread: tuple[str, ...] | UnsetType = UNSET
    """Calendars of windows that were never read. Until they are, no run starts."""
    gates: tuple[AnyGate, ...] | UnsetType = UNSET
    """Asked when the pool's canaries are proven, before its other nodes begin."""
    patch_within_seconds: int | UnsetType = UNSET
    """The time in seconds, from the date of a release, in which the pool's nodes should run it. Plans and `fleet lint`
    warn where that cannot be; nothing else changes."""
    silences: tuple[SilenceRule, ...] | UnsetType = UNSET
    """The alerts of a node that are silenced while it is worked on."""
    rollout_wariness: float | UnsetType = UNSET
    """The wariness of all nodes of the pool: their place in phased rollouts of a publisher, from 0.0 (at once) to 1.0
    (last). UNSET: each machine has its own, by its machine-id."""
    reach: MachineReach = "agent"
    source: str = ""
    """The source from which machines that are reached over ssh fetch releases, for OS families that need one. An agent gets
    its source by its own configuration."""
    playbooks: dict[str, str] = {}
    """Playbooks that replace fleet's own for machines that are reached by playbooks: step and absolute path of the
    file."""
    hooks: Hooks | UnsetType = UNSET
    """What runs before and after each node of the pool."""
    approvals: ApprovalRule | UnsetType = UNSET
    """UNSET: the policy has no rule, and nothing about approvals is written into plans and the journal."""
    upgrade: UpgradeRule | UnsetType = UNSET
    """UNSET: operators plan and start every rollout."""

    def holds(self, cluster: str, node: Node) -> bool:
        """Returns whether clusters and selector of the pool match a node of this cluster."""
        return (not self.clusters or cluster in self.clusters) and self.selector.matches(node.labels)

    @property
    def has_hooks_before(self) -> bool:
        """Returns whether hooks run before each node, whose work fleet cannot take back."""
        return bool(self.hooks and self.hooks.before)

    def failures(self, nodes: int) -> int:
        """Returns how many failed nodes halt a rollout that has so many nodes of the pool."""
        limit = self.failure_limit
        return limit.of(nodes) if isinstance(limit, Amount) else limit

    def covers(self, narrow: Pool) -> bool:
        """Returns whether the pool matches every node that `narrow` matches, as far as their selectors show."""
        if self.clusters and not (narrow.clusters and set(narrow.clusters) <= set(self.clusters)):
            return False
        return covers(self.selector, narrow.selector)


class Policy(Struct, frozen=True):
    """The whole policy of a fleet."""

    pools: tuple[Pool, ...] = ()
    streams: tuple[Stream, ...] = ()
    limits: Limits = Limits(max_unavailable=None)
    """Limits over all pools together."""
    freezes: tuple[Freeze, ...] = ()
    calendars: tuple[FreezeCalendar, ...] | UnsetType = UNSET
    """Freezes that come from calendars."""
    levels: tuple[WindowLevel, ...] | UnsetType = UNSET
    """Windows of the fleet, of sites and of clusters."""
    quorums: tuple[QuorumGroup, ...] = ()
    stages: tuple[RolloutStage, ...] | UnsetType = UNSET
    """The stages of every rollout, in order. UNSET: all nodes belong to one."""
    hooks: Hooks | UnsetType = UNSET
    """What runs before and after every rollout."""

    def quorum_rule(self, group: Quorum) -> QuorumRule:
        """Returns the rule of a quorum group: that of the policy, else that of the group's annotation, else the
        defaults."""
        named = next((quorum.rule for quorum in self.quorums if quorum.name == group.name), None)
        return named or group.rule or QuorumRule()

    def pool(self, name: str) -> Pool | None:
        """Returns the pool of this name; None if there is none."""
        for pool in self.pools:
            if pool.name == name:
                return pool
        return None

    def pool_of(self, cluster: str, node: Node) -> Pool | None:
        """Returns the pool of a node: the first that matches the node; None if none does."""
        for pool in self.pools:
            if pool.holds(cluster, node):
                return pool
        return None

    def stream(self, name: str) -> Stream | None:
        """Returns the stream of this name; None if there is none."""
        for stream in self.streams:
            if stream.name == name:
                return stream
        return None

    def target(self, pool: Pool) -> Release | None:
        """Returns the release that the pool's nodes should run; None if its stream has no release, or not the pinned
        version."""
        stream = self.stream(pool.stream)
        if stream is None:
            return None
        return stream.find(pool.version) if pool.version else stream.newest

    @property
    def freeze_calendars(self) -> tuple[FreezeCalendar, ...]:
        """The calendars that freezes come from; empty where the policy names none."""
        return () if isinstance(self.calendars, UnsetType) else self.calendars

    @property
    def automatic(self) -> tuple[Pool, ...]:
        """The pools with a standing policy."""
        return tuple(
            pool
            for pool in self.pools
            if not isinstance(pool.upgrade, UnsetType) and pool.upgrade.mode == "auto"
        )

    @property
    def reaches(self) -> frozenset[MachineReach]:
        """The access methods of all pools."""
        return frozenset(pool.reach for pool in self.pools)

    @property
    def plays_hooks(self) -> bool:
        """True if a hook of some pool is a playbook."""
        pools = (pool.hooks for pool in self.pools if pool.hooks)
        return any(isinstance(hook, PlaybookHook) for each in pools for hook in (*each.before, *each.after))

    @property
    def remote(self) -> bool:
        """True if the controller itself acts on the machines of some pool, over ssh or by playbooks."""
        return bool(self.reaches - {"agent"})

    def find_release(self, version: str) -> Release | None:
        """Returns the first release with this version in any stream; None if there is none."""
        return next((release for stream in self.streams if (release := stream.find(version))), None)

    def version_of(self, reported: Release | None) -> str:
        """Returns the version by which the streams know the release that a host reports; the reported version if no
        stream has the release. Empty if the host reports no release.

        The version in an image may be missing, or be that of its base image.
        """
        if reported is None:
            return ""
        candidate = self.find_release(reported.version)
        if candidate is not None and is_release(reported, candidate):
            return candidate.version
        releases = (release for stream in self.streams for release in stream.releases)
        return next(
            (release.version for release in releases if is_release(reported, release)), reported.version
        )


def site_of(node: Node, cluster_site: str) -> str:
    """Returns the site of a node: its own label, or else the site of its cluster."""
    return node.labels.get(SITE_LABEL, cluster_site)
