"""What a policy, budgets and quorum groups say that contradicts itself, or that can never be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import NamedTuple

from msgspec import Struct, field

from fleet.core.cluster.notices import notices_by_node
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.cluster.view import ClusterView
from fleet.core.guards.version_skew import skews
from fleet.core.linting.rebooters import rebooters
from fleet.core.objects.budget import Budget, share
from fleet.core.objects.node import Node
from fleet.core.objects.pod import Pod
from fleet.core.planning import architectures
from fleet.core.planning.foreseen import snapshot_warnings
from fleet.core.planning.landing import unknown_landings
from fleet.core.planning.losses import loss_notes
from fleet.core.planning.obstacles import obstacles
from fleet.core.planning.plan import PlanWarning
from fleet.core.policy.policy import Policy, Pool
from fleet.core.quorum.groups import QuorumGroup, settled
from fleet.core.quorum.quorum import Quorum, QuorumRule, majority, tolerates
from fleet.core.records.reasons.reason import Reason
from fleet.core.records.reasons.table import SPECS
from fleet.core.text.counts import counted
from fleet.core.third_parties.operators import asked_by, opens_again
from fleet.core.third_parties.roles import Roles

ETCD_LABELS = {"component": "etcd"}
"""Of the static pods of kubeadm and alike."""

SAID_OTHERWISE = {spec.reason for spec in SPECS.values() if spec.scope == "quorum group"} | {
    Reason.SEVERAL_BUDGETS,
    Reason.SKEW,
    Reason.SKEW_OLD,
    Reason.SKEW_UNKNOWN,
}
"""Reasons about which a check of its own says more, or that are about one release."""
OF_THE_MOMENT = frozenset(
    {
        Reason.HALTED,
        Reason.NODE_GONE,
        Reason.NODE_REPLACED,
        Reason.NODE_NOT_READY,
        Reason.NO_AGENT,
        Reason.OTHER_ROLLOUT,
        Reason.OTHER_CORDON,
        Reason.ROLLED_BACK,
    }
)
"""Reasons about the state of a node or of a rollout, which `fleet status` shows."""
NAMED = 3
"""Nodes that a finding names before it counts the rest."""


class LintFinding(Struct, frozen=True, order=True):
    cluster: str
    """Empty: of no cluster of the fleet."""
    check: str
    """`voters-even`, `budget-quorum`, ...: docs/quorum.md names them all."""
    subject: str
    """A group, a budget or pod (namespace/name), a pool, or another that reboots nodes."""
    message: str = field(name="words")
    remedy: str = field(name="advice")


class LintResult(Struct, frozen=True):
    findings: tuple[LintFinding, ...] = ()
    checked: tuple[str, ...] = ()
    """Clusters."""
    unread: tuple[str, ...] = ()
    """Clusters that were never read, so that nothing can be said of them."""


class Carried(NamedTuple):
    """A group as it is in its cluster."""

    name: str
    rule: QuorumRule
    voters: int
    pods: tuple[Pod, ...]
    """Of its voters, as far as they are known as pods."""
    nodes: tuple[str, ...]
    """One for each voter that runs somewhere; a node may be there twice."""


def lint(
    policy: Policy,
    snapshots: Sequence[Snapshot],
    unread: Sequence[str] = (),
    annotated: Mapping[str, Sequence[QuorumGroup]] = {},
) -> LintResult:
    """`annotated`: what workloads declare, each for itself, by cluster."""
    found = list(_strangers(policy, {*unread, *(snapshot.cluster for snapshot in snapshots)}))
    for snapshot in snapshots:
        nodes = {node.name: node for node in snapshot.nodes}
        declared = annotated.get(snapshot.cluster, ())
        found += _annotations(policy, snapshot.cluster, declared)
        groups = _groups(policy, snapshot, declared)
        for group in groups:
            found += _sizes(snapshot.cluster, group)
            found += _spread(snapshot.cluster, group, nodes)
            found += _limits(snapshot.cluster, group, policy, nodes)
        found += _budgets(snapshot, groups)
        found += _skews(snapshot)
        found += _rebooters(snapshot)
        found += _others(snapshot)
        found += _obstacles(
            policy, snapshot, {each.subject for each in found if each.check == "budget-never"}
        )
        found += _losses(policy, snapshot)
        found += _warnings(policy, snapshot)
        found += _unknown(policy, snapshot)
    return LintResult(
        tuple(sorted(set(found))), tuple(snapshot.cluster for snapshot in snapshots), tuple(unread)
    )


def _strangers(policy: Policy, known: Set[str]) -> Iterator[LintFinding]:
    for group in policy.quorums:
        if group.cluster not in known:
            words = (
                f"cluster {group.cluster} is none of those that were looked at: {', '.join(sorted(known))}"
            )
            yield LintFinding("", "group-cluster", group.name, words, "mend cluster, or add it and sync")


def _annotations(policy: Policy, cluster: str, annotated: Sequence[QuorumGroup]) -> Iterator[LintFinding]:
    mine = [group for group in policy.quorums if group.cluster == cluster]
    holding = settled(annotated, mine)
    for group in holding:
        if group.wrong:
            advice = "mend the annotation, or take it away; until then its nodes are held"
            yield LintFinding(cluster, "annotation-wrong", group.name, group.wrong, advice)
    names = {group.full_name: group.name for group in mine}
    for group in annotated:
        if group.name in names:
            words = (
                f"{group.source} declares it, and so does the policy ({names[group.name]}): the policy holds"
            )
            yield LintFinding(cluster, "annotation-policy", group.name, words, "keep one of the two")


def _groups(policy: Policy, snapshot: Snapshot, annotated: Sequence[QuorumGroup]) -> list[Carried]:
    """Those that are declared, and others that were read."""
    read = {quorum.name: quorum for quorum in snapshot.quorums}
    mine = [group for group in policy.quorums if group.cluster == snapshot.cluster]
    declared = [*mine, *settled(annotated, mine)]
    named = {group.name for group in declared}
    found = [_carried(group, read.get(group.name), snapshot.pods) for group in declared if not group.wrong]
    others = [quorum for name, quorum in read.items() if name not in named]
    return found + [_as_read(quorum, policy.quorum_rule(quorum)) for quorum in others]


def _carried(group: QuorumGroup, read: Quorum | None, pods: Iterable[Pod]) -> Carried:
    if group.members is None:
        own = [pod for pod in pods if pod.mirror and ETCD_LABELS.items() <= pod.labels.items()]
        if read is not None:
            return _as_read(read, group.rule)._replace(pods=tuple(own))
        # An etcd whose members are no pods of the cluster is not known from here.
        own = [] if group.access.endpoints else own
        declared = 0
    else:
        members = group.members
        own = [
            pod
            for pod in pods
            if pod.namespace == members.namespace
            and members.selector.matches(pod.labels)
            and not pod.finished
        ]
        declared = members.voters or 0
    # Of more pods than voters some do not vote, and which is not known from here.
    voters = declared or len(own)
    nodes = tuple(pod.node for pod in own if pod.node)
    return Carried(group.name, group.rule, voters, tuple(own), nodes)


def _as_read(read: Quorum, rule: QuorumRule) -> Carried:
    nodes = tuple(member.node.name for member in read.voters if member.node is not None)
    return Carried(read.name, rule, len(read.voters), (), nodes)


def _spare(group: Carried) -> int:
    """Voters that may be away at once, by arithmetic and margin."""
    return max(0, tolerates(group.voters) - group.rule.margin)


def _sizes(cluster: str, group: Carried) -> Iterator[LintFinding]:
    count, name = group.voters, group.name
    if group.pods and len(group.pods) < count:
        words = f"{count} voters are declared and {_pods(len(group.pods))} there"
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
            words = f"{_voters(count)}: it stands still while one reboots, so its nodes never go"
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


def _spread(cluster: str, group: Carried, nodes: Mapping[str, Node]) -> Iterator[LintFinding]:
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


def _limits(cluster: str, group: Carried, policy: Policy, nodes: Mapping[str, Node]) -> Iterator[LintFinding]:
    """A limit of nodes at once that the group never lets a pool reach."""
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


def _budgets(snapshot: Snapshot, groups: Sequence[Carried]) -> Iterator[LintFinding]:
    drained = [pod for pod in snapshot.pods if not pod.stays and not pod.finished]
    index, roles = _Index(drained), Roles()
    for pod in snapshot.pods:
        roles.upsert(pod)
    several: dict[tuple[str, ...], list[Pod]] = {}
    matched: dict[str, list[str]] = {}
    for budget in snapshot.budgets:
        own = index.under(budget)
        # What selects by a role is told with the node that carries it (core/planning/obstacles.py), and of what an
        # operator opens when it is asked it is said that the nodes are tried.
        opened = all(asked_by(pod) is not None or opens_again(pod) for pod in own)
        if not opened and not any(roles.selecting(budget, pod) for pod in own):
            yield from _never(snapshot.cluster, budget, len(own))
        for group in groups:
            yield from _against(snapshot.cluster, budget, group, own)
        for pod in own:
            matched.setdefault(pod.uid, []).append(str(budget.ref))
    for pod in drained:
        if len(matched.get(pod.uid, ())) > 1:
            several.setdefault(tuple(matched[pod.uid]), []).append(pod)
    for names, pods in several.items():
        words = f"{_pods(len(pods))} also under {', '.join(names[1:])}: the API server evicts none of them"
        yield LintFinding(
            snapshot.cluster, "budgets-several", names[0], words, "keep one budget for each pod"
        )


def _skews(snapshot: Snapshot) -> Iterator[LintFinding]:
    servers = {snapshot.server_version, *(pod.api_server for pod in snapshot.pods)}
    kubelets: dict[str, list[str]] = {}
    for node in snapshot.nodes:
        kubelets.setdefault(node.kubelet, []).append(node.name)
    for each in skews(servers, kubelets, snapshot.quorums):
        yield LintFinding(snapshot.cluster, each.check, each.subject, each.words, each.advice)


def _rebooters(snapshot: Snapshot) -> Iterator[LintFinding]:
    """Of others those that are at work on nodes; that one could be is no contradiction."""
    for each in rebooters(snapshot):
        if each.nodes:
            yield LintFinding(snapshot.cluster, "others-reboot", each.name, each.message, each.remedy)


def _others(snapshot: Snapshot) -> Iterator[LintFinding]:
    """Yields what other parties say of nodes and will end by themselves; what they do not end is an obstacle."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for name, notices in notices_by_node(snapshot).items():
        for each in notices:
            if each.holds and not each.stays:
                found.setdefault((each.party, f"{each.message} ({each.mark})", each.remedy), []).append(name)
    for (party, told, advice), names in found.items():
        yield LintFinding(
            snapshot.cluster, "others-node", party, f"{told}: {_listed(tuple(sorted(names)))}", advice
        )


def _obstacles(policy: Policy, snapshot: Snapshot, never: Set[str]) -> Iterator[LintFinding]:
    """Yields what would hold nodes until an operator acts, as the guards of a rollout say it.

    `never`: budgets of which it is said already that they never allow an eviction.
    """
    for each in obstacles(policy, snapshot):
        reason = each.held.reason
        said = reason in SAID_OTHERWISE or (reason is Reason.BUDGET_NEVER and each.held.subject in never)
        if not said and reason not in OF_THE_MOMENT:
            does = "the rollout tries" if reason is Reason.LENGTH_UNKNOWN else "holds"
            words = f"{each.held.message}; {does} {_listed(each.nodes)}"
            yield LintFinding(snapshot.cluster, str(reason), each.held.subject, words, each.held.remedy)


def _unknown(policy: Policy, snapshot: Snapshot) -> Iterator[LintFinding]:
    for each in unknown_landings(policy, snapshot):
        advice = "see that another node can take it"
        yield LintFinding(snapshot.cluster, "landing-unknown", each.subject, each.message, advice)


def _losses(policy: Policy, snapshot: Snapshot) -> Iterator[LintFinding]:
    """Pods that a drain would lose or not get rid of. Local data is left out: that an emptyDir goes with its pod is
    what its owner has chosen, and the plan names it."""
    view = ClusterView.of(snapshot)
    pools = ((node.name, policy.pool_of(snapshot.cluster, node)) for node in snapshot.nodes)
    drained = {name: pool.drain for name, pool in pools if pool is not None}
    for name, rule in drained.items():
        view.set_drain_rules(name, rule.rules)
    for note in loss_notes(view, drained):
        if note.check != "local-data-lost":
            yield LintFinding(snapshot.cluster, note.check, note.subject, note.message, note.remedy)


def _warnings(policy: Policy, snapshot: Snapshot) -> Iterator[LintFinding]:
    """Yields what a plan for all pools would warn of."""
    for each in (*snapshot_warnings(policy, snapshot), *_architectures(policy, snapshot)):
        yield LintFinding(snapshot.cluster, each.check, each.subject, each.message, each.remedy)


def _architectures(policy: Policy, snapshot: Snapshot) -> Iterator[PlanWarning]:
    for pool in policy.pools:
        if target := policy.target(pool):
            own = [node for node in snapshot.nodes if policy.pool_of(snapshot.cluster, node) is pool]
            yield from architectures.of_pool(pool.name, own, target)


class _Index:
    """Pods by namespace and by each of their labels: thousands of budgets may be in one namespace."""

    def __init__(self, pods: Iterable[Pod]) -> None:
        self._by: dict[tuple[str, ...], list[Pod]] = {}
        for pod in pods:
            self._by.setdefault((pod.namespace,), []).append(pod)
            for key, value in pod.labels.items():
                self._by.setdefault((pod.namespace, key, value), []).append(pod)

    def under(self, budget: Budget) -> list[Pod]:
        labels = budget.selector.match_labels if budget.selector is not None else {}
        places: list[tuple[str, ...]] = [(budget.namespace, key, value) for key, value in labels.items()]
        places = places or [(budget.namespace,)]
        few = min((self._by.get(place, []) for place in places), key=len)
        return [pod for pod in few if budget.matches(pod)]


def _never(cluster: str, budget: Budget, pods: int) -> Iterator[LintFinding]:
    if not pods or _allowed(budget, pods) > 0:
        return
    words = f"{budget.rule} over {counted(pods, 'pod')} never allows an eviction"
    more = (
        "set maxUnavailable: 1" if pods > 1 else "set maxUnavailable: 1 (the pod goes), or run a second one"
    )
    yield LintFinding(cluster, "budget-never", str(budget.ref), words, more)


def _against(cluster: str, budget: Budget, group: Carried, own: Sequence[Pod]) -> Iterator[LintFinding]:
    mine = {pod.uid for pod in group.pods}
    if not group.voters or not any(pod.uid in mine for pod in own):
        return
    allowed, spare = _allowed(budget, len(own)), _spare(group)
    if allowed > spare:
        stays = f", margin {group.rule.margin}" if group.rule.margin else ""
        words = (
            f"{budget.rule} lets {min(allowed, len(own))} of {len(own)} pods go at once; {group.name} can spare "
            f"{spare} of {_voters(group.voters)}{stays}. fleet goes by the group, which is stricter; others who "
            "evict go by the budget"
        )
        advice = f"set maxUnavailable: {spare}" if spare else "use 3 voters; no budget can help fewer"
        yield LintFinding(cluster, "budget-quorum", str(budget.ref), words, advice)


def _allowed(budget: Budget, pods: int) -> int:
    """Of so many that are all healthy; percentages as the budget's controller rounds them (up)."""
    if budget.max_unavailable is not None:
        return min(pods, share(budget.max_unavailable, pods))
    if budget.min_available is not None:
        return max(0, pods - share(budget.min_available, pods))
    return 0


def _listed(nodes: Sequence[str]) -> str:
    more = f" and {len(nodes) - NAMED:,} more" if len(nodes) > NAMED else ""
    return f"{', '.join(nodes[:NAMED])}{more}"


def _voters(count: int) -> str:
    return counted(count, "voter")


def _pods(count: int) -> str:
    return "1 pod is" if count == 1 else f"{count} pods are"
