"""The status of the fleet, made from what is known of it. Pure: the same facts and time give the same status."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node, NodeRef
from fleet.core.policy.policy import Policy, Pool
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.releases.release import Release, is_release
from fleet.core.reporting.status import FleetStatus, NodeState, StatusCluster, StatusNode, StatusPool, Summary
from fleet.core.rollout.rollout import Rollout, Run
from fleet.core.rollout.steps import HAS_SLOT, Step

ATTENTION: tuple[NodeState, ...] = ("failed", "held", "drifted", "orphan")
"""States in which a node waits for a person."""
UNREACHABLE = "unreachable"
DIGITS = re.compile(r"(\d+)")


class KnownNode(Struct, frozen=True):
    """What the inventory knows of one node."""

    cluster: str
    site: str
    name: str
    node: Node | None
    """None: its cluster has no such node (any more); only its machine is known."""
    machine: Machine | None = None
    pods: int = 0
    since: datetime | None = None
    """When the booted release began to run, as far as that is known."""
    last_seen: datetime | None = None

    @property
    def ref(self) -> NodeRef:
        return NodeRef(self.cluster, self.name)


class RolloutPart(Struct, frozen=True):
    """A node's part in the last rollout that has it."""

    rollout: Rollout
    run: Run
    held: tuple[Held, ...] = ()
    held_since: datetime | None = None


class Selection(Struct, frozen=True):
    """Which part of the fleet is asked for; empty: all of it."""

    clusters: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    outdated: bool = False
    """Nodes that do not run what their pool wants, whatever the reason."""
    attention: bool = False

    @property
    def by_state(self) -> bool:
        return self.outdated or self.attention


def overview(
    now: datetime,
    clusters: Sequence[StatusCluster],
    known: Iterable[KnownNode],
    policy: Policy,
    rollouts: Iterable[Rollout] = (),
    held: Mapping[NodeRef, tuple[Held, ...]] | None = None,
    eta: Mapping[str, int | None] | None = None,
    held_since: Mapping[NodeRef, datetime] = {},
) -> FleetStatus:
    """`rollouts` are in the order of their starts; `eta` is in seconds, by rollout; `held_since`: when what holds a node
    began to."""
    reachable = {cluster.name for cluster in clusters if cluster.reachable}
    parts = parts_of(rollouts, held or {}, held_since)
    nodes = [describe(each, policy, parts.get(each.ref), each.cluster in reachable) for each in known]
    nodes.sort(key=lambda node: (node.site, node.cluster, node.pool, natural(node.name)))
    pools = (*_pools(nodes, reachable, parts, eta or {}), *_away(clusters))
    ordered = sorted(pools, key=lambda row: (row.site, row.cluster, row.pool))
    return FleetStatus(now, tuple(clusters), tuple(nodes), summary(nodes, ordered))


def parts_of(
    rollouts: Iterable[Rollout],
    held: Mapping[NodeRef, tuple[Held, ...]],
    held_since: Mapping[NodeRef, datetime] = {},
) -> dict[NodeRef, RolloutPart]:
    """The part of each node in the last rollout that has touched it or still wants it."""
    parts: dict[NodeRef, RolloutPart] = {}
    for rollout in rollouts:
        for ref, run in rollout.runs.items():
            if run.step is not Step.CANCELLED:
                waits = held.get(ref, ()) if rollout.active else ()
                parts[ref] = RolloutPart(rollout, run, waits, held_since.get(ref))
    return parts


def describe(known: KnownNode, policy: Policy, part: RolloutPart | None, reachable: bool) -> StatusNode:
    node, machine = known.node, known.machine
    pool = policy.pool_of(known.cluster, node) if node is not None else None
    target = _target(policy, pool, part)
    booted = machine.booted if machine is not None else None
    state = _state(known, policy, pool, target, part, reachable)
    in_rollout = part is not None and (part.rollout.active or state == "failed")
    return StatusNode(
        cluster=known.cluster,
        site=known.site,
        zone=node.zone if node is not None else "",
        pool=pool.name if pool is not None else "",
        name=known.name,
        os=node.os_image if node is not None else "",
        version=policy.version_of(booted),
        kernel=(node.kernel if node is not None else "") or (machine.kernel if machine is not None else ""),
        booted=booted.digest if booted is not None else "",
        staged=policy.version_of(machine.staged) if machine is not None else "",
        target=target.version if target is not None else "",
        state=state,
        step=str(part.run.step) if part is not None and in_rollout else "",
        rollout=part.rollout.id if part is not None and in_rollout else "",
        held=_words(part, state) if part is not None else (),
        since=_since(known, part, state),
        ready=node.ready if node is not None else None,
        schedulable=node is not None and not node.unschedulable,
        last_seen=known.last_seen,
        kubelet=node.kubelet if node is not None else "",
        pods=known.pods,
        kernel_arguments=machine.kernel_arguments if machine is not None else "",
        layered=machine.layered if machine is not None else (),
        systemd=machine.units.state if machine is not None and machine.units is not None else "",
        failed_units=machine.units.failed if machine is not None and machine.units is not None else (),
        reference_digest=booted.reference_digest if booted is not None else "",
    )


def _since(known: KnownNode, part: RolloutPart | None, state: NodeState) -> datetime | None:
    """When the node came into its state, as far as that is known."""
    if part is not None and state in ("running", "failed"):
        return part.run.since
    if part is not None and state == "held" and part.held_since is not None:
        return part.held_since
    return known.since


def _words(part: RolloutPart, state: NodeState) -> tuple[str, ...]:
    if state == "failed":
        return tuple(words for words in (part.run.why, *(held.message for held in part.held)) if words)
    return tuple(held.message for held in lasting_first(part.held))


def lasting_first(held: Iterable[Held]) -> tuple[Held, ...]:
    """What a person must act on before what passes by itself; in their order otherwise."""
    return tuple(sorted(held, key=lambda each: not each.needs_action))


def _target(policy: Policy, pool: Pool | None, part: RolloutPart | None) -> Release | None:
    """What the rollout in progress brings; else what the policy wants; else what was brought last."""
    if part is not None and part.rollout.active:
        return part.rollout.release
    wanted = policy.target(pool) if pool is not None else None
    if wanted is None and part is not None and part.run.step is Step.DONE:
        return part.rollout.release
    return wanted


def _state(
    known: KnownNode,
    policy: Policy,
    pool: Pool | None,
    target: Release | None,
    part: RolloutPart | None,
    reachable: bool,
) -> NodeState:
    if not reachable:
        return "unknown"
    if known.node is None:
        return "orphan"
    booted = known.machine.booted if known.machine is not None else None
    patched = target is not None and is_release(booted, target)
    if part is not None and (state := _state_in(part, patched)):
        return state
    if booted is None:
        return "unknown"
    if patched:
        return "patched"
    stream = policy.stream(pool.stream) if pool is not None else None
    if stream is not None and not any(is_release(booted, release) for release in stream.releases):
        return "drifted"
    return "outdated" if target is not None else "unknown"


def _state_in(part: RolloutPart, patched: bool) -> NodeState | None:
    """What the node's run says; None where it says nothing that the node itself does not."""
    run = part.run
    if run.step is Step.FAILED and (run.slot or (run.begun is None and not patched)):
        return "failed"
    if not part.rollout.active:
        return None
    # Also while its image is written: that is no reason to wait with what an operator must mend.
    if run.waiting and any(held.needs_action and held.reason is not Reason.HALTED for held in part.held):
        return "held"
    return "running" if run.step in HAS_SLOT or run.step is Step.STAGE else None


def _pools(
    nodes: Iterable[StatusNode],
    reachable: set[str],
    parts: Mapping[NodeRef, RolloutPart],
    eta: Mapping[str, int | None],
) -> Iterable[StatusPool]:
    """One row for each pool in each reachable cluster."""
    groups: dict[tuple[str, str, str], list[StatusNode]] = {}
    for node in nodes:
        if node.cluster in reachable and node.state != "orphan":
            groups.setdefault((node.site, node.cluster, node.pool), []).append(node)
    for (site, cluster, pool), members in groups.items():
        targets = Counter(node.target for node in members if node.target)
        own = [parts[ref] for node in members if (ref := NodeRef(cluster, node.name)) in parts]
        active = next((part.rollout for part in reversed(own) if part.rollout.active), None)
        yield StatusPool(
            site=site,
            cluster=cluster,
            pool=pool,
            nodes=len(members),
            patched=sum(node.state == "patched" for node in members),
            target=targets.most_common(1)[0][0] if targets else "",
            rollout=active.id if active is not None else "",
            rollout_state=str(active.state) if active is not None else "",
            eta_seconds=eta.get(active.id) if active is not None else None,
            note=_waits_for([part for part in own if part.rollout is active]),
        )


def _waits_for(parts: Sequence[RolloutPart]) -> str:
    """What time alone will open, where nothing else goes on."""
    open_runs = [part for part in parts if not part.run.ended]
    if any(not part.run.waiting for part in open_runs):
        return ""
    first = [part.held[0] for part in open_runs if part.held]
    for held in first:
        if held.reason is Reason.WINDOW:
            return f"window {held.params.get('opens', '?')}"
        if held.reason is Reason.FREEZE:
            return f"freeze {held.subject} until {held.params.get('until', '?')}"
    return ""


def _away(clusters: Iterable[StatusCluster]) -> Iterable[StatusPool]:
    """One row for each cluster of which nothing is known for certain now."""
    for cluster in clusters:
        if not cluster.reachable:
            sites = ", ".join(cluster.sites)
            yield StatusPool(sites, cluster.name, "", cluster.nodes, 0, "", note=UNREACHABLE)
        elif not cluster.nodes:
            yield StatusPool(", ".join(cluster.sites), cluster.name, "", 0, 0, "", note="no nodes")


def summary(nodes: Sequence[StatusNode], pools: Iterable[StatusPool]) -> Summary:
    told = [node for node in nodes if node.state != "unknown"]
    return Summary(
        nodes=len(nodes),
        patched=sum(node.state == "patched" for node in nodes),
        states=_counted(node.state for node in nodes),
        kernels=_counted(node.kernel for node in told if node.kernel),
        versions=_counted(node.version for node in told if node.version),
        pools=tuple(pools),
    )


def _counted(values: Iterable[str]) -> dict[str, int]:
    """The most frequent first; of equal ones in their own order."""
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))


def select(status: FleetStatus, selection: Selection) -> FleetStatus:
    """The part of the fleet that is asked for. Rows of pools are whole: they are not narrowed by state."""
    clusters = [
        cluster
        for cluster in status.clusters
        if _asked(selection.clusters, cluster.name)
        and (not selection.sites or any(site in selection.sites for site in cluster.sites))
    ]
    names = {cluster.name for cluster in clusters}
    nodes = tuple(node for node in status.nodes if _selected(node, selection))
    return replace(
        status,
        clusters=tuple(clusters),
        nodes=nodes,
        summary=summary(nodes, rows_of(status, selection)),
        quorums=tuple(
            group
            for group in status.quorums
            if group.cluster in names
            and (not selection.sites or any(each.site in selection.sites for each in group.members))
        ),
    )


def rows_of(status: FleetStatus, selection: Selection) -> list[StatusPool]:
    """The rows of pools that are asked for by name; none: no node is in all that was named. The row of a cluster that is
    not reached stands for all of its pools."""
    return [
        row
        for row in status.summary.pools
        if _asked(selection.clusters, row.cluster)
        and (not selection.sites or any(site in selection.sites for site in row.site.split(", ")))
        and (_asked(selection.pools, row.pool) or row.note == UNREACHABLE)
    ]


def _selected(node: StatusNode, selection: Selection) -> bool:
    return (
        _asked(selection.clusters, node.cluster)
        and _asked(selection.sites, node.site)
        and _asked(selection.pools, node.pool)
        and (not selection.outdated or (node.state not in ("patched", "unknown", "orphan")))
        and (not selection.attention or node.state in ATTENTION)
    )


def _asked(names: Sequence[str], name: str) -> bool:
    return not names or name in names


def natural(name: str) -> list[str | int]:
    """A key by which n-9 comes before n-10."""
    parts: list[str | int] = list(DIGITS.split(name))
    parts[1::2] = map(int, parts[1::2])
    return parts
