"""Makes the status of the fleet from what is known about the fleet. Pure: the same facts and time give the same
status."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.objects.known_node import AlikeNodes, KnownNode
from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Policy
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.reporting.ended_rollout import EndedRollout
from fleet.core.reporting.node_state import (
    ReleaseNames,
    RolloutPart,
    StatusNode,
    describe,
    parts_of,
)
from fleet.core.reporting.status import FleetStatus, StatusCluster, StatusPool, Summary
from fleet.core.text.natural_order import natural

if TYPE_CHECKING:
    from fleet.core.rollout.rollout import Rollout

UNREACHABLE = "unreachable"
Contact = tuple[bool, datetime | None]
"""Whether a cluster answers, and when it answered last."""
NO_CONTACT: Contact = (False, None)


def overview(
    now: datetime,
    clusters: Sequence[StatusCluster],
    known_nodes: Iterable[KnownNode],
    policy: Policy,
    rollouts: Iterable[Rollout | EndedRollout] = (),
    held: Mapping[NodeRef, tuple[Held, ...]] | None = None,
    eta: Mapping[str, int | None] | None = None,
    held_since: Mapping[NodeRef, datetime] = {},
    pods: Mapping[NodeRef, int] | None = None,
) -> FleetStatus:
    """Returns the status of the fleet at `now`.

    `rollouts`: in the order of their starts. `held`: what each node waits for. `eta`: seconds until the end of each
    rollout, by id. `held_since`: since when each node has been held. `pods`: how many pods are bound to each node that
    has any; None: not known.
    """
    contacts = _contacts(clusters)
    parts = parts_of(rollouts, held or {}, held_since)
    names = ReleaseNames(policy)
    described = []
    for known in known_nodes:
        part, count = parts.get(known.ref), None if pods is None else pods.get(known.ref, 0)
        row = describe(known, names, part, *contacts.get(known.cluster, NO_CONTACT), count)
        described.append(DescribedNodes(row, part, known.names))
    described.sort(key=_place)
    nodes = tuple([one.node for one in described])
    totals = _summary(described, _rows(described, clusters, eta or {}))
    return FleetStatus(now, tuple(clusters), nodes, totals)


class DescribedNodes(NamedTuple):
    """The row of one node, or of any one of several that are alike, with its part in a rollout."""

    node: StatusNode
    part: RolloutPart | None
    names: Sequence[str]
    """Of all nodes that the row is about."""


def each_alone(nodes: Iterable[StatusNode]) -> list[DescribedNodes]:
    """Returns each node as one that no other is alike, and without its part in a rollout."""
    return [DescribedNodes(node, None, (node.name,)) for node in nodes]


class FleetTotals(Struct, frozen=True):
    """Has what is counted of all nodes, without a row for each."""

    status: FleetStatus
    """Without nodes."""
    alike: tuple[DescribedNodes, ...]
    """The nodes that are alike, by site, cluster and pool."""

    @property
    def failed_units(self) -> tuple[tuple[str, ...], ...]:
        """The failed units of each node that has any, in the order of the nodes in a status."""
        failing = [
            (_place(one, name), one.node.failed_units)
            for one in self.alike
            if one.node.failed_units
            for name in one.names
        ]
        failing.sort()
        return tuple([units for _, units in failing])


def totals(
    now: datetime,
    clusters: Sequence[StatusCluster],
    alike: Iterable[AlikeNodes],
    policy: Policy,
    rollouts: Iterable[Rollout | EndedRollout] = (),
    held: Mapping[NodeRef, tuple[Held, ...]] | None = None,
    eta: Mapping[str, int | None] | None = None,
) -> FleetTotals:
    """Returns what `overview` counts of the same nodes, and describes only one of nodes that are alike and have no part
    of their own in a rollout."""
    contacts = _contacts(clusters)
    parts, names = parts_of(rollouts, held or {}), ReleaseNames(policy)
    described = []
    for nodes in alike:
        contact = contacts.get(nodes.cluster, NO_CONTACT)
        for part, members in _by_part(nodes, parts):
            row = describe(replace(nodes, names=members), names, part, *contact)
            described.append(DescribedNodes(row, part, members))
    described.sort(key=_place)
    counted = _summary(described, _rows(described, clusters, eta or {}))
    return FleetTotals(FleetStatus(now, tuple(clusters), (), counted), tuple(described))


def _contacts(clusters: Iterable[StatusCluster]) -> dict[str, Contact]:
    return {cluster.name: (cluster.reachable, cluster.last_seen) for cluster in clusters}


def _by_part(
    nodes: AlikeNodes, parts: Mapping[tuple[str, str], RolloutPart]
) -> Iterable[tuple[RolloutPart | None, Sequence[str]]]:
    """Returns the nodes by their part in a rollout, which those that have succeeded in the same one share."""
    cluster, names = nodes.cluster, nodes.names
    own = [parts.get((cluster, name)) for name in names]
    if all(part is own[0] for part in own):
        return [(own[0], names)]
    found: dict[int, tuple[RolloutPart | None, list[str]]] = {}
    for name, part in zip(names, own, strict=True):
        found.setdefault(id(part), (part, []))[1].append(name)
    return found.values()


def _place(described: DescribedNodes, name: str = "") -> tuple[str, str, str, list[str | int]]:
    node = described.node
    return node.site, node.cluster, node.pool, natural(name or node.name)


def _rows(
    described: Sequence[DescribedNodes], clusters: Iterable[StatusCluster], eta: Mapping[str, int | None]
) -> list[StatusPool]:
    """Returns the rows of the overview, in their order."""
    reachable = {cluster.name for cluster in clusters if cluster.reachable}
    pools = chain(_pools(described, reachable, eta), _rows_without_nodes(clusters))
    return sorted(pools, key=lambda row: (row.site, row.cluster, row.pool))


def _pools(
    described: Iterable[DescribedNodes],
    reachable: set[str],
    eta: Mapping[str, int | None],
) -> Iterable[StatusPool]:
    """Yields one row for each pool in each reachable cluster."""
    groups: dict[tuple[str, str, str], list[DescribedNodes]] = {}
    for each in described:
        node = each.node
        if node.cluster in reachable and node.state != "orphan":
            groups.setdefault((node.site, node.cluster, node.pool), []).append(each)
    for (site, cluster, pool), members in groups.items():
        own = [one.part for one in members if one.part is not None]
        active = next((part.rollout for part in reversed(own) if part.active), None)
        yield StatusPool(
            site=site,
            cluster=cluster,
            pool=pool,
            nodes=sum(len(one.names) for one in members),
            patched=sum(len(one.names) for one in members if one.node.state == "patched"),
            target=_usual_target(members),
            rollout=active.id if active is not None else "",
            rollout_state=str(active.state) if active is not None else "",
            eta_seconds=eta.get(active.id) if active is not None else None,
            note=_waits_for([part for part in own if part.rollout is active]),
        )


def _usual_target(members: Iterable[DescribedNodes]) -> str:
    """Returns the target of most nodes; of targets with equally many, that of the first node. Empty: none has one."""
    counts: Counter[str] = Counter()
    for one in members:
        if one.node.target:
            counts[one.node.target] += len(one.names)
    most = max(counts.values(), default=0)
    usual = {target for target, count in counts.items() if count == most}
    if len(usual) < 2:
        return "".join(usual)
    first = min(
        (natural(name), one.node.target) for one in members if one.node.target in usual for name in one.names
    )
    return first[1]


def _waits_for(parts: Sequence[RolloutPart]) -> str:
    """Returns the window or freeze that these runs wait for, if nothing else goes on. Empty: they do not only wait for
    a time."""
    open_runs = [part for part in parts if not part.run.ended]
    if any(not part.run.waiting for part in open_runs):
        return ""
    first = [part.held[0] for part in open_runs if part.held]
    for held in first:
        if held.reason is Reason.WINDOW:
            return f"window {held.params.get('opens', '?')}"
        if held.reason is Reason.FREEZE:
            where = held.params.get("where", "")
            return f"freeze {held.subject}{where} until {held.params.get('until', '?')}"
    return ""


def _rows_without_nodes(clusters: Iterable[StatusCluster]) -> Iterable[StatusPool]:
    """Yields one row for each cluster that is unreachable or has no nodes."""
    for cluster in clusters:
        if not cluster.reachable:
            sites = ", ".join(cluster.sites)
            yield StatusPool(sites, cluster.name, "", cluster.nodes, 0, "", note=UNREACHABLE)
        elif not cluster.nodes:
            yield StatusPool(", ".join(cluster.sites), cluster.name, "", 0, 0, "", note="no nodes")


def summary(nodes: Iterable[StatusNode], pools: Iterable[StatusPool]) -> Summary:
    """Returns the numbers of nodes by state, kernel and version."""
    return _summary(each_alone(nodes), pools)


def _summary(described: Sequence[DescribedNodes], pools: Iterable[StatusPool]) -> Summary:
    reported = [one for one in described if one.node.state != "unknown"]
    return Summary(
        nodes=sum(len(one.names) for one in described),
        patched=sum(len(one.names) for one in described if one.node.state == "patched"),
        states=_counted((one.node.state, len(one.names)) for one in described),
        kernels=_counted((one.node.kernel, len(one.names)) for one in reported if one.node.kernel),
        versions=_counted((one.node.version, len(one.names)) for one in reported if one.node.version),
        pools=tuple(pools),
    )


def _counted(values: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Returns how many nodes have each value, the most frequent value first and equally frequent ones in ascending
    order. `values`: each with a number of nodes."""
    counts: Counter[str] = Counter()
    for value, count in values:
        counts[value] += count
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
