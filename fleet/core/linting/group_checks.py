"""Checks of quorum groups: their declarations, their sizes, where their members are, and the limits of pools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set

from fleet.core.linting.carried_group import CarriedGroup, pods_are
from fleet.core.linting.finding import LintFinding
from fleet.core.objects.node import Node
from fleet.core.policy.policy import Policy, Pool
from fleet.core.quorum.groups import QuorumGroup, settled
from fleet.core.quorum.quorum import majority, tolerates
from fleet.core.text.counts import counted


def check_clusters(policy: Policy, clusters: Set[str]) -> Iterator[LintFinding]:
    """Yields quorum groups whose cluster is not one of the known clusters."""
    for group in policy.quorums:
        if group.cluster not in clusters:
            message = (
                f"cluster {group.cluster} is none of those that were checked: {', '.join(sorted(clusters))}"
            )
            yield LintFinding("", "group-cluster", group.name, message, "correct cluster, or add it and sync")


def check_annotations(
    policy: Policy, cluster: str, annotated: Sequence[QuorumGroup]
) -> Iterator[LintFinding]:
    """Yields the findings about the quorum groups that annotations declare."""
    in_policy = [group for group in policy.quorums if group.cluster == cluster]
    in_force = settled(annotated, in_policy)
    for group in in_force:
        if group.wrong:
            remedy = "correct the annotation, or remove it; until then its nodes are held"
            yield LintFinding(cluster, "annotation-wrong", group.name, group.wrong, remedy)
    names = {group.full_name: group.name for group in in_policy}
    for group in annotated:
        if group.name in names:
            message = (
                f"{group.source} declares it, and so does the policy ({names[group.name]}): the policy holds"
            )
            yield LintFinding(cluster, "annotation-policy", group.name, message, "keep one of the two")


def check_size(cluster: str, group: CarriedGroup) -> Iterator[LintFinding]:
    """Yields what is wrong with the number of voters of a group: missing voters, none, or too few or an even number to
    do without one."""
    count, name = group.voters, group.name
    if group.pods and len(group.pods) < count:
        message = f"{count} voters are declared and {pods_are(len(group.pods))} there"
        yield LintFinding(
            cluster,
            "voters-missing",
            name,
            message,
            "correct voters or the selector, or start the missing members",
        )
    if not count:
        if group.nodes or group.pods:
            return
        message = "no member of it is known in this cluster"
        yield LintFinding(
            cluster, "group-empty", name, message, "correct namespace and selector; fleet sync reads again"
        )
    elif count <= 2:
        if group.rule.downtime == "hold":
            message = f"{counted(count, 'voter')}: it stands still while one reboots, so its nodes never go"
            yield LintFinding(cluster, "voters-few", name, message, "use 3 voters, or set downtime: allow")
    elif count % 2 == 0:
        message = (
            f"{count} voters can spare {tolerates(count)}, as {count - 1} can, and need one more to decide"
        )
        yield LintFinding(cluster, "voters-even", name, message, f"use {count - 1} or {count + 1} voters")
    if count > 2 and majority(count) + group.rule.margin > count - 1:
        needed = majority(count) + group.rule.margin
        message = f"margin {group.rule.margin} wants {needed} of {count} healthy without the one that goes"
        remedy = f"set margin: {tolerates(count) - 1}" if tolerates(count) else "set margin: 0"
        yield LintFinding(cluster, "margin-never", name, message + ": no member can ever go", remedy)


def check_spread(cluster: str, group: CarriedGroup, nodes: Mapping[str, Node]) -> Iterator[LintFinding]:
    """Yields nodes with several members of a group, and zones with so many members that the loss of the zone stops the
    group."""
    together = sorted({node for node in group.nodes if group.nodes.count(node) > 1})
    for node in together:
        message = f"{group.nodes.count(node)} of {group.voters} members are on node {node}, and go together"
        yield LintFinding(
            cluster, "members-node", group.name, message, "spread them: a podAntiAffinity by hostname"
        )
    zones = [nodes[node].zone for node in group.nodes if node in nodes and nodes[node].zone]
    zones_of_cluster = {node.zone for node in nodes.values() if node.zone}
    for zone in sorted(set(zones)):
        if len(zones_of_cluster) > 1 and group.voters > 2 and zones.count(zone) > tolerates(group.voters):
            message = (
                f"{zones.count(zone)} of {group.voters} members are in zone {zone}: its loss stops the group"
            )
            few = " (two zones cannot do it: a third is needed)" if len(zones_of_cluster) == 2 else ""
            remedy = f"spread them: topologySpreadConstraints by zone{few}"
            yield LintFinding(cluster, "members-zone", group.name, message, remedy)


def check_limits(
    cluster: str, group: CarriedGroup, policy: Policy, nodes: Mapping[str, Node]
) -> Iterator[LintFinding]:
    """Yields pools whose limit of nodes at once is higher than the group ever allows."""
    carriers = set(group.nodes)
    by_pool: dict[str, list[str]] = {}
    pools: dict[str, Pool] = {}
    for node in nodes.values():
        pool = policy.pool_of(cluster, node)
        if pool is not None:
            pools[pool.name] = pool
            by_pool.setdefault(pool.name, []).append(node.name)
    for name, of_pool in by_pool.items():
        limits, inside = pools[name].limits, carriers & set(of_pool)
        limits_set = [amount for amount in (limits.max_unavailable, limits.per_cluster) if amount is not None]
        limit = min(limits_set, key=lambda amount: amount.of(len(of_pool)), default=None)
        allowed = len(of_pool) - len(inside) + 1
        if limit is None or len(inside) < 2 or limit.of(len(of_pool)) <= allowed:
            continue
        message = (
            f"lets {limit} of its {len(of_pool)} nodes go at once; {len(inside)} carry {group.name}, whose members "
            f"go one at a time: never more than {allowed}"
        )
        yield LintFinding(
            cluster, "limit-quorum", f"pool {name}", message, f"set limits.per_cluster: {allowed}"
        )
