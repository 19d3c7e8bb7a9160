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


def check_clusters(policy: Policy, known: Set[str]) -> Iterator[LintFinding]:
    """Yields quorum groups whose cluster is not one of the known clusters."""
    for group in policy.quorums:
        if group.cluster not in known:
            words = (
                f"cluster {group.cluster} is none of those that were looked at: {', '.join(sorted(known))}"
            )
            yield LintFinding("", "group-cluster", group.name, words, "mend cluster, or add it and sync")


def check_annotations(
    policy: Policy, cluster: str, annotated: Sequence[QuorumGroup]
) -> Iterator[LintFinding]:
    """Yields what is wrong with the quorum groups that annotations declare."""
    mine = [group for group in policy.quorums if group.cluster == cluster]
    holding = settled(annotated, mine)
    for group in holding:
        if group.wrong:
            advice = "correct the annotation, or remove it; until then its nodes are held"
            yield LintFinding(cluster, "annotation-wrong", group.name, group.wrong, advice)
    names = {group.full_name: group.name for group in mine}
    for group in annotated:
        if group.name in names:
            words = (
                f"{group.source} declares it, and so does the policy ({names[group.name]}): the policy holds"
            )
            yield LintFinding(cluster, "annotation-policy", group.name, words, "keep one of the two")


def check_size(cluster: str, group: CarriedGroup) -> Iterator[LintFinding]:
    """Yields what is wrong with the number of voters of a group: missing voters, none, or too few or an even number to
    do without one."""
    count, name = group.voters, group.name
    if group.pods and len(group.pods) < count:
        words = f"{count} voters are declared and {pods_are(len(group.pods))} there"
        yield LintFinding(
            cluster, "voters-missing", name, words, "mend voters, or the selector, or bring them up"
        )
    if not count:
        if group.nodes or group.pods:
            return
        words = "no member of it is known in this cluster"
        yield LintFinding(
            cluster, "group-empty", name, words, "mend namespace and selector; fleet sync reads anew"
        )
    elif count <= 2:
        if group.rule.downtime == "hold":
            words = f"{counted(count, 'voter')}: it stands still while one reboots, so its nodes never go"
            yield LintFinding(cluster, "voters-few", name, words, "use 3 voters, or set downtime: allow")
    elif count % 2 == 0:
        words = (
            f"{count} voters can spare {tolerates(count)}, as {count - 1} can, and need one more to decide"
        )
        yield LintFinding(cluster, "voters-even", name, words, f"use {count - 1} or {count + 1} voters")
    if count > 2 and majority(count) + group.rule.margin > count - 1:
        needed = majority(count) + group.rule.margin
        words = f"margin {group.rule.margin} wants {needed} of {count} healthy without the one that goes"
        advice = f"set margin: {tolerates(count) - 1}" if tolerates(count) else "set margin: 0"
        yield LintFinding(cluster, "margin-never", name, words + ": no member can ever go", advice)


def check_spread(cluster: str, group: CarriedGroup, nodes: Mapping[str, Node]) -> Iterator[LintFinding]:
    """Yields nodes with several members of a group, and zones with so many members that the loss of the zone stops the
    group."""
    together = sorted({node for node in group.nodes if group.nodes.count(node) > 1})
    for node in together:
        words = f"{group.nodes.count(node)} of {group.voters} members are on node {node}, and go together"
        yield LintFinding(
            cluster, "members-node", group.name, words, "spread them: a podAntiAffinity by hostname"
        )
    zones = [nodes[node].zone for node in group.nodes if node in nodes and nodes[node].zone]
    there = {node.zone for node in nodes.values() if node.zone}
    for zone in sorted(set(zones)):
        if len(there) > 1 and group.voters > 2 and zones.count(zone) > tolerates(group.voters):
            words = (
                f"{zones.count(zone)} of {group.voters} members are in zone {zone}: its loss stops the group"
            )
            few = " (two zones cannot do it: a third is needed)" if len(there) == 2 else ""
            advice = f"spread them: topologySpreadConstraints by zone{few}"
            yield LintFinding(cluster, "members-zone", group.name, words, advice)


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
    for name, own in by_pool.items():
        limits, inside = pools[name].limits, carriers & set(own)
        told = [each for each in (limits.max_unavailable, limits.per_cluster) if each is not None]
        limit = min(told, key=lambda each: each.of(len(own)), default=None)
        most = len(own) - len(inside) + 1
        if limit is None or len(inside) < 2 or limit.of(len(own)) <= most:
            continue
        words = (
            f"lets {limit} of its {len(own)} nodes go at once; {len(inside)} carry {group.name}, whose members "
            f"go one at a time: never more than {most}"
        )
        yield LintFinding(cluster, "limit-quorum", f"pool {name}", words, f"set limits.per_cluster: {most}")
